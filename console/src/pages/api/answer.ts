/**
 * An answer as it comes in: bounded text for showing, and what a stream's pieces say when they are put together. A long
 * stream keeps its beginning and counts the rest.
 */
import { list, record } from "./openapi.ts";

/** Characters of an answer that are shown. */
export const MOST_SHOWN_CHARACTERS = 200_000;

/** Text that stops growing. */
export interface ShownText {
  readonly text: string;
  /** Characters that came and are not shown. */
  readonly omitted: number;
}

/** Adds a piece, within the bound. */
export function append(shown: ShownText, piece: string, most = MOST_SHOWN_CHARACTERS): ShownText {
  const room = Math.max(0, most - shown.text.length);
  return { text: shown.text + piece.slice(0, room), omitted: shown.omitted + Math.max(0, piece.length - room) };
}

/** JSON with two spaces; other text, and JSON too long to lay out, as it came. */
export function laidOut(text: string): string {
  if (text.length > MOST_SHOWN_CHARACTERS) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // not JSON: a page, a metric, or an answer that was cut off
  }
}

/** The text that one event of a stream adds to its answer, whichever of the four interfaces speaks; "" for others. */
export function textOfEvent(data: string): string {
  let event: Record<string, unknown>;
  try {
    event = record(JSON.parse(data));
  } catch {
    return ""; // "[DONE]"
  }
  const [choice] = list(event["choices"]);
  if (choice !== undefined) {
    const { delta, text } = record(choice);
    return words(record(delta)["content"]) + words(text);
  }
  if (event["type"] === "response.output_text.delta") return words(event["delta"]);
  if (event["type"] === "content_block_delta") return words(record(event["delta"])["text"]);
  return "";
}

function words(value: unknown): string {
  return typeof value === "string" ? value : "";
}
