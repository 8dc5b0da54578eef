/**
 * The two workers of an engine whose phases are apart, as the main thread sees them: one link that starts, serves and
 * ends. When either dies the other is asked to stop, and the link is gone when both are; nothing here terminates one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import type { DecisionLogEntry } from "../../sched/index.ts";
import type { AdapterChange } from "../lora/worker-adapters.ts";
import type { StepReport, ToWorker, WorkerSetup } from "../messages.ts";
import type { TransferAnswer, TransferCall } from "../transfer/protocol.ts";
import type { VocabularyData } from "../vocabulary-link.ts";
import { WorkerLink, type EngineLink, type Ready } from "../worker-link.ts";

export class PhasesLink implements EngineLink {
  readonly ready: Promise<Ready>;
  readonly gone: Promise<Error | null>;
  readonly #decide: WorkerLink;
  readonly #prefill: WorkerLink;

  constructor(given: WorkerSetup, onStep: (report: StepReport) => void, onRecording?: (text: string) => void) {
    const { port1, port2 } = new MessageChannel();
    const cacheDir = temporaryCache(given);
    const setup = cacheDir === null ? given : { ...given, options: { ...given.options, weightCacheDir: cacheDir } };
    this.#decide = new WorkerLink(setup, onStep, onRecording, {
      file: "phases/decode-worker.js",
      data: { peer: port1 },
      transfer: [port1],
    });
    this.#prefill = new WorkerLink(setup, () => undefined, undefined, {
      file: "phases/prefill-worker.js",
      data: { peer: port2 },
      transfer: [port2],
    });
    this.ready = this.#decide.ready;
    this.gone = this.#watch();
    if (cacheDir === null) return;
    // Both have the files mapped now, or never will; what is mapped stays until it is released.
    const remove = (): void => rmSync(cacheDir, { recursive: true, force: true });
    this.ready.then(process.platform === "win32" ? () => undefined : remove, () => undefined);
    void this.gone.then(remove);
  }

  /** Why the first of the two ended; null when both have left as they were asked to. */
  async #watch(): Promise<Error | null> {
    await Promise.race([this.#decide.gone, this.#prefill.gone]);
    // Whichever is left has nobody to work with.
    this.#decide.send({ kind: "stop" });
    this.#prefill.send({ kind: "stop" });
    const [deciding, computing] = await Promise.all([this.#decide.gone, this.#prefill.gone]);
    // The deciding worker fails when the other does, which just leaves when it is the one that is left.
    return computing ?? deciding;
  }

  get alive(): boolean {
    return this.#decide.alive && this.#prefill.alive;
  }

  /** The other worker knows no text. */
  giveVocabulary(data: VocabularyData | null): void {
    this.#decide.giveVocabulary(data);
  }

  /** The deciding worker passes on what concerns the other, also that it is to stop. */
  send(message: ToWorker): void {
    const toPrefill = message.kind === "crash" && message.phase === "prefill";
    (toPrefill ? this.#prefill : this.#decide).send(message);
  }

  decisions(): Promise<readonly DecisionLogEntry[]> {
    return this.#decide.decisions();
  }

  setPolicy(policy: string): Promise<number | null> {
    return this.#decide.setPolicy(policy);
  }

  changeAdapters(change: AdapterChange): Promise<void> {
    return this.#decide.changeAdapters(change);
  }

  transfer(call: TransferCall): Promise<TransferAnswer | null> {
    return this.#decide.transfer(call);
  }
}

/** A folder through which both workers map one copy of the weights, where none was given; null for random weights. */
function temporaryCache({ options }: WorkerSetup): string | null {
  if (options.weightCacheDir !== undefined || "random" in options.model) return null;
  return mkdtempSync(join(tmpdir(), "punctual-weights-"));
}
