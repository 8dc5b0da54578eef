/** Reading fields of tokenizer files, which nobody vouches for: every failure names the field, every size has a limit. */
import { fail, PunctualError } from "../../core/index.ts";

/** Of tokenizer.json; Gemma's has 33 million. */
export const MAX_FILE_CHARS = 64 * 2 ** 20;
export const MAX_PIECES = 2 ** 19;
const MAX_PIECE_CHARS = 1024;
const MAX_ENTRIES = 4 * MAX_PIECES;

/** An object of a file. */
export type Fields = Readonly<Record<string, unknown>>;

export function parseFields(text: string): Fields {
  if (text.length > MAX_FILE_CHARS) fail("invalid_file", `tokenizer.json is longer than ${MAX_FILE_CHARS} characters`);
  try {
    return record(JSON.parse(text), "");
  } catch (cause) {
    if (cause instanceof PunctualError) throw cause;
    throw new PunctualError("invalid_file", "tokenizer.json is not JSON", { cause });
  }
}

export function record(value: unknown, param: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return fail("invalid_file", `expected an object at ${param || "the root"}`, { param });
}

export function list(value: unknown, param: string): readonly unknown[] {
  if (Array.isArray(value) && value.length <= MAX_ENTRIES) return value as unknown[];
  return fail("invalid_file", `expected a list of at most ${MAX_ENTRIES} at ${param}`, { param });
}

export function tokenId(value: unknown, param: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < MAX_PIECES) return value;
  return fail("invalid_file", `expected a token id in 0..${MAX_PIECES - 1} at ${param}`, { param });
}

export function pieceText(value: unknown, param: string): string {
  if (typeof value === "string" && value.length > 0 && value.length <= MAX_PIECE_CHARS) return value;
  return fail("invalid_file", `expected a piece of 1..${MAX_PIECE_CHARS} characters at ${param}`, { param });
}

/** The two parts of a merge; both spellings are in use: "a b" (older) and ["a", "b"]. */
export function mergeParts(entry: unknown, param: string): readonly [string, string] {
  const parts: readonly unknown[] = typeof entry === "string" ? entry.split(" ") : list(entry, param);
  if (parts.length !== 2) return fail("invalid_file", "a merge joins two pieces of the vocabulary", { param });
  return [pieceText(parts[0], param), pieceText(parts[1], param)];
}
