/** Claim `agreement`, the other side: node-llama-cpp in a process of its own, from the folder rivals/. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fail } from "../../core/index.ts";
import type { TokenSequence } from "./ours.ts";

/** A file and what it is to evaluate. */
export interface RivalTask {
  readonly path: string;
  readonly vocab: number;
  readonly sequences: readonly TokenSequence[];
}

/** What came out: logits [tokens of all sequences, vocab], and the greedy token of each row. */
export interface RivalAnswer {
  readonly logits: Float32Array;
  readonly greedy: readonly number[];
}

/** Evaluates files one after another; `folder` takes its intermediate files. */
export type Rival = (tasks: readonly RivalTask[], folder: string) => Promise<RivalAnswer[]>;

const RIVALS = fileURLToPath(new URL("../../../rivals", import.meta.url));
const OUTPUT_BYTES_MAX = 2 ** 26;

/** @throws PunctualError missing_dependency, saying how to get it, when rivals/ is not installed. */
export function requireRivals(folder = RIVALS): void {
  if (existsSync(join(folder, "node_modules", "node-llama-cpp", "package.json"))) return;
  fail(
    "missing_dependency",
    "expected node-llama-cpp in rivals/, which is not installed with punctual: run `npm ci --omit=optional --ignore-scripts` " +
      "in the folder rivals/ of the repository (see rivals/README.md)",
    { param: "node-llama-cpp" },
  );
}

/** node-llama-cpp: CPU only, one thread, keys and values in F32, flash attention off. */
export const nodeLlamaCpp: Rival = async (tasks, folder) => {
  requireRivals();
  const models = tasks.map((task, i) => ({ ...task, out: join(folder, `llama-cpp-${i}.f32`) }));
  const job = join(folder, "llama-cpp.json");
  await writeFile(job, JSON.stringify({ threads: 1, models }));
  const { stdout } = await promisify(execFile)(process.execPath, [join(RIVALS, "agreement.mjs"), job], {
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  // The library may print lines of its own before ours.
  const { greedy } = JSON.parse(stdout.trim().split("\n").at(-1)!) as { greedy: number[][] };
  return Promise.all(
    models.map(async ({ out }, i) => {
      const bytes = await readFile(out);
      const logits = new Float32Array(bytes.length / 4);
      new Uint8Array(logits.buffer).set(bytes);
      return { logits, greedy: greedy[i]! };
    }),
  );
};
