/**
 * The cache on the disk, in the layout that Hugging Face's own tools share, so that what one of them has fetched is
 * there for the others:
 *
 *   models--org--name/
 *     blobs/<sha256 | git sha1>            contents, each once
 *     snapshots/<commit>/config.json       links to them, by the name a commit gives them
 *     refs/main                            the commit that a branch or tag was when last asked
 *   .locks/models--org--name/punctual.lock
 *
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import {
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { INDEX_FILE, shardNames, WEIGHTS_FILE } from "./select.ts";

/** A file of a snapshot whose content is there. */
export interface SnapshotFile {
  readonly path: string;
  readonly bytes: number;
  /** The content's name among the blobs; null when it lies in the snapshot itself. */
  readonly blob: string | null;
}

const FOLDER = /^models--([^/]+)--([^/]+)$/;
/** Folders within a snapshot deeper than this are not looked into. */
const DEEPEST = 4;

/** The paths of one repository. */
export class RepoLayout {
  readonly repo: string;
  readonly root: string;
  readonly lock: string;

  constructor(cacheDir: string, repo: string) {
    const folder = `models--${repo.replace("/", "--")}`;
    this.repo = repo;
    this.root = join(cacheDir, folder);
    this.lock = join(cacheDir, ".locks", folder, "punctual.lock");
  }

  blob(hash: string): string {
    return join(this.root, "blobs", hash);
  }

  snapshot(commit: string): string {
    return join(this.root, "snapshots", commit);
  }

  async commits(): Promise<string[]> {
    const names = await namesIn(join(this.root, "snapshots"));
    return names.filter((name) => /^[0-9a-f]{40}$/.test(name)).toSorted();
  }

  /** The commit that a branch or tag was when it was last pulled. */
  async readRef(revision: string): Promise<string | null> {
    const text = await textOf(join(this.root, "refs", ...revision.split("/")));
    const commit = text?.trim() ?? "";
    return /^[0-9a-f]{40}$/.test(commit) ? commit : null;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    const path = join(this.root, "refs", ...revision.split("/"));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.punctual-new`, commit);
    await rename(`${path}.punctual-new`, path);
  }

  /** Branches and tags with their commits. */
  async refs(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const name of await filesBelow(join(this.root, "refs"), "", DEEPEST)) {
      const commit = await this.readRef(name);
      if (commit !== null) found.set(name, commit);
    }
    return found;
  }

  async files(commit: string): Promise<SnapshotFile[]> {
    const folder = this.snapshot(commit);
    const found: SnapshotFile[] = [];
    for (const path of await filesBelow(folder, "", DEEPEST)) {
      const full = join(folder, path);
      const content = await statOrNull(full);
      if (content === null) continue; // a link to a blob that was removed
      found.push({ path, bytes: content, blob: await this.#blobOf(full) });
    }
    return found;
  }

  /** Gives a blob its name in a commit, in one step. Where links are not allowed (Windows) it is a second name of the file. */
  async place(commit: string, path: string, hash: string): Promise<void> {
    const target = this.blob(hash);
    const at = join(this.snapshot(commit), ...path.split("/"));
    await mkdir(dirname(at), { recursive: true });
    const fresh = `${at}.punctual-new`;
    await rm(fresh, { force: true });
    try {
      await symlink(relative(dirname(at), target), fresh);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
      await link(target, fresh);
    }
    await rename(fresh, at);
  }

  /** Removes blobs that no snapshot names any more; partial ones stay for a later pull. Answers the bytes freed. */
  async sweep(): Promise<number> {
    const used = new Set<string>();
    for (const commit of await this.commits()) {
      for (const { blob } of await this.files(commit)) if (blob !== null) used.add(blob);
    }
    let freed = 0;
    for (const name of await namesIn(join(this.root, "blobs"))) {
      if (used.has(name) || !/^[0-9a-f]+$/.test(name)) continue;
      freed += (await statOrNull(this.blob(name))) ?? 0;
      await rm(this.blob(name), { force: true });
    }
    return freed;
  }

  async #blobOf(path: string): Promise<string | null> {
    if (!(await lstat(path)).isSymbolicLink()) return null;
    return (await readlink(path)).split(/[\\/]/).at(-1) ?? null;
  }
}

/** Every repository of a cache. */
export async function repositoriesIn(cacheDir: string): Promise<RepoLayout[]> {
  const names = await namesIn(cacheDir);
  return names.toSorted().flatMap((name) => {
    const match = FOLDER.exec(name);
    return match === null ? [] : [new RepoLayout(cacheDir, `${match[1]!}/${match[2]!}`)];
  });
}

/** The files that a snapshot lacks to be a model with safetensors; null when it is not meant to be one. */
export async function missingParts(
  folder: string,
  files: readonly SnapshotFile[],
): Promise<{ readonly parts: readonly SnapshotFile[]; readonly missing: readonly string[] } | null> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const names = ["config.json", "tokenizer.json"];
  if (byPath.has(INDEX_FILE) && !byPath.has(WEIGHTS_FILE)) {
    const text = (await textOf(join(folder, INDEX_FILE))) ?? "";
    names.push(INDEX_FILE, ...shardNames(text));
  } else if (byPath.has(WEIGHTS_FILE)) names.push(WEIGHTS_FILE);
  else return null;
  const missing = names.filter((name) => !byPath.has(name));
  const parts = files.filter(({ path }) => names.includes(path) || /^[^/]*\.(?:json|jinja)$/.test(path));
  return { parts, missing };
}

async function filesBelow(root: string, below: string, depth: number): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await entriesIn(join(root, below))) {
    if (entry.name.endsWith(".punctual-new")) continue;
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (!entry.isDirectory()) found.push(path);
    else if (depth > 0) found.push(...(await filesBelow(root, path, depth - 1)));
  }
  return found;
}

async function entriesIn(folder: string): ReturnType<typeof readFolder> {
  try {
    return await readFolder(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

function readFolder(folder: string) {
  return readdir(folder, { withFileTypes: true });
}

async function namesIn(folder: string): Promise<string[]> {
  return (await entriesIn(folder)).map(({ name }) => name);
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return null;
    throw error;
  }
}

/** Bytes of what the path leads to. */
async function statOrNull(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
