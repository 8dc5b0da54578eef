/**
 * A fleet of real processes for tests: a nats-server, a router (`punctual serve --bus`) and workers, each on free ports of
 * this machine, with a fault proxy between every one of them and the bus and before every worker's KV port. A model of random
 * weights with a context that no answer fills: what is to happen in the middle of an answer needs one that has a middle.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TestNatsServer, type NatsServerOptions } from "../../src/cluster/bus/nats-server.conformance.ts";
import {
  fleetAnswerSchema,
  type FleetDrainAnswer,
  type FleetMoveAnswer,
  type FleetMoveView,
  type FleetRequestView,
  type FleetView,
} from "../../src/protocol/index.ts";
import type { Certificate } from "../support/certificates.ts";
import { writeRandomModel } from "../support/model-folder.ts";
import { TINY } from "../support/tiny.ts";
import { ask, type Answer, type Asked } from "./answers.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { headerSplitter, natsSplitter, pieceSplitter } from "./frames.ts";
import { TestProcess } from "./processes.ts";

/** The model that all instances of a test fleet serve. */
export const MODEL = "endless";
/** Patience for a busy machine. */
export const PATIENCE_MS = 60_000;

const CONTEXT_TOKENS = 16_384;
const KV_HEADER_BYTES = 64;
const KV_PAYLOAD_BYTES_AT = 48;

/** A worker process and what stands between it and the others. */
export interface TestWorker {
  readonly id: string;
  readonly process: TestProcess;
  /** Between it and the bus. */
  readonly bus: FaultProxy;
  /** Between those who send or fetch keys and values and it. */
  readonly kv: FaultProxy;
}

/** How to start a worker. */
export interface WorkerOptions {
  readonly role?: "any" | "prefill" | "decode";
  /** Pages of its cache, 16 tokens each; 512 when absent. */
  readonly kvPages?: number;
  /** More of its arguments. */
  readonly more?: readonly string[];
  /** A command that it is run under, see `TestProcess.start`. */
  readonly under?: readonly string[];
  /** Its keys and values go over TLS: the proxy before its port sees pieces of a stream, no frames. */
  readonly tls?: Certificate & { readonly ca: string };
}

/** More of a router's arguments, or what they are for a fleet whose folders are known. */
export type RouterFlags =
  | readonly string[]
  | ((fleet: { readonly dir: string; readonly modelDir: string }) => readonly string[]);

/** See the head of this file. */
export class TestFleet implements AsyncDisposable {
  readonly dir: string;
  readonly modelDir: string;
  readonly nats: TestNatsServer;
  /** Between the router and the bus. */
  readonly routerBus: FaultProxy;
  readonly workers = new Map<string, TestWorker>();
  router: TestProcess;
  url = "";
  readonly #routerFlags: readonly string[];
  #replaced = 0;

  private constructor(dir: string, nats: TestNatsServer, routerBus: FaultProxy, routerFlags: RouterFlags) {
    this.dir = dir;
    this.modelDir = join(dir, "model");
    this.nats = nats;
    this.routerBus = routerBus;
    this.#routerFlags = typeof routerFlags === "function" ? routerFlags(this) : routerFlags;
    writeRandomModel(this.modelDir, { ...TINY, maxPositions: CONTEXT_TOKENS });
    this.router = this.#startRouter("0");
  }

  /**
   * Starts the bus, the router and these workers, and waits until the router knows all of them.
   */
  static async start(
    workers: Readonly<Record<string, WorkerOptions>>,
    routerFlags: RouterFlags = [],
    natsOptions: NatsServerOptions = {},
  ): Promise<TestFleet> {
    const nats = await TestNatsServer.start(natsOptions);
    const routerBus = await FaultProxy.start(nats.port, () => natsSplitter());
    const fleet = new TestFleet(mkdtempSync(join(tmpdir(), "punctual-fleet-")), nats, routerBus, routerFlags);
    try {
      await Promise.all(Object.entries(workers).map(([id, options]) => fleet.startWorker(id, options)));
      await fleet.routerReady();
      // Where nobody is started here, the router may start some.
      if (Object.keys(workers).length > 0) await fleet.whole();
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    return fleet;
  }

  /** Starts a worker, and waits until it says that it serves. */
  async startWorker(
    id: string,
    { role = "any", kvPages = 512, more = [], under = [], tls }: WorkerOptions = {},
  ): Promise<TestWorker> {
    const bus = await FaultProxy.start(this.nats.port, () => natsSplitter());
    const kvPort = await freePort();
    const kv = await FaultProxy.start(kvPort, () =>
      tls === undefined
        ? headerSplitter(KV_HEADER_BYTES, (header) => header.readUInt32LE(KV_PAYLOAD_BYTES_AT))
        : pieceSplitter(),
    );
    const flags = {
      bus: `nats://127.0.0.1:${bus.port}`,
      model: `${MODEL}=${this.modelDir}`,
      id,
      role,
      "kv-port": kvPort,
      "kv-advertise": `127.0.0.1:${kv.port}`,
      "kv-pages": kvPages,
      threads: 1,
      ...(tls === undefined ? {} : { "kv-cert": tls.cert, "kv-key": tls.key, "kv-ca": tls.ca }),
    };
    // Exact: answers are held against a lone engine's, also where a part of them was computed again in long chunks.
    const process = TestProcess.start(id, ["worker", "--exact", ...argumentsOf(flags), ...more], {}, under);
    const worker = { id, process, bus, kv };
    this.workers.set(id, worker);
    await process.printed(/serves/);
    return worker;
  }

  worker(id: string): TestWorker {
    const worker = this.workers.get(id);
    if (worker === undefined) throw new Error(`there is no worker '${id}'`);
    return worker;
  }

  /** The id of a living worker that is not this one. */
  other(than: string): string {
    const id = [...this.workers.keys()].find((known) => known !== than && this.worker(known).process.isRunning);
    if (id === undefined) throw new Error(`there is no worker but '${than}'`);
    return id;
  }

  /** Another worker in place of one that has died, under an id of its own: the old one may still be leased. */
  async replaceWorker(id: string, options: WorkerOptions = {}): Promise<void> {
    await this.#forget(id);
    this.#replaced += 1;
    await this.startWorker(`${id.split("_")[0]}_${this.#replaced}`, options);
  }

  /** Has everything running again that has died. */
  async repair(): Promise<void> {
    if (this.nats.pid === 0) await this.nats.restart();
    if (!this.router.isRunning) await this.restartRouter();
    const dead = [...this.workers.values()].filter(({ process }) => !process.isRunning);
    for (const { id } of dead) await this.replaceWorker(id);
  }

  /** Waits until the router knows exactly the workers that live, and takes all of them for serving. */
  async whole(): Promise<FleetView> {
    const living = [...this.workers.keys()].toSorted();
    return this.until(({ instances }) => {
      const serving = instances.filter(({ state }) => state !== "gone");
      return (
        serving.every(({ state }) => state === "serving") &&
        serving
          .map(({ id }) => id)
          .toSorted()
          .join() === living.join()
      );
    });
  }

  /** Starts the router again on its old port, over what it has left. */
  async restartRouter(): Promise<void> {
    this.router.kill();
    await this.router.ended;
    this.router = this.#startRouter(new URL(this.url).port);
    await this.routerReady();
  }

  /** Waits until the router answers. */
  async routerReady(): Promise<void> {
    this.url = (await this.router.printed(/http:\/\/[\w.[\]:]+:\d+/))[0];
  }

  /** The fleet as the router tells of it now. */
  async view(): Promise<FleetView> {
    const response = await fetch(`${this.url}/admin/fleet`);
    const answer = fleetAnswerSchema.parse(await response.json());
    if (answer.kind === "alone") throw new Error("the router says that it is alone");
    return answer;
  }

  /**
   * Waits for a view that is as wanted, and answers it. Rejects with the last one when it never comes, and at once when
   * `wanted` throws. A view is of a moment: what is wanted should stay, or come again and again.
   */
  async until(wanted: (view: FleetView) => boolean, withinMs = PATIENCE_MS): Promise<FleetView> {
    const limit = performance.now() + withinMs;
    let last: FleetView | string = "none";
    for (;;) {
      last = await this.view().catch(String); // the router is being started, or was killed
      if (typeof last !== "string" && wanted(last)) return last;
      if (performance.now() > limit)
        throw new Error(`not within ${withinMs} ms: ${wanted.toString()}\n${this.report(last)}`);
      await sleep(20);
    }
  }

  /** A request as the router tells of it. */
  async request(id: string): Promise<FleetRequestView | null> {
    return (await this.view()).requests.find((request) => request.id === id) ?? null;
  }

  /** Begins to move a request. Null when it could not be asked for, or the router died meanwhile. */
  async move(request: string, to: string): Promise<FleetMoveAnswer | null> {
    try {
      const response = await this.#post("moves", { request, to });
      return response.ok ? ((await response.json()) as FleetMoveAnswer) : null;
    } catch {
      return null; // the connection went with the router
    }
  }

  async drain(id: string): Promise<FleetDrainAnswer> {
    const response = await this.#post(`instances/${id}/drain`, {});
    if (!response.ok) throw new Error(`drain of ${id}: ${await response.text()}`);
    return (await response.json()) as FleetDrainAnswer;
  }

  /** Streams an answer, and resolves once it has so many pieces and runs somewhere. */
  async streaming(asked: Asked, pieces = 3): Promise<{ answer: Answer; end: Promise<Answer>; at: string }> {
    const { answer, end } = ask(this.url, asked);
    const view = await this.until(({ requests }) => {
      if (answer.done) throw new Error(`it ended too soon: ${JSON.stringify(answer)}`);
      return answer.pieces >= pieces && requests.some(({ id, instance }) => id === asked.id && instance !== null);
    });
    return { answer, end, at: view.requests.find(({ id }) => id === asked.id)!.instance! };
  }

  /** Waits until a move of that request has ended, and answers it. */
  async moved(request: string): Promise<FleetMoveView> {
    const of = (view: FleetView): FleetMoveView | undefined => view.endedMoves.find((move) => move.request === request);
    return of(await this.until((view) => of(view) !== undefined))!;
  }

  /** Waits until nothing is open and no living instance has a page in use: what is in use afterwards has leaked. */
  async quiesced(): Promise<FleetView> {
    return this.until(({ requests, omittedRequests, moves, instances }) => {
      const idle = instances
        .filter(({ id, state }) => state !== "gone" && this.workers.get(id)?.process.isRunning === true)
        .every(({ usedPages, running, waiting, heartbeatAgeMs }) => {
          return usedPages === 0 && running + waiting === 0 && heartbeatAgeMs !== null && heartbeatAgeMs < 2000;
        });
      return idle && requests.length + omittedRequests + moves.length === 0;
    });
  }

  /** What everybody has printed lately, for the report of a failure. */
  report(view: FleetView | string = ""): string {
    const printed = [this.router, ...Array.from(this.workers.values(), (worker) => worker.process)].map(
      ({ name, output, isRunning }) => `--- ${name}${isRunning ? "" : " (ended)"}\n${output.slice(-3000)}`,
    );
    return [typeof view === "string" ? view : JSON.stringify(view, null, 1), ...printed].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.router.kill();
    await Promise.all([this.router.ended, ...Array.from(this.workers.keys(), (id) => this.#forget(id))]);
    await this.routerBus[Symbol.asyncDispose]();
    await this.nats[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #startRouter(port: string): TestProcess {
    const flags = { bus: `nats://127.0.0.1:${this.routerBus.port}`, port, "log-level": "warn" };
    return TestProcess.start("router", ["serve", ...argumentsOf(flags), ...this.#routerFlags]);
  }

  #post(path: string, body: unknown): Promise<Response> {
    return fetch(`${this.url}/admin/fleet/${path}`, { method: "POST", body: JSON.stringify(body) });
  }

  async #forget(id: string): Promise<void> {
    const worker = this.workers.get(id);
    if (worker === undefined) return;
    this.workers.delete(id);
    worker.process.kill();
    await worker.process.ended;
    await worker.bus[Symbol.asyncDispose]();
    await worker.kv[Symbol.asyncDispose]();
  }
}

function argumentsOf(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
