/**
 * What claim 25 runs on: the committed model with its routes and those of its baselines; for a smoke test a tiny model of
 * random weights with random routes in the same folders, which has every arm and no quality.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, fail } from "../../core/index.ts";
import {
  ROUTE_BASELINES,
  ROUTED_MODEL,
  ROUTED_ROUTES,
  ROUTED_TASKS,
  routedItems,
  type RoutedItem,
} from "../../fit/index.ts";
import {
  DEFAULT_PROTECTED,
  furtherModels,
  isRoutable,
  LORA_TARGETS,
  loraShape,
  loraWeightName,
  SPECIAL_TOKENS,
  Tokenizer,
  writeAdapter,
  writeRoutes,
  type DecoderConfig,
} from "../../llm/index.ts";
import { Engine, type EngineOptions } from "../../runtime/index.ts";
import type { ClaimContext } from "../framework.ts";

/** A model, its routes, and what is asked of it. */
export interface Subject extends AsyncDisposable {
  readonly model: EngineOptions["model"];
  readonly layers: number;
  /** Layers that every arm keeps. */
  readonly kept: number;
  /** Folder of the routes, of a baseline's, or of the routers without low-rank weights. */
  routesOf(arm: "routes" | "alone" | (typeof ROUTE_BASELINES)[number]): string;
  readonly items: readonly RoutedItem[];
  /** Starts an engine over the model. @param routes null: the model alone */
  start(routes: string | null, more?: Partial<EngineOptions>): Promise<Engine>;
}

/** Items of each task. Those of the test split: recipes steer by others. */
const PER_TASK = { full: 200, quick: 40, smoke: 2 } as const;
const ITEM_SEED = 25;

/** @throws PunctualError model_not_found where the weights are not there. */
export async function openSubject({ mode, seed }: ClaimContext): Promise<Subject> {
  const items = routedItems("test", PER_TASK[mode], ITEM_SEED);
  const common = { exact: true, budgetTokens: 256, maxWaiting: 10_000, prefixCache: false };
  const startOf =
    (model: EngineOptions["model"]): Subject["start"] =>
    (routes, more = {}) =>
      Engine.start({ ...common, model, name: "routed", routes, ...more });
  if (mode === "smoke") {
    const folder = await mkdtemp(join(tmpdir(), "claim-25-"));
    const config = { ...TINY };
    for (const arm of ["routes", "alone", ...ROUTE_BASELINES]) {
      await writeTiny(join(folder, arm), config, seed, arm !== "alone");
    }
    const model = { random: config, seed };
    return {
      model,
      layers: config.layers,
      kept: 4,
      routesOf: (arm) => join(folder, arm),
      items,
      start: startOf(model),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    };
  }
  const dir = furtherModels().find(({ name }) => name === ROUTED_MODEL)?.dir;
  if (dir === undefined)
    return fail("model_not_found", "expected models/more/punctual-routed; run: punctual train routed");
  const routes = join(dir, "routes");
  const alone = await mkdtemp(join(tmpdir(), "claim-25-"));
  for (const file of ["route_config.json", "routers.safetensors"])
    await copyFile(join(routes, file), join(alone, file));
  const folderOf: Subject["routesOf"] = (arm) =>
    arm === "routes" ? routes : arm === "alone" ? alone : join(routes, "baselines", arm);
  for (const arm of ROUTE_BASELINES) {
    if (!existsSync(folderOf(arm))) fail("model_not_found", `expected ${folderOf(arm)}; run: punctual train routed`);
  }
  const layers = LAYERS;
  return {
    model: { dir },
    layers,
    kept: Math.ceil(ROUTED_ROUTES.compute * layers - 1e-9),
    routesOf: folderOf,
    items,
    start: startOf({ dir }),
    [Symbol.asyncDispose]: () => rm(alone, { recursive: true, force: true }),
  };
}

/** Of the committed model. */
const LAYERS = 12;

const TINY: DecoderConfig = {
  vocabSize: 640,
  hidden: 32,
  layers: 6,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  ffn: 32,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 1024,
};

async function writeTiny(dir: string, config: DecoderConfig, seed: number, adapts: boolean): Promise<void> {
  await mkdir(dir, { recursive: true });
  const random = createRandom(seed, "claim-25");
  const noise = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal() * 0.3);
  const routers = Array.from({ length: config.layers }, (_, layer) =>
    isRoutable(config, DEFAULT_PROTECTED, layer) ? { weight: noise(config.hidden), bias: 0 } : null,
  );
  await writeRoutes(dir, { routers, protected: DEFAULT_PROTECTED, identity: `tiny-${seed}` });
  if (!adapts) return;
  const modules = new Map(
    LORA_TARGETS.map((target) => {
      const shape = loraShape(config, target);
      return [loraWeightName(1, target), { a: noise(2 * shape.in), b: noise(2 * shape.out) }] as const;
    }),
  );
  await writeAdapter(dir, { rank: 2, alpha: 2, modules }, "random");
}

/** The task of an item as a number. */
export function taskNumber({ task }: RoutedItem): number {
  return ROUTED_TASKS.indexOf(task);
}

/** The vocabulary as our chats need it. Of the committed model its own; a random model's knows no words and has the same marks. */
export function chatTokenizer(tokenizer: object): Tokenizer {
  if (tokenizer instanceof Tokenizer && SPECIAL_TOKENS.every((name) => tokenizer.specials.has(name))) return tokenizer;
  return fail("invalid_file", "expected a vocabulary with the marks of our chats", { param: "tokenizer.json" });
}
