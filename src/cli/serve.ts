/** `punctual serve`: the built-in models, or those named, behind OpenAI's interface, within a budget of memory. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { Option, type Command } from "commander";
import { fail } from "../core/index.ts";
import type { Engine, ModelPool, PooledModel, PoolState } from "../runtime/index.ts";
import type { ApiKey, PunctualServer, ServerLog, ServerOptions } from "../server/index.ts";
import { byteSize, collectValues, decimal, wholeNumber } from "./arguments.ts";
import {
  addEngineOptions,
  chosenModels,
  engineOptionsWithDrafts,
  type ChosenModel,
  type EngineFlags,
} from "./models.ts";
import { openStore } from "./hub-settings.ts";
import { addLoraOptions, loraOptions, type LoraFlags } from "./lora-flags.ts";
import { addFleetOptions, isRouter, openRouter, type RouterFlags, type RouterParts } from "./serve-fleet.ts";
import { modelPaths, recordingPaths } from "./recording-paths.ts";
import { stopSignal } from "./stop-signal.ts";
import { bold, dim, formatBytes, formatMs, startProgress } from "./terminal.ts";

interface ServeFlags extends EngineFlags, LoraFlags, RouterFlags {
  readonly model?: readonly string[];
  readonly config?: string;
  readonly memoryBudget?: number;
  readonly lazy?: boolean;
  readonly offline?: boolean;
  readonly host?: string;
  readonly port?: number;
  readonly insecure?: boolean;
  readonly apiKey?: readonly string[];
  readonly apiKeyFile?: string;
  readonly corsOrigin?: readonly string[];
  readonly maxBody?: number;
  readonly requestTimeout?: number;
  readonly tier?: readonly string[];
  readonly record?: string;
  readonly recordLimit?: number;
  readonly policyState?: string;
  readonly grace: number;
  readonly logLevel: string;
}

const DEFAULT_PORT = 8080;

export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("serve models over OpenAI's HTTP interface")
    .argument("[models...]", "what to serve, as --model")
    .option(
      "--model <[name=]model>",
      "a built-in model, folder, .gguf file or hf:org/name, repeatable; the built-in models when absent",
      collectValues,
    )
    .option("--config <file>", "options as a JSON object, for example punctual.json; flags win over it")
    .option(
      "--memory-budget <size>",
      "most memory of all loaded models; four fifths of the machine's when absent",
      byteSize,
    )
    .option("--lazy", "load each model at its first request, not at start")
    .option("--offline", "ask no hub: hf: models must have been pulled")
    .option("--host <address>", "address to listen on (or HOST); 127.0.0.1 when absent")
    .option(
      "--port <number>",
      `port to listen on, 0 for any (or PORT); ${DEFAULT_PORT} when absent`,
      wholeNumber(0, 65535),
    )
    .option("--insecure", "allow an address beyond this machine although nobody is asked for a key")
    .option("--api-key <key>", "a key that clients must bring, repeatable (or PUNCTUAL_API_KEY)", collectValues)
    .option("--api-key-file <file>", "keys with their limits, as 'punctual key' writes them")
    .option("--cors-origin <origin>", "let pages of this origin call the server, repeatable; * for all", collectValues)
    .option("--max-body <size>", "largest request body; 4MiB when absent", byteSize)
    .option("--request-timeout <seconds>", "how long an answer may take; no limit when absent", decimal(0.001, 86400))
    .option(
      "--tier <tier=targets>",
      "what a service tier promises, for example priority=ttft=200ms,tpot=30ms; repeatable",
      collectValues,
    )
    .option("--record <file>", "write down arrivals, steps and decisions, never text, for replays and simulations")
    .option("--record-limit <size>", "most bytes of a recording; 1GiB when absent", byteSize)
    .option("--policy-state <file>", "keep what a policy learns of lengths and tasks in a file, across restarts")
    .option("--grace <seconds>", "how long answers may take to finish when asked to stop", decimal(0, 3600), 10)
    .addOption(
      new Option("--log-level <level>", "JSON lines on standard error, never with prompts")
        .choices(["silent", "error", "warn", "info"])
        .default("error"),
    );
  addFleetOptions(addLoraOptions(addEngineOptions(command))).action(async (models: string[], flags: ServeFlags) => {
    const named = [...models, ...(flags.model ?? [])];
    if (flags.config === undefined) {
      await serve(flags, await ownModels(named, flags));
      return;
    }
    const { readConfigFile } = await import("./config-file.ts");
    const config = readConfigFile(flags.config, command);
    const all = command.opts<ServeFlags>();
    if (named.length > 0 || !config.namesModels) await serve(all, await ownModels(named, all));
    else await serve(all, await config.models(all.offline));
  });
}

/** A router computes what it is told to by name; without a fleet it is the built-in models. */
async function ownModels(named: readonly string[], flags: ServeFlags): Promise<readonly ChosenModel[]> {
  if (named.length === 0 && isRouter(flags)) return [];
  return chosenModels([...named], flags.offline);
}

async function serve(flags: ServeFlags, models: readonly ChosenModel[]): Promise<void> {
  const startedMs = performance.now();
  const stopping = stopSignal();
  const [{ createServer }, { createPaperIndex }, { createPlanJobs }] = await Promise.all([
    import("../server/index.ts"),
    import("./papers.ts"),
    import("./plan-service.ts"),
  ]);
  const options = await serverOptions(flags);
  const router = await openRouter(flags, options.log);
  const pool = await createPool(models, flags);
  const planning = createPlanJobs();
  // It listens before the models are loaded, so that who asks is told to wait (/ready says 503), not refused.
  const server = createServer({
    ...options,
    ...router?.options,
    engines: [],
    expected: models.map(({ name }) => name),
    planning,
    papers: createPaperIndex(),
    pool,
    ...(flags.offline === true ? {} : { pull: pullFor(flags) }),
  });
  try {
    const { url } = await server.listen({
      host: flags.host ?? process.env["HOST"] ?? "127.0.0.1",
      port: flags.port ?? environmentPort(),
      insecure: flags.insecure === true,
    });
    router?.attach(server);
    await loadFitting(pool, flags.lazy === true, (engine) => serveOwn(engine, server, router));
    for (const { name, state } of pool.status()) console.log(describeEngine(pool.engine(name), state));
    console.log(`${bold("Listening on")} ${url} ${dim(`(ready after ${formatMs(performance.now() - startedMs)})`)}`);
    if (router !== null) console.log(dim(`Routes to ${router.summary}`));
    await stopping.first;
    await stop(server, flags.grace * 1000, stopping.second);
    await router?.stop(0);
    await pool.stop({ graceMs: 0 });
    for (const engine of pool.engines) reportRecording(engine);
  } finally {
    await server.close({ graceMs: 0 });
    await planning.close();
    await router?.stop(0);
    await pool.stop({ graceMs: 0 });
    stopping.dispose();
  }
}

/** With a bus, its own models are instances like all others; the fleet brings them to the server. */
async function serveOwn(engine: Engine, server: PunctualServer, router: RouterParts | null): Promise<void> {
  if (router === null || !(await router.host(engine))) server.add(engine);
}

/** A model of the hub as those named at start: in the user's cache, with the same engine options. */
function pullFor(flags: ServeFlags): NonNullable<ServerOptions["pull"]> {
  return async (source, options) => {
    const { parseHubReference, servedName } = await import("../runtime/index.ts");
    const reference = parseHubReference(source);
    const { path } = await (await openStore()).pull(reference, options);
    const model = { name: servedName(reference), dir: path };
    return engineOptionsWithDrafts(model, flags, predictions(flags, model));
  };
}

/** What requests predict is drafted from unless flags say otherwise: it costs nothing to those that predict nothing. */
function predictions(flags: ServeFlags, { flags: own }: ChosenModel): PooledModel["speculation"] {
  const { phases = "colocated" } = { ...flags, ...own };
  return phases === "colocated" ? { method: "prediction" } : undefined;
}

/** Of the machine's memory, or of what its container may use. */
const DEFAULT_SHARE = 0.8;

async function createPool(models: readonly ChosenModel[], flags: ServeFlags): Promise<ModelPool> {
  const { ModelPool: Pool } = await import("../runtime/index.ts");
  const allowed = process.constrainedMemory(); // 0 or beyond the machine's: no limit of its own
  const memory = allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
  const options: PooledModel[] = [];
  // One after the other: drafting models may have to be pulled.
  const served = models.map(({ name }) => name);
  for (const model of models) {
    const lora = loraOptions({ ...flags, ...model.flags }, model.name, served);
    const engine = await engineOptionsWithDrafts(model, flags, predictions(flags, model));
    options.push(lora === undefined ? engine : { ...engine, lora });
  }
  return Pool.create(withPolicyState(withRecordings(options, flags), flags), {
    memoryBudgetBytes: flags.memoryBudget ?? Math.floor(memory * DEFAULT_SHARE),
  });
}

function withRecordings(models: readonly PooledModel[], { record, recordLimit }: ServeFlags): readonly PooledModel[] {
  if (record === undefined) return models;
  const paths = recordingPaths(
    record,
    models.map(({ name }) => name),
  );
  const limit = recordLimit === undefined ? {} : { maxBytes: recordLimit };
  return models.map((model) => ({ ...model, record: { path: paths.get(model.name)!, ...limit } }));
}

function withPolicyState(models: readonly PooledModel[], { policyState }: ServeFlags): readonly PooledModel[] {
  if (policyState === undefined) return models;
  const paths = modelPaths(
    policyState,
    models.map(({ name }) => name),
    "policy-state",
  );
  return models.map((model) => ({ ...model, policyState: paths.get(model.name)! }));
}

/** What became of a recording; nothing where there is none. */
function reportRecording(engine: Engine): void {
  const { recording } = engine.stats();
  if (recording === null) return;
  const problem = recording.problem === null ? "" : `: ${recording.problem}`;
  console.log(dim(`Recorded ${formatBytes(recording.bytes)} in ${recording.path}${problem}`));
}

/** Loads models in their order as long as they fit together; the others, and all when `lazy`, are loaded when asked. */
async function loadFitting(pool: ModelPool, lazy: boolean, onReady: (engine: Engine) => Promise<void>): Promise<void> {
  const models = pool.status();
  const progress = startProgress("Loading", models.length, models[0]?.name);
  try {
    for (const [i, { name }] of models.entries()) {
      progress.update(i, name);
      if (!lazy && pool.fits(name)) await pool.load(name);
      await onReady(pool.engine(name));
    }
  } finally {
    progress.stop();
  }
}

async function serverOptions(flags: ServeFlags): Promise<Omit<ServerOptions, "engines">> {
  const options: { -readonly [K in keyof ServerOptions]: ServerOptions[K] } = { engines: [] };
  options.log = await createLog(flags.logLevel);
  options.keys = await chosenKeys(flags);
  if (flags.corsOrigin !== undefined) options.corsOrigins = flags.corsOrigin;
  if (flags.maxBody !== undefined) options.bodyLimitBytes = flags.maxBody;
  if (flags.requestTimeout !== undefined) options.requestTimeoutMs = flags.requestTimeout * 1000;
  if (flags.tier !== undefined) options.tiers = await tiersOf(flags.tier);
  return options;
}

async function tiersOf(texts: readonly string[]): Promise<ServerOptions["tiers"]> {
  const { readTiers } = await import("../server/index.ts");
  return readTiers(texts);
}

/** Keys of the flag, the environment and the file together. Errors: `invalid_file`, `invalid_request`, `not_found`. */
async function chosenKeys(flags: ServeFlags): Promise<ApiKey[]> {
  const { plainKey, readKeyFile } = await import("../server/index.ts");
  const fromEnvironment = process.env["PUNCTUAL_API_KEY"];
  const plain = [...(flags.apiKey ?? []), ...(fromEnvironment === undefined ? [] : [fromEnvironment])];
  const keys = plain.filter((key) => key !== "").map((key, i) => plainKey(key, `key-${i + 1}`));
  return flags.apiKeyFile === undefined ? keys : [...keys, ...readKeyFile(readText(flags.apiKeyFile))];
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return fail("not_found", `The key file '${path}' cannot be read.`, { cause: error });
  }
}

function environmentPort(): number {
  const text = process.env["PORT"];
  return text === undefined || text === "" ? DEFAULT_PORT : wholeNumber(0, 65535)(text);
}

function describeEngine(engine: Engine, state: PoolState): string {
  const { name, weights, contextTokens, kvPages, pageTokens, policy } = engine.info;
  const { budgetTokens } = engine.stats().limits;
  const facts = `${weights}, context ${contextTokens}, KV cache ${kvPages * pageTokens} tokens, policy ${policy}`;
  const more = state === "loaded" ? `${budgetTokens} tokens a step` : "loaded when it is asked";
  return `${bold(name)}  ${dim(`${facts}, ${more}`)}`;
}

async function stop(server: PunctualServer, graceMs: number, hurry: Promise<void>): Promise<void> {
  console.log(dim(`Stopping: no new requests, up to ${formatMs(graceMs)} for those under way`));
  await Promise.race([server.close({ graceMs }), hurry]);
}

async function createLog(level: string): Promise<ServerLog> {
  const { pino } = await import("pino");
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: false }));
  return {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
