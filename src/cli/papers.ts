/** The papers for the console: the table and claims of claims/, and docs/claims.json, which a package brings along. */
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { fail } from "../core/index.ts";
import type { PapersBody } from "../protocol/index.ts";
import type { PaperIndex } from "../server/index.ts";

/** Beside src/ and dist/ alike. */
const MEASURED = fileURLToPath(new URL("../../docs/claims.json", import.meta.url));

/** Rows of what is measured in that file; read at the first request, and again when it has changed. */
export function createPaperIndex(path: string = MEASURED): PaperIndex {
  let known: { readonly modifiedMs: number; readonly rows: Promise<PapersBody> } | null = null;
  return {
    rows: async () => {
      const modifiedMs = modified(path);
      if (known?.modifiedMs !== modifiedMs) known = { modifiedMs, rows: read(path) };
      const reading = known;
      try {
        return await reading.rows;
      } catch (error) {
        if (known === reading) known = null; // the next one tries again
        throw error;
      }
    },
  };
}

function read(path: string): Promise<PapersBody> {
  const worker = new Worker(workerUrl(), { workerData: path, name: "punctual-papers" });
  return new Promise((resolve, reject) => {
    worker.once("message", (rows: PapersBody) => resolve(rows));
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the thread that reads the papers ended without a word")));
  });
}

/** Compiled workers run from dist/; sources (under a test runner) find theirs there too. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith(".ts") ? new URL("../../dist/cli/papers-worker.js", here) : new URL("./papers-worker.js", here);
}

function modified(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    return fail("not_found", "What was measured (docs/claims.json) is not part of this installation.", {
      cause: error,
    });
  }
}
