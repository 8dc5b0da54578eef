/**
 * Server-sent events out of a fetch body, which, unlike EventSource, can carry a key, a POST and a signal. The parser
 * takes text in any pieces; it is not a reconnecting client (live.ts is).
 */

/** One event of a stream. */
export interface SseEvent {
  /** The event's type; "message" when the stream names none. */
  readonly event: string;
  readonly data: string;
  /** The last id that the stream has given, or "". */
  readonly id: string;
}

/** Characters that may wait for the end of their event: more is no event of ours, and memory stays bounded. */
const MAX_PENDING_CHARACTERS = 16 * 1024 * 1024;

/** The event stream format of the HTML standard, §9.2, fed in any pieces. */
export class SseParser {
  private pending = "";
  private data: string[] = [];
  private dataCharacters = 0;
  private event = "";
  private id = "";
  private sawReturn = false;
  private isFirst = true;

  /** The events that this piece completes. @throws Error when an event grows beyond 16 M characters. */
  push(piece: string): SseEvent[] {
    const events: SseEvent[] = [];
    let text = piece;
    if (this.isFirst && text !== "") {
      this.isFirst = false;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    // A line feed right after a carriage return belongs to it, also when they come in two pieces.
    if (this.sawReturn && text.startsWith("\n")) text = text.slice(1);
    if (piece !== "") this.sawReturn = false;
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) continue;
      this.line(this.pending + text.slice(start, at), events);
      this.pending = "";
      if (code === 13) {
        if (at + 1 === text.length) this.sawReturn = true;
        else if (text.charCodeAt(at + 1) === 10) at += 1;
      }
      start = at + 1;
    }
    this.pending += text.slice(start);
    if (this.pending.length + this.dataCharacters > MAX_PENDING_CHARACTERS) {
      throw new Error(`expected events of at most ${MAX_PENDING_CHARACTERS} characters, got a longer one`);
    }
    return events;
  }

  private line(line: string, events: SseEvent[]): void {
    if (line === "") {
      if (this.data.length > 0) {
        events.push({ event: this.event === "" ? "message" : this.event, data: this.data.join("\n"), id: this.id });
      }
      this.data = [];
      this.dataCharacters = 0;
      this.event = "";
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, which keeps the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") {
      this.data.push(value);
      this.dataCharacters += value.length;
    } else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
  }
}

/** The events of a body until it ends; leaving early cancels it. An event that the end cut short is dropped. */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined); // already ended or failed: whoever reads has been told
  }
}
