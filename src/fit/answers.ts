/**
 * A model's own answers to prompts, kept in a file: heads learn to guess what the model says, not what somebody else would have.
 * Greedy, by the engine that will serve it. A broken-off run goes on behind the last answer that was written.
 *
 *   {"identity": …}      of prompts, model and length; a file of others is begun anew
 *   [12, 873, …]         one line a prompt, in order
 */
import { createHash } from "node:crypto";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { fail } from "../core/index.ts";
import { collect, Engine, type EngineOptions } from "../runtime/index.ts";
import type { PromptedText } from "./examples.ts";

/** Who answers, and how long. */
export interface AnswerOptions {
  readonly engine: EngineOptions;
  /** Says which model that is. */
  readonly fingerprint: string;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
  /** The file. */
  readonly path: string;
  readonly signal?: AbortSignal;
  readonly progress?: (answered: number, total: number) => void;
}

/** Prompts asked at a time; their answers are written together. */
const BATCH = 32;

/**
 * The same texts with the model's answers in place of theirs; null where it was stopped before it had all.
 * @throws PunctualError as the engine does; a prompt that leaves no room for an answer is answered with nothing.
 */
export async function ownAnswers(
  texts: readonly PromptedText[],
  options: AnswerOptions,
): Promise<readonly PromptedText[] | null> {
  const { engine: engineOptions, path, maxTokens, signal, progress } = options;
  const identity = identityOf(texts, options);
  const answers = await readAnswers(path, identity, texts.length);
  if (answers.length === 0) await writeFile(path, `${JSON.stringify({ identity })}\n`);
  if (answers.length < texts.length) {
    await using engine = await Engine.start({ ...engineOptions, maxWaiting: BATCH });
    const room = engine.info.contextTokens;
    while (answers.length < texts.length && signal?.aborted !== true) {
      const batch = texts.slice(answers.length, answers.length + BATCH);
      const found = await Promise.all(
        batch.map(async ({ prompt }): Promise<readonly number[]> => {
          if (prompt.length + 1 >= room) return [];
          const request = { promptTokens: prompt, maxTokens, sampling: { temperature: 0 } };
          return (await collect(engine.submit(request))).tokens;
        }),
      );
      await appendFile(path, found.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
      answers.push(...found);
      progress?.(answers.length, texts.length);
    }
  }
  if (answers.length < texts.length) return null;
  return texts.map(({ prompt }, i) => ({ prompt, answer: answers[i]! }));
}

function identityOf(texts: readonly PromptedText[], { fingerprint, maxTokens }: AnswerOptions): string {
  const hash = createHash("sha256").update(JSON.stringify({ fingerprint, maxTokens }));
  for (const { prompt } of texts) hash.update(JSON.stringify(prompt));
  return hash.digest("hex").slice(0, 32);
}

/** What is there of the same prompts; a last line that is cut is left out, and written again behind it. */
async function readAnswers(path: string, identity: string, most: number): Promise<(readonly number[])[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    return fail("invalid_file", `${path} cannot be read`, { cause });
  }
  const [head, ...lines] = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  if (head !== JSON.stringify({ identity })) return [];
  const answers = lines.slice(0, -1).map((line) => JSON.parse(line) as number[]);
  if (!text.endsWith("\n")) await writeFile(path, text.slice(0, text.lastIndexOf("\n") + 1));
  return answers.slice(0, most);
}
