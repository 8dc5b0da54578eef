/** Claim `rivals`, the measuring side of an arm: starts its process, asks, reads its memory, ends it. */
import { fork, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, present } from "../../core/index.ts";
import type { ArmAnswers, ArmCommand, ArmReply } from "./arm.ts";

/** The arms: ours, and what a user would pick instead. */
export const ARM_NAMES = ["punctual", "node-llama-cpp", "transformers.js"] as const;
export type ArmName = (typeof ARM_NAMES)[number];

/** The file that each arm's process runs. */
export type ArmScripts = Readonly<Record<ArmName, string>>;

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../../..");
const RIVALS = join(ROOT, "rivals");
/** Compiled code runs from dist/; sources (under a test runner) find theirs there too. */
const COMPILED = join(ROOT, "dist/claims/rivals");

/** Our own arm; also a stand-in for the others where they are not installed. */
export const OUR_ARM = join(COMPILED, "arm-worker.js");

export const ARM_SCRIPTS: ArmScripts = {
  punctual: OUR_ARM,
  "node-llama-cpp": join(RIVALS, "llama-cpp.mjs"),
  "transformers.js": join(RIVALS, "transformers.mjs"),
};

/** Whose change makes earlier figures worthless: everything of ours that runs, and which rivals are installed. */
export const MEASURED_CODE = [join(ROOT, "dist"), join(RIVALS, "package-lock.json"), ...Object.values(ARM_SCRIPTS)];

/** @throws PunctualError missing_dependency, saying how to get it, when rivals/ is not installed. */
export function requireRivalArms(folder: string = RIVALS): void {
  for (const name of ["node-llama-cpp", "@huggingface/transformers"]) {
    if (existsSync(join(folder, "node_modules", name, "package.json"))) continue;
    fail(
      "missing_dependency",
      `expected ${name} in rivals/, which is not installed with punctual: run \`npm ci --omit=optional ` +
        "--ignore-scripts` in the folder rivals/ of the repository (see rivals/README.md)",
      { param: name },
    );
  }
}

/** Memory of a process now, bytes. */
export interface ProcessMemory {
  /** Pages that several processes share counted in shares. */
  readonly pssBytes: number;
  readonly rssBytes: number;
}

/** From the text of /proc/<pid>/smaps_rollup. */
export function parseMemory(text: string): ProcessMemory {
  const bytesOf = (field: string): number => {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text);
    return Number(present(match, `${field} of smaps_rollup`)[1]) * 1024;
  };
  return { pssBytes: bytesOf("Pss"), rssBytes: bytesOf("Rss") };
}

/** Nothing that is asked here takes longer. */
const ANSWER_LIMIT_MS = 900_000;
const END_LIMIT_MS = 20_000;

/** One arm's process. `ask` one thing at a time; leaving the scope ends it. */
export class ArmProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #gone: Promise<string>;
  #output = "";

  constructor(script: string) {
    // Not our flags: the arms are plain Node processes.
    this.#child = fork(script, [], { execArgv: [], silent: true });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-4000);
    };
    this.#child.stdout?.on("data", keep);
    this.#child.stderr?.on("data", keep);
    this.#gone = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
    });
  }

  /** @throws PunctualError engine_failed with what the process says when it fails, ends or takes too long. */
  async ask<K extends ArmCommand["kind"]>(command: Extract<ArmCommand, { kind: K }>): Promise<ArmAnswers[K]> {
    const limit = command.kind === "end" ? END_LIMIT_MS : ANSWER_LIMIT_MS;
    const reply = await this.#exchange(command, limit);
    if ("answer" in reply) return reply.answer as ArmAnswers[K];
    return fail("engine_failed", `${command.kind}: ${reply.error}\n${this.#output}`.trimEnd());
  }

  async #exchange(command: ArmCommand, limitMs: number): Promise<ArmReply> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<ArmReply>((resolve) => {
      timer = setTimeout(() => resolve({ error: `no answer within ${limitMs / 1000} s` }), limitMs);
    });
    const answered = new Promise<ArmReply>((resolve) => {
      this.#child.once("message", (message) => resolve(message as ArmReply));
      this.#child.send(command, (error) => {
        if (error !== null) resolve({ error: error.message });
      });
    });
    try {
      return await Promise.race([answered, late, this.#gone.then((why): ArmReply => ({ error: why }))]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Linux only. */
  async memory(): Promise<ProcessMemory> {
    return parseMemory(await readFile(`/proc/${this.#child.pid}/smaps_rollup`, "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.connected) {
      await this.#exchange({ kind: "end" }, END_LIMIT_MS);
    }
    // It has answered, or will not: either way nothing of it is needed any more.
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}
