/**
 * Chat templates: the Jinja text that comes with a model and says how it wants a conversation written, run by
 * @huggingface/jinja with the names and functions that Transformers gives to templates.
 *
 * A template is a program from elsewhere. It sees plain data and six functions, and it is bounded: its length, the
 * work of a rendering, and every value on the way.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { fail, PunctualError } from "../core/index.ts";

/** Of the template's text; published ones stay below 20 000. */
export const MAX_TEMPLATE_CHARS = 2 ** 18;
/** Of a rendered conversation, and of any value while it is rendered. */
export const MAX_RENDER_CHARS = 2 ** 24;
/** Evaluated expressions and statements of one rendering; a long value counts for more than one. */
const MAX_STEPS = 500_000;
const SIZE_PER_STEP = 64;
/** A turn of a loop costs the library a scope and a dozen values, whatever is in it. */
const STEPS_PER_TURN = 8;
const MAX_ITEMS = 2 ** 18;
const MAX_RANGE = 100_000;
const MAX_REASON_CHARS = 300;

/** A call as templates have it: OpenAI's form with arguments as an object. */
export interface TemplateCall {
  readonly id?: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
}

/** A message as templates have it. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly TemplateCall[];
  readonly tool_call_id?: string;
  readonly name?: string;
}

/** What the tokenizer and the caller tell every rendering. */
export interface TemplateFacts {
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** The date, for `strftime_now`: milliseconds since 1970, UTC. */
  readonly wallMs: () => number;
}

/** Of one rendering. */
export interface RenderOptions {
  /** Records in OpenAI's form: `{ type: "function", function: { name, description, parameters } }`. */
  readonly tools?: readonly unknown[];
  /** Leave the reply opened for the model; default true. */
  readonly addGenerationPrompt?: boolean;
  /** `enable_thinking`; left undefined when absent, which most templates take for true. */
  readonly thinking?: boolean;
}

/** A parsed template. */
export interface ChatTemplate {
  /**
   * The conversation as text, special tokens by name.
   * @throws PunctualError invalid_request (the template refuses the messages), invalid_file (it fails or exceeds its bounds).
   */
  render(messages: readonly TemplateMessage[], options?: RenderOptions): string;
}

// The library's declarations do not resolve under Node's module rules; this is what we use of it.
interface Value {
  readonly value: unknown;
}
interface Scope {
  set(name: string, value: unknown): unknown;
}
interface Evaluator {
  run(program: unknown): Value;
  evaluate(statement: unknown, scope: Scope): Value;
}
const BaseScope = Environment as unknown as new () => Scope;
const BaseInterpreter = Interpreter as unknown as new (scope: Scope) => Evaluator;

const PARAM = "chat_template";

/** Parses a template. @throws PunctualError invalid_file with param chat_template. */
export function openChatTemplate(template: string, facts: TemplateFacts): ChatTemplate {
  if (template.length > MAX_TEMPLATE_CHARS) {
    fail("invalid_file", `chat_template is longer than ${MAX_TEMPLATE_CHARS} characters`, { param: PARAM });
  }
  const program: unknown = guarded("cannot be read", () =>
    parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true })),
  );
  return {
    render: (messages, options = {}) =>
      guarded("failed", () => {
        const scope = createScope(facts, {
          messages,
          tools: options.tools ?? null,
          add_generation_prompt: options.addGenerationPrompt ?? true,
          ...(options.thinking === undefined ? {} : { enable_thinking: options.thinking }),
          bos_token: facts.bosToken ?? "",
          eos_token: facts.eosToken ?? "",
        });
        const { value } = new BoundedInterpreter(scope).run(program);
        if (typeof value === "string") return value;
        return fail("invalid_file", "chat_template does not end in text", { param: PARAM });
      }),
  };
}

/** Any error of the library, and a stack that overflows, as ours. */
function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PunctualError) throw cause;
    const reason = cause instanceof Error ? cause.message.slice(0, MAX_REASON_CHARS) : "unknown error";
    throw new PunctualError("invalid_file", `chat_template ${what}: ${reason}`, { cause, param: PARAM });
  }
}

function createScope(facts: TemplateFacts, variables: Readonly<Record<string, unknown>>): Scope {
  const scope = new BaseScope();
  const names = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => refuse(message),
    strftime_now: (format: unknown) => strftime(facts.wallMs(), String(format)),
    range: boundedRange,
    ...variables,
  };
  for (const [name, value] of Object.entries(names)) scope.set(name, value);
  return scope;
}

/** The template's own way of refusing a conversation, such as roles that do not alternate. */
function refuse(message: unknown): never {
  const reason = String(message).slice(0, MAX_REASON_CHARS);
  return fail("invalid_request", `The model's chat_template refuses these messages: ${reason}`, { param: "messages" });
}

function boundedRange(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!Number.isInteger(step) || step === 0 || !(count <= MAX_RANGE)) {
    fail("invalid_file", `chat_template asks for a range of more than ${MAX_RANGE}`, { param: PARAM });
  }
  return Array.from({ length: count }, (_, i) => from + i * step);
}

interface Node {
  readonly type?: unknown;
  readonly iterable?: unknown;
  readonly lhs?: unknown;
}

/** Counts the work and looks at the size of every value, so that no template runs or grows for ever. */
class BoundedInterpreter extends BaseInterpreter {
  #steps = 0;
  /** What loops go over. */
  readonly #iterables = new Set<unknown>();

  override evaluate(statement: unknown, scope: Scope): Value {
    this.#charge(1);
    const node = (statement ?? {}) as Node;
    if (node.type === "For") this.#iterables.add(node.iterable).add((node.iterable as Node).lhs);
    const result = super.evaluate(statement, scope);
    const { value } = result;
    const items = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
    const size = typeof value === "string" ? value.length : items;
    if (size > MAX_RENDER_CHARS || items > MAX_ITEMS) {
      fail("invalid_file", "chat_template makes a value that is too large", { param: PARAM });
    }
    this.#charge(this.#iterables.has(statement) ? items * STEPS_PER_TURN : Math.floor(size / SIZE_PER_STEP));
    return result;
  }

  #charge(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) fail("invalid_file", "chat_template takes too many steps", { param: PARAM });
  }
}

const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const MONTHS = "January February March April May June July August September October November December".split(" ");

/** C's strftime for what templates ask for, in UTC and English; an unknown directive stays as it is. */
function strftime(wallMs: number, format: string): string {
  const date = new Date(wallMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = date.getUTCHours();
  const fields: Readonly<Record<string, string>> = {
    Y: String(date.getUTCFullYear()),
    y: two(date.getUTCFullYear() % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    B: MONTHS[date.getUTCMonth()]!,
    b: MONTHS[date.getUTCMonth()]!.slice(0, 3),
    A: DAYS[date.getUTCDay()]!,
    a: DAYS[date.getUTCDay()]!.slice(0, 3),
    H: two(hours),
    I: two(hours % 12 === 0 ? 12 : hours % 12),
    p: hours < 12 ? "AM" : "PM",
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    "%": "%",
  };
  return format
    .slice(0, MAX_REASON_CHARS)
    .replaceAll(/%([%A-Za-z])/gu, (whole, letter: string) => fields[letter] ?? whole);
}
