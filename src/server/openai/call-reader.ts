/**
 * A tool call read while it is written: `{"name": "...", "arguments": {...}}` piece by piece becomes a name once
 * and then pieces of the arguments, which is what clients are streamed. Keys may come in any order; `parameters`
 * stands for `arguments`, and arguments may be a JSON string of JSON, as some models write them.
 *
 * Arguments pass through as the model wrote them. What is not a call is found out here and nowhere repaired.
 */

/** What a piece of text brought to light. */
export interface CallPiece {
  /** Set once, before any arguments. */
  readonly name?: string;
  readonly arguments: string;
}

type State = "before" | "key" | "colon" | "value" | "next" | "after" | "wrong";

const SPACE = /\s/u;

/** Reads one call. Once `wrong` is true, nothing more comes out of it. */
export class CallReader {
  #state: State = "before";
  /** Everything read, for those that show what is no call. */
  #raw = "";
  /** The string or value under way, as written. */
  #span = "";
  #key = "";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #name: string | null = null;
  #told = false;
  /** Arguments that nobody was told yet. */
  #pending = "";
  #sawArguments = false;

  get raw(): string {
    return this.#raw;
  }

  get name(): string | null {
    return this.#name;
  }

  get wrong(): boolean {
    return this.#state === "wrong";
  }

  /** The call is whole. */
  get complete(): boolean {
    return this.#state === "after";
  }

  push(text: string): CallPiece {
    this.#raw += text;
    for (const char of text) this.#read(char);
    return this.#take();
  }

  /** When no more text comes. A whole call without arguments has empty ones. */
  end(): CallPiece {
    if (this.#state === "after" && !this.#sawArguments) {
      this.#sawArguments = true;
      this.#pending = "{}";
    }
    return this.#take();
  }

  #take(): CallPiece {
    if (this.#name === null) return { arguments: "" };
    const given = this.#pending;
    this.#pending = "";
    if (this.#told) return { arguments: given };
    this.#told = true;
    return { name: this.#name, arguments: given };
  }

  #read(char: string): void {
    switch (this.#state) {
      case "before":
        if (char === "{") this.#state = "next";
        else if (!SPACE.test(char)) this.#state = "wrong";
        return;
      case "next":
        return this.#readNext(char);
      case "key":
        return this.#readKey(char);
      case "colon":
        if (char === ":") this.#begin("value");
        else if (!SPACE.test(char)) this.#state = "wrong";
        return;
      case "value":
        return this.#readValue(char);
      case "after":
      case "wrong":
        return;
      default:
        this.#state satisfies never;
    }
  }

  #begin(state: "key" | "value"): void {
    this.#state = state;
    this.#span = "";
    this.#depth = 0;
    this.#inString = state === "key";
    this.#escaped = false;
  }

  #readNext(char: string): void {
    if (char === '"') {
      this.#begin("key");
      this.#span = char;
    } else if (char === "}") this.#state = this.#name === null ? "wrong" : "after";
    else if (char !== "," && !SPACE.test(char)) this.#state = "wrong";
  }

  #readKey(char: string): void {
    this.#span += char;
    this.#track(char);
    if (this.#inString) return;
    this.#key = String(parse(this.#span));
    this.#state = "colon";
  }

  #readValue(char: string): void {
    if (this.#span === "" && SPACE.test(char)) return;
    const bare = this.#depth === 0 && !this.#inString;
    if (bare && this.#span !== "" && (char === "," || char === "}" || SPACE.test(char))) {
      // The end of a number or of a word like null.
      this.#finishValue();
      if (this.#state === "next") this.#readNext(char);
      return;
    }
    this.#span += char;
    this.#track(char);
    if (this.#isArguments() && this.#span[0] === "{") {
      this.#sawArguments = true;
      this.#pending += char;
    }
    const composite = '{["'.includes(this.#span[0]!);
    if (composite && this.#depth === 0 && !this.#inString) this.#finishValue();
  }

  /** Strings and brackets, as far as finding the end of a value needs. */
  #track(char: string): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (char === "\\") this.#escaped = true;
      else if (char === '"') this.#inString = false;
      return;
    }
    if (char === '"') this.#inString = true;
    else if (char === "{" || char === "[") this.#depth += 1;
    else if (char === "}" || char === "]") this.#depth -= 1;
  }

  #isArguments(): boolean {
    return this.#key === "arguments" || this.#key === "parameters";
  }

  #finishValue(): void {
    this.#state = "next";
    const isObject = this.#span[0] === "{";
    if (!this.#isArguments() && this.#key !== "name") return;
    const value = isObject ? null : parse(this.#span);
    if (this.#key === "name") {
      if (typeof value === "string" && value !== "" && this.#name === null) this.#name = value;
      else this.#state = "wrong";
      return;
    }
    if (isObject) return; // told already, character by character
    if (typeof value === "string") {
      this.#sawArguments = true;
      this.#pending += value;
    } else if (this.#span !== "null") this.#state = "wrong";
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // a value of no kind that a call has
  }
}
