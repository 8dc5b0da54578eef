/**
 * What a run needs to go on as if it had never stopped: weights, both Adam moments, the moving average
 * and the step, in one safetensors file. There is no random state to keep: every draw of a run is a
 * pure function of its seed and the step number.
 *
 * A file is written beside its place, flushed, then renamed, so a crash leaves the old or the new one.
 */
import { open, readFile, rename } from "node:fs/promises";
import { fail } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import type { AdamW } from "./adamw.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";

const FORMAT = "punctual-checkpoint-1";
const PARTS = ["weight", "first", "second", "average"] as const;

/** Writes bytes to `path` so that a reader sees the old file or the whole new one. */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.partial`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}

/** The arrays of an optimiser by part, in the parameters' order; averages may be none. */
function partsOf(optimizer: AdamW): Readonly<Record<(typeof PARTS)[number], readonly Float32Array[]>> {
  return {
    weight: optimizer.parameters.map(({ data }) => data),
    first: optimizer.firstMoments,
    second: optimizer.secondMoments,
    average: optimizer.averages,
  };
}

/** How far a run has come, beyond what the optimiser knows. */
export interface RunCounters {
  readonly tokens: number;
  /** Training time so far, over all its processes. */
  readonly elapsedMs: number;
}

/** `identity` says what run this is (recipe and its settings); a checkpoint of another one is refused. */
export async function saveCheckpoint(
  path: string,
  optimizer: AdamW,
  identity: string,
  counters: RunCounters,
): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const [part, arrays] of Object.entries(partsOf(optimizer))) {
    arrays.forEach((data, i) => {
      const { name, dims } = optimizer.parameters[i]!;
      tensors.set(`${part}/${name}`, { dtype: "float32", dims, data });
    });
  }
  const { tokens, elapsedMs } = counters;
  const numbers = { step: optimizer.stepsTaken, tokens, elapsedMs };
  const metadata = { format: FORMAT, identity, counters: JSON.stringify(numbers) };
  await writeFileAtomically(path, encodeSafetensors(tensors, metadata));
}

/** Restores into `optimizer` in place. `invalid_file` names what does not fit. */
export async function loadCheckpoint(path: string, optimizer: AdamW, identity: string): Promise<RunCounters> {
  const { tensors, metadata } = decodeSafetensors(await readFile(path));
  if (metadata["format"] !== FORMAT) fail("invalid_file", `${path} is not a checkpoint`, { param: "format" });
  if (metadata["identity"] !== identity) {
    fail("invalid_file", `${path} belongs to another run: ${metadata["identity"]}, expected ${identity}`, {
      param: "identity",
    });
  }
  const { step, tokens, elapsedMs } = readCounters(path, metadata["counters"]);
  for (const [part, arrays] of Object.entries(partsOf(optimizer))) {
    arrays.forEach((into, i) => {
      const name = `${part}/${optimizer.parameters[i]!.name}`;
      const data = tensors.get(name)?.data;
      if (!(data instanceof Float32Array) || data.length !== into.length) {
        fail("invalid_file", `${path}: ${name} is missing or of another size`, { param: name });
      }
      into.set(data);
    });
  }
  optimizer.stepsTaken = step;
  return { tokens, elapsedMs };
}

function readCounters(path: string, text: string | undefined): RunCounters & { readonly step: number } {
  const parsed: unknown = JSON.parse(text ?? "null");
  const counters = new Map<string, unknown>(Object.entries(parsed ?? {}));
  const number = (name: string): number => {
    const value = counters.get(name);
    if (typeof value !== "number" || value < 0) fail("invalid_file", `${path}: bad ${name}`, { param: name });
    return value;
  };
  return { step: number("step"), tokens: number("tokens"), elapsedMs: number("elapsedMs") };
}
