/** `punctual claim`: measures what we say about ourselves. `--write` renews what was measured in the published tables. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import type { Claim, ClaimMode, ClaimResult } from "../claims/index.ts";
import { fail } from "../core/index.ts";
import { dim } from "./terminal.ts";

interface ClaimFlags {
  readonly quick?: boolean;
  readonly smoke?: boolean;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly write?: boolean;
}

const DOCS = fileURLToPath(new URL("../../docs", import.meta.url));

export function addClaim(program: Command): void {
  program
    .command("claim")
    .argument("[ids...]", "which claims; without any they are listed")
    .description("measure claims; exit code 0 all hold, 1 one is false, 2 one could not run, 3 undecided")
    .option("--quick", "within 50 s each: shorter and less certain, same arms")
    .option("--smoke", "within 3 s each: structure only")
    .option("--json", "one JSON object per claim")
    .option("--all", "every claim")
    .option("--write", "renew these claims in docs/claims.json and docs/claims.md")
    .action(async (ids: string[], flags: ClaimFlags) => {
      process.exitCode = await claim(ids, flags);
    });
}

async function claim(ids: readonly string[], flags: ClaimFlags): Promise<number> {
  const { CLAIMS, exitStatus, selectClaims } = await import("../claims/index.ts");
  const chosen = flags.all === true ? CLAIMS : selectClaims(CLAIMS, ids);
  if (chosen.length === 0) {
    for (const { id, headline } of CLAIMS) console.log(`${id.padEnd(12)} ${headline}`);
    return 0;
  }
  if (flags.write === true && flags.smoke === true)
    fail("invalid_request", "Expected --write without --smoke: a smoke run decides nothing.");
  const results: ClaimResult[] = [];
  for (const item of chosen) results.push(await measure(item, flags));
  if (flags.write === true)
    await writeTables(
      CLAIMS,
      results.filter(({ error }) => error === undefined),
    );
  return exitStatus(results);
}

async function measure(item: Claim, flags: ClaimFlags): Promise<ClaimResult> {
  const [{ resultText, runClaim }, { liveClock }] = await Promise.all([
    import("../claims/index.ts"),
    import("../runtime/index.ts"),
  ]);
  const mode: ClaimMode = flags.smoke === true ? "smoke" : flags.quick === true ? "quick" : "full";
  const progress = (message: string): void => console.error(dim(message, process.stderr));
  const result = await runClaim(item, { mode, clock: liveClock, progress });
  console.log(flags.json === true ? JSON.stringify(result) : resultText(item, result));
  return result;
}

/** Puts the results in the place of older ones; the others stay as they were measured, each with its machine and mode. */
async function writeTables(claims: readonly Claim[], results: readonly ClaimResult[]): Promise<void> {
  const { claimsMarkdown } = await import("../claims/index.ts");
  const path = join(DOCS, "claims.json");
  const published = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as ClaimResult[]) : [];
  const newest = new Map([...published, ...results].map((result) => [result.claim, result]));
  const table = claims.flatMap(({ id }) => newest.get(id) ?? []);
  writeFileSync(path, `${JSON.stringify(table, null, 2)}\n`);
  writeFileSync(join(DOCS, "claims.md"), claimsMarkdown(claims, table));
}
