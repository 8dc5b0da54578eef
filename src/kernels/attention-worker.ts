/**
 * The second kernel thread: instantiates the same module over the same memory and stays in `serve`,
 * asleep between jobs, until it is told to stop. It never handles messages: work comes through the memory.
 */
import { parentPort, workerData } from "node:worker_threads";
import { instantiateKernel } from "./kernel-module.ts";

const { module, memory, controlAt } = workerData as {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  controlAt: number;
};
const kernel = instantiateKernel(module, memory, controlAt);
parentPort?.postMessage("ready");
kernel.serve(1);
