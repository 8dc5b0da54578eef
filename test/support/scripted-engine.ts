/**
 * A real engine that says what a test wants: everything but the choice of tokens is its own. For the shapes of answers
 * that random weights never give, such as thinking followed by calls.
 */
import type {
  Engine,
  FinishEvent,
  GenerateEvent,
  GenerateRequest,
  Section,
  TokenEvent,
  TokenStream,
  Usage,
} from "../../src/runtime/index.ts";

/** A piece of a reply; marks of sections are added where sections change. */
export type Said = readonly [section: Section, text: string];

export interface Script {
  readonly said: readonly Said[];
  readonly end?: Partial<Pick<FinishEvent, "reason" | "cause" | "stop">>;
  readonly usage?: Partial<Usage>;
  /** Thrown after the last piece, instead of an end. */
  readonly error?: Error;
  /** Waited for after the last piece. */
  readonly hold?: Promise<void>;
}

/** The same engine; `script` is asked for each request. */
export function scripted(engine: Engine, script: (request: GenerateRequest) => Script): Engine {
  const submit: Engine["submit"] = (request, options) => {
    const stream = speak(request, script(request), options?.signal);
    return asStream(request.id ?? "scripted", stream);
  };
  return new Proxy(engine, {
    get(target, key) {
      if (key === "submit") return submit;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

async function* speak(
  request: GenerateRequest,
  script: Script,
  signal?: AbortSignal,
): AsyncGenerator<GenerateEvent, undefined> {
  let index = 0;
  let before: Section = "text";
  const token = (section: Section, text: string, mark?: "open" | "close"): TokenEvent => {
    const event = { kind: "token" as const, id: 40, index: index++, text, section, atMs: 0 };
    return mark === undefined ? event : { ...event, mark };
  };
  for (const [section, text] of script.said) {
    if (before !== "text" && (section !== before || section === "call")) yield token(before, "", "close");
    if (section !== "text" && (section !== before || section === "call")) yield token(section, "", "open");
    before = section;
    for (const piece of text.match(/.{1,3}/gsu) ?? []) yield token(section, piece);
  }
  if (before !== "text") yield token(before, "", "close");
  if (script.hold !== undefined) {
    const gone = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([script.hold, gone]);
  }
  if (signal?.aborted === true) throw signal.reason;
  if (script.error !== undefined) throw script.error;
  const slo = { attained: true, ttft_ms: 1, tpot_ms: 1, e2e_ms: 2, slack_ms: null };
  const thinking = script.said.some(([section]) => section === "thinking");
  const usage = {
    promptTokens: request.promptTokens.length,
    completionTokens: index,
    cachedTokens: 4,
    reasoningTokens: thinking ? 3 : 0,
    slo,
    ...script.usage,
  };
  yield { kind: "finish", reason: "stop", cause: "end", text: "", section: "text", usage, atMs: 0, ...script.end };
}

function asStream(id: string, events: AsyncGenerator<GenerateEvent, undefined>): TokenStream {
  const stream: TokenStream = {
    id,
    cancel: () => undefined,
    next: () => events.next(),
    return: () => events.return(undefined),
    [Symbol.asyncIterator]: () => stream,
    [Symbol.asyncDispose]: async () => void (await events.return(undefined)),
  };
  return stream;
}
