/**
 * Pushes pages to other instances and pulls pages from them. One connection to each address is shared by all transfers
 * and closed when none has used it for a while. A transfer whose connection breaks opens again, with growing pauses, and
 * goes on where the other side is; after `resumeMs` without success it fails.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fail, PunctualError } from "../../core/index.ts";
import { liveClock } from "../../runtime/index.ts";
import { FrameSocket } from "./frame-socket.ts";
import { fingerprintHash, MAX_PAYLOAD_BYTES } from "./frames.ts";
import { Pull } from "./pull.ts";
import { Push, type KvPush } from "./push.ts";
import type { Carrier, Rider, TransferClient, TransferReport, TransferRequest } from "./transfer.ts";
import type { FrameCodec, KvAddress, KvSink, KvTls } from "./types.ts";

/** How to reach others. */
export interface KvClientOptions {
  /** Of the engine's model. */
  readonly fingerprint: string;
  readonly codecs?: readonly FrameCodec[];
  /** False: pages go as they are between processes of one machine, which share its memory's speed. True when absent. */
  readonly codesLocally?: boolean;
  /** How long a transfer tries to go on over another connection, milliseconds; 5000 when absent. */
  readonly resumeMs?: number;
  /** A connection on which an answer is awaited for so long is given up, milliseconds; 10 000 when absent. */
  readonly stallMs?: number;
  /** Bytes under way of a pull; 4 MiB when absent. */
  readonly windowBytes?: number;
  /** An authority alone: for servers that do not ask for certificates. */
  readonly tls?: Partial<KvTls>;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/i;
const IDLE_MS = 10_000;
const DEFAULT_WINDOW_BYTES = 4 * 1024 * 1024;

/** One shared connection. */
class KvConnection implements Carrier {
  readonly frames: FrameSocket;
  readonly riders = new Map<string, Rider>();
  /** Since when nothing has used it; 0 while something does. */
  idleSinceMs = 0;

  constructor(socket: Socket) {
    this.frames = new FrameSocket(socket);
    this.frames.allow(MAX_PAYLOAD_BYTES);
  }

  /** Until it ends, however it does. */
  async run(): Promise<void> {
    try {
      await this.frames.read(async (one) => await this.riders.get(one.transfer)?.onFrame(one));
    } catch {
      // Bytes that are no frames, or out of turn: the transfers go on over another connection.
    }
    for (const rider of this.riders.values()) rider.onLost();
    this.riders.clear();
  }
}

/** See the head of this file. */
export class KvClient implements TransferClient, AsyncDisposable {
  readonly model: string;
  readonly codecs: ReadonlyMap<number, FrameCodec>;
  readonly #options: KvClientOptions;
  readonly #connections = new Map<string, Promise<KvConnection>>();
  readonly #sweep: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: KvClientOptions) {
    this.#options = options;
    this.model = fingerprintHash(options.fingerprint);
    this.codecs = new Map(options.codecs?.map((codec) => [codec.id, codec]));
    this.#sweep = setInterval(() => void this.#closeIdle(), IDLE_MS / 2);
    this.#sweep.unref();
  }

  get resumeMs(): number {
    return this.#options.resumeMs ?? 5000;
  }
  get stallMs(): number {
    return this.#options.stallMs ?? 10_000;
  }
  get windowBytes(): number {
    return this.#options.windowBytes ?? DEFAULT_WINDOW_BYTES;
  }

  codesTo({ host }: KvAddress): boolean {
    return this.#options.codesLocally !== false || !LOOPBACK.test(host);
  }

  /** Begins a push: resolves when the other side takes it. @throws PunctualError not_found, unsupported, unavailable, cancelled. */
  async push(request: TransferRequest): Promise<KvPush> {
    const one = new Push(this, request);
    await one.open();
    return one;
  }

  /** Pulls pages [first, first + count) into a sink. @throws as `push`, and what the sink throws. */
  async pull(request: TransferRequest, sink: KvSink, first: number, count: number): Promise<TransferReport> {
    return await new Pull(this, request, sink, first, count).run();
  }

  /** A connection to that address, shared. @throws PunctualError unavailable */
  async connection({ host, port }: KvAddress): Promise<KvConnection> {
    if (this.#isClosed) fail("shutting_down", "This end of keys and values is closed.");
    const key = `${host} ${port}`;
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const one = await known;
      if (one.frames.isOpen) return one;
    }
    const fresh = this.#connect(host, port);
    this.#connections.set(key, fresh);
    try {
      const one = await fresh;
      void one.run().finally(() => this.#forget(key, fresh));
      return one;
    } catch (error) {
      this.#forget(key, fresh);
      throw error;
    }
  }

  #forget(key: string, connection: Promise<KvConnection>): void {
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
  }

  async #connect(host: string, port: number): Promise<KvConnection> {
    const { tls } = this.#options;
    return await new Promise((resolve, reject) => {
      const socket = tls === undefined ? connectTcp(port, host) : connectTls({ host, port, ...tls });
      const failed = (cause: Error): void => {
        socket.destroy();
        reject(new PunctualError("unavailable", `No connection to ${host}:${port}: ${cause.message}.`, { cause }));
      };
      socket.once("error", failed);
      socket.setTimeout(this.resumeMs, () => failed(new Error("no answer")));
      socket.once(tls === undefined ? "connect" : "secureConnect", () => {
        socket.setTimeout(0);
        socket.off("error", failed);
        resolve(new KvConnection(socket));
      });
    });
  }

  async #closeIdle(): Promise<void> {
    const nowMs = liveClock.nowMs();
    for (const connecting of this.#connections.values()) {
      const one = await connecting.catch(() => null);
      if (one === null) continue;
      if (one.riders.size > 0) one.idleSinceMs = 0;
      else if (one.idleSinceMs === 0) one.idleSinceMs = nowMs;
      else if (nowMs - one.idleSinceMs >= IDLE_MS) one.frames.close();
    }
  }

  /** Ends all connections: transfers under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    for (const connecting of this.#connections.values()) {
      const one = await connecting.catch(() => null);
      one?.frames.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
