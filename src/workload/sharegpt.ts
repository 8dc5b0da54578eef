/**
 * ShareGPT's conversations: a JSON array of { id, conversations: [{ from, value }] }. As the benchmark of vLLM does it,
 * the first two turns of a conversation are a prompt and its answer, and those that are too short or too long are
 * left out. There are no arrivals in it (all 0): see `withArrivals`. What a token is, the caller's counter says.
 */
import type { ReadOptions, TraceReader } from "./format.ts";
import { RequestSink } from "./format.ts";
import { ArraySplitter, readJsonObject, refuse, type Place } from "./lines.ts";
import type { TraceHead, TraceRequest } from "./types.ts";

/** Options of ShareGPT's reader; the defaults are those of vLLM's benchmark. */
export interface ShareGptOptions extends ReadOptions {
  /** Tokens of a text, at least 0. */
  readonly countTokens: (text: string) => number;
  /** Fewest tokens of a prompt and of an answer; 4 when absent. */
  readonly minTokens?: number;
  /** Most tokens of a prompt; 1024 when absent. */
  readonly maxPromptTokens?: number;
  /** Most tokens of prompt and answer together; 2048 when absent. */
  readonly maxTotalTokens?: number;
  /** Every request gets this answer length instead of its own, and short answers are not left out. */
  readonly outputTokens?: number;
}

/** A reader of ShareGPT's format; each request carries its text, its session is the number of its conversation. */
export function shareGptReader(options: ShareGptOptions): TraceReader {
  const name = options.name ?? "sharegpt";
  const { minTokens = 4, maxPromptTokens = 1024, maxTotalTokens = 2048 } = options;
  const head: TraceHead = { name, source: "sharegpt", blockTokens: 0 };
  const sink = new RequestSink(options);
  const onElement = (text: string, index: number): void => {
    if (sink.full) return;
    const place = { source: name, line: index };
    const turns = readTurns(readJsonObject(text, place), place);
    if (turns === null) {
      sink.skipped += 1;
      return;
    }
    const promptTokens = options.countTokens(turns[0]);
    const outputTokens = options.outputTokens ?? options.countTokens(turns[1]);
    const isShort = promptTokens < minTokens || (options.outputTokens === undefined && outputTokens < minTokens);
    if (isShort || promptTokens > maxPromptTokens || promptTokens + outputTokens > maxTotalTokens) sink.skipped += 1;
    else sink.add({ arrivalMs: 0, promptTokens, outputTokens, session: index - 1, text: turns[0] });
  };
  const elements = new ArraySplitter(name, onElement);
  return {
    head,
    get skipped() {
      return sink.skipped;
    },
    get full() {
      return sink.full;
    },
    push(chunk) {
      elements.push(chunk);
      return sink.take();
    },
    end() {
      elements.end();
      return sink.take();
    },
  };
}

/** The first two turns, or null when there are fewer. */
function readTurns(row: Record<string, unknown>, place: Place): readonly [string, string] | null {
  const turns = row["conversations"] ?? row["conversation"];
  if (!Array.isArray(turns)) return refuse(place, "conversations", "an array of turns", turns);
  if (turns.length < 2) return null;
  const [prompt, answer] = turns.slice(0, 2).map((turn: unknown, i) => {
    const value = (turn as { readonly value?: unknown } | null)?.value;
    return typeof value === "string" ? value : refuse(place, `conversations[${i}].value`, "a string", value);
  });
  return [prompt!, answer!];
}

/** The text of a ShareGPT file with one conversation per request, of the texts that the caller gives. */
export function* writeShareGpt(
  requests: Iterable<TraceRequest>,
  textOf: (request: TraceRequest) => { readonly prompt: string; readonly answer: string },
): Generator<string> {
  let between = "[";
  for (const request of requests) {
    const { prompt, answer } = textOf(request);
    const conversations = [
      { from: "human", value: prompt },
      { from: "gpt", value: answer },
    ];
    yield `${between}\n${JSON.stringify({ id: String(request.id), conversations })}`;
    between = ",";
  }
  yield between === "[" ? "[]\n" : "\n]\n";
}
