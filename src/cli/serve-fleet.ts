/** The part of `punctual serve` that is a router's: a fleet on a bus, other servers behind this one, its own models among them. */
import { Option, type Command } from "commander";
import type { Bus, Fleet, InstanceHost, ScalingOptions, UpstreamAddress, Upstreams } from "../cluster/index.ts";
import { fail } from "../core/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { ServerLog, ServerOptions } from "../server/index.ts";
import { parseSlo } from "../sched/index.ts";
import { collectValues, decimal } from "./arguments.ts";
import { addBusOptions, busEnvironment, busUrl, connectToBus, shownUrl, type BusFlags } from "./bus-flags.ts";
import { addScaleOptions, scalingOf, type ScaleFlags } from "./scale-flags.ts";

/** Values of the flags that `addFleetOptions` declares. */
export interface RouterFlags extends BusFlags, ScaleFlags {
  readonly router?: string;
  readonly durable?: "keyed" | "all" | "none";
  readonly upstream?: readonly string[];
  readonly upstreamKey?: readonly string[];
  readonly upstreamFirstToken?: number;
  readonly upstreamBetweenTokens?: number;
  readonly slo?: string;
}

/** The names that `Router` knows; said here too, so that --help loads nothing. */
const ROUTERS = ["kv-aware", "llumnix", "deadline-aware", "least-load", "round-robin", "least-queue", "lmetric"];

/** Adds them to a command. */
export function addFleetOptions(command: Command): Command {
  addScaleOptions(addBusOptions(command))
    .addOption(new Option("--router <name>", "who gets a request of the fleet; kv-aware when absent").choices(ROUTERS))
    .addOption(
      new Option(
        "--durable <which>",
        "requests without a stream that the bus keeps until they are done: those with an Idempotency-Key, all, or none",
      ).choices(["keyed", "all", "none"]),
    )
    .option(
      "--upstream <[name=]url[#model]>",
      "serve models of another server of OpenAI's interface too (vLLM, SGLang, llama-server, Ollama), repeatable",
      collectValues,
    )
    .option(
      "--upstream-key <[host=]key>",
      "a key for that server, repeatable (or PUNCTUAL_UPSTREAM_KEY); without a host for all of them",
      collectValues,
    )
    .option(
      "--upstream-first-token <seconds>",
      "how long it may take to a first token; 120 when absent",
      decimal(0.001, 86400),
    )
    .option(
      "--upstream-between-tokens <seconds>",
      "how long it may be silent after that; 30 when absent",
      decimal(0.001, 86400),
    );
  return command;
}

/** True when they ask for a fleet or for other servers. */
export function isRouter(flags: RouterFlags): boolean {
  return busUrl(flags) !== undefined || (flags.upstream ?? []).length > 0;
}

/** What a router has of its own. */
export interface RouterParts {
  /** For `createServer`. */
  readonly options: Pick<ServerOptions, "fleet" | "pending">;
  /** Models go to the server from now on. */
  attach(server: { add(engine: Engine): void; remove(name: string): void }): void;
  /** Makes a model that runs here an instance of the fleet. False: there is no bus, the server serves it itself. */
  host(engine: Engine): Promise<boolean>;
  /** What to tell who started it. */
  readonly summary: string;
  stop(graceMs: number): Promise<void>;
}

/** Null when the flags ask for nothing of the kind. @throws PunctualError as the bus and the addresses do. */
export async function openRouter(flags: RouterFlags, log: ServerLog | undefined): Promise<RouterParts | null> {
  const url = busUrl(flags);
  const scaling = scalingOf(flags, busEnvironment(flags));
  if (scaling !== null && url === undefined) {
    fail("invalid_request", "--scale: expected --bus as well, which instances come over.", { param: "--scale" });
  }
  const addresses = await upstreamAddresses(flags);
  if (url === undefined && addresses.length === 0) return null;
  const { combinedView, InstanceHost: Host } = await import("../cluster/index.ts");
  const served = new ServedModels();
  const tell = (message: string): void => log?.info({}, message);
  const bus = url === undefined ? null : await connectToBus(url, flags, "punctual serve");
  const named = flags.fleet === undefined ? {} : { fleet: flags.fleet };
  const fleet = bus === null ? null : await joinFleet(bus, flags, served, tell, scaling);
  const upstreams = addresses.length === 0 ? null : await openUpstreams(addresses, flags, served, fleet);
  const hosts: InstanceHost[] = [];
  const where = [
    ...(fleet === null ? [] : [`fleet ${fleet.name} on ${shownUrl(url ?? "")}`]),
    ...addresses.map(({ base, model }) => (model === null ? base : `${base}#${model}`)),
  ].join(", ");
  const count =
    scaling === null ? "" : `; ${scaling.policy.least} to ${scaling.policy.most} instances as load asks for`;
  return {
    options: {
      fleet: combinedView(fleet, upstreams),
      pending: () => (served.size > 0 ? null : `No instance of ${where} serves it at the moment.`),
    },
    attach: (server) => served.attach(server),
    host: async (engine) => {
      if (bus === null) return false;
      hosts.push(await Host.start({ engine, bus, log: tell, ...named }));
      return true;
    },
    summary: `${where}${count}`,
    stop: async (graceMs) => {
      await Promise.all(hosts.map((host) => host.stop({ graceMs })));
      await fleet?.stop({ graceMs: 0 });
      await upstreams?.stop();
      await bus?.[Symbol.asyncDispose]();
    },
  };
}

async function joinFleet(
  bus: Bus,
  { router, durable, fleet }: RouterFlags,
  served: ServedModels,
  log: (message: string) => void,
  scaling: ScalingOptions | null,
): Promise<Fleet> {
  const { Fleet: FleetClass } = await import("../cluster/index.ts");
  return FleetClass.join({
    bus,
    log,
    ...served.listener,
    ...(fleet === undefined ? {} : { fleet }),
    ...(router === undefined ? {} : { router }),
    ...(durable === undefined ? {} : { durable }),
    ...(scaling === null ? {} : { scaling }),
  });
}

async function openUpstreams(
  addresses: readonly UpstreamAddress[],
  { router, slo, upstreamFirstToken, upstreamBetweenTokens }: RouterFlags,
  served: ServedModels,
  fleet: Fleet | null,
): Promise<Upstreams> {
  const { Upstreams: UpstreamsClass } = await import("../cluster/index.ts");
  return new UpstreamsClass({
    addresses,
    timeouts: {
      ...(upstreamFirstToken === undefined ? {} : { firstTokenMs: upstreamFirstToken * 1000 }),
      ...(upstreamBetweenTokens === undefined ? {} : { betweenTokensMs: upstreamBetweenTokens * 1000 }),
    },
    ...served.listener,
    ...(slo === undefined ? {} : { defaultSlo: parseSlo(slo, "--slo") }),
    ...(fleet === null ? {} : { stats: fleet.stats }),
    ...(router === undefined ? {} : { router }),
  });
}

/** Models that came before there was a server, and all later ones. A name is served once: who has it first. */
class ServedModels {
  readonly #engines = new Map<string, Engine>();
  #server: { add(engine: Engine): void; remove(name: string): void } | null = null;

  /** For who finds models. */
  readonly listener = {
    onModel: (engine: Engine): void => this.add(engine),
    onModelGone: (name: string): void => this.remove(name),
  };

  get size(): number {
    return this.#engines.size;
  }

  add(engine: Engine): void {
    const { name } = engine.info;
    if (this.#engines.has(name)) return;
    this.#engines.set(name, engine);
    this.#server?.add(engine);
  }

  remove(name: string): void {
    if (this.#engines.delete(name)) this.#server?.remove(name);
  }

  attach(server: { add(engine: Engine): void; remove(name: string): void }): void {
    this.#server = server;
    for (const engine of this.#engines.values()) server.add(engine);
  }
}

async function upstreamAddresses({
  upstream = [],
  upstreamKey = [],
}: RouterFlags): Promise<readonly UpstreamAddress[]> {
  if (upstream.length === 0) return [];
  const { parseUpstream } = await import("../cluster/index.ts");
  const fromEnvironment = process.env["PUNCTUAL_UPSTREAM_KEY"];
  const keys = [...upstreamKey, ...(fromEnvironment === undefined || fromEnvironment === "" ? [] : [fromEnvironment])];
  return upstream.map((text) => {
    const address = parseUpstream(text);
    const { host, hostname } = new URL(address.base);
    const own = keys.find((key) => key.startsWith(`${host}=`) || key.startsWith(`${hostname}=`));
    const common = keys.find((key) => !/^[\w.-]+(:\d+)?=/.test(key));
    const key = own?.slice(own.indexOf("=") + 1) ?? address.key ?? common ?? null;
    return { ...address, key };
  });
}
