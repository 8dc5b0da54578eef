/**
 * Claim `structured-output`, the other side: @mlc-ai/web-xgrammar and ajv in a process of their own, from the folder rivals/.
 * Ours and theirs are measured in turn; nothing runs there while nothing is asked.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, fail } from "../../core/index.ts";
import type { GeneratedSchema } from "./schemas.ts";
import type { MadeVocabulary } from "./vocabulary.ts";

/** One text, null when it did not end, or why the schema is refused. */
export type RivalText = { readonly text: string | null } | { readonly refused: string };

/** A schema with answers in tokens, one stream. */
export interface RivalStream {
  readonly schema: unknown;
  readonly strict: boolean;
  readonly answers: readonly (readonly number[])[];
}

/** A whole mask before every token's move, or the moves alone: what greedy choice costs when the best token is allowed. */
export type RivalMode = "masks" | "moves";

/** The other side of the claim, and the judge of both. */
export interface Rival {
  /** Before anything else; milliseconds of taking the vocabulary over. */
  load(vocabulary: MadeVocabulary): Promise<{ readonly loadMs: number }>;
  /** One random text of each schema. */
  texts(schemas: readonly GeneratedSchema[], seed: number, maxTokens: number): Promise<readonly RivalText[]>;
  /** Whether each text is one of the schema's grammar. */
  accepts(
    schema: unknown,
    strict: boolean,
    texts: readonly string[],
  ): Promise<{ readonly accepted?: readonly boolean[]; readonly refused?: string; readonly said?: string }>;
  /** Milliseconds of each step over all streams, and of compiling each schema: 0 for those kept from an earlier call, unless `anew`. */
  steps(
    streams: readonly RivalStream[],
    steps: number,
    mode: RivalMode,
    anew?: boolean,
  ): Promise<{ readonly times: readonly number[]; readonly compileMs: readonly number[] }>;
  /** Bits before each token, 32 ids to a word; null when the schema is refused. */
  masks(schema: unknown, strict: boolean, tokens: readonly number[]): Promise<readonly Uint32Array[] | null>;
  /** By ajv: null where a text parses and validates, otherwise what is wrong. */
  judge(schemas: readonly GeneratedSchema[], texts: readonly (string | null)[]): Promise<readonly (string | null)[]>;
  /** Bytes of its WebAssembly memory now. */
  memory(): Promise<{ readonly bytes: number }>;
  close(): Promise<void>;
}

const RIVALS = fileURLToPath(new URL("../../../rivals", import.meta.url));
const NEEDED = ["@mlc-ai/web-xgrammar", "ajv", "ajv-formats"];

/** @throws PunctualError missing_dependency, saying how to get it, when rivals/ is not installed. */
export function requireXgrammar(folder = RIVALS): void {
  const missing = NEEDED.find((name) => !existsSync(join(folder, "node_modules", name, "package.json")));
  if (missing === undefined) return;
  fail(
    "missing_dependency",
    `expected ${missing} in rivals/, which is not installed with punctual: run \`npm ci --omit=optional --ignore-scripts\` in the folder ` +
      "rivals/ of the repository (see rivals/README.md)",
    { param: missing },
  );
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** rivals/xgrammar.mjs in a process: one question at a time, answered in order. */
export class WebXgrammar implements Rival {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting: Waiting[] = [];
  readonly #exited: Promise<void>;

  constructor() {
    requireXgrammar();
    this.#process = spawn(process.execPath, [join(RIVALS, "xgrammar.mjs")], { stdio: ["pipe", "pipe", "pipe"] });
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#answer(line));
    let errors = "";
    this.#process.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)));
    this.#exited = new Promise((resolve) => {
      this.#process.on("exit", () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new Error(`rivals/xgrammar.mjs ended: ${errors}`));
        resolve();
      });
    });
  }

  load(vocabulary: MadeVocabulary): Promise<{ loadMs: number }> {
    return this.#ask("load", {
      pieces: vocabulary.pieces.map((bytes) => Buffer.from(bytes).toString("base64")),
      specials: vocabulary.pieces.findIndex((_, id) => !vocabulary.isSpecial(id)),
      endToken: vocabulary.endToken,
    });
  }

  texts(schemas: readonly GeneratedSchema[], seed: number, maxTokens: number): Promise<RivalText[]> {
    return this.#ask("texts", { schemas, seed, maxTokens });
  }

  accepts(schema: unknown, strict: boolean, texts: readonly string[]) {
    return this.#ask<{ accepted?: boolean[]; refused?: string; said?: string }>("accepts", { schema, strict, texts });
  }

  steps(streams: readonly RivalStream[], steps: number, mode: RivalMode, anew = false) {
    return this.#ask<{ times: number[]; compileMs: number[] }>("steps", { streams, steps, mode, anew });
  }

  async masks(schema: unknown, strict: boolean, tokens: readonly number[]): Promise<Uint32Array[] | null> {
    const { masks } = await this.#ask<{ masks?: string[] }>("masks", { schema, strict, tokens });
    if (masks === undefined) return null;
    return masks.map((text) => new Uint32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer));
  }

  judge(schemas: readonly GeneratedSchema[], texts: readonly (string | null)[]): Promise<(string | null)[]> {
    return this.#ask("judge", { schemas, texts });
  }

  memory(): Promise<{ bytes: number }> {
    return this.#ask("memory", {});
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#exited;
  }

  #ask<T>(op: string, given: object): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ op, ...given })}\n`);
    }) as Promise<T>;
  }

  #answer(line: string): void {
    const waiting = this.#waiting.shift();
    assert(waiting !== undefined, "an answer follows a question");
    const { result, error } = JSON.parse(line) as { result?: unknown; error?: string };
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(`rivals/xgrammar.mjs: ${error}`));
  }
}
