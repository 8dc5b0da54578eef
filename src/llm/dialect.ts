/**
 * How a model wants to be talked to, behind one port: our own chat layout for our own models, a chat template for
 * everybody else's, and a clear refusal for models that were never taught to chat.
 *
 * Invariant: nobody writes a turn into another's message. Our layout encodes text without special tokens; a template's
 * output is read with them, so every string of a message is shielded before the template sees it.
 */
import { fail } from "../core/index.ts";
import { chatPrompt, type ChatTurn } from "./chat.ts";
import { openChatTemplate, type ChatTemplate, type TemplateMessage } from "./chat-template.ts";
import { MarkShield, SPECIAL_TOKENS, Tokenizer, type TextTokenizer, type TokenDecoder } from "./tokenizer/index.ts";

/** A tool call of a conversation. */
export interface DialectCall {
  readonly id?: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A message of a conversation, whatever interface it came through. */
export interface DialectMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  /** Of an assistant: what it thought. Templates and our layout leave out most of it. */
  readonly reasoning?: string;
  /** Of an assistant. */
  readonly calls?: readonly DialectCall[];
  /** Of a tool: which call it answers, and which tool it is. */
  readonly callId?: string;
  readonly name?: string;
}

/** A tool that the model may call. */
export interface DialectTool {
  readonly name: string;
  readonly description?: string;
  /** JSON schema of the arguments. */
  readonly parameters?: unknown;
}

/** What a prompt says beside its messages. */
export interface PromptOptions {
  readonly tools?: readonly DialectTool[];
  /** Whether the model should think before it answers, for models that can be told; theirs to decide when absent. */
  readonly thinking?: boolean;
}

/** Tokens that open and close the sections of an answer; null where the vocabulary has none. */
export interface SectionMarks {
  readonly think: number | null;
  readonly thinkEnd: number | null;
  readonly call: number | null;
  readonly callEnd: number | null;
}

/** The port. */
export interface ChatDialect {
  /** "none": `prompt` always refuses. */
  readonly kind: "own" | "template" | "none";
  readonly marks: SectionMarks;
  /**
   * Tokens of a conversation with an opened reply.
   * @throws PunctualError invalid_request (the conversation), invalid_file (the template), unsupported (no layout).
   */
  prompt(messages: readonly DialectMessage[], options?: PromptOptions): number[];
}

/** What a dialect is made of. */
export interface DialectOptions {
  readonly tokenizer: TextTokenizer;
  /** The model's chat template, null when it has none. */
  readonly template: string | null;
  /** The date that templates may ask for: milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** The dialect of a model. A template is read by the first prompt, which throws what is wrong with it. */
export function openDialect({ tokenizer, template, wallMs }: DialectOptions): ChatDialect {
  if (template !== null && template.trim() !== "") return templateDialect(tokenizer, template, wallMs);
  if (tokenizer instanceof Tokenizer && SPECIAL_TOKENS.every((name) => tokenizer.specials.has(name))) {
    return ownDialect(tokenizer);
  }
  return {
    kind: "none",
    marks: sectionMarks(tokenizer),
    prompt: () =>
      fail("unsupported", "This model has no chat_template, so it cannot be chatted with; use /v1/completions.", {
        param: "model",
      }),
  };
}

/** Our names first, then those that Qwen, DeepSeek, SmolLM and others share; a pair counts when both are there. */
const THINKING = [
  ["<|think|>", "<|/think|>"],
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
] as const;
const CALLS = [
  ["<|call|>", "<|/call|>"],
  ["<tool_call>", "</tool_call>"],
] as const;

/** The section marks of a vocabulary. The engine tracks sections by them, on whatever thread it runs. */
export function sectionMarks(tokenizer: Pick<TokenDecoder, "specials">): SectionMarks {
  const [think, thinkEnd] = findPair(tokenizer, THINKING);
  const [call, callEnd] = findPair(tokenizer, CALLS);
  return { think, thinkEnd, call, callEnd };
}

function findPair(
  { specials }: Pick<TokenDecoder, "specials">,
  pairs: readonly (readonly [string, string])[],
): readonly [number | null, number | null] {
  for (const [open, close] of pairs) {
    const ids = [specials.get(open), specials.get(close)] as const;
    if (ids[0] !== undefined && ids[1] !== undefined) return [ids[0], ids[1]];
  }
  return [null, null];
}

function ownDialect(tokenizer: Tokenizer): ChatDialect {
  return {
    kind: "own",
    marks: sectionMarks(tokenizer),
    // The family's models know their tools by heart: a list would be text they were never trained on.
    prompt: (messages) => chatPrompt(tokenizer, messages.flatMap(toTurns)),
  };
}

/** A turn has room for one call: several become turns of their own, the text goes with the last. */
function toTurns({ role, content, calls = [] }: DialectMessage): ChatTurn[] {
  if (role !== "assistant" || calls.length === 0) return [{ role, text: content }];
  return calls.map(({ name, arguments: given }, i): ChatTurn => {
    return { role, text: i === calls.length - 1 ? content : "", call: { name, arguments: given } };
  });
}

function templateDialect(tokenizer: TextTokenizer, text: string, wallMs: () => number): ChatDialect {
  const { bosToken, eosToken } = tokenizer;
  let opened: { readonly template: ChatTemplate; readonly shield: MarkShield } | null = null;
  const open = (): NonNullable<typeof opened> => ({
    template: openChatTemplate(text, { bosToken, eosToken, wallMs }),
    shield: new MarkShield(tokenizer.specials.keys()),
  });
  return {
    kind: "template",
    marks: sectionMarks(tokenizer),
    prompt: (messages, { tools = [], thinking } = {}) => {
      if (messages.length === 0) {
        fail("invalid_request", "a conversation has at least one message", { param: "messages" });
      }
      const { template, shield } = (opened ??= open());
      const rendered = template.render(
        messages.map((message) => toTemplate(message, shield)),
        {
          ...(tools.length === 0 ? {} : { tools: tools.map((tool) => toolRecord(tool, shield)) }),
          ...(thinking === undefined ? {} : { thinking }),
        },
      );
      return tokenizer.encode(rendered, { special: true, shielded: true });
    },
  };
}

const THINK_END = "</think>";

function toTemplate(message: DialectMessage, shield: MarkShield): TemplateMessage {
  const { content, reasoning } = splitReasoning(message);
  const cover = (text: string): string => shield.cover(text);
  const calls = (message.calls ?? []).map((call) => ({
    ...(call.id === undefined ? {} : { id: cover(call.id) }),
    type: "function" as const,
    function: { name: cover(call.name), arguments: coverAll(call.arguments, shield) as Record<string, unknown> },
  }));
  return {
    role: message.role,
    content: cover(content),
    ...(reasoning === undefined ? {} : { reasoning_content: cover(reasoning) }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...(message.callId === undefined ? {} : { tool_call_id: cover(message.callId) }),
    ...(message.name === undefined ? {} : { name: cover(message.name) }),
  };
}

/**
 * Clients send back answers with the thinking in the text. Templates cut it off by its mark, which the shield hides
 * from them, so it is cut off here.
 */
function splitReasoning(message: DialectMessage): { readonly content: string; readonly reasoning?: string } {
  const { role, content, reasoning } = message;
  if (role !== "assistant" || reasoning !== undefined)
    return reasoning === undefined ? { content } : { content, reasoning };
  const end = content.lastIndexOf(THINK_END);
  if (end === -1) return { content };
  const thought = content.slice(0, end).replace(/^\s*<think>/u, "");
  return { content: content.slice(end + THINK_END.length).replace(/^\n+/u, ""), reasoning: thought.trim() };
}

function toolRecord({ name, description, parameters }: DialectTool, shield: MarkShield): unknown {
  const described = {
    name,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
  };
  return { type: "function", function: coverAll(described, shield) };
}

const MAX_DEPTH = 64;

/** Every string and key inside plain data, shielded. */
function coverAll(value: unknown, shield: MarkShield, depth = 0): unknown {
  if (depth > MAX_DEPTH) return fail("invalid_request", "tools and arguments nest too deep", { param: "messages" });
  if (typeof value === "string") return shield.cover(value);
  if (Array.isArray(value)) return value.map((one) => coverAll(one, shield, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [shield.cover(key), coverAll(one, shield, depth + 1)]),
  );
}
