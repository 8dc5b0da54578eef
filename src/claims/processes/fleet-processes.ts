/**
 * A fleet of processes for claims: a nats-server of its own, `punctual worker` processes on it, and the router in this
 * process, which is also the client: an HTTP client would take its share of the cores. Everything ends with the scope.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectBus, Fleet, type Bus } from "../../cluster/index.ts";
import { fail, type Clock } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";

const MAIN = join(dirname(fileURLToPath(import.meta.url)), "../../../dist/cli/main.js");
const START_LIMIT_MS = 60_000;
const LOOK_MS = 20;

/** What a worker is. */
export interface WorkerShape {
  readonly threads: number;
  readonly role?: "any" | "prefill" | "decode";
  /** More of its flags. */
  readonly flags?: readonly string[];
}

/** A process of ours, until it is stopped. */
interface Running {
  readonly child: ChildProcess;
  readonly stop: () => Promise<void>;
  /** What it has printed lately. */
  readonly output: () => string;
}

function start(command: string, args: readonly string[]): Running {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-8000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => {
      output += String(error);
      resolve();
    });
  });
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  const stop = async (): Promise<void> => {
    process.removeListener("exit", end);
    child.kill("SIGKILL"); // it has nothing to save
    await ended;
  };
  return { child, stop, output: () => output };
}

/** A nats-server on a free port of this machine, with JetStream in a folder that goes with it. */
export interface BusServer extends AsyncDisposable {
  readonly url: string;
}

/** @throws PunctualError missing_dependency when nats-server is not installed or does not start. */
export async function startBusServer(clock: Clock): Promise<BusServer> {
  const folder = await mkdtemp(join(tmpdir(), "punctual-claim-nats-"));
  const args = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder, "--ports_file_dir", folder];
  const server = start("nats-server", args);
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const untilMs = clock.nowMs() + START_LIMIT_MS;
  while (server.child.exitCode === null && server.child.pid !== undefined && clock.nowMs() < untilMs) {
    const ports = await readFile(join(folder, `nats-server_${server.child.pid}.ports`), "utf8").catch(() => "");
    const port = /:(\d+)"/.exec(ports)?.[1];
    if (port !== undefined) return { url: `nats://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
    await sleep(LOOK_MS);
  }
  await stop();
  return fail("missing_dependency", `nats-server (Debian package nats-server) did not start: ${server.output()}`);
}

/** Workers of one model and a router over them. */
export interface ProcessFleet extends AsyncDisposable {
  readonly bus: Bus;
  readonly fleet: Fleet;
  /** All workers as one engine. */
  readonly engine: Engine;
}

/** How to start one. */
export interface ProcessFleetOptions {
  readonly busUrl: string;
  /** Fleets of one bus have different names. */
  readonly name: string;
  /** As `--model` takes it. */
  readonly model: string;
  readonly workers: readonly WorkerShape[];
  /** Flags of every worker. */
  readonly flags?: readonly string[];
  /** One of ROUTER_NAMES. */
  readonly router?: string;
  readonly clock: Clock;
}

/** Resolves when every worker serves. @throws PunctualError engine_failed with what a worker printed. */
export async function startProcessFleet(options: ProcessFleetOptions): Promise<ProcessFleet> {
  const { busUrl, name, model, workers, flags: common = [], router, clock } = options;
  const running = workers.map(({ threads, role = "any", flags = [] }, i) => {
    const own = ["--id", `${name}-${i}`, "--role", role, "--threads", String(threads), ...common, ...flags];
    return start(process.execPath, [MAIN, "worker", "--bus", busUrl, "--fleet", name, "--model", model, ...own]);
  });
  const undo: (() => Promise<void>)[] = running.map(({ stop }) => stop);
  const stop = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    const bus = await connectBus(busUrl);
    undo.push(async () => bus[Symbol.asyncDispose]());
    const fleet = await Fleet.join({ bus, fleet: name, ...(router === undefined ? {} : { router }) });
    undo.push(() => fleet.stop({ graceMs: 0 }));
    const untilMs = clock.nowMs() + START_LIMIT_MS;
    while (fleet.size < workers.length && clock.nowMs() < untilMs) {
      if (running.some(({ child }) => child.exitCode !== null)) break;
      await sleep(LOOK_MS);
    }
    if (fleet.size < workers.length) {
      fail("engine_failed", `a worker did not start:\n${running.map(({ output }) => output()).join("\n")}`);
    }
    const engine = await fleet.ready(undefined, START_LIMIT_MS);
    return { bus, fleet, engine, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Several fleets of one bus. */
export interface ProcessFleets<N extends string> extends AsyncDisposable {
  readonly fleets: Readonly<Record<N, ProcessFleet>>;
}

/**
 * Starts a fleet for every name. When one does not start, those that did are ended.
 * @param atOnce for smoke tests: workers that measure at their start what their steps cost disturb each other
 */
export async function startProcessFleets<N extends string>(
  options: Omit<ProcessFleetOptions, "name" | "workers">,
  workers: Readonly<Record<N, readonly WorkerShape[]>>,
  atOnce: boolean,
): Promise<ProcessFleets<N>> {
  const names = Object.keys(workers) as N[];
  const starting: Promise<ProcessFleet>[] = [];
  for (const name of names) {
    starting.push(startProcessFleet({ ...options, name, workers: workers[name] }));
    if (!atOnce) await Promise.allSettled(starting);
  }
  const started = await Promise.allSettled(starting);
  const stop = async (): Promise<void> => {
    for (const one of started) if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
  };
  const failed = started.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const fleets = await Promise.all(starting);
  const byName = Object.fromEntries(names.map((name, i) => [name, fleets[i]!])) as Record<N, ProcessFleet>;
  return { fleets: byName, [Symbol.asyncDispose]: stop };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
