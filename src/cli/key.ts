/** `punctual key`: makes an API key, keeps its hash in a key file, and shows the key itself this once. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { fail } from "../core/index.ts";
import { parseSlo } from "../sched/index.ts";
import type { KeyEntry } from "../server/index.ts";
import { collectValues, wholeNumber } from "./arguments.ts";
import { dim } from "./terminal.ts";

interface KeyFlags {
  readonly file: string;
  readonly model?: readonly string[];
  readonly slo?: string;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly concurrent?: number;
}

const count = wholeNumber(1, 1_000_000_000);

export function addKey(program: Command): void {
  program
    .command("key")
    .description("make an API key for 'serve --api-key-file' and show it once; the file keeps its hash only")
    .argument("<name>", "who it is for: letters, digits and ._@-")
    .requiredOption("--file <file>", "key file to add it to; made when absent")
    .option("--model <name>", "a model that it may use, repeatable; all when absent", collectValues)
    .option("--slo <targets>", "objective of its requests that bring none, for example ttft=200ms,tpot=50ms")
    .option("--requests-per-minute <count>", "most requests per minute", count)
    .option("--tokens-per-minute <count>", "most tokens per minute, prompt and answer together", count)
    .option("--concurrent <count>", "most requests at once", count)
    .action((name: string, flags: KeyFlags) => makeKey(name, flags));
}

async function makeKey(name: string, flags: KeyFlags): Promise<void> {
  const { hashKey, newKey, readKeyEntries } = await import("../server/index.ts");
  if (flags.slo !== undefined) parseSlo(flags.slo, "--slo");
  const entries = existsSync(flags.file) ? readKeyEntries(readFileSync(flags.file, "utf8")) : [];
  if (entries.some((entry) => entry.name === name)) fail("invalid_request", `There is a key for '${name}' already.`);
  const key = newKey();
  const entry: KeyEntry = {
    name,
    sha256: Buffer.from(hashKey(key)).toString("hex"),
    ...(flags.model === undefined ? {} : { models: [...flags.model] }),
    ...(flags.slo === undefined ? {} : { slo: flags.slo }),
    ...(flags.requestsPerMinute === undefined ? {} : { requests_per_minute: flags.requestsPerMinute }),
    ...(flags.tokensPerMinute === undefined ? {} : { tokens_per_minute: flags.tokensPerMinute }),
    ...(flags.concurrent === undefined ? {} : { concurrent: flags.concurrent }),
  };
  const text = `${JSON.stringify({ keys: [...entries, entry] }, null, 2)}\n`;
  readKeyEntries(text); // what the server would refuse is refused now
  const next = `${flags.file}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, flags.file); // never half a file
  console.log(key);
  console.error(dim(`Its hash is in ${flags.file}; the key itself is not kept anywhere.`));
}
