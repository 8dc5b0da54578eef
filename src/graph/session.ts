/**
 * A loaded network that runs. The only file that knows onnxruntime-node, which it loads on first use, so
 * that everything else works (and starts fast) without the native library.
 *
 * Rules, each held by a test in session.test.ts:
 * - Every session sets force_spinning_stop: its threads spin inside a run and stop at the end of it.
 * - A run blocks its thread, also `await session.run(...)`: sessions belong into worker threads. Never
 *   terminate such a worker while it is inside a run, that aborts the whole process: ask it to stop.
 * - Inputs are used in place, without a copy. Outputs are always fresh copies (0.4 ms per MB): fetch few.
 * - float32 rows do not depend on the batch they are in, to the last bit, where weights are initializers. With
 *   weights as inputs ORT has another kernel for a single row.
 * - Memory shared between threads (SharedArrayBuffer) cannot be fed; ORT refuses it, we say so first.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type * as OrtModule from "onnxruntime-node";
import { fail, PunctualError } from "../core/index.ts";
import { checkFeeds, type Feeds, type Fetched, probeFeeds, sameOutputs } from "./feeds.ts";
import { DTYPES, describeCode, dtypeOfCode, elementCount } from "./onnx/dtypes.ts";
import { encodeOnnx } from "./onnx/encode.ts";
import { initializerBytes, readModelFile, resolveExternal, WEIGHTS_FILE, writeModelFiles } from "./onnx/files.ts";
import { disableNativeTelemetry } from "./telemetry.ts";
import type { DType, GraphModel, TensorArray, ValueInfo } from "./types.ts";
import {
  cacheKey,
  type CheckModel,
  dropCached,
  findKey,
  openCached,
  SAVED_FILE,
  WEIGHT_CACHE_BYTES_DEFAULT,
} from "./weight-cache.ts";

/** Beyond this, encoding a model would need too much memory for a moment, and at 2 GiB the format ends. */
const IN_MEMORY_BYTES_DEFAULT = 1.5 * 1024 ** 3;

/** How a model is loaded, cached, run and measured; every option may be absent. */
export interface SessionOptions {
  /** Compute threads of a run, the caller's included. Default: ORT's own, one per core. */
  readonly threads?: number;
  /** Folder that external initializers of a GraphModel are relative to. */
  readonly externalDir?: string;
  /**
   * Absolute path of a folder for packed weights (weight-cache.ts): the first load packs and keeps them, every
   * later one, in any worker or process, maps them and needs little memory of its own. Models that cannot be
   * kept (with subgraphs, with element types that GraphModel lacks) are loaded as if this were not set.
   */
  readonly weightCacheDir?: string;
  /** Size of that folder beyond which entries not used for long are removed. Default 32 GiB. */
  readonly weightCacheBytes?: number;
  /** Weights of a GraphModel from this size on reach ORT through a temporary folder. Default 1.5 GiB. */
  readonly inMemoryBytes?: number;
  /** How far ORT rewrites the graph when it loads it. Default "all". */
  readonly optimization?: "disabled" | "basic" | "extended" | "all";
  /** Measures kernels; the record goes to `${filePrefix}_<time>.json` (an absolute path) and to endProfile(). */
  readonly profile?: { readonly filePrefix: string };
  /** "direct" (default) calls the native object itself; "public" goes through the package's own API. */
  readonly call?: "direct" | "public";
}

/** One execution of one node. */
export interface KernelTime {
  readonly op: string;
  readonly node: string;
  readonly ms: number;
}

/**
 * A loaded network. It holds native memory until it is released, best by `await using`; its names, types and shapes
 * are those of the graph, with a string for a size that is open.
 */
export interface Session extends AsyncDisposable {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /**
   * Runs the graph and returns the outputs named in `fetches` (default all). Blocks the thread, and called directly
   * settles in the same tick: a loop of runs has to let other work in by itself.
   * Throws `shape_mismatch` for a feed that does not fit, `invalid_request` for one that is missing or unknown,
   * `unsupported` for shared memory, `engine_failed` when ORT fails.
   */
  run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched>;
  /** The same without leaving the call. Throws `unsupported` where the native object is not reachable. */
  runSync(feeds: Feeds, fetches?: readonly string[]): Fetched;
  /** Ends the profile that the options asked for: the time of every kernel, run after run. */
  endProfile(): Promise<readonly KernelTime[]>;
  /** Frees the native session. A second call does nothing; a run afterwards throws `invalid_request`. */
  release(): Promise<void>;
}

/** A tensor as the binding takes and gives it; the package's Tensor class has the same fields. */
interface NativeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: TensorArray;
  readonly location: "cpu";
}

interface NativeMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: number;
  /** -1 where the size has a name or none. */
  readonly shape: readonly number[];
  readonly symbolicDimensions: readonly string[];
}

type NativeOptions = Readonly<Record<string, unknown>>;

interface NativeSession {
  loadModel(path: string, options: NativeOptions): void;
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: NativeOptions): void;
  readonly inputMetadata: readonly NativeMetadata[];
  readonly outputMetadata: readonly NativeMetadata[];
  run(
    feeds: Readonly<Record<string, NativeTensor>>,
    fetches: Readonly<Record<string, null>>,
    options: NativeOptions,
  ): Record<string, NativeTensor>;
  endProfiling(): void;
  dispose(): void;
}

/** What onnxruntime-node/dist/binding.js exports. */
interface NativeBinding {
  readonly binding: { readonly InferenceSession: new () => NativeSession };
  initOrt(): void;
}

type Ort = typeof OrtModule;

interface Native {
  readonly ort: Ort;
  /** Undefined where the package's inner file is not where 1.30 has it. */
  readonly direct: NativeBinding | undefined;
}

let loading: Promise<Native> | undefined;

/** Loads the native library once per thread. Throws `missing_dependency`. */
function loadNative(): Promise<Native> {
  loading ??= importNative();
  return loading;
}

async function importNative(): Promise<Native> {
  disableNativeTelemetry();
  let ort: Ort;
  try {
    ort = await import("onnxruntime-node");
  } catch (cause) {
    fail(
      "missing_dependency",
      "onnxruntime-node could not be loaded: reinstall with onnxruntime-node-install=skip in .npmrc",
      {
        cause,
      },
    );
  }
  try {
    const module = (await import("onnxruntime-node/dist/binding.js")) as unknown as NativeBinding & {
      readonly default?: NativeBinding;
    };
    const direct = module.default ?? module;
    direct.initOrt();
    return { ort, direct };
  } catch {
    // Another version of the package may keep the file elsewhere: everything but runSync still works.
    return { ort, direct: undefined };
  }
}

/** The version of onnxruntime-node, without loading it. Throws `missing_dependency`. */
export function ortVersion(): string {
  try {
    const manifest = createRequire(import.meta.url)("onnxruntime-node/package.json") as { readonly version: string };
    return manifest.version;
  } catch (cause) {
    fail("missing_dependency", "onnxruntime-node is not installed", { cause });
  }
}

/** A name for what is kept of that content on this machine, with this version of onnxruntime-node. Throws `missing_dependency`. */
export function machineKey(content: string): string {
  return cacheKey(content, ortVersion(), "kept");
}

/** The execution providers of the installed library, e.g. `{ name: "cpu", bundled: true }`; loads it. */
export async function availableProviders(): Promise<readonly { readonly name: string; readonly bundled: boolean }[]> {
  const { ort } = await loadNative();
  return ort.listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}

/** A network as data, or the path of an .onnx file, whose external weights are looked for in the file's own folder. */
export type ModelOrPath = GraphModel | { readonly path: string };

/**
 * Loads a model, given as a graph or as an .onnx file. Blocks the thread while ORT optimises and packs it.
 * Throws `invalid_graph` when ORT refuses it, `out_of_memory`, `missing_dependency`, and `unsupported` for inputs
 * or outputs that cannot cross into JavaScript.
 */
export async function createSession(model: ModelOrPath, options: SessionOptions = {}): Promise<Session> {
  const native = await loadNative();
  if (options.weightCacheDir !== undefined) {
    const session = await openThroughCache(native, model, options, options.weightCacheDir);
    if (session !== null) return session;
  }
  return openModel(native, model, options, nativeOptions(options));
}

/** Null for a model that cannot be kept. */
async function openThroughCache(
  native: Native,
  model: ModelOrPath,
  options: SessionOptions,
  dir: string,
): Promise<Session | null> {
  const cache = { dir, limitBytes: options.weightCacheBytes ?? WEIGHT_CACHE_BYTES_DEFAULT };
  // What ORT saved is optimised already.
  const mapped = nativeOptions({ ...options, optimization: "disabled" });
  const save = async (folder: string): Promise<CheckModel> => {
    await using saving = await openModel(native, model, options, savingOptions(options, folder));
    const expected = await tryOut(saving);
    return async (path) => {
      await using session = await openSource(native, path, options, nativeOptions({ optimization: "disabled" }));
      const actual = await tryOut(session);
      return expected === null || (actual !== null && sameOutputs(expected, actual));
    };
  };
  try {
    const keyOf = (content: string): string => cacheKey(content, ortVersion(), optimizationOf(options));
    const key = await findKey(dir, await withData(model, options), keyOf);
    const path = await openCached(cache, key, save);
    try {
      return await openSource(native, path, options, mapped);
    } catch (error) {
      if (!(error instanceof PunctualError) || error.code !== "invalid_graph") throw error;
      // Whole and still refused, or removed by another process in between: once more from the model itself.
      await dropCached(cache, key);
      return await openSource(native, await openCached(cache, key, save), options, mapped);
    }
  } catch (error) {
    if (error instanceof PunctualError && error.code === "unsupported") return null;
    throw error;
  }
}

/** One run on made-up feeds; null where they make no sense to the graph. */
async function tryOut(session: Session): Promise<Fetched | null> {
  const feeds = probeFeeds(session.inputs);
  if (feeds === null) return null;
  try {
    return await session.run(feeds);
  } catch (error) {
    if (error instanceof PunctualError && error.code === "engine_failed") return null;
    throw error;
  }
}

/** The model with every initializer loadable, for hashing. */
async function withData(model: ModelOrPath, options: SessionOptions): Promise<GraphModel> {
  if ("path" in model) return readModelFile(model.path);
  return options.externalDir === undefined ? model : resolveExternal(model, options.externalDir);
}

async function openModel(
  native: Native,
  model: ModelOrPath,
  options: SessionOptions,
  ortOptions: NativeOptions,
): Promise<Session> {
  if ("path" in model) return openSource(native, model.path, options, ortOptions);
  let weightBytes = 0;
  for (const initializer of model.initializers) {
    if (initializer.external === undefined) weightBytes += initializerBytes(initializer);
  }
  const limit = options.inMemoryBytes ?? IN_MEMORY_BYTES_DEFAULT;
  if (weightBytes < limit) return openSource(native, encodeOnnx(model), options, ortOptions);
  const folder = await mkdtemp(join(tmpdir(), "punctual-model-"));
  try {
    const whole = options.externalDir === undefined ? model : resolveExternal(model, options.externalDir);
    return await openSource(native, await writeModelFiles(whole, folder), options, ortOptions);
  } finally {
    // ORT has the weights mapped, which keeps them until the session ends; Windows would refuse.
    if (process.platform !== "win32") await rm(folder, { recursive: true, force: true });
  }
}

async function openSource(
  native: Native,
  source: string | Uint8Array,
  options: SessionOptions,
  ortOptions: NativeOptions,
): Promise<Session> {
  try {
    if (native.direct !== undefined && options.call !== "public") {
      const session = new native.direct.binding.InferenceSession();
      if (typeof source === "string") session.loadModel(source, ortOptions);
      else session.loadModel(source.buffer, source.byteOffset, source.byteLength, ortOptions);
      return new DirectSession(session, options);
    }
    const { InferenceSession } = native.ort;
    // One call by type: the package's overloads do not take a union.
    const session =
      typeof source === "string"
        ? await InferenceSession.create(source, ortOptions)
        : await InferenceSession.create(source, ortOptions);
    return new PublicSession(native.ort, session, options);
  } catch (cause) {
    throw fromOrt(cause, "invalid_graph", typeof source === "string" ? source : "the model");
  }
}

function optimizationOf(options: SessionOptions): NonNullable<SessionOptions["optimization"]> {
  return options.optimization ?? "all";
}

function nativeOptions(options: SessionOptions, extra: Readonly<Record<string, string>> = {}): NativeOptions {
  const external =
    options.externalDir === undefined ? {} : { model_external_initializers_file_folder_path: options.externalDir };
  return {
    executionProviders: ["cpu"],
    executionMode: "sequential",
    graphOptimizationLevel: optimizationOf(options),
    // Quiet: ORT would write to standard error what it throws anyway.
    logSeverityLevel: 4,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile.filePrefix }),
    extra: { session: { force_spinning_stop: "1", ...external, ...extra } },
  };
}

/** Makes ORT write the optimised model, raw weights and packed ones, while it loads. */
function savingOptions(options: SessionOptions, folder: string): NativeOptions {
  const extra = {
    optimized_model_external_initializers_file_name: WEIGHTS_FILE,
    optimized_model_external_initializers_min_size_in_bytes: "1024",
    save_external_prepacked_constant_initializers: "1",
  };
  return {
    ...nativeOptions({ ...options, profile: undefined }, extra),
    optimizedModelFilePath: join(folder, SAVED_FILE),
  };
}

/** ORT's errors are plain Errors with a long text; out of memory is worth telling apart. */
function fromOrt(cause: unknown, code: "invalid_graph" | "engine_failed", what: string): PunctualError {
  if (cause instanceof PunctualError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const memory = /bad_alloc|bad allocation|Failed to allocate|out of memory/i.test(message);
  return new PunctualError(memory ? "out_of_memory" : code, `${what}: ${message}`, { cause });
}

/** Checks and the life of a session, common to both ways of calling ORT. */
abstract class CheckedSession implements Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #allOutputs: readonly string[];
  readonly #outputNames: ReadonlySet<string>;
  readonly #filePrefix: string | undefined;
  protected released = false;

  constructor(inputs: readonly ValueInfo[], outputs: readonly ValueInfo[], options: SessionOptions) {
    this.#filePrefix = options.profile?.filePrefix;
    this.inputs = inputs;
    this.outputs = outputs;
    this.#allOutputs = outputs.map((output) => output.name);
    this.#outputNames = new Set(this.#allOutputs);
  }

  abstract run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched>;
  abstract runSync(feeds: Feeds, fetches?: readonly string[]): Fetched;
  abstract release(): Promise<void>;
  protected abstract stopProfiling(): void;

  async endProfile(): Promise<readonly KernelTime[]> {
    if (this.#filePrefix === undefined || this.released) fail("invalid_request", "this session keeps no profile");
    this.stopProfiling();
    return readProfile(this.#filePrefix);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** The names to fetch, checked. */
  protected checkFetches(fetches: readonly string[] | undefined): readonly string[] {
    if (this.released) fail("invalid_request", "this session has been released");
    if (fetches === undefined) return this.#allOutputs;
    for (const name of fetches) {
      if (!this.#outputNames.has(name)) {
        fail("invalid_request", `no output ${name}; there are ${this.#allOutputs.join(", ")}`, { param: name });
      }
    }
    return fetches;
  }
}

/** Calls the package's own native object: synchronous, and 3 µs a call cheaper than the public way. */
class DirectSession extends CheckedSession {
  readonly #native: NativeSession;

  constructor(native: NativeSession, options: SessionOptions) {
    super(native.inputMetadata.map(fromMetadata), native.outputMetadata.map(fromMetadata), options);
    this.#native = native;
  }

  async run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched> {
    return this.runSync(feeds, fetches);
  }

  runSync(feeds: Feeds, fetches?: readonly string[]): Fetched {
    const names = this.checkFetches(fetches);
    checkFeeds(this.inputs, feeds);
    const tensors: Record<string, NativeTensor> = {};
    for (const { name } of this.inputs) {
      const { dtype, dims, data } = feeds[name]!;
      tensors[name] = { type: dtype, dims, data, location: "cpu" };
    }
    const wanted: Record<string, null> = {};
    for (const name of names) wanted[name] = null;
    try {
      return fromNative(this.#native.run(tensors, wanted, {}), names);
    } catch (cause) {
      throw fromOrt(cause, "engine_failed", "run");
    }
  }

  protected stopProfiling(): void {
    this.#native.endProfiling();
  }

  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    this.#native.dispose();
  }
}

type OrtSession = Awaited<ReturnType<Ort["InferenceSession"]["create"]>>;

/** The documented API, for versions of the package whose inner object cannot be reached. */
class PublicSession extends CheckedSession {
  readonly #ort: Ort;
  readonly #session: OrtSession;
  /** The public run starts on a later tick, so a release has to wait for it. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor(ort: Ort, session: OrtSession, options: SessionOptions) {
    super(session.inputMetadata.map(fromPublicMetadata), session.outputMetadata.map(fromPublicMetadata), options);
    this.#ort = ort;
    this.#session = session;
  }

  async run(feeds: Feeds, fetches?: readonly string[]): Promise<Fetched> {
    const names = this.checkFetches(fetches);
    checkFeeds(this.inputs, feeds);
    const { Tensor } = this.#ort;
    const tensors: Record<string, InstanceType<typeof Tensor>> = {};
    for (const { name } of this.inputs) {
      const { dtype, dims, data } = feeds[name]!;
      tensors[name] = new Tensor(dtype, data as Float32Array, dims);
    }
    const running = this.#session.run(tensors, names);
    this.#pending = Promise.allSettled([this.#pending, running]);
    try {
      return fromNative((await running) as unknown as Record<string, NativeTensor>, names);
    } catch (cause) {
      throw fromOrt(cause, "engine_failed", "run");
    }
  }

  runSync(): never {
    fail("unsupported", "this onnxruntime-node cannot be called synchronously");
  }

  protected stopProfiling(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    await this.#pending;
    await this.#session.release();
  }
}

/** ORT's profile is a list of trace events; those of kernels have their time in microseconds. */
async function readProfile(filePrefix: string): Promise<KernelTime[]> {
  const dir = dirname(filePrefix);
  const names = (await readdir(dir)).filter((name) => name.startsWith(basename(filePrefix)) && name.endsWith(".json"));
  const newest = names.toSorted().at(-1);
  if (newest === undefined) fail("internal", `ORT wrote no profile to ${filePrefix}`);
  const events = JSON.parse(await readFile(join(dir, newest), "utf8")) as readonly TraceEvent[];
  const kernels: KernelTime[] = [];
  for (const { cat, name, dur, args } of events) {
    if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
    kernels.push({ op: args.op_name ?? "", node: name.slice(0, -"_kernel_time".length), ms: dur / 1000 });
  }
  return kernels;
}

interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

function fromNative(results: Readonly<Record<string, NativeTensor>>, names: readonly string[]): Fetched {
  const fetched: Fetched = {};
  for (const name of names) {
    const { type, dims, data } = results[name]!;
    const dtype = type as DType;
    const { array } = DTYPES[dtype];
    // Later Node versions have a Float16Array and get one; ours is its bits.
    const own = data instanceof array ? data : new array((data as TensorArray).buffer, 0, elementCount(dims));
    fetched[name] = { dtype, dims, data: own };
  }
  return fetched;
}

function fromMetadata(metadata: NativeMetadata): ValueInfo {
  const dtype = metadata.isTensor ? dtypeOfCode(metadata.type) : undefined;
  if (dtype === undefined) {
    const what = metadata.isTensor ? describeCode(metadata.type) : "not a tensor";
    fail("unsupported", `${metadata.name}: ${what} cannot cross into JavaScript`, { param: metadata.name });
  }
  const shape = metadata.shape.map((dim, axis) => (dim >= 0 ? dim : (metadata.symbolicDimensions[axis] ?? "")));
  return { name: metadata.name, dtype, shape };
}

function fromPublicMetadata(metadata: OrtSession["inputMetadata"][number]): ValueInfo {
  if (!metadata.isTensor || !(metadata.type in DTYPES)) {
    const what = metadata.isTensor ? metadata.type : "not a tensor";
    fail("unsupported", `${metadata.name}: ${what} cannot cross into JavaScript`, { param: metadata.name });
  }
  return { name: metadata.name, dtype: metadata.type as DType, shape: metadata.shape };
}
