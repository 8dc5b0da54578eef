/** A whole stream as one record, for callers that do not stream. */
import { present } from "../core/index.ts";
import type { FinishEvent, GenerateEvent, Section } from "./types.ts";

/** Everything that one request streamed, put together by section; `finish` says why it ended and what it used. */
export interface Completion {
  /** Visible text, without thinking and calls. */
  readonly text: string;
  readonly thinking: string;
  /** One string per call section. */
  readonly calls: readonly string[];
  /** Every generated token id. */
  readonly tokens: readonly number[];
  readonly finish: FinishEvent;
}

/** Reads a stream to its end. @throws what the stream throws. */
export async function collect(stream: AsyncIterable<GenerateEvent>): Promise<Completion> {
  const parts: Record<Exclude<Section, "call">, string> = { text: "", thinking: "" };
  const calls: string[] = [];
  const tokens: number[] = [];
  let finish: FinishEvent | null = null;
  for await (const event of stream) {
    if (event.kind === "token") tokens.push(event.id);
    else finish = event;
    if (event.section !== "call") parts[event.section] += event.text;
    else if (calls.length === 0 || (event.kind === "token" && event.mark === "open")) calls.push(event.text);
    else calls[calls.length - 1] += event.text;
  }
  return { ...parts, calls, tokens, finish: present(finish, "the finish event") };
}
