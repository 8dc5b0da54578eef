/** What `contexts put` does: an engine computes a text, and its cache is coded and kept. Tables are profiled when a level needs them. */
import { createRandom, fail } from "../core/index.ts";
import type { CacheShape, CodecLevel, ContextStore, KvCodecOptions, Planes, StoredModel } from "../cluster/index.ts";
import type { ModelFolder } from "../llm/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { PutFlags } from "./contexts.ts";
import { weightCacheDir } from "./models.ts";

/** What was kept. */
export interface PutOutcome {
  readonly name: string;
  readonly model: string;
  /** Tokens in whole pages: what the store has. */
  readonly tokens: number;
  readonly textTokens: number;
  /** Bytes by level. */
  readonly levels: ReadonlyMap<string, number>;
  /** Id of the profiled tables, where a level uses them. */
  readonly tables: string | null;
  /** Id of the tables of predictions, where a level uses them. */
  readonly prediction: string | null;
}

/** Tokens that tables are profiled from, beside the text itself. */
const PROFILE_TOKENS = 2048;

function levelsOf(list: string, parse: (name: string) => CodecLevel | null): CodecLevel[] {
  return list.split(",").map((name) => {
    const level = parse(name.trim());
    if (level !== null) return level;
    return fail(
      "invalid_request",
      `--levels: expected lossless, predicted-0 to -5, anchored-0 to -3 or released-0 to -2, got '${name}'.`,
    );
  });
}

/** @param open the store of a model */
export async function putContext(
  name: string,
  text: string,
  model: ModelFolder,
  flags: PutFlags,
  open: (model: StoredModel) => Promise<ContextStore>,
): Promise<PutOutcome> {
  const { cacheShape, KvCodec, levelName, parseLevel, PrefixStore } = await import("../cluster/index.ts");
  const { fromHuggingFaceConfig, readCheckpointFacts } = await import("../llm/index.ts");
  const { Engine: EngineClass } = await import("../runtime/index.ts");
  const levels = levelsOf(flags.levels, parseLevel);
  const config = fromHuggingFaceConfig((await readCheckpointFacts(model.dir)).config);
  const { weights, kvCacheDtype: kvFormat } = flags;
  const engine = await EngineClass.start({
    model: { dir: model.dir },
    name: model.name,
    weights,
    kvFormat,
    weightCacheDir: weightCacheDir(),
  });
  try {
    const { modelFingerprint, pageTokens } = engine.info;
    const fingerprint = modelFingerprint ?? fail("unsupported", "the files of this model could not be read again");
    const store = await open({ label: model.name, fingerprint });
    const shape = cacheShape(config, { format: kvFormat, pageTokens }, fingerprint);
    const tokens = engine.tokenizer.encode(text);
    if (tokens.length <= pageTokens)
      fail("invalid_request", `Expected a text of more than ${pageTokens} tokens, got ${tokens.length}.`);
    await compute(engine, tokens);
    const codec = await KvCodec.create(shape, await tablesFor(engine, shape, store, tokens, levels));
    const prefixes = new PrefixStore({ transfers: engine.transfers, codec, store });
    const kept = await prefixes.save(tokens, levels);
    await store.name(name, tokens.slice(0, kept), Date.now());
    const sizes = new Map<string, number>();
    for (const place of prefixes.places(tokens.slice(0, kept))) {
      for (const level of levels.map(levelName)) {
        sizes.set(level, (sizes.get(level) ?? 0) + (store.levels(place)?.get(level) ?? 0));
      }
    }
    return {
      name,
      model: model.name,
      tokens: kept,
      textTokens: tokens.length,
      levels: sizes,
      tables: codec.tables?.id ?? null,
      prediction: codec.prediction?.id ?? null,
    };
  } finally {
    await engine.stop();
  }
}

/** Puts a text's keys and values into the engine's cache. */
async function compute(engine: Engine, promptTokens: readonly number[]): Promise<void> {
  for await (const event of engine.submit({ promptTokens: [...promptTokens], maxTokens: 1 }))
    if (event.kind === "finish") return;
}

/** What levels need: the newest tables of the store, or new ones, of the text and of what built-in models were trained on. */
async function tablesFor(
  engine: Engine,
  shape: CacheShape,
  store: ContextStore,
  tokens: readonly number[],
  levels: readonly CodecLevel[],
): Promise<KvCodecOptions> {
  const { isPrediction, PredictionProfiler, readPrediction, readTables, TableProfiler } =
    await import("../cluster/index.ts");
  const isWanted = (name: CodecLevel["variant"]): boolean => levels.some(({ variant }) => variant === name);
  const kept = await Promise.all((await store.tableIds()).toReversed().map((id) => store.tables(id)));
  const newest = (prediction: boolean) => kept.find((bytes) => bytes !== null && isPrediction(bytes) === prediction);
  const [tables, prediction] = [newest(false), newest(true)];
  const anchored = isWanted("anchored") && tables === undefined ? new TableProfiler(shape) : null;
  const predicted = isWanted("predicted") && prediction === undefined ? new PredictionProfiler(shape) : null;
  if (anchored !== null || predicted !== null) {
    for await (const [planes, ids] of profiledTexts(engine, shape, tokens)) {
      anchored?.add(planes);
      predicted?.add(planes, ids);
    }
  }
  const made = [anchored?.finish(), predicted?.finish()] as const;
  for (const each of made) if (each !== undefined) await store.putTables(each.id, each.bytes);
  const anchoredTables = made[0] ?? (isWanted("anchored") && tables ? readTables(shape, tables) : undefined);
  const predictedTables =
    made[1] ?? (isWanted("predicted") && prediction ? readPrediction(shape, prediction) : undefined);
  return {
    ...(anchoredTables === undefined ? {} : { tables: anchoredTables }),
    ...(predictedTables === undefined ? {} : { prediction: predictedTables }),
  };
}

/** The text and those of the world, as planes with the ids of their tokens. */
async function* profiledTexts(
  engine: Engine,
  shape: CacheShape,
  tokens: readonly number[],
): AsyncGenerator<[Planes, readonly number[]]> {
  const { pagesToPlanes } = await import("../cluster/index.ts");
  for (const text of [tokens, ...(await worldTexts(engine))]) {
    if (text !== tokens) await compute(engine, text);
    const reader = await engine.transfers.readPrefix(text);
    if (reader === null) continue;
    const planes = pagesToPlanes(shape, await reader.read(0, reader.pages), reader.tokens, 0);
    await reader.release();
    yield [planes, text.slice(0, planes.tokens)];
  }
}

/** Conversations of the world, for models that were trained on it: others have the text alone. */
async function worldTexts(engine: Engine): Promise<number[][]> {
  const { builtInModels } = await import("../llm/index.ts");
  if (!builtInModels().some(({ dir }) => dir === engine.info.dir)) return [];
  const { generateMixture } = await import("../world/index.ts");
  const random = createRandom(1, "contexts-profile");
  const texts: number[][] = [];
  let total = 0;
  while (total < PROFILE_TOKENS) {
    const turns = Array.from({ length: 4 }, () => generateMixture("train", random).turns).flat();
    const text = turns.map((turn) => `${turn.context ?? ""} ${turn.text}`).join("\n");
    texts.push([...engine.tokenizer.encode(text)].slice(0, Math.min(256, engine.info.contextTokens - 2)));
    total += texts.at(-1)!.length;
  }
  return texts;
}
