/**
 * A streamed answer as it arrives: which chunks bring tokens, how many, how it ends. Knows the chunks of
 * /v1/chat/completions and /v1/completions of OpenAI and of servers that follow it.
 *
 * A chunk counts as soon as it has content (text, reasoning or a call), or its running count says so: an empty first
 * chunk with the role is no token, a token whose text is still held back is one.
 */
import type { SloReport } from "../protocol/index.ts";
import { readSpeculation, type SpeculationFields } from "./speculation-counts.ts";
import type { SpeculationCounts, TokenCount } from "./types.ts";

interface Delta {
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly tool_calls?: unknown;
}

interface Choice {
  readonly delta?: Delta | null;
  readonly text?: unknown;
  readonly finish_reason?: unknown;
}

interface Chunk extends SpeculationFields {
  readonly error?: unknown;
  readonly choices?: readonly (Choice | null)[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly slo?: SloReport;
    readonly completion_tokens_details?: unknown;
  } | null;
}

/** The state of one streamed answer. */
export class StreamedAnswer {
  readonly chunkMs: number[] = [];
  readonly chunkTokens: number[] = [];
  promptTokens: number | null = null;
  finishReason: string | null = null;
  slo: SloReport | null = null;
  /** What the server said last about drafts. */
  speculation: SpeculationCounts | null = null;
  /** The message of an error sent in the stream. */
  error: string | null = null;
  /** True when something could not be read. */
  isBroken = false;
  /** True after [DONE]. */
  isDone = false;
  #usageTokens: number | null = null;
  #isRunning: boolean | null = null;
  readonly #texts: string[] | null;

  /** @param keepText whether `text` will be wanted. */
  constructor(keepText: boolean) {
    this.#texts = keepText ? [] : null;
  }

  /** One event of the stream, which arrived at `atMs`. */
  event(data: string, name: string, atMs: number): void {
    if (data === "[DONE]") {
      this.isDone = true;
      return;
    }
    let chunk: Chunk;
    try {
      chunk = JSON.parse(data) as Chunk;
    } catch {
      this.isBroken = true;
      return;
    }
    if (chunk === null || typeof chunk !== "object") {
      this.isBroken = true;
      return;
    }
    if (name === "error" || (chunk.error !== undefined && chunk.error !== null)) {
      this.error = errorMessage(chunk.error ?? chunk);
      return;
    }
    this.#chunk(chunk, atMs);
  }

  #chunk(chunk: Chunk, atMs: number): void {
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    let hasContent = false;
    for (const choice of choices) {
      if (choice === null || typeof choice !== "object") continue;
      if (this.#content(choice.delta, choice.text)) hasContent = true;
      if (typeof choice.finish_reason === "string") this.finishReason = choice.finish_reason;
    }
    this.speculation = readSpeculation(chunk) ?? this.speculation;
    const before = this.#usageTokens ?? 0;
    const tokens = this.#readUsage(chunk.usage);
    if (choices.length === 0) return;
    // Whether counts run along is seen at the first token; a count that comes later is the final one.
    if (hasContent || (tokens ?? 0) > 0) this.#isRunning ??= tokens !== null;
    if (this.#isRunning === true && tokens !== null) {
      if (tokens > before) this.#note(atMs, tokens - before);
    } else if (hasContent) this.#note(atMs, 1);
  }

  #content(delta: Delta | null | undefined, text: unknown): boolean {
    const visible = typeof text === "string" ? text : typeof delta?.content === "string" ? delta.content : "";
    const reasoning = delta?.reasoning_content ?? delta?.reasoning;
    if (visible !== "") this.#texts?.push(visible);
    const hasCalls = Array.isArray(delta?.tool_calls) && delta.tool_calls.length > 0;
    return visible !== "" || (typeof reasoning === "string" && reasoning !== "") || hasCalls;
  }

  #readUsage(usage: Chunk["usage"]): number | null {
    if (usage === null || usage === undefined) return null;
    if (typeof usage.prompt_tokens === "number") this.promptTokens = usage.prompt_tokens;
    if (usage.slo !== undefined && usage.slo !== null) this.slo = usage.slo;
    if (typeof usage.completion_tokens !== "number") return null;
    this.#usageTokens = usage.completion_tokens;
    return usage.completion_tokens;
  }

  #note(atMs: number, tokens: number): void {
    this.chunkMs.push(atMs);
    this.chunkTokens.push(tokens);
  }

  get counted(): TokenCount {
    if (this.#isRunning === true) return "running usage";
    return this.#usageTokens === null ? "chunks" : "final usage";
  }

  get outputTokens(): number {
    return this.#usageTokens ?? this.chunkMs.length;
  }

  get text(): string | null {
    return this.#texts === null ? null : this.#texts.join("");
  }
}

/** What an error object, or anything else sent as one, says. */
export function errorMessage(error: unknown): string {
  if (typeof error === "string") return error.slice(0, 300);
  const record = error as { readonly message?: unknown; readonly error?: unknown } | null;
  if (typeof record?.message === "string") return record.message.slice(0, 300);
  if (record?.error !== undefined && record.error !== null) return errorMessage(record.error);
  return (JSON.stringify(error) ?? "").slice(0, 300);
}
