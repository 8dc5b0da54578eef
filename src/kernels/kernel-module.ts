/** Finds, compiles and instantiates the WebAssembly that scripts/build.mjs puts into dist/kernels/. */
import { readFile } from "node:fs/promises";
import { fail } from "../core/index.ts";
import { CONTROL } from "./assembly/control.ts";

/** The functions of paged-attention.wasm; addresses and counts are 32-bit. */
export interface KernelExports {
  writeRows(layer: number, keys: number, values: number, slots: number, rows: number): void;
  widenPage(layer: number, page: number, tokens: number, keys: number, values: number): void;
  copyPage(from: number, to: number): void;
  runAlone(items: number): void;
  /** False when the second thread died in the middle of the job. */
  runShared(items: number): number;
  serve(thread: number): void;
  /** Names the control block that this instance works for. */
  setControl(at: number): void;
  exp2All(at: number, count: number): void;
}

/** A built file of this module. From src/ (tests) it is the one in dist/, beside which the .wasm files lie. */
export function builtFile(name: string): URL {
  const here = import.meta.url;
  const source = here.lastIndexOf("/src/kernels/");
  return new URL(name, source < 0 ? here : `${here.slice(0, source)}/dist/kernels/`);
}

/** Compiles a built .wasm file. @throws PunctualError missing_dependency when the package is not built. */
export async function compileBuilt(name: string): Promise<WebAssembly.Module> {
  const file = builtFile(name);
  try {
    return await WebAssembly.compile(await readFile(file));
  } catch (cause) {
    return fail("missing_dependency", `expected the compiled kernel at ${file.pathname}: run the build`, { cause });
  }
}

const loaded = new Map<string, Promise<WebAssembly.Module>>();

/** A built .wasm file, compiled once for a thread; after a failure the next one tries again. @throws as `compileBuilt`. */
export function loadBuilt(name: string): Promise<WebAssembly.Module> {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const compiling = compileBuilt(name);
  loaded.set(name, compiling);
  compiling.catch(() => loaded.delete(name));
  return compiling;
}

export async function loadKernelModule(): Promise<WebAssembly.Module> {
  return await compileBuilt("paged-attention.wasm");
}

/** @param controlAt the control block of the view that the instance works for */
export function instantiateKernel(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  controlAt: number = CONTROL,
): KernelExports {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernel = exports as unknown as KernelExports;
  kernel.setControl(controlAt);
  return kernel;
}

/** A memory of that size that never grows; out_of_memory when the system refuses. */
export function reserveMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65536);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    return fail("out_of_memory", `expected ${pages * 65536} bytes of shared memory, the system refused`, { cause });
  }
}
