/**
 * The worker that computes prompts for an engine whose phases are apart. It decides nothing: steps come from the decode
 * side with their pages reserved, and it computes them slot by slot, giving slots to the other phase as it is told.
 * Like every worker it is asked to stop and leaves between two slots; it is never terminated inside one.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { present, toErrorRecord } from "../../core/index.ts";
import { StepExecutor, type StepRun, type StepRow } from "../../llm/index.ts";
import type { Phase } from "../../sched/index.ts";
import { liveClock, yieldThread } from "../clock.ts";
import { withWeights } from "../load-model.ts";
import type { ToWorker } from "../messages.ts";
import { planEngine } from "../plan.ts";
import { LaneRunner } from "./lane-runner.ts";
import { StepProgress } from "./progress.ts";
import { poolsOf } from "./options.ts";
import type { FromPrefillWorker, PrefillWorkerSetup, ToPrefillWorker } from "./peer-messages.ts";

const port = present(parentPort, "the parent port of an engine worker");
const { options, config, name, peer } = workerData as PrefillWorkerSetup;
const send = (message: FromPrefillWorker, transfer: ArrayBuffer[] = []): void => peer.postMessage(message, transfer);

type Attach = Extract<ToPrefillWorker, { kind: "attach" }>;

async function load({ cache, ortRowThreshold, threads }: Attach): Promise<StepExecutor> {
  const { info, maxRows } = planEngine(options, config, name);
  const pages = poolsOf(options.phases ?? "colocated", info.kvPages).prefill;
  return withWeights(options.model, config, (weights) =>
    StepExecutor.create({
      config,
      weights,
      weightsFormat: info.weights,
      threads,
      kv: { format: options.kvFormat ?? "f32", pages, pageTokens: info.pageTokens },
      maxRows,
      attention: { ortRowThreshold },
      ...(cache === null ? {} : { attachTo: cache }),
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    }),
  );
}

class PrefillWorker {
  #executor: StepExecutor | null = null;
  #runner: LaneRunner | null = null;
  #attach: Attach | null = null;
  #progress: StepProgress | null = null;
  #stopping = false;
  #wake: (() => void) | null = null;

  async run(): Promise<void> {
    const on = <T>(handle: (message: T) => void) => {
      return (message: T): void => {
        handle(message);
        this.#wake?.();
      };
    };
    port.on(
      "message",
      on((message: ToWorker) => this.#fromMain(message)),
    );
    peer.on(
      "message",
      on((message: ToPrefillWorker) => this.#fromPeer(message)),
    );
    // The decode side has died: nobody is left to work for.
    peer.on("close", () => {
      this.#stopping = true;
      this.#wake?.();
    });
    while (!this.#stopping) {
      this.#drain();
      await this.#turn();
    }
    await this.#executor?.dispose();
    peer.close();
    port.close();
  }

  async #turn(): Promise<void> {
    if (this.#stopping) return;
    if (this.#attach !== null) {
      const attach = this.#attach;
      this.#attach = null;
      return this.#load(attach);
    }
    if (this.#runner?.active === true) {
      const ended = await this.#runner.slot();
      this.#progress?.publish(this.#runner.run("prefill").slot);
      // Freed native memory and timers want the thread once in a while.
      if (ended !== null) await yieldThread();
      return;
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  async #load(attach: Attach): Promise<void> {
    try {
      this.#executor = await load(attach);
      this.#runner = new LaneRunner(this.#executor, liveClock, attach.decodeRows);
      this.#progress = attach.progress === null ? null : new StepProgress(attach.progress);
      send({ kind: "ready" });
    } catch (error) {
      send({ kind: "failed", error: toErrorRecord(error) });
    }
  }

  /** Messages that came during a slot. */
  #drain(): void {
    for (const from of [peer, port]) {
      for (;;) {
        const received = receiveMessageOnPort(from) as { message: ToPrefillWorker & ToWorker } | undefined;
        if (received === undefined) break;
        if (from === peer) this.#fromPeer(received.message);
        else this.#fromMain(received.message);
      }
    }
  }

  #fromMain(message: ToWorker): void {
    if (message.kind === "stop") this.#stopping = true;
    if (message.kind !== "crash") return;
    if (message.how === "exit") process.exit(70);
    throw new Error("crashed on request");
  }

  #fromPeer(message: ToPrefillWorker): void {
    switch (message.kind) {
      case "attach":
        this.#attach = message;
        return;
      case "step":
        return this.#begin(message.phase, message.rows);
      case "tickets":
        return this.#runner?.setTickets(message.tickets);
      case "pull":
        return this.#pull(message.transfer, message.pages);
      case "stop":
        this.#stopping = true;
        return;
      default:
        message satisfies never;
    }
  }

  #begin(phase: Phase, rows: readonly StepRow[]): void {
    const runner = present(this.#runner, "a worker that serves");
    if (phase === "prefill") this.#progress?.begin();
    runner.step(phase, rows).then(
      (run) => this.#done(phase, run),
      (error: unknown) => send({ kind: "failed", error: toErrorRecord(error) }),
    );
  }

  #done(phase: Phase, run: StepRun): void {
    const { scores } = run.result();
    const kept = scores.map(([own], index) => (own?.kind === "top" ? run.keptRow(index) : null));
    send({ kind: "done", phase, scores, kept, use: present(this.#runner, "a worker that serves").use });
  }

  #pull(transfer: number, pages: Int32Array): void {
    const executor = present(this.#executor, "a worker that serves");
    const pageBytes = executor.kvBytes / executor.kv.pages;
    const bytes = new Uint8Array(pages.length * pageBytes);
    for (const [i, page] of pages.entries()) bytes.set(executor.pageData(page), i * pageBytes);
    send({ kind: "pages", transfer, bytes }, [bytes.buffer]);
  }
}

await new PrefillWorker().run();
