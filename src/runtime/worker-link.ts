/**
 * One engine worker as the main thread sees it: started, ready, gone. It does not restart anything.
 * A worker is asked to stop and leaves by itself; nothing here terminates one.
 */
import { type MessagePort, Worker } from "node:worker_threads";
import { fromErrorRecord, PunctualError } from "../core/index.ts";
import { disableNativeTelemetry } from "../graph/index.ts";
import type { DecisionLogEntry } from "../sched/index.ts";
import type { AdapterChange } from "./lora/worker-adapters.ts";
import type { FromWorker, StepReport, ToWorker, WorkerSetup } from "./messages.ts";
import type { TransferAnswer, TransferCall } from "./transfer/protocol.ts";
import { VocabularyLink, type VocabularyData } from "./vocabulary-link.ts";

export type Ready = Extract<FromWorker, { kind: "ready" }>;

/** What answers a ticket. */
type Answer = Extract<FromWorker, { readonly ticket: number }>;

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  const parts: { resolve?: (value: T) => void; reject?: (error: unknown) => void } = {};
  const promise = new Promise<T>((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return { promise, resolve: (value) => parts.resolve?.(value), reject: (error) => parts.reject?.(error) };
}

/** Compiled workers run from dist/; sources (under a test runner) find theirs there too. */
function workerUrl(file: string): URL {
  const here = import.meta.url;
  if (!here.endsWith(".ts")) return new URL(`./${file}`, here);
  return new URL(`../../dist/runtime/${file}`, here);
}

/** Which program a worker runs, and what it gets besides its setup. */
export interface WorkerProgram {
  /** Below runtime/. */
  readonly file: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly transfer: readonly MessagePort[];
}

const ENGINE: WorkerProgram = { file: "engine-worker.js", data: {}, transfer: [] };

/** The compute of an engine as the main thread sees it: one worker, or two that belong together. */
export interface EngineLink {
  /** Resolves when it serves; rejects when it cannot start. */
  readonly ready: Promise<Ready>;
  /** Resolves when every thread of it has ended, with the exception that ended it, if any. */
  readonly gone: Promise<Error | null>;
  readonly alive: boolean;
  /** What it cannot serve without, once; null when there is none, and it gives up. */
  giveVocabulary(data: VocabularyData | null): void;
  send(message: ToWorker): void;
  /** The decisions that it has kept; none when it is gone. */
  decisions(): Promise<readonly DecisionLogEntry[]>;
  /** Switches the policy; answers when, and null when it is gone. */
  setPolicy(policy: string): Promise<number | null>;
  /** Resolves when the change is in force. @throws what the worker says, engine_failed when it is gone. */
  changeAdapters(change: AdapterChange): Promise<void>;
  /** Asks about transfers; null when it is gone. @param buffers handed over instead of copied */
  transfer(call: TransferCall, buffers?: readonly ArrayBuffer[]): Promise<TransferAnswer | null>;
}

export class WorkerLink implements EngineLink {
  /** Resolves when the worker serves; rejects when it cannot start. */
  readonly ready: Promise<Ready>;
  /** Resolves when the thread has ended, with the exception that ended it, if any. */
  readonly gone: Promise<Error | null>;
  readonly #worker: Worker;
  readonly #vocabulary = new VocabularyLink();
  readonly #tickets = new Map<number, (answer: Answer | null) => void>();
  #nextTicket = 0;
  #alive = true;
  #error: Error | null = null;

  constructor(
    setup: WorkerSetup,
    onStep: (report: StepReport) => void,
    onRecording?: (text: string) => void,
    { file, data, transfer }: WorkerProgram = ENGINE,
  ) {
    disableNativeTelemetry(); // here, because the worker cannot
    this.#worker = new Worker(workerUrl(file), {
      workerData: { ...setup, ...data, vocabulary: this.#vocabulary.port },
      transferList: [...transfer, this.#vocabulary.port],
      name: `punctual-engine-${setup.name}`,
    });
    const ready = deferred<Ready>();
    const gone = deferred<Error | null>();
    this.ready = ready.promise;
    this.gone = gone.promise;
    this.#worker.on("message", (message: FromWorker) => {
      if (message.kind === "step") onStep(message);
      else if (message.kind === "recording") onRecording?.(message.text);
      else if (message.kind === "ready") ready.resolve(message);
      else if (message.kind === "failed") ready.reject(fromErrorRecord(message.error));
      else this.#answer(message.ticket, message);
    });
    this.#worker.on("error", (error: unknown) => {
      this.#error = error instanceof Error ? error : new Error(String(error));
    });
    this.#worker.on("exit", (code) => {
      this.#alive = false;
      const error = this.#error ?? (code === 0 ? null : new Error(`the engine worker exited with status ${code}`));
      for (const ticket of this.#tickets.keys()) this.#answer(ticket, null);
      ready.reject(new PunctualError("engine_failed", "the engine worker ended while starting", { cause: error }));
      gone.resolve(error);
    });
    // Whoever waits for `ready` sees the rejection; nobody may be waiting when a ready worker exits.
    ready.promise.catch(() => undefined);
  }

  get alive(): boolean {
    return this.#alive;
  }

  giveVocabulary(data: VocabularyData | null): void {
    this.#vocabulary.give(data);
  }

  send(message: ToWorker): void {
    if (this.#alive) this.#worker.postMessage(message);
  }

  /** The decisions that the worker has kept; none when it is gone. */
  async decisions(): Promise<readonly DecisionLogEntry[]> {
    const answer = await this.#ask((ticket) => ({ kind: "decisions", ticket }));
    return answer?.kind === "decisions" ? answer.entries : [];
  }

  async setPolicy(policy: string): Promise<number | null> {
    const answer = await this.#ask((ticket) => ({ kind: "policy", ticket, policy }));
    return answer?.kind === "policy" ? answer.atMs : null;
  }

  async changeAdapters(change: AdapterChange): Promise<void> {
    const answer = await this.#ask((ticket) => ({ kind: "adapter", ticket, change }));
    if (answer?.kind !== "adapter") throw new PunctualError("engine_failed", "the engine worker is gone");
    if (answer.error !== null) throw fromErrorRecord(answer.error);
  }

  async transfer(call: TransferCall, buffers: readonly ArrayBuffer[] = []): Promise<TransferAnswer | null> {
    const answer = await this.#ask((ticket) => ({ kind: "transfer", ticket, call }), buffers);
    return answer?.kind === "transfer" ? answer.answer : null;
  }

  /** The worker's answer; null when it is gone. */
  #ask(question: (ticket: number) => ToWorker, buffers: readonly ArrayBuffer[] = []): Promise<Answer | null> {
    if (!this.#alive) return Promise.resolve(null);
    const ticket = this.#nextTicket++;
    return new Promise((resolve) => {
      this.#tickets.set(ticket, resolve);
      this.#worker.postMessage(question(ticket), [...buffers]);
    });
  }

  #answer(ticket: number, answer: Answer | null): void {
    this.#tickets.get(ticket)?.(answer);
    this.#tickets.delete(ticket);
  }
}
