/** `punctual worker`: one model as an instance of a fleet, on a bus that others carry requests over. It listens on no HTTP port. */
import { Option, type Command } from "commander";
import type { CodecLevel, HostExtension, InstanceHost, KvCodec, PromptMemory } from "../cluster/index.ts";
import { fail } from "../core/index.ts";
import type { Engine, EngineOptions } from "../runtime/index.ts";
import { byteSize, decimal, wholeNumber } from "./arguments.ts";
import { addBusOptions, busUrl, connectToBus, shownUrl, type BusFlags } from "./bus-flags.ts";
import { codingOptions, kvCodecOf } from "./kv-codec.ts";
import { addKvOptions, kvOptions, type KvFlags } from "./kv-flags.ts";
import { addLoraOptions, loraOptions, type LoraFlags } from "./lora-flags.ts";
import { addEngineOptions, chosenModels, engineOptionsWithDrafts, type EngineFlags } from "./models.ts";
import { stopSignal, type StopSignal } from "./stop-signal.ts";
import { bold, dim, formatMs, startProgress } from "./terminal.ts";

type Role = "any" | "prefill" | "decode";

interface WorkerFlags extends EngineFlags, BusFlags, KvFlags, LoraFlags {
  readonly model?: string;
  readonly offline?: boolean;
  readonly id?: string;
  readonly role: Role;
  readonly kvPages?: number;
  readonly workItems?: number;
  readonly policyState?: string;
  readonly contexts?: string;
  readonly contextsBytes?: number;
  readonly contextsWait: number;
  readonly contextsLevels?: string;
  readonly grace: number;
  readonly balance: boolean;
  readonly json?: boolean;
}

export function addWorker(program: Command): void {
  const command = program
    .command("worker")
    .description("serve a model as an instance of a fleet, over NATS")
    .option(
      "--model <[name=]model>",
      "a built-in model, folder, .gguf file or hf:org/name; the first built-in when absent",
    )
    .option("--offline", "ask no hub: hf: models must have been pulled")
    .option("--id <id>", "its name in the fleet; made up when absent")
    .addOption(
      new Option(
        "--role <role>",
        "what it is for: prefill hands every request on after its first token, decode gets those",
      )
        .choices(["any", "prefill", "decode"])
        .default("any"),
    )
    .option("--kv-pages <count>", "KV cache in pages of 16 tokens, in place of a size", wholeNumber(1, 100_000_000))
    .option(
      "--work-items <count>",
      "most requests without a stream at once, which the bus keeps until they are done; half of --max-num-seqs when absent",
      wholeNumber(0, 1024),
    )
    .option("--policy-state <file>", "keep what a policy learns of lengths and tasks in a file, across restarts")
    .option(
      "--contexts <folder>",
      "keep computed prompts on disk, put them back when they are asked for again, and give them to instances that lack them",
    )
    .option(
      "--contexts-wait <milliseconds>",
      "what a prompt may wait at least for what other instances keep of it; longer where computing it would take longer",
      wholeNumber(0, 60_000),
      500,
    )
    .option(
      "--contexts-levels <list>",
      "levels that are not exact (as of 'contexts put', by commas): prompts are kept at them too, and requests that say lossy_context are answered from them when exact pages would come too late; none when absent",
    )
    .option("--contexts-bytes <size>", "most bytes of that folder, for example 4GiB; 1 GiB when absent", byteSize)
    .option(
      "--grace <seconds>",
      "how long answers may take to finish or move away when asked to stop",
      decimal(0, 3600),
      30,
    )
    .option(
      "--no-balance",
      "take no part in watching over the fleet: full instances are not relieved by this one's word",
    )
    .option("--json", "say what happens as JSON lines");
  addBusOptions(command);
  addKvOptions(command);
  addLoraOptions(command);
  addEngineOptions(command).action((flags: WorkerFlags) => work(flags));
}

/** What a worker says, for people or for programs. */
type Said =
  | {
      readonly event: "ready";
      readonly id: string;
      readonly model: string;
      readonly role: Role;
      readonly fleet: string;
      readonly bus: string;
      readonly kv: { readonly host: string; readonly port: number } | null;
      readonly readyMs: number;
      readonly pid: number;
    }
  | { readonly event: "draining"; readonly open: number; readonly graceMs: number }
  | { readonly event: "stopped"; readonly id: string };

function say(flags: WorkerFlags, said: Said): void {
  if (flags.json === true) {
    console.log(JSON.stringify(said));
    return;
  }
  switch (said.event) {
    case "ready": {
      const { id, model, role, fleet, bus, kv, readyMs } = said;
      const where = `fleet ${fleet} on ${bus}, role ${role}${kv === null ? "" : `, KV on ${kv.host}:${kv.port}`}`;
      console.log(`${bold(model)} serves as ${bold(id)}  ${dim(`${where} (ready after ${formatMs(readyMs)})`)}`);
      return;
    }
    case "draining": {
      const wait = said.open === 0 ? "" : `, up to ${formatMs(said.graceMs)} for ${said.open} under way`;
      console.log(dim(`Stopping: no new requests${wait}`));
      return;
    }
    case "stopped":
      console.log(dim("Stopped"));
      return;
    default:
      said satisfies never;
  }
}

async function work(flags: WorkerFlags): Promise<void> {
  const url = busUrl(flags);
  if (url === undefined) {
    fail("invalid_request", "Expected --bus nats://host:4222 (or PUNCTUAL_BUS): a worker without a bus hears nobody.", {
      param: "--bus",
    });
  }
  const startedMs = performance.now();
  const stopping = stopSignal();
  try {
    // Before a model is loaded: a wrong address or token is said at once.
    await using bus = await connectToBus(url, flags, `punctual worker ${flags.id ?? ""}`.trim());
    const started = await startEngine(flags);
    try {
      const codec = await kvCodecOf(started, flags.kvCacheDtype === "int8" ? "int8" : "f32");
      // Ended after the host that asks it and before the engine that it asks.
      await using equipped = await withContexts(started, codec, flags);
      const { engine, extensions } = equipped;
      const { InstanceHost: Host } = await import("../cluster/index.ts");
      const host = await Host.start({
        bus,
        engine,
        role: flags.role,
        extensions,
        ...(flags.fleet === undefined ? {} : { fleet: flags.fleet }),
        ...(flags.id === undefined ? {} : { id: flags.id }),
        ...(flags.workItems === undefined ? {} : { workItems: flags.workItems }),
        log: (message) => console.error(dim(`${new Date().toISOString()} ${message}`, process.stderr)),
      });
      const { id, model, kv } = host.card;
      const readyMs = performance.now() - startedMs;
      const { fleet } = host.names;
      say(flags, {
        event: "ready",
        id,
        model,
        role: flags.role,
        fleet,
        bus: shownUrl(url),
        kv,
        readyMs,
        pid: process.pid,
      });
      await serveUntilStopped(host, flags, stopping);
    } finally {
      await started.stop({ graceMs: 0 });
    }
  } finally {
    stopping.dispose();
  }
}

/** Until a signal asks for it, or the fleet has had it drain. */
async function serveUntilStopped(host: InstanceHost, flags: WorkerFlags, stopping: StopSignal): Promise<void> {
  try {
    await Promise.race([stopping.first, host.drained]);
    const graceMs = flags.grace * 1000;
    say(flags, { event: "draining", open: host.open, graceMs });
    void stopping.second.then(() => host.stop({ graceMs: 0 }));
    await host.stop({ graceMs });
    say(flags, { event: "stopped", id: host.id });
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

interface Equipped extends AsyncDisposable {
  readonly engine: Engine;
  readonly extensions: readonly HostExtension[];
}

/**
 * The engine with a longer memory, and what lets its sequences move to other instances and theirs here. Prompts that other
 * instances keep come from there whether or not this one keeps any itself.
 */
async function withContexts(engine: Engine, codec: KvCodec | null, flags: WorkerFlags): Promise<Equipped> {
  const { ContextCodecs, ContextLoader, ContextStore, FleetContexts, Migration, PrefixStore, withPrefixSpill } =
    await import("../cluster/index.ts");
  const coding = await codingOptions(codec, flags.kvCoding);
  const watch = flags.balance ? { watch: { migrate: {} } } : {};
  const moves = { role: flags.role, ...kvOptions(flags), ...coding, ...watch };
  if (codec === null) {
    for (const [param, value] of [
      ["--contexts", flags.contexts],
      ["--contexts-levels", flags.contextsLevels],
    ] as const) {
      if (value !== undefined)
        fail("unsupported", `${param}: expected a model of files that can be read again.`, { param });
    }
    return { engine, extensions: [new Migration(moves)], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const log = (message: string): void => console.error(dim(`${new Date().toISOString()} ${message}`, process.stderr));
  const { fingerprint } = codec.shape;
  const limit = flags.contextsBytes === undefined ? {} : { maxBytes: flags.contextsBytes };
  const dir = flags.contexts;
  const store =
    dir === undefined ? null : await ContextStore.open({ dir, fingerprint, label: engine.info.name, ...limit });
  const memory: PromptMemory = {
    warm: (tokens) => spilling.warm(tokens),
    keep: (tokens) => spilling.keep(tokens),
  };
  const carrier = new Migration({ ...moves, memory });
  const others = new FleetContexts({ carrier, store, leastMs: flags.contextsWait, log });
  const levels = await lossyLevels(flags.contextsLevels);
  const codecs = await ContextCodecs.open(codec, store);
  const prefixes = new PrefixStore({ transfers: engine.transfers, codec: codecs.own, store });
  const loader = new ContextLoader({ engine, prefixes, codecs, others, levels, log });
  const coded = levels.filter((level) => codecs.codes(level));
  if (store !== null && coded.length < levels.length) {
    log("contexts: prompts are not kept at levels without tables in the folder; 'punctual contexts put' makes them.");
  }
  const spilling = withPrefixSpill(engine, prefixes, { others, loader, levels: coded, log });
  // In this order: contexts are carried by what carries moves.
  return {
    engine: spilling.engine,
    extensions: [carrier, others],
    [Symbol.asyncDispose]: () => loader[Symbol.asyncDispose](),
  };
}

/** @throws PunctualError invalid_request for what is no level, or an exact one, which needs no flag */
async function lossyLevels(list: string | undefined): Promise<CodecLevel[]> {
  if (list === undefined) return [];
  const { CODEC_LEVELS, parseLevel } = await import("../cluster/index.ts");
  return list.split(",").map((name) => {
    const level = parseLevel(name.trim());
    const isOne = level !== null && level.variant !== "lossless" && level.level < CODEC_LEVELS[level.variant];
    if (isOne) return level;
    const expected = "predicted-0 to -5, anchored-0 to -3 or released-0 to -2";
    return fail("invalid_request", `--contexts-levels: expected ${expected}, got '${name}'.`, {
      param: "--contexts-levels",
    });
  });
}

async function startEngine(flags: WorkerFlags): Promise<Engine> {
  const { Engine: EngineClass } = await import("../runtime/index.ts");
  const [model] = await chosenModels(flags.model === undefined ? undefined : [flags.model], flags.offline);
  const progress = startProgress("Loading", 1, model!.name);
  try {
    const lora = loraOptions(flags, model!.name, [model!.name]);
    const options: EngineOptions = {
      ...(await engineOptionsWithDrafts(model!, flags)),
      ...(flags.kvPages === undefined ? {} : { kvPages: flags.kvPages }),
      ...(lora === undefined ? {} : { lora }),
      ...(flags.role === "prefill" ? { handOff: "after-first-token" as const } : {}),
      ...(flags.policyState === undefined ? {} : { policyState: flags.policyState }),
    };
    return await EngineClass.start(options);
  } finally {
    progress.stop();
  }
}
