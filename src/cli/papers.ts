/** The papers for the console: the table and claims of claims/, and docs/claims.json, which a package brings along. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fail } from "../core/index.ts";
import type { ClaimResult } from "../claims/index.ts";
import type { PapersBody } from "../protocol/index.ts";
import type { PaperIndex } from "../server/index.ts";

/** Beside src/ and dist/ alike. */
const MEASURED = fileURLToPath(new URL("../../docs/claims.json", import.meta.url));

/** Rows of what is measured in that file; read at the first request, and again when it has changed. */
export function createPaperIndex(path: string = MEASURED): PaperIndex {
  let known: { readonly modifiedMs: number; readonly rows: PapersBody } | null = null;
  return {
    async rows() {
      const modifiedMs = modified(path);
      if (known?.modifiedMs !== modifiedMs) {
        // Claims bring the whole engine with them: not before somebody asks.
        const { CLAIMS, paperRows } = await import("../claims/index.ts");
        const results = JSON.parse(readFileSync(path, "utf8")) as readonly ClaimResult[];
        known = { modifiedMs, rows: paperRows(CLAIMS, results) };
      }
      return known.rows;
    },
  };
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
