/**
 * Models of a hub on this machine: found, fetched, listed, removed. A model is a folder (safetensors) or one .gguf file
 * of a snapshot, pinned to a commit. What is there is used without asking anybody; `pull` asks the hub.
 */
import { mkdir, readdir, readFile, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../core/index.ts";
import { downloadBlob, PARTIAL, type RetryOptions } from "./download.ts";
import { Hub, type HubOptions } from "./hub.ts";
import { missingParts, RepoLayout, repositoriesIn, type SnapshotFile } from "./layout.ts";
import { takeLock, type LockOptions } from "./lock.ts";
import { formatHubReference, isCommit, type HubReference } from "./reference.ts";
import { filesNamed, matchingGgufs, planModel, shardNames, type HubFile } from "./select.ts";

/** Where models lie and where they come from. */
export interface ModelStoreOptions {
  /** The cache of Hugging Face's tools, usually ~/.cache/huggingface/hub. Made when needed. */
  readonly cacheDir: string;
  /** Null: nothing is fetched, and what is not there is an error that says so. */
  readonly hub: HubOptions | null;
  /** 5 attempts, 500 ms when absent. */
  readonly retry?: Partial<RetryOptions>;
  readonly lock?: Omit<LockOptions, "signal" | "onWait">;
  /** Bytes that stay free on the disk after a download; 64 MiB when absent. */
  readonly reserveBytes?: number;
  /** Free bytes of a folder's disk; asked of the system when absent. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/** A model on this machine. */
export interface StoredModel {
  /** What to call it: `hf:org/name` or `hf:org/name:file.gguf`. */
  readonly name: string;
  readonly repo: string;
  readonly commit: string;
  /** Branches and tags that were this commit when last asked. */
  readonly revisions: readonly string[];
  readonly format: "safetensors" | "gguf";
  /** The folder, or the .gguf file. */
  readonly path: string;
  readonly bytes: number;
  /** Files that are not there yet; such a model cannot be loaded. */
  readonly missing: readonly string[];
}

/** What a pull is doing. */
export type PullProgress =
  | { readonly kind: "waiting" }
  | {
      readonly kind: "bytes";
      readonly file: string;
      /** Of all files, counting what was there before. `totalBytes` grows once, when an index names its shards. */
      readonly doneBytes: number;
      readonly totalBytes: number;
    };

/** Options of a pull. */
export interface PullOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
}

/** What the hub says about a model that need not be here. */
export interface RemoteModel {
  readonly commit: string;
  readonly format: "safetensors" | "gguf";
  readonly bytes: number;
  readonly files: readonly string[];
  /** config.json as text; null for a .gguf file, which has it inside. */
  readonly config: string | null;
}

const DEFAULT_RETRY: RetryOptions = { attempts: 5, backoffMs: 500 };
const DEFAULT_RESERVE = 64 * 1024 * 1024;
/** Configurations and indexes are read into memory; larger ones are none. */
const LARGEST_TEXT = 64 * 1024 * 1024;

interface Pull {
  readonly hub: Hub;
  readonly reference: HubReference;
  readonly commit: string;
  readonly layout: RepoLayout;
  readonly signal: AbortSignal;
  readonly progress: ProgressSum;
}

/** The models of one cache folder. */
export class ModelStore {
  readonly #options: ModelStoreOptions;

  constructor(options: ModelStoreOptions) {
    this.#options = options;
  }

  /** The complete model that the reference means, as it was when last pulled; null when it is not here. Asks nobody. */
  async find(reference: HubReference): Promise<StoredModel | null> {
    const layout = new RepoLayout(this.#options.cacheDir, reference.repo);
    const { revision, selector } = reference;
    const commit = isCommit(revision) ? revision : await layout.readRef(revision);
    if (commit === null) return null;
    const models = (await modelsOf(layout, commit, await layout.refs())).filter(({ missing }) => missing.length === 0);
    if (selector === null) {
      const tensors = models.find(({ format }) => format === "safetensors");
      if (tensors !== undefined) return tensors;
    }
    const ggufs = models.filter(({ format }) => format === "gguf");
    const folder = layout.snapshot(commit).length + 1;
    const paths = new Map(ggufs.map((model) => [model.path.slice(folder).replaceAll("\\", "/"), model]));
    const matching = matchingGgufs([...paths.keys()], selector);
    return matching.length === 1 ? paths.get(matching[0]!)! : null;
  }

  /** Every model in the cache, incomplete ones too, by name and commit. */
  async list(): Promise<StoredModel[]> {
    const found: StoredModel[] = [];
    for (const layout of await repositoriesIn(this.#options.cacheDir)) {
      const refs = await layout.refs();
      for (const commit of await layout.commits()) found.push(...(await modelsOf(layout, commit, refs)));
    }
    return found;
  }

  /** The model when it is here, else pulled. @throws PunctualError as `pull`. */
  async ensure(reference: HubReference, options: PullOptions = {}): Promise<StoredModel> {
    return (await this.find(reference)) ?? this.pull(reference, options);
  }

  /**
   * Brings the model as the hub has it now. What is there already is kept; a broken pull goes on where it stopped. Two
   * processes that pull the same repository wait for each other.
   * @throws PunctualError model_not_found, unauthorized, unsupported, invalid_file, download_failed, out_of_space,
   * cancelled, request_timeout (another process held the repository for too long).
   */
  async pull(reference: HubReference, options: PullOptions = {}): Promise<StoredModel> {
    const hub = this.#hub(reference);
    const { signal, onProgress } = options;
    const commit = await this.#commitOf(hub, reference, signal);
    const files = await hub.files(reference, commit, signal);
    const plan = planModel(files, reference);
    const layout = new RepoLayout(this.#options.cacheDir, reference.repo);
    await mkdir(join(layout.root, "blobs"), { recursive: true });
    await using lock = await takeLock(layout.lock, {
      ...this.#options.lock,
      ...(signal === undefined ? {} : { signal }),
      onWait: () => onProgress?.({ kind: "waiting" }),
    });
    const pull: Pull = {
      hub,
      reference,
      commit,
      layout,
      signal: AbortSignal.any([lock.lost, ...(signal === undefined ? [] : [signal])]),
      progress: new ProgressSum(onProgress),
    };
    let wanted = plan.files;
    if (plan.format === "safetensors" && plan.index !== null) {
      // The index tells which weight files there are, so it comes first.
      await this.#fetch(pull, [plan.index]);
      wanted = [...wanted, ...filesNamed(files, shardNames(await readText(layout.blob(plan.index.hash.hex))))];
    }
    await this.#fetch(pull, wanted);
    if (reference.revision !== commit) await layout.writeRef(reference.revision, commit);
    const model = await this.find(reference);
    return model ?? fail("internal", `${formatHubReference(reference)} was pulled and is not there.`);
  }

  /** What the hub says about a model: its files, their size and its configuration. @throws PunctualError as `pull`. */
  async inspect(reference: HubReference, signal?: AbortSignal): Promise<RemoteModel> {
    const hub = this.#hub(reference);
    const commit = await this.#commitOf(hub, reference, signal);
    const files = await hub.files(reference, commit, signal);
    const plan = planModel(files, reference);
    const text = (file: HubFile): Promise<string> => fetchText(hub, reference, commit, file, signal);
    let wanted = plan.files;
    if (plan.format === "safetensors" && plan.index !== null) {
      wanted = [...wanted, ...filesNamed(files, shardNames(await text(plan.index)))];
    }
    const config = wanted.find(({ path }) => path === "config.json");
    return {
      commit,
      format: plan.format,
      bytes: sum(wanted, ({ bytes }) => bytes),
      files: wanted.map(({ path }) => path),
      config: config === undefined ? null : await text(config),
    };
  }

  /**
   * Removes what the reference names: the repository, one revision of it, or one .gguf file. Answers the bytes freed.
   * @throws PunctualError model_not_found.
   */
  async remove(reference: HubReference, signal?: AbortSignal): Promise<number> {
    const layout = new RepoLayout(this.#options.cacheDir, reference.repo);
    const missing = (): never =>
      fail("model_not_found", `${formatHubReference(reference)} is not on this machine.`, { param: "model" });
    const commits = await layout.commits();
    if (commits.length === 0 && !(await exists(layout.root))) missing();
    await using _ = await takeLock(layout.lock, { ...this.#options.lock, ...(signal === undefined ? {} : { signal }) });
    if (reference.selector === null && !reference.pinned) return removeFolder(layout.root);
    const { revision } = reference;
    const commit = isCommit(revision) ? revision : await layout.readRef(revision);
    const chosen = reference.pinned ? commits.filter((name) => name === commit) : commits;
    let removed = 0;
    for (const name of chosen) removed += await removeFrom(layout, name, reference.selector);
    if (removed === 0) missing();
    for (const [ref, target] of await layout.refs()) {
      if (!(await exists(layout.snapshot(target)))) await rm(join(layout.root, "refs", ref));
    }
    if ((await layout.commits()).length === 0) return removeFolder(layout.root);
    return layout.sweep();
  }

  #hub(reference: HubReference): Hub {
    const { hub } = this.#options;
    if (hub !== null) return new Hub(hub);
    return fail(
      "model_not_found",
      `${formatHubReference(reference)} is not on this machine, and the hub is not asked.`,
      {
        param: "model",
      },
    );
  }

  async #commitOf(hub: Hub, reference: HubReference, signal: AbortSignal | undefined): Promise<string> {
    return isCommit(reference.revision) ? reference.revision : hub.commitOf(reference, signal);
  }

  async #fetch(pull: Pull, files: readonly HubFile[]): Promise<void> {
    const { layout, progress } = pull;
    progress.expect(files);
    await this.#checkSpace(layout, files);
    for (const file of files) {
      await downloadBlob({
        hub: pull.hub,
        reference: pull.reference,
        commit: pull.commit,
        file,
        target: layout.blob(file.hash.hex),
        signal: pull.signal,
        retry: { ...DEFAULT_RETRY, ...this.#options.retry },
        onBytes: (bytes) => progress.at(file, bytes),
      });
      await layout.place(pull.commit, file.path, file.hash.hex);
    }
  }

  async #checkSpace(layout: RepoLayout, files: readonly HubFile[]): Promise<void> {
    let needed = 0;
    for (const { hash, bytes } of files) {
      const blob = layout.blob(hash.hex);
      if ((await bytesOf(blob)) !== bytes) needed += Math.max(0, bytes - ((await bytesOf(blob + PARTIAL)) ?? 0));
    }
    if (needed === 0) return;
    const free = await (this.#options.freeBytes ?? freeBytesOf)(layout.root);
    const reserve = this.#options.reserveBytes ?? DEFAULT_RESERVE;
    if (free >= needed + reserve) return;
    fail(
      "out_of_space",
      `${layout.repo} needs ${needed} bytes more in ${layout.root}, and ${reserve} stay free; there are ${free}.`,
    );
  }
}

/** Adds up what the files of a pull have got so far. */
class ProgressSum {
  readonly #report: ((progress: PullProgress) => void) | undefined;
  readonly #done = new Map<string, number>();
  readonly #total = new Map<string, number>();

  constructor(report: ((progress: PullProgress) => void) | undefined) {
    this.#report = report;
  }

  expect(files: readonly HubFile[]): void {
    for (const { path, bytes } of files) this.#total.set(path, bytes);
  }

  at({ path }: HubFile, bytes: number): void {
    this.#done.set(path, bytes);
    this.#report?.({
      kind: "bytes",
      file: path,
      doneBytes: sum([...this.#done.values()], (done) => done),
      totalBytes: sum([...this.#total.values()], (total) => total),
    });
  }
}

async function modelsOf(layout: RepoLayout, commit: string, refs: ReadonlyMap<string, string>): Promise<StoredModel[]> {
  const folder = layout.snapshot(commit);
  const files = await layout.files(commit);
  const revisions = [...refs].filter(([, target]) => target === commit).map(([name]) => name);
  const base = { repo: layout.repo, commit, revisions };
  const found: StoredModel[] = files.filter(isGguf).map((file) => ({
    ...base,
    name: `hf:${layout.repo}:${file.path}`,
    format: "gguf",
    path: join(folder, file.path),
    bytes: file.bytes,
    missing: [],
  }));
  const tensors = await missingParts(folder, files);
  if (tensors !== null) {
    const bytes = sum(tensors.parts, (part) => part.bytes);
    const { missing } = tensors;
    found.unshift({ ...base, name: `hf:${layout.repo}`, format: "safetensors", path: folder, bytes, missing });
  }
  return found;
}

function isGguf({ path }: SnapshotFile): boolean {
  return path.toLowerCase().endsWith(".gguf");
}

/** Removes a snapshot, or those of its files that a selector means. Answers how many files. */
async function removeFrom(layout: RepoLayout, commit: string, selector: string | null): Promise<number> {
  const files = await layout.files(commit);
  if (selector === null) {
    await rm(layout.snapshot(commit), { recursive: true });
    return Math.max(1, files.length);
  }
  const matching = matchingGgufs(
    files.filter(isGguf).map(({ path }) => path),
    selector,
  );
  for (const path of matching) await rm(join(layout.snapshot(commit), path));
  if (matching.length === files.length) await rm(layout.snapshot(commit), { recursive: true });
  return matching.length;
}

async function removeFolder(root: string): Promise<number> {
  let freed = 0;
  for (const name of await readdir(join(root, "blobs"))) freed += (await bytesOf(join(root, "blobs", name))) ?? 0;
  await rm(root, { recursive: true });
  return freed;
}

async function fetchText(
  hub: Hub,
  reference: HubReference,
  commit: string,
  file: HubFile,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (file.bytes > LARGEST_TEXT) fail("invalid_file", `${file.path} has ${file.bytes} bytes.`, { param: file.path });
  const body = await hub.open(reference, commit, file, 0, signal);
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of body.stream) {
      body.keepAlive();
      pieces.push(piece);
    }
  } catch (cause) {
    return fail("download_failed", `${file.path}: the connection broke.`, { cause });
  } finally {
    await body.close();
  }
  return Buffer.concat(pieces).toString("utf8");
}

async function readText(path: string): Promise<string> {
  const bytes = (await bytesOf(path)) ?? 0;
  if (bytes > LARGEST_TEXT) fail("invalid_file", `${path} has ${bytes} bytes.`);
  return readFile(path, "utf8");
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function exists(path: string): Promise<boolean> {
  return (await bytesOf(path)) !== null;
}

async function bytesOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
