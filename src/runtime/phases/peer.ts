/**
 * The worker that computes prompts, as the decode side sees it: lanes that take steps, and pages that can be pulled.
 * Messages are handled where the decode side asks for them (`drain`, between two slots) or when its thread is idle.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { assert, fromErrorRecord } from "../../core/index.ts";
import type { KeptRow, StepBatch, StepResult, StepRow, TokenScores } from "../../llm/index.ts";
import type { Phase } from "../../sched/index.ts";
import type { SlotUse } from "./options.ts";
import type { FromPrefillWorker, ToPrefillWorker } from "./peer-messages.ts";

type Done = Extract<FromPrefillWorker, { kind: "done" }>;

interface Waiting {
  readonly resolve: (done: Done) => void;
  readonly reject: (error: unknown) => void;
}

const NOTHING: Readonly<Record<Phase, SlotUse>> = { prefill: { slots: 0, ms: 0 }, decode: { slots: 0, ms: 0 } };

export class Peer {
  /** Resolves when it serves, rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Pages that were pulled. */
  onPages: (transfer: number, bytes: Uint8Array) => void = () => undefined;
  /** Called after messages that came while this thread was idle. */
  onWake: (ended: readonly Phase[]) => void = () => undefined;
  readonly #port: MessagePort;
  readonly #steps = new Map<Phase, Waiting>();
  /** What the last step of each phase has kept. */
  readonly #kept = new Map<Phase, readonly (KeptRow | null)[]>();
  #use = NOTHING;
  /** Steps of prompts that were sent. */
  #prompts = 0;
  #error: unknown = null;
  #closed = false;
  #tickets = "";
  #onReady: Pick<Waiting, "reject"> & { readonly resolve: () => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };

  constructor(port: MessagePort) {
    this.#port = port;
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = { resolve, reject };
    });
    this.ready.catch(() => undefined); // whoever waits for it sees the rejection
    port.on("message", (message: FromPrefillWorker) => {
      const ended = this.#handle(message);
      this.onWake(ended === null ? [] : [ended]);
    });
    port.on("close", () => {
      this.#closed = true;
      this.#fail(new Error("the worker that computes prompts has ended"));
      this.onWake([]);
    });
  }

  /** What it has spent on each phase, as of its last step. */
  get use(): Readonly<Record<Phase, SlotUse>> {
    return this.#use;
  }

  /** @throws what ended the other worker, if it has ended. */
  check(): void {
    if (this.#error !== null) throw this.#error;
  }

  send(message: ToPrefillWorker): void {
    if (!this.#closed) this.#port.postMessage(message);
  }

  setTickets(tickets: Readonly<Record<Phase, number>>): void {
    const key = `${tickets.prefill}/${tickets.decode}`;
    if (key === this.#tickets) return;
    this.#tickets = key;
    this.send({ kind: "tickets", tickets });
  }

  /** Handles the messages that have come; the phases whose steps have ended. */
  drain(): Phase[] {
    const ended: Phase[] = [];
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: FromPrefillWorker } | undefined;
      if (received === undefined) return ended;
      const phase = this.#handle(received.message);
      if (phase !== null) ended.push(phase);
    }
  }

  /** Has a step computed there; one at a time for each phase. */
  async step(phase: Phase, batch: StepBatch): Promise<StepResult> {
    assert(!this.#steps.has(phase), "one step at a time on each lane");
    this.check();
    const rows = batch.map((row): StepRow => ({
      ...row,
      tokens: Int32Array.from(row.tokens),
      pages: row.pages.slice(),
    }));
    if (phase === "prefill") this.#prompts = (this.#prompts + 1) | 0;
    const done = await new Promise<Done>((resolve, reject) => {
      this.#steps.set(phase, { resolve, reject });
      this.send({ kind: "step", phase, rows });
    });
    this.#kept.set(phase, done.kept);
    return { scores: done.scores };
  }

  /** The number of the latest step of prompts, as StepProgress counts them. */
  get promptStep(): number {
    return this.#prompts;
  }

  /** The row behind the scores of a sequence of the last step of that phase. */
  keptRow(phase: Phase, sequence: number): KeptRow {
    const kept = this.#kept.get(phase)?.[sequence];
    assert(kept !== undefined && kept !== null, "a row is kept for every sequence with best tokens only");
    return kept;
  }

  #handle(message: FromPrefillWorker): Phase | null {
    switch (message.kind) {
      case "ready":
        this.#onReady.resolve();
        return null;
      case "done": {
        const waiting = this.#steps.get(message.phase);
        assert(waiting !== undefined, "a step that is done was asked for");
        this.#steps.delete(message.phase);
        this.#use = message.use;
        waiting.resolve(message);
        return message.phase;
      }
      case "pages":
        this.onPages(message.transfer, message.bytes);
        return null;
      case "failed":
        this.#fail(fromErrorRecord(message.error));
        return null;
      default:
        message satisfies never;
        return null;
    }
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#onReady.reject(this.#error);
    for (const { reject } of this.#steps.values()) reject(this.#error);
    this.#steps.clear();
  }

  close(): void {
    this.#port.close();
  }
}

/** What a step loop needs of a lane. */
export interface LaneExecutor {
  readonly topK: number;
  step(batch: StepBatch): Promise<StepResult>;
  wholeRow(sequence: number, index?: number): Promise<TokenScores>;
}
