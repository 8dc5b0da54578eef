/**
 * Public data sets for tests, where this machine has them: folders named `data` beside the checkout or in a folder beside
 * it, or in what PUNCTUAL_TEST_DATA names. Tests never need them: each one that reads a set runs on generated data of
 * the same form where there is none.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./process.ts";

/** The path of a file of a data set, such as "spec_bench/question.jsonl"; null where it is not at hand. */
export function publicData(file: string): string | null {
  const above = dirname(root);
  const beside = readdirSync(above, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(above, name, "data"));
  const named = process.env["PUNCTUAL_TEST_DATA"];
  const folders = [...(named === undefined ? [] : [named]), join(root, "data"), join(above, "data"), ...beside];
  return folders.map((folder) => join(folder, file)).find((path) => existsSync(path)) ?? null;
}
