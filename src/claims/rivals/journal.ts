/**
 * Claim `rivals`: what a long run has measured so far, on disk, so that one that was broken off goes on where it was. A ratio is of
 * the arms of one round, so a round that is kept whole is worth as much as one measured now, as long as nothing that was measured has changed:
 * code, rivals, machine and shape are in the file's name.
 */
import { createHash } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClaimContext } from "../framework.ts";
import { describeMachine } from "../machine.ts";
import type { MeasuredShape } from "./shapes.ts";

/** One finished piece of a shape: a round of all arms, or the load without a cache. */
export type JournalEntry = Readonly<Record<string, unknown>>;

const FOLDER = join(tmpdir(), "punctual-rivals-journal");

/** The pieces of one shape, by name. */
export class Journal {
  readonly #path: string | null;
  readonly #known: Map<string, JournalEntry>;

  private constructor(path: string | null, known: Map<string, JournalEntry>) {
    this.#path = path;
    this.#known = known;
  }

  /**
   * @param code folders and files whose change makes what was measured worthless
   * @param folder where journals lie; null: nothing is kept, for runs that are short
   */
  static async open(
    shape: MeasuredShape,
    { mode, seed }: ClaimContext,
    code: readonly string[],
    folder: string | null = mode === "full" ? FOLDER : null,
  ): Promise<Journal> {
    if (folder === null) return new Journal(null, new Map());
    const newest = await Promise.all(code.map(newestMs));
    const facts = JSON.stringify([shape, mode, seed, describeMachine(), newest]);
    const path = join(folder, `${createHash("sha256").update(facts).digest("hex").slice(0, 32)}.jsonl`);
    await mkdir(folder, { recursive: true });
    return new Journal(path, parseJournal(await readFile(path, "utf8").catch(() => "")));
  }

  /** How many pieces are kept already. */
  get size(): number {
    return this.#known.size;
  }

  /** The piece of that name: as it is kept, or made now and kept. It must survive JSON. */
  async piece<T extends JournalEntry>(name: string, make: () => Promise<T>): Promise<T> {
    const known = this.#known.get(name);
    if (known !== undefined) return known as T;
    const made = await make();
    this.#known.set(name, made);
    if (this.#path !== null) await appendFile(this.#path, `${JSON.stringify({ name, entry: made })}\n`);
    return made;
  }

  /** The run is over: what it kept is in its result. */
  async end(): Promise<void> {
    if (this.#path !== null) await rm(this.#path, { force: true });
  }
}

/** Whole lines only: a run may have been broken off while it wrote one. */
export function parseJournal(text: string): Map<string, JournalEntry> {
  const known = new Map<string, JournalEntry>();
  for (const line of text.split("\n").slice(0, -1)) {
    try {
      const { name, entry } = JSON.parse(line) as { readonly name?: unknown; readonly entry?: unknown };
      if (typeof name === "string" && typeof entry === "object" && entry !== null)
        known.set(name, entry as JournalEntry);
    } catch {
      return known; // what follows a damaged line is measured again
    }
  }
  return known;
}

/** The latest change below a path, milliseconds; 0 when there is none. */
async function newestMs(path: string): Promise<number> {
  const found = await stat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  const names = await readdir(path);
  const times = await Promise.all(names.map((name) => newestMs(join(path, name))));
  return Math.max(0, ...times);
}
