/**
 * Reading foreign text piece by piece: lines out of chunks, fields out of lines, elements out of one large JSON array.
 * Everything is bounded and says line and field when it refuses. Not a general CSV or JSON parser: traces need none.
 */
import { fail } from "../core/index.ts";

/** Longest line or array element, in UTF-16 units: a recorded prompt of a million token ids still fits. */
export const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;
/** Longest column, name or text that is quoted back in an error. */
const QUOTED_CHARACTERS = 60;
/** Token counts above this are mistakes. */
export const MAX_TOKENS = 100_000_000;
/** A century in milliseconds: times above this are mistakes. */
export const MAX_TIME_MS = 100 * 366 * 86_400_000;

/** Where in a file something stood, for messages. */
export interface Place {
  readonly source: string;
  /** 1 for the first line (or element of a JSON array). */
  readonly line: number;
}

/** Refuses a file: what was expected in which field of which line, and what came. */
export function refuse(place: Place, field: string, expected: string, got: unknown): never {
  const shown = (JSON.stringify(got) ?? String(got)).slice(0, QUOTED_CHARACTERS);
  const where = field === "" ? "" : `${field}: `;
  return fail("invalid_file", `${place.source} line ${place.line}: ${where}expected ${expected}, got ${shown}`, {
    param: field === "" ? `line ${place.line}` : field,
  });
}

/** Splits chunks into lines; a byte order mark and carriage returns are dropped. */
export class LineSplitter {
  readonly #source: string;
  #rest = "";
  #line = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** Lines completed so far, for messages. */
  get line(): number {
    return this.#line;
  }

  /** Calls back with each line that the chunk completes. @throws PunctualError invalid_file for an endless line. */
  push(chunk: string, onLine: (text: string, line: number) => void): void {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf("\n", from);
      if (at < 0) break;
      this.#emit(this.#rest + chunk.slice(from, at), onLine);
      this.#rest = "";
      from = at + 1;
    }
    this.#rest += chunk.slice(from);
    this.#checkLength(this.#rest);
  }

  /** The last line, if it has no newline. */
  end(onLine: (text: string, line: number) => void): void {
    if (this.#rest !== "") this.#emit(this.#rest, onLine);
    this.#rest = "";
  }

  #emit(text: string, onLine: (text: string, line: number) => void): void {
    this.#line += 1;
    this.#checkLength(text);
    let clean = text.endsWith("\r") ? text.slice(0, -1) : text;
    if (this.#line === 1 && clean.startsWith("\uFEFF")) clean = clean.slice(1);
    onLine(clean, this.#line);
  }

  #checkLength(text: string): void {
    if (text.length <= MAX_LINE_CHARACTERS) return;
    refuse({ source: this.#source, line: this.#line + 1 }, "", `at most ${MAX_LINE_CHARACTERS} characters`, "more");
  }
}

/**
 * Splits a JSON array, given in chunks, into the texts of its elements, so that a file larger than memory can be read.
 * Checks brackets and strings only; an element's own syntax is for JSON.parse.
 */
export class ArraySplitter {
  readonly #source: string;
  readonly #onElement: (text: string, index: number) => void;
  #state: "before" | "inside" | "after" = "before";
  #element = "";
  /** Brackets open within the element. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #count = 0;

  /** @param onElement gets each element's text and its number, 1 for the first. */
  constructor(source: string, onElement: (text: string, index: number) => void) {
    this.#source = source;
    this.#onElement = onElement;
  }

  push(chunk: string): void {
    let from = 0; // start of what belongs to the element and is not in #element yet
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (this.#inString) this.#string(code);
      else if (this.#border(code, chunk[i]!)) {
        if (this.#state !== "before") this.#append(chunk.slice(from, i));
        from = i + 1;
        if (code === COMMA || code === CLOSE_LIST) this.#flush(code === CLOSE_LIST);
        if (code === OPEN_LIST) this.#state = "inside";
        if (code === CLOSE_LIST) this.#state = "after";
      }
    }
    if (this.#state === "inside") this.#append(chunk.slice(from));
  }

  /** @throws PunctualError invalid_file when the array is not closed. */
  end(): void {
    if (this.#state !== "after")
      this.#refuse("a closed JSON array", this.#state === "before" ? "nothing" : "its start");
  }

  #string(code: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (code === BACKSLASH) this.#escaped = true;
    else if (code === QUOTE) this.#inString = false;
  }

  /** True for the brackets of the array itself and for commas between its elements. */
  #border(code: number, character: string): boolean {
    if (this.#state !== "inside") {
      if (code === SPACE || code === NEWLINE || code === RETURN || code === TAB || code === MARK) return false;
      if (this.#state === "before" && code === OPEN_LIST) return true;
      return this.#refuse(this.#state === "before" ? "a JSON array" : "the end of the file", character);
    }
    if (code === QUOTE) this.#inString = true;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) this.#depth += 1;
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) {
      if (this.#depth === 0) return code === CLOSE_LIST || this.#refuse("balanced brackets", character);
      this.#depth -= 1;
    } else return code === COMMA && this.#depth === 0;
    return false;
  }

  #flush(last: boolean): void {
    const text = this.#element.trim();
    this.#element = "";
    if (text === "" && last && this.#count === 0) return;
    if (text === "") this.#refuse("an element between commas", "nothing");
    this.#count += 1;
    this.#onElement(text, this.#count);
  }

  #append(text: string): void {
    this.#element += text;
    if (this.#element.length > MAX_LINE_CHARACTERS) this.#refuse(`at most ${MAX_LINE_CHARACTERS} characters`, "more");
  }

  #refuse(expected: string, got: unknown): never {
    return refuse({ source: this.#source, line: this.#count + 1 }, "", expected, got);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const MARK = 0xfeff;

/** The fields of a line of comma-separated values; a field may be quoted, quotes in it are doubled. */
export function csvFields(text: string, place: Place): string[] {
  if (!text.includes('"')) return text.split(",");
  const fields: string[] = [];
  const pattern = /(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match !== null && match[0] !== ""; match = pattern.exec(text)) {
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    end = pattern.lastIndex;
  }
  return end === text.length ? fields : refuse(place, "", "comma-separated fields", text.slice(end));
}

/** Where the named columns stand in a header line. @throws PunctualError invalid_file for a missing one. */
export function findColumns(header: readonly string[], names: readonly string[], place: Place): readonly number[] {
  const found = header.map((name) => name.trim().toLowerCase());
  return names.map((name) => {
    const at = found.indexOf(name.toLowerCase());
    return at >= 0 ? at : refuse(place, name, `a header with the columns ${names.join(", ")}`, header.join(","));
  });
}

/** A whole number of tokens in [0, MAX_TOKENS], from a CSV field or a JSON value. */
export function readTokens(value: unknown, place: Place, field: string): number {
  const tokens = typeof value === "string" && /^\d{1,9}(?:\.0*)?$/.test(value.trim()) ? Number(value) : value;
  if (typeof tokens === "number" && Number.isInteger(tokens) && tokens >= 0 && tokens <= MAX_TOKENS) return tokens;
  return refuse(place, field, `a whole number from 0 to ${MAX_TOKENS}`, value);
}

/** A number in [low, high], from a CSV field or a JSON value. */
export function readNumber(value: unknown, place: Place, field: string, low: number, high: number): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && number >= low && number <= high) return number;
  return refuse(place, field, `a number from ${low} to ${high}`, value);
}

/** A JSON object from one line. */
export function readJsonObject(text: string, place: Place): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse(place, "", "a JSON object", text);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return refuse(place, "", "an object", value);
  return value as Record<string, unknown>;
}

/** A list of whole numbers of at most `limit` entries. */
export function readIds(value: unknown, place: Place, field: string, limit: number): readonly number[] {
  if (!Array.isArray(value)) return refuse(place, field, "an array of whole numbers", value);
  if (value.length > limit) return refuse(place, field, `at most ${limit} entries`, value.length);
  const wrong = value.find((entry: unknown) => !Number.isSafeInteger(entry) || (entry as number) < 0);
  return wrong === undefined ? (value as number[]) : refuse(place, field, "whole numbers from 0", wrong);
}
