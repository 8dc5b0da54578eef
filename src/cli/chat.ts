/** `punctual chat`: a conversation in the terminal, or one answer to what is piped in. The model runs in this process. */
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { PunctualError, type Clock } from "../core/index.ts";
import type { Engine, FinishEvent, GenerateEvent } from "../runtime/index.ts";
import type { PlainMessage } from "../server/index.ts";
import { decimal, wholeNumber } from "./arguments.ts";
import { addEngineOptions, chosenModels, startEngines, type EngineFlags } from "./models.ts";
import { bold, dim, formatMs, write } from "./terminal.ts";

interface ChatFlags extends EngineFlags {
  readonly model?: string;
  readonly system?: string;
  readonly temperature: number;
  readonly maxTokens?: number;
  readonly thinkingBudget?: number;
  readonly seed?: number;
  readonly json?: boolean;
}

/** One answered question, as `--json` prints it. */
interface Turn {
  readonly question: string;
  readonly content: string;
  readonly reasoning_content: string;
  readonly finish_reason: FinishEvent["reason"];
  readonly ttft_ms: number | null;
  readonly tokens_per_second: number | null;
  readonly usage: FinishEvent["usage"];
}

const HELP = "/reset forgets the conversation, /exit leaves";

export function addChat(program: Command): void {
  const command = program
    .command("chat")
    .argument("[question...]", "answer this and leave; without it, a conversation line by line")
    .description("talk to a model in the terminal")
    .option("--model <name or folder>", "which model; the built-in base model when absent")
    .option("--system <text>", "a system message before the conversation")
    .option("--temperature <number>", "0 gives the same answer every time", decimal(0, 2), 0)
    .option("--max-tokens <count>", "most tokens of an answer", wholeNumber(1, 1_000_000))
    .option("--thinking-budget <count>", "most tokens of visible steps", wholeNumber(0, 1_000_000))
    .option("--seed <number>", "same seed, same answer", wholeNumber(0, 2 ** 31))
    .option("--json", "one JSON object per answer");
  addEngineOptions(command).action((question: string[], flags: ChatFlags) => chat(question.join(" "), flags));
}

async function chat(question: string, flags: ChatFlags): Promise<void> {
  const [model] = await chosenModels(flags.model === undefined ? undefined : [flags.model]);
  const [engine] = await startEngines([model!], flags);
  const { liveClock } = await import("../runtime/index.ts");
  try {
    const conversation = new Conversation(engine!, flags, liveClock);
    if (question !== "") await conversation.ask(question);
    else await converse(conversation, engine!.info.name);
  } finally {
    await engine!.stop({ graceMs: 0 });
  }
}

/** Reads lines until the end of input or /exit. With a terminal there is a prompt, and Ctrl-C stops an answer. */
async function converse(conversation: Conversation, name: string): Promise<void> {
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: interactive, prompt: "> " });
  let answering: AbortController | null = null;
  lines.on("SIGINT", () => (answering === null ? lines.close() : answering.abort()));
  if (interactive) {
    console.log(`${bold(name)}  ${dim(HELP)}`);
    lines.prompt();
  }
  for await (const line of lines) {
    const text = line.trim();
    if (text === "/exit") break;
    if (text === "/reset") conversation.reset();
    else if (text !== "") {
      answering = new AbortController();
      await conversation.ask(text, answering.signal);
      answering = null;
    }
    if (interactive) lines.prompt();
  }
  lines.close();
  // Pausing alone can leave a terminal read pending, which keeps the process alive for ever.
  process.stdin.destroy();
}

class Conversation {
  readonly #engine: Engine;
  readonly #flags: ChatFlags;
  readonly #clock: Clock;
  #messages: PlainMessage[] = [];

  constructor(engine: Engine, flags: ChatFlags, clock: Clock) {
    this.#engine = engine;
    this.#flags = flags;
    this.#clock = clock;
    this.reset();
  }

  reset(): void {
    const { system } = this.#flags;
    this.#messages = system === undefined ? [] : [{ role: "system", content: system }];
  }

  /** Streams the answer to the terminal and keeps it for the next question. */
  async ask(question: string, signal?: AbortSignal): Promise<void> {
    this.#messages.push({ role: "user", content: question });
    try {
      const turn = await this.#answer(question, signal);
      this.#messages.push({ role: "assistant", content: turn.content });
      await write(this.#flags.json === true ? `${JSON.stringify(turn)}\n` : `\n${dim(summary(turn))}\n`);
    } catch (error) {
      if (!(error instanceof PunctualError) || error.code !== "cancelled") throw error;
      this.#messages.pop();
      await write(`${dim(" (stopped)")}\n`);
    }
  }

  async #answer(question: string, signal: AbortSignal | undefined): Promise<Turn> {
    const { ReplyShaper } = await import("../server/index.ts");
    const promptTokens = await this.#promptThatFits();
    const events = this.#engine.submit(this.#request(promptTokens), signal === undefined ? {} : { signal });
    const shaper = new ReplyShaper();
    const shown = new Printer(this.#flags.json !== true);
    let finish: FinishEvent | null = null;
    for await (const event of events) {
      const piece = shaper.push(event.section, event.text);
      await shown.print(piece.content, piece.reasoning);
      if (event.kind === "finish") finish = event;
    }
    return turnOf(question, shown, finish!);
  }

  #request(promptTokens: readonly number[]): Parameters<Engine["submit"]>[0] {
    const { maxTokens, temperature, seed, thinkingBudget } = this.#flags;
    return {
      promptTokens,
      arrivalMs: this.#clock.nowMs(),
      maxTokens: maxTokens ?? this.#engine.info.contextTokens - promptTokens.length,
      sampling: { temperature, ...(seed === undefined ? {} : { seed }) },
      ...(thinkingBudget === undefined ? {} : { thinkingBudget }),
    };
  }

  /** The conversation's tokens; the oldest exchanges are forgotten when they leave no room for an answer. */
  async #promptThatFits(): Promise<readonly number[]> {
    const { conversationPrompt } = await import("../server/index.ts");
    const { contextTokens } = this.#engine.info;
    for (;;) {
      const tokens = conversationPrompt(this.#engine, this.#messages);
      if (tokens.length < contextTokens * 0.75) return tokens;
      const oldest = this.#messages.findIndex((message) => message.role === "assistant");
      if (oldest === -1) return tokens; // one question alone is too long: the engine says so
      this.#messages.splice(oldest - 1, 2);
    }
  }
}

/** Prints pieces as they come, thinking dimmed and on lines of its own; remembers them either way. */
class Printer {
  readonly #visible: boolean;
  content = "";
  reasoning = "";

  constructor(visible: boolean) {
    this.#visible = visible;
  }

  async print(content: string, reasoning: string): Promise<void> {
    const opensContent = content !== "" && this.content === "" && this.reasoning !== "";
    this.content += content;
    this.reasoning += reasoning;
    if (!this.#visible) return;
    await write(dim(reasoning) + (opensContent ? "\n" : "") + content);
  }
}

function turnOf(question: string, shown: Printer, finish: FinishEvent & GenerateEvent): Turn {
  const { ttft_ms, tpot_ms } = finish.usage.slo;
  return {
    question,
    content: shown.content,
    reasoning_content: shown.reasoning,
    finish_reason: finish.reason,
    ttft_ms,
    tokens_per_second: tpot_ms === null || tpot_ms === 0 ? null : 1000 / tpot_ms,
    usage: finish.usage,
  };
}

function summary(turn: Turn): string {
  const parts = [`${turn.usage.completionTokens} tokens`];
  if (turn.ttft_ms !== null) parts.unshift(`first token after ${formatMs(turn.ttft_ms)}`);
  if (turn.tokens_per_second !== null) parts.push(`${Math.round(turn.tokens_per_second)} tokens/s`);
  if (turn.finish_reason === "length") parts.push("cut at the token limit");
  return parts.join(" · ");
}
