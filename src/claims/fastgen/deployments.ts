/**
 * Claim `26`: the two ways to deploy of 2401.08671 section 4. Non-persistent: a process that imports the library, answers
 * and is gone. Persistent: `punctual serve`, which survives its callers. One scheduler is behind both, so the same prompts
 * and seeds give the same answers; starting and memory differ.
 */
import { fork, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, fail, type Clock } from "../../core/index.ts";
import { builtInModelDir, DEFAULT_MODEL } from "../../llm/index.ts";
import { parseMemory } from "../rivals/arm-process.ts";
import { startServer } from "../server-process.ts";

/** What both are asked. */
export interface DeploymentQuestion {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly seed: number;
  readonly temperature: number;
}

/** What one of them answered. */
export interface DeploymentAnswer {
  readonly text: string;
  readonly tokens: number;
}

/** How one deployment fared. */
export interface DeploymentRun {
  /** From its process's start until it could be asked. */
  readonly startMs: number;
  readonly answers: readonly DeploymentAnswer[];
  /** Of the process after all answers, nobody being served, pages shared with others counted in shares; null but on Linux. */
  readonly memoryMiB: number | null;
}

const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), "../../../dist/claims/fastgen/library-worker.js");
const ANSWER_LIMIT_MS = 60_000;
const PROMPT_TOKENS = 24;
/** Ids above the marks and bytes of the built-in vocabulary. */
const FIRST_ID = 300;
const LAST_ID = 500;

/** Prompts of made-up words with seeds of their own, sampled warm. */
export function drawQuestions(count: number, seed: number): DeploymentQuestion[] {
  const random = createRandom(seed, "deployments");
  return Array.from({ length: count }, (_, i) => ({
    prompt: Array.from({ length: PROMPT_TOKENS }, () => random.int(FIRST_ID, LAST_ID)),
    maxTokens: 24,
    seed: i + 1,
    temperature: 0.8,
  }));
}

/** The library in a process of its own. @throws PunctualError engine_failed when it does not answer. */
export async function askLibrary(questions: readonly DeploymentQuestion[], clock: Clock): Promise<DeploymentRun> {
  const beforeMs = clock.nowMs();
  const child = fork(SCRIPT, [], { execArgv: [], silent: true });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    child.send({ dir: builtInModelDir(), questions });
    await messageOf(child, "ready");
    const startMs = clock.nowMs() - beforeMs;
    const { answers = [] } = await messageOf(child, "answers");
    const memoryMiB = await memoryOf(child.pid!);
    child.send({ kind: "end" });
    await gone;
    return { startMs, answers, memoryMiB };
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

/** The server in a process of its own, asked over HTTP. */
export async function askServer(questions: readonly DeploymentQuestion[], clock: Clock): Promise<DeploymentRun> {
  const beforeMs = clock.nowMs();
  await using server = await startServer(["--exact"]);
  const startMs = clock.nowMs() - beforeMs;
  const answers: DeploymentAnswer[] = [];
  for (const question of questions) answers.push(await complete(server.url, question));
  return { startMs, answers, memoryMiB: await memoryOf(server.pid) };
}

interface Completion {
  readonly choices: readonly { readonly text: string }[];
  readonly usage: { readonly completion_tokens: number };
}

async function complete(url: URL, question: DeploymentQuestion): Promise<DeploymentAnswer> {
  const { prompt, maxTokens, seed, temperature } = question;
  const body = JSON.stringify({ model: DEFAULT_MODEL, prompt, max_tokens: maxTokens, seed, temperature });
  const headers = { "content-type": "application/json" };
  const response = await fetch(new URL("/v1/completions", url), { method: "POST", headers, body });
  if (!response.ok)
    return fail("engine_failed", `punctual serve answered ${response.status}: ${await response.text()}`);
  const { choices, usage } = (await response.json()) as Completion;
  return { text: choices[0]!.text, tokens: usage.completion_tokens };
}

interface LibraryMessage {
  readonly kind: "ready" | "answers" | "failed";
  readonly answers?: readonly DeploymentAnswer[];
  readonly error?: string;
}

/** The next message, which is expected to be of that kind. */
async function messageOf(child: ChildProcess, kind: LibraryMessage["kind"]): Promise<LibraryMessage> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const message = await new Promise<LibraryMessage>((resolve) => {
      timer = setTimeout(() => resolve({ kind: "failed", error: "it takes too long" }), ANSWER_LIMIT_MS);
      child.once("exit", (code) => resolve({ kind: "failed", error: `it ended with ${code}` }));
      child.once("message", (given) => resolve(given as LibraryMessage));
    });
    if (message.kind === kind) return message;
    return fail("engine_failed", `the library's process: expected ${kind}, got ${message.error ?? message.kind}`);
  } finally {
    clearTimeout(timer);
  }
}

async function memoryOf(pid: number): Promise<number | null> {
  if (process.platform !== "linux") return null;
  return parseMemory(await readFile(`/proc/${pid}/smaps_rollup`, "utf8")).pssBytes / 2 ** 20;
}
