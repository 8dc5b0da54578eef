/**
 * GET /admin/models and what can be done to one: load, unload, another policy. What is said of a model comes from its
 * engine, from the pool it belongs to and from the files beside its weights.
 */
import { fail } from "../../core/index.ts";
import {
  builtInModels,
  fromHuggingFaceConfig,
  parameterSpecs,
  readCheckpointFacts,
  type DecoderConfig,
} from "../../llm/index.ts";
import {
  parsePolicyRequest,
  type AdminModel,
  type AdminModels,
  type FamilyPoint,
  type HeldOutScore,
  type ModelChange,
  type PolicyAnswer,
} from "../../protocol/index.ts";
import type { Engine, ModelPool, PooledModel, PoolEntryStatus, PullOptions } from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type ServerContext } from "../context.ts";
import type { LiveHub } from "./live-hub.ts";
import { NO_CARD, readModelCard, type ModelCard } from "./model-card.ts";

/** Brings a model from a hub and says how to serve it. @throws PunctualError as the store's `pull`. */
export type ModelPull = (source: string, options: PullOptions) => Promise<PooledModel>;

/** What a server may do with models beside asking them. */
export interface ModelControl {
  /** Null: every model is loaded for good. */
  readonly pool: ModelPool | null;
  /** Null: nothing can be pulled. */
  readonly pull: ModelPull | null;
  /** Serves one more model of the pool. */
  readonly serve: (engine: Engine) => void;
}

const NO_STORE = { headers: { "cache-control": "no-store" } };

/** All models that the caller may use, and the family that ships with the package. */
export async function answerModels(context: ServerContext, control: ModelControl): Promise<Response> {
  const { pool, pull } = control;
  const status = new Map(pool?.status().map((entry) => [entry.name, entry]));
  const engines = [...context.engines.values()];
  const models = await Promise.all(engines.map((engine) => describe(engine, status.get(engine.info.name) ?? null)));
  const budget = pool?.budgetBytes ?? Infinity;
  const body: AdminModels = {
    memory: { budgetBytes: Number.isFinite(budget) ? budget : null, usedBytes: pool?.usedBytes ?? 0 },
    canPull: pool !== null && pull !== null,
    models,
    family: await familyPoints(context, models),
  };
  return Response.json(body, NO_STORE);
}

/** Loads or unloads a model and answers when that is done. Errors: `model_not_found`, `unsupported` without a pool. */
export async function changeModel(
  context: ServerContext,
  { pool }: ModelControl,
  id: string,
  to: "load" | "unload",
): Promise<Response> {
  findEngine(context, id);
  const find = (): PoolEntryStatus | undefined => pool?.status().find(({ name }) => name === id);
  if (pool === null || find() === undefined) {
    return fail("unsupported", `The model '${id}' is loaded for as long as this server runs.`, { param: "model" });
  }
  const startMs = context.clock.nowMs();
  await pool[to](id);
  const tookMs = context.clock.nowMs() - startMs;
  context.log.info({ model: id, tookMs }, `model ${to}ed`);
  // Somebody may have asked for it again meanwhile.
  const body: ModelChange = { id, state: find()?.state ?? "unloaded", tookMs };
  return Response.json(body, NO_STORE);
}

/** Another policy for a model. Errors: `model_not_found`, `invalid_request`, `policy_fixed`. */
export async function changePolicy(
  context: ServerContext,
  live: LiveHub,
  id: string,
  incoming: Request,
): Promise<Response> {
  const engine = findEngine(context, id);
  const { policy } = parsePolicyRequest(await readJson(incoming, context.bodyLimitBytes));
  const switched = await engine.setPolicy(policy);
  live.switched(id, switched);
  context.log.info({ model: id, ...switched }, "policy switched");
  return Response.json({ model: id, ...switched } satisfies PolicyAnswer, NO_STORE);
}

async function describe(engine: Engine, entry: PoolEntryStatus | null): Promise<AdminModel> {
  const { info, config, state } = engine;
  const card = info.dir === null ? NO_CARD : await readModelCard(info.dir);
  return {
    id: info.name,
    // Without a pool it is loaded as long as it is there at all.
    state: entry?.state ?? "loaded",
    engine: state,
    waiting: entry?.waiting ?? 0,
    loads: entry?.loads ?? 1,
    managed: entry !== null,
    memoryBytes: entry?.bytes ?? null,
    diskBytes: card.diskBytes,
    parameters: parameterCount(config),
    weights: info.weights,
    layers: config.layers,
    hidden: config.hidden,
    vocabulary: info.vocabSize,
    contextTokens: info.contextTokens,
    kvTokens: info.kvPages * info.pageTokens,
    threads: info.threads,
    policy: info.policy,
    phases: info.phases,
    ...(info.fixedPolicy === undefined ? {} : { fixedPolicy: info.fixedPolicy }),
    defaultTargets: info.defaultSlo,
    capabilities: capabilitiesOf(engine),
    card: card.text,
    about: card.about,
    scores: [...card.scores],
  };
}

function capabilitiesOf({ info, dialect, proxy }: Engine): AdminModel["capabilities"] {
  const generates = info.embedding === undefined;
  // Whatever another server can do, its clients know.
  if (proxy !== undefined) {
    return { chat: true, completions: true, tools: true, schema: true, thinking: false, embeddings: true };
  }
  const chat = generates && dialect.kind !== "none";
  const { marks } = dialect;
  return {
    chat,
    completions: generates,
    // A demanded call is held to its schema whatever the model has learnt; marks say that it was taught calls.
    tools: chat && (dialect.kind === "own" || marks.call !== null),
    schema: generates,
    thinking: chat && marks.think !== null,
    embeddings: !generates,
  };
}

function parameterCount(config: DecoderConfig): number {
  return parameterSpecs(config).reduce((sum, { dims }) => sum + dims.reduce((product, size) => product * size, 1), 0);
}

/** The built-in models, served or not, smallest first. */
async function familyPoints(context: ServerContext, models: readonly AdminModel[]): Promise<FamilyPoint[]> {
  const points = await Promise.all(
    builtInModels().map(async ({ name, dir }): Promise<FamilyPoint | null> => {
      const engine = [...context.engines.values()].find(({ info }) => info.dir === dir);
      const model = models.find(({ id }) => id === engine?.info.name);
      const card: Pick<ModelCard, "scores"> = model ?? (await readModelCard(dir));
      const parameters = model?.parameters ?? (await parametersIn(dir));
      if (parameters === null) return null;
      const first = engine?.stats().calibration?.points[0];
      return {
        id: engine?.info.name ?? name,
        parameters,
        ...qualityOf(card.scores),
        stepMs: first?.tokens === 1 ? first.stepMs : null,
        served: engine !== undefined,
      };
    }),
  );
  return points.filter((point) => point !== null).toSorted((a, b) => a.parameters - b.parameters);
}

function qualityOf(scores: readonly HeldOutScore[]): Pick<FamilyPoint, "quality" | "interval95"> {
  if (scores.length === 0) return { quality: null, interval95: null };
  const mean = (of: (score: HeldOutScore) => number): number =>
    scores.reduce((sum, score) => sum + of(score), 0) / scores.length;
  const interval95: [number, number] = [mean(({ interval95: [low] }) => low), mean(({ interval95: [, high] }) => high)];
  return { quality: mean(({ share }) => share), interval95 };
}

/** Null for a folder that holds no model of a known family: it is none of the plot's. */
async function parametersIn(dir: string): Promise<number | null> {
  try {
    return parameterCount(fromHuggingFaceConfig((await readCheckpointFacts(dir)).config));
  } catch {
    return null;
  }
}
