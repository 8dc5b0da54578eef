/**
 * The deciding worker of an engine whose phases are apart: it owns every sequence and page, computes decodes, and has
 * prompts computed by the other worker. Between two slots it looks at what has come from the main thread and from there,
 * so that neither waits for longer than a layer.
 *
 * An exception here is a bug, as is the end of the other worker: this one ends with it, and the main thread starts both
 * again.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { fail, present, toErrorRecord } from "../../core/index.ts";
import { liveClock, sleep, yieldThread } from "../clock.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "../messages.ts";
import type { WithVocabulary } from "../vocabulary-link.ts";
import { drainInbox, handleMessage } from "../worker-inbox.ts";
import { loadPhases, type LoadedPhases } from "./load-phases.ts";

const port = present(parentPort, "the parent port of an engine worker");
/** How long to sleep at most for a layer of the other worker before looking at messages again. */
const GATE_MS = 1;
const send = (message: FromWorker): void => port.postMessage(message);

class DecodeWorker {
  readonly #loaded: LoadedPhases;
  #stopping = false;
  #wake = new AbortController();
  /** Something has come while the thread was not looking. */
  #awake = false;

  constructor(loaded: LoadedPhases) {
    this.#loaded = loaded;
    const { loops, peer } = loaded;
    port.on("message", (message: ToWorker) => {
      this.#handle(message);
      this.#rouse();
    });
    peer.onWake = () => this.#rouse();
    loops.onWake = () => this.#rouse();
  }

  async run(): Promise<void> {
    const { loops, runner, peer, handover, progress, sink } = this.#loaded;
    while (!this.#stopping) {
      this.#drain();
      for (const phase of peer.drain()) await loops.turnOf("prefill", phase);
      peer.check();
      if (handover?.deliver() === true) await yieldThread();
      loops.pump();
      sink?.tick();
      if (runner.active) {
        // The other worker's layer comes first, and it takes no longer than one of ours.
        if (!runner.ready) progress.wait(GATE_MS, () => runner.ready);
        const ended = await runner.slot();
        if (ended === null) continue;
        await loops.turnOf("decode", ended);
        // Freed native memory and timers want the thread once in a while.
        await yieldThread();
        continue;
      }
      if (!loops.busy && !loops.hasWork) {
        loops.checkIntegrity();
        sink?.flush();
      }
      await this.#sleep();
    }
  }

  /** Until something comes, or something that waits on purpose is due. */
  async #sleep(): Promise<void> {
    const { loops, handover } = this.#loaded;
    const due = [loops.nextDueMs, handover?.nextDueMs ?? null].filter((time) => time !== null);
    if (!this.#awake && !this.#stopping) {
      this.#wake = new AbortController();
      // A worker that has nothing to wait for but messages looks once in a long while.
      const ms = due.length === 0 ? 60_000 : Math.max(0, Math.min(...due) - liveClock.nowMs());
      await sleep(Math.ceil(ms), this.#wake.signal);
    }
    this.#awake = false;
  }

  #rouse(): void {
    this.#awake = true;
    this.#wake.abort();
  }

  /** Messages that came during a slot. */
  #drain(): void {
    this.#awake = false;
    drainInbox(port, (message) => this.#handle(message));
  }

  #handle(message: ToWorker): void {
    handleMessage(message, this.#loaded.loops, send, {
      stop: () => {
        this.#stopping = true;
      },
      setPolicy: () => fail("policy_fixed", "phases apart keep the policy that they were started with"),
      transfer: () => fail("unsupported", "sequences of an engine whose phases are apart stay where they are"),
    });
  }
}

async function main(): Promise<void> {
  const setup = workerData as WorkerSetup & WithVocabulary & { readonly peer: MessagePort };
  let loaded: LoadedPhases;
  try {
    loaded = await loadPhases(setup, setup.peer, send);
  } catch (error) {
    send({ kind: "failed", error: toErrorRecord(error) });
    setup.peer.close();
    return;
  }
  send({ kind: "ready", info: loaded.info, calibration: loaded.calibration, phases: loaded.loops.stats });
  await new DecodeWorker(loaded).run();
  loaded.sink?.flush();
  loaded.peer.send({ kind: "stop" });
  await loaded.executor.dispose();
  loaded.peer.close();
  port.close();
}

await main();
