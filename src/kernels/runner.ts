/**
 * One shared memory, the kernel over it, and its threads: what runs a job that somebody has described in
 * the control block. Knows nothing of attention.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert, fail } from "../core/index.ts";
import { CONTROL, CONTROL_BYTES, STOP, WAKE } from "./assembly/control.ts";
import { builtFile, instantiateKernel, loadKernelModule, reserveMemory, type KernelExports } from "./kernel-module.ts";

export class KernelRunner {
  readonly memory: WebAssembly.Memory;
  readonly kernel: KernelExports;
  /** The control block as words; index = byte offset / 4. */
  readonly words: Int32Array;
  readonly #worker: Worker | null;
  #disposed: Promise<void> | null = null;

  private constructor(memory: WebAssembly.Memory, controlAt: number, kernel: KernelExports, worker: Worker | null) {
    this.memory = memory;
    this.kernel = kernel;
    this.words = new Int32Array(memory.buffer, controlAt, CONTROL_BYTES / 4);
    this.#worker = worker;
  }

  /** Reserves `bytes` for good and starts the second thread where there are to be two. */
  static async create(bytes: number, threads: 1 | 2): Promise<KernelRunner> {
    return KernelRunner.attach(reserveMemory(bytes), CONTROL, threads);
  }

  /** Works over a memory that is there already, through the control block at `controlAt`. */
  static async attach(memory: WebAssembly.Memory, controlAt: number, threads: 1 | 2): Promise<KernelRunner> {
    const module = await loadKernelModule();
    const worker = threads === 2 ? await startWorker(module, memory, controlAt) : null;
    return new KernelRunner(memory, controlAt, instantiateKernel(module, memory, controlAt), worker);
  }

  get threads(): 1 | 2 {
    return this.#worker === null ? 1 : 2;
  }

  get disposed(): boolean {
    return this.#disposed !== null;
  }

  /** Runs items 0 to `items` of the job in the control block; returns when all are done. */
  run(items: number, shared: boolean): void {
    if (!shared || items < 2) return this.kernel.runAlone(items);
    assert(this.#worker !== null, "a shared job has a second thread");
    if (this.kernel.runShared(items) === 0) fail("engine_failed", "the second kernel thread died during a job");
  }

  /** Ends the second thread and waits until it is gone. May be called again. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#stop();
    return this.#disposed;
  }

  async #stop(): Promise<void> {
    if (this.#worker === null) return;
    const gone = once(this.#worker, "exit");
    this.#worker.ref(); // else the process could end before the promise does
    Atomics.store(this.words, STOP / 4, 1);
    Atomics.add(this.words, WAKE / 4, 1);
    Atomics.notify(this.words, WAKE / 4);
    await gone;
  }
}

async function startWorker(module: WebAssembly.Module, memory: WebAssembly.Memory, controlAt: number): Promise<Worker> {
  const worker = new Worker(builtFile("attention-worker.js"), {
    workerData: { module, memory, controlAt },
    execArgv: [],
  });
  try {
    await once(worker, "message");
  } catch (cause) {
    return fail("engine_failed", "the second kernel thread did not start", { cause });
  }
  worker.unref(); // a process whose work is done ends, disposed or not
  return worker;
}
