/**
 * One transfer as its opener sees it: opened over a connection, opened again over another one when that breaks, until it is
 * closed or no connection can be had for too long. What it carries is its owner's matter.
 */
import { randomBytes } from "node:crypto";
import { fail, PunctualError } from "../../core/index.ts";
import { liveClock, sleep } from "../../runtime/index.ts";
import type { FrameSocket } from "./frame-socket.ts";
import { frame, type Frame } from "./frames.ts";
import { decodeNote, decodeRefusal, encodeNote, openedNoteSchema, type OpenedNote, type OpenNote } from "./notes.ts";
import type { FrameCodec, KvAddress } from "./types.ts";

/** What a transfer is to the connection that carries it. */
export interface Rider {
  readonly id: string;
  onFrame(one: Frame): Promise<void> | void;
  onLost(): void;
}

/** A connection that several transfers share. */
export interface Carrier {
  readonly frames: FrameSocket;
  readonly riders: Map<string, Rider>;
}

/** What transfers need of their client. */
export interface TransferClient {
  /** Hash of the model's fingerprint. */
  readonly model: string;
  readonly codecs: ReadonlyMap<number, FrameCodec>;
  readonly resumeMs: number;
  readonly stallMs: number;
  readonly windowBytes: number;
  /** Whether pages to and from there are worth coding. */
  codesTo(address: KvAddress): boolean;
  connection(address: KvAddress): Promise<Carrier>;
}

/** What is wanted of whom. */
export interface TransferRequest {
  readonly address: KvAddress;
  readonly resource: string;
  readonly token: string;
  /** Of one page, as the opener knows it. */
  readonly pageBytes: number;
  /** Aborting ends the transfer with `cancelled`. */
  readonly signal?: AbortSignal;
  /** Of a push: pages are coded so if the other side has it too. Who gives codes a pull, by what both have. */
  readonly codec?: FrameCodec;
}

/** What a transfer took. */
export interface TransferReport {
  readonly pages: number;
  /** As they went over the wire, coded. */
  readonly bytes: number;
  readonly ms: number;
  /** Connections beyond the first. */
  readonly reconnects: number;
}

/** What an owner does about it. */
export interface TransferOwner {
  /** What to ask for when it is opened, again or for the first time. */
  note(): Omit<OpenNote, "resource" | "token" | "codecs">;
  /** It is open: frames go out by `send` until `onDetached`. */
  onOpened(note: OpenedNote, send: (one: Frame) => void): void;
  /** A frame of kind pages, ack or close. What it throws ends the transfer. */
  onFrame(one: Frame): Promise<void> | void;
  onDetached(): void;
  /** It is over; called once, not after `close`. */
  onFailed(error: PunctualError): void;
  /** Whether something is expected from the other side now. */
  readonly isWaiting: boolean;
}

interface Opening {
  readonly resolve: (note: OpenedNote) => void;
  readonly reject: (error: PunctualError) => void;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

export class OpenTransfer implements Rider {
  readonly id = randomBytes(16).toString("hex");
  readonly #client: TransferClient;
  readonly #request: TransferRequest;
  readonly #owner: TransferOwner;
  readonly #startMs = liveClock.nowMs();
  readonly #stop = new AbortController();
  readonly #watch: NodeJS.Timeout;
  #carrier: Carrier | null = null;
  #opened: Opening | null = null;
  #heardMs = this.#startMs;
  #isOver = false;
  #reconnects = 0;

  constructor(client: TransferClient, request: TransferRequest, owner: TransferOwner) {
    this.#client = client;
    this.#request = request;
    this.#owner = owner;
    this.#watch = setInterval(() => this.#checkStall(), client.stallMs / 4);
    this.#watch.unref();
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => this.fail(new PunctualError("cancelled", "The transfer was cancelled."));

  get reconnects(): number {
    return this.#reconnects;
  }
  get ms(): number {
    return liveClock.nowMs() - this.#startMs;
  }
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The first time: what goes wrong is thrown, not tried again. */
  async open(): Promise<void> {
    try {
      if (this.#request.signal?.aborted === true) fail("cancelled", "The transfer was cancelled.");
      await this.#openOnce();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #openOnce(): Promise<void> {
    const { address, resource, token, pageBytes } = this.#request;
    const carrier = await this.#client.connection(address);
    if (this.#isOver) return fail("cancelled", "The transfer was cancelled.");
    this.#carrier = carrier;
    carrier.riders.set(this.id, this);
    this.#heardMs = liveClock.nowMs();
    const own = this.#request.codec === undefined ? [...this.#client.codecs.keys()] : [this.#request.codec.id];
    // What the opener does not name, neither side uses.
    const codecs = this.#client.codesTo(address) ? own : [];
    const payload = encodeNote({ ...this.#owner.note(), resource, token, codecs });
    const note = await new Promise<OpenedNote>((resolve, reject) => {
      this.#opened = { resolve, reject };
      carrier.frames.send(frame({ kind: "open", model: this.#client.model, transfer: this.id, payload }));
      if (!carrier.frames.isOpen) this.onLost();
    });
    if (note.pageBytes !== pageBytes) {
      fail("unsupported", `Expected pages of ${pageBytes} bytes, the other side has ${note.pageBytes}.`);
    }
    this.#owner.onOpened(note, (one) => carrier.frames.send(one));
  }

  async onFrame(one: Frame): Promise<void> {
    if (this.#isOver) return;
    this.#heardMs = liveClock.nowMs();
    try {
      if (one.kind === "refuse") throw decodeRefusal(one.payload);
      if (one.kind === "opened") this.#settleOpened((wait) => wait.resolve(decodeNote(openedNoteSchema, one.payload)));
      else await this.#owner.onFrame(one);
    } catch (error) {
      this.fail(toPunctual(error));
    }
  }

  #settleOpened(settle: (wait: Opening) => void): void {
    const wait = this.#opened;
    if (wait === null) return;
    settle(wait);
    this.#opened = null;
  }

  onLost(): void {
    this.#carrier?.riders.delete(this.id);
    this.#carrier = null;
    if (this.#isOver) return;
    this.#owner.onDetached();
    if (this.#opened !== null) {
      const lost = new PunctualError("unavailable", "The connection was lost before the transfer was open.");
      this.#settleOpened((wait) => wait.reject(lost));
      return;
    }
    void this.#reopen();
  }

  async #reopen(): Promise<void> {
    const untilMs = liveClock.nowMs() + this.#client.resumeMs;
    this.#reconnects += 1;
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isOver; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        await this.#openOnce();
        return;
      } catch (error) {
        const known = toPunctual(error);
        if (known.code !== "unavailable" || liveClock.nowMs() + pauseMs > untilMs) {
          this.fail(known);
          return;
        }
        await sleep(pauseMs, this.#stop.signal);
      }
    }
  }

  /** The other side is silent although it owes something: another connection may do better. */
  #checkStall(): void {
    const waits = this.#opened !== null || this.#owner.isWaiting;
    if (!waits || this.#carrier === null) this.#heardMs = liveClock.nowMs();
    else if (liveClock.nowMs() - this.#heardMs > this.#client.stallMs) this.#carrier.frames.close();
  }

  /** Ends it with an error; the first end counts. */
  fail(error: PunctualError): void {
    if (this.#isOver) return;
    this.close();
    this.#settleOpened((wait) => wait.reject(error));
    this.#owner.onFailed(error);
  }

  /** Ends it: the other side is told, and nothing is heard of it any more. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#watch);
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
    this.#stop.abort();
    const { model } = this.#client;
    this.#carrier?.frames.send(frame({ kind: "close", model, transfer: this.id }));
    this.#carrier?.riders.delete(this.id);
    this.#carrier = null;
  }
}

function toPunctual(error: unknown): PunctualError {
  if (error instanceof PunctualError) return error;
  return new PunctualError("internal", error instanceof Error ? error.message : String(error), { cause: error });
}
