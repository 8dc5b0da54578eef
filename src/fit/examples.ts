/**
 * Texts that something is fitted on, whatever they come from: a user's JSON lines, or the world that built-in models learn.
 *
 *   {"messages": [{"role": "user", "content": …}, …]}     a chat, as for fine-tuning; the last reply counts, if there is one
 *   {"prompt": …, "completion": …}                        a question asked as a user would, and its answer, if there is one
 *   {"turns": [question, …]}                              questions alone (Spec-Bench, SPEED-Bench); the first is asked
 *   {"text": …}                                           a text that is no chat: all of it counts
 *
 * An example without an answer is one to be answered by the model itself (answers.ts).
 */
import { createRandom, fail, type RandomStream } from "../core/index.ts";
import { encodeChat, type ChatDialect, type DialectMessage, type TextTokenizer, type Tokenizer } from "../llm/index.ts";
import { worldItems, type Phase } from "../recipes/index.ts";
import { DEFAULT_WEIGHTS, generateMixture, MULTI_TURN_SHARE } from "../world/index.ts";

/** One text as tokens; `lossMask[i]` is 1 where what predicts tokens[i] counts. */
export interface Example {
  readonly tokens: readonly number[];
  readonly lossMask: ArrayLike<number>;
}

/** A prompt as tokens, and its answer, null where there is none. */
export interface PromptedText {
  readonly prompt: readonly number[];
  readonly answer: readonly number[] | null;
}

/** Where examples come from. */
export interface ExampleSource {
  /** Says what they are, for checkpoints: equal for equal examples. */
  readonly identity: string;
  /** One to learn from. */
  draw(random: RandomStream): Example;
  /** Some that are never drawn, at most so many. */
  heldOut(count: number): readonly Example[];
}

/** Bounds of a file of examples. */
export const EXAMPLE_LIMITS = { lines: 1_000_000, lineCharacters: 4 * 1024 * 1024, messages: 256 } as const;

/** What of a model texts are written with. */
export interface TextWriter {
  readonly tokenizer: TextTokenizer;
  readonly dialect: ChatDialect;
  /** The first of them ends an answer. */
  readonly endTokens: readonly number[];
}

/**
 * One line of a file of examples as tokens.
 * @param where names it in messages
 * @throws PunctualError invalid_file for what is none of the forms above; as the dialect does.
 */
export function readExample(line: string, where: string, writer: TextWriter): PromptedText {
  if (line.length > EXAMPLE_LIMITS.lineCharacters) {
    return fail("invalid_file", `${where}: expected at most ${EXAMPLE_LIMITS.lineCharacters} characters`);
  }
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    const shown = line.length > 60 ? `${line.slice(0, 60)}…` : line;
    return fail("invalid_file", `${where} is not JSON: ${shown}`, { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return fail("invalid_file", `${where}: expected an object`);
  }
  const fields = new Map<string, unknown>(Object.entries(json));
  const { tokenizer, dialect, endTokens } = writer;
  const encodeAnswer = (text: string): number[] => [...tokenizer.encode(text), ...endTokens.slice(0, 1)];
  const asked = (text: string): number[] =>
    dialect.kind === "none"
      ? [...tokenizer.prefix, ...tokenizer.encode(text)]
      : dialect.prompt([{ role: "user", content: text }]);
  if (fields.has("messages")) {
    const messages = messagesOf(fields.get("messages"), where);
    const last = messages.at(-1)!;
    const answered = last.role === "assistant";
    const prompt = dialect.prompt(answered ? messages.slice(0, -1) : messages);
    return { prompt, answer: answered ? encodeAnswer(last.content) : null };
  }
  if (fields.has("text")) {
    const text = textOf(fields.get("text"), `${where}: text`);
    return { prompt: [...tokenizer.prefix], answer: [...tokenizer.encode(text), ...tokenizer.suffix] };
  }
  if (fields.has("prompt")) {
    const completion = fields.get("completion") ?? fields.get("response");
    return {
      prompt: asked(textOf(fields.get("prompt"), `${where}: prompt`)),
      answer: completion === undefined ? null : encodeAnswer(textOf(completion, `${where}: completion`)),
    };
  }
  const turns = fields.get("turns");
  if (Array.isArray(turns) && turns.length > 0)
    return { prompt: asked(textOf(turns[0], `${where}: turns`)), answer: null };
  return fail(
    "invalid_file",
    `${where}: expected messages, prompt, turns or text, got ${[...fields.keys()].join(", ")}`,
  );
}

function textOf(value: unknown, where: string): string {
  return typeof value === "string" ? value : fail("invalid_file", `${where} must be a string`);
}

const ROLES = ["system", "user", "assistant", "tool"] as const;

function messagesOf(value: unknown, where: string): DialectMessage[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > EXAMPLE_LIMITS.messages) {
    return fail("invalid_file", `${where}: messages must be a list of 1 to ${EXAMPLE_LIMITS.messages}`);
  }
  return value.map((each: unknown, i): DialectMessage => {
    const { role, content } = (each ?? {}) as { readonly role?: unknown; readonly content?: unknown };
    const known = ROLES.find((name) => name === role);
    if (known === undefined)
      return fail("invalid_file", `${where}: messages[${i}].role must be one of ${ROLES.join(", ")}`);
    return { role: known, content: textOf(content, `${where}: messages[${i}].content`) };
  });
}

/** One of so many texts is held out. */
const HELD_OUT_ONE_IN = 20;

/** What became of the texts of a file. */
export interface TextCounts {
  readonly learnt: number;
  readonly heldOut: number;
  /** Left out: nothing to learn from. */
  readonly unanswered: number;
  /** Left out: no room for an answer behind the prompt. */
  readonly tooLong: number;
  /** Kept, the answer cut at the end. */
  readonly cut: number;
}

/** The same in words, for whoever waits. */
export function describeTexts({ learnt, heldOut, unanswered, tooLong, cut }: TextCounts): string {
  const left = [
    ...(unanswered === 0 ? [] : [`${unanswered} left out without an answer`]),
    ...(tooLong === 0 ? [] : [`${tooLong} left out with prompts that leave no room for one`]),
    ...(cut === 0 ? [] : [`${cut} answers cut at the end`]),
  ];
  return [`${learnt} texts to learn from, ${heldOut} held out`, ...left].join(", ");
}

/**
 * Answered texts as a source; those without an answer, and prompts that leave no room for one, are left out. Every twentieth
 * is held out.
 * @throws PunctualError invalid_file when too few are left, saying what became of the others.
 */
export function textExamples(
  texts: readonly PromptedText[],
  identity: string,
  maxTokens: number,
): ExampleSource & { readonly counts: TextCounts } {
  const counts = { unanswered: 0, tooLong: 0, cut: 0 };
  const examples = texts.flatMap(({ prompt, answer }): Example[] => {
    if (answer === null || answer.length === 0) {
      counts.unanswered += 1;
      return [];
    }
    if (prompt.length + 2 > maxTokens) {
      counts.tooLong += 1;
      return [];
    }
    if (prompt.length + answer.length > maxTokens) counts.cut += 1;
    const tokens = [...prompt, ...answer].slice(0, maxTokens);
    return [{ tokens, lossMask: Uint8Array.from(tokens, (_, i) => (i >= Math.max(1, prompt.length) ? 1 : 0)) }];
  });
  const held = examples.filter((_, i) => i % HELD_OUT_ONE_IN === 0);
  const kept = examples.filter((_, i) => i % HELD_OUT_ONE_IN !== 0);
  const all = { learnt: kept.length, heldOut: held.length, ...counts };
  if (kept.length === 0) {
    return fail(
      "invalid_file",
      `expected at least two answered texts that fit ${maxTokens} tokens; of ${texts.length}: ${describeTexts(all)}`,
    );
  }
  return {
    identity,
    counts: all,
    draw: (random) => kept[random.int(0, kept.length - 1)]!,
    heldOut: (count) => held.slice(0, count),
  };
}

/** As the recipes of built-in models draw: what is made up there is made up here. */
const WORLD_PHASE: Phase = {
  steps: 1,
  batch: 1,
  length: 512,
  mixture: { skills: DEFAULT_WEIGHTS, conversations: MULTI_TURN_SHARE, renamed: 0.4 },
};
const HELD_OUT_SEED = 4711;

/** The world of the built-in models; held out are frames and entities of its test split. */
export function worldExamples(tokenizer: Tokenizer): ExampleSource {
  const draw = worldItems(tokenizer);
  return {
    identity: "world",
    draw: (random) => draw(WORLD_PHASE, random),
    heldOut(count) {
      const random = createRandom(HELD_OUT_SEED, "fit/held-out");
      return Array.from({ length: count }, () => encodeChat(tokenizer, generateMixture("test", random).turns));
    },
  };
}
