/**
 * What goes into a run: the check that feeds fit a session's inputs, and made-up feeds that try a session out.
 * The check is on every run's path: one pass over the inputs, nothing allocated per element.
 */
import { fail } from "../core/index.ts";
import { DTYPES, elementCount } from "./onnx/dtypes.ts";
import type { Shape, TensorData, ValueInfo } from "./types.ts";

/** Tensors by input name. ORT reads them in place, so they must not change while a run lasts. */
export type Feeds = Readonly<Record<string, TensorData>>;

/** Tensors by output name; each run makes new ones, which are the caller's to keep or change. */
export type Fetched = Record<string, TensorData>;

/**
 * Throws `shape_mismatch` for a feed that does not fit its input, `invalid_request` for one that is missing or
 * unknown, `unsupported` for shared memory. A named size must be the same wherever it occurs in one call.
 */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: Feeds): void {
  const sizes = new Map<string, number>();
  for (const input of inputs) {
    const feed = feeds[input.name];
    if (feed === undefined) {
      fail("invalid_request", `input ${input.name}: ${describe(input)} is missing`, { param: input.name });
    }
    checkFeed(input, feed, sizes);
  }
  let count = 0;
  for (const name in feeds) {
    count += 1;
    if (count > inputs.length) failUnknown(inputs, feeds, name);
  }
}

/** Every input has a feed and there are more feeds than inputs: name the one that is too many. */
function failUnknown(inputs: readonly ValueInfo[], feeds: Feeds, last: string): never {
  const known = new Set(inputs.map((input) => input.name));
  const extra = Object.keys(feeds).find((name) => !known.has(name)) ?? last;
  fail("invalid_request", `no input ${extra}; there are ${[...known].join(", ")}`, { param: extra });
}

function checkFeed(input: ValueInfo, feed: TensorData, sizes: Map<string, number>): void {
  const { name } = input;
  if (feed.dtype !== input.dtype || !fits(input.shape, feed.dims, sizes)) {
    const named = input.shape.filter((dim) => typeof dim === "string" && sizes.has(dim));
    const bound = named.map((dim) => `${dim}=${sizes.get(String(dim))}`).join(", ");
    const known = bound === "" ? "" : ` (${bound} by the inputs before it)`;
    const got = `${feed.dtype}[${feed.dims.join(", ")}]`;
    fail("shape_mismatch", `input ${name}: expected ${describe(input)}${known}, got ${got}`, { param: name });
  }
  const { array } = DTYPES[feed.dtype];
  const count = elementCount(feed.dims);
  if (!(feed.data instanceof array) || feed.data.length !== count) {
    const needed = `${feed.dtype}[${feed.dims.join(", ")}] needs a ${array.name} of ${count} elements`;
    const got = `a ${feed.data.constructor.name} of ${feed.data.length}`;
    fail("shape_mismatch", `input ${name}: ${needed}, got ${got}`, { param: name });
  }
  if (feed.data.buffer instanceof SharedArrayBuffer) {
    fail("unsupported", `input ${name} lies in a SharedArrayBuffer, which ORT cannot read: copy it first`, {
      param: name,
    });
  }
}

function fits(shape: Shape, dims: readonly number[], sizes: Map<string, number>): boolean {
  if (shape.length !== dims.length) return false;
  for (let axis = 0; axis < dims.length; axis++) {
    const expected = shape[axis];
    const actual = dims[axis]!;
    if (typeof expected === "number") {
      if (expected !== actual) return false;
    } else if (expected !== undefined && expected !== "") {
      const bound = sizes.get(expected);
      if (bound === undefined) sizes.set(expected, actual);
      else if (bound !== actual) return false;
    }
  }
  return true;
}

function describe(info: ValueInfo): string {
  return `${info.dtype}[${info.shape.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}

/** Two, so that rows are tried in a batch. */
const PROBE_SIZE = 2;
/** Above this, trying out costs more than it tells. */
const PROBE_ELEMENTS_MAX = 2 ** 24;

/**
 * Feeds to try a session with: every open size is two, floats are a wave, integers zero (the index that is
 * always there). Null when they would be too large. A session may refuse them: sizes can hang together.
 */
export function probeFeeds(inputs: readonly ValueInfo[]): Feeds | null {
  const feeds: Record<string, TensorData> = {};
  for (const { name, dtype, shape } of inputs) {
    const dims = shape.map((dim) => (typeof dim === "number" ? dim : PROBE_SIZE));
    const count = elementCount(dims);
    if (count > PROBE_ELEMENTS_MAX) return null;
    const data = new DTYPES[dtype].array(count);
    if (data instanceof Float32Array || data instanceof Float64Array) {
      for (let index = 0; index < count; index++) data[index] = Math.sin(index * 0.7 + 1);
    } else if (dtype === "float16") {
      // Bits of numbers from 0.5 to 1.
      for (let index = 0; index < count; index++) data[index] = 0x3800 + ((index * 37) % 0x400);
    }
    feeds[name] = { dtype, dims, data };
  }
  return feeds;
}

/** Whether two runs gave the same bits. */
export function sameOutputs(left: Fetched, right: Fetched): boolean {
  return Object.keys(left).every((name) => {
    const [one, other] = [left[name]!.data, right[name]!.data];
    return Buffer.from(one.buffer, one.byteOffset, one.byteLength).equals(
      Buffer.from(other.buffer, other.byteOffset, other.byteLength),
    );
  });
}
