/**
 * Server-sent events out of text chunks: each `data` field is handed over as soon as its event is complete. Comments and
 * other fields are passed over, but the name of an event is kept. Not a general client: no ids, no reconnecting. What is
 * kept of an unfinished event is bounded.
 */
import { fail } from "../core/index.ts";

/** Longest line, and longest event, that is kept while it is incomplete, in UTF-16 units. */
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

/** Feeds on chunks of text, calls back per event. */
export class SseParser {
  readonly #onData: (data: string, event: string) => void;
  #rest = "";
  #data: string | null = null;
  #event = "";

  /** @param onData gets the joined `data` lines of an event and its name, "" without one. */
  constructor(onData: (data: string, event: string) => void) {
    this.#onData = onData;
  }

  /** @throws PunctualError invalid_request for an event without end. */
  push(chunk: string): void {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf("\n", from);
      if (at < 0) break;
      const line = this.#rest === "" ? chunk.slice(from, at) : this.#rest + chunk.slice(from, at);
      this.#rest = "";
      this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
      from = at + 1;
    }
    if (from < chunk.length) this.#rest += chunk.slice(from);
    if (this.#rest.length + (this.#data?.length ?? 0) > MAX_EVENT_CHARACTERS) {
      fail("invalid_request", `event stream: expected events of at most ${MAX_EVENT_CHARACTERS} characters, got more`);
    }
  }

  /** The end of the stream. True when it cut an event short. */
  end(): boolean {
    return this.#rest !== "" || this.#data !== null;
  }

  #line(line: string): void {
    if (line === "") {
      const data = this.#data;
      const event = this.#event;
      this.#data = null;
      this.#event = "";
      if (data !== null) this.#onData(data, event);
      return;
    }
    if (line.startsWith("data:")) {
      const value = line.charCodeAt(5) === 0x20 ? line.slice(6) : line.slice(5);
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    } else if (line.startsWith("event:")) this.#event = line.slice(6).trim();
  }
}
