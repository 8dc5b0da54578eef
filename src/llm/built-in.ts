/** Where the models that ship with the package lie: one folder each under models/, made by `punctual train`. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../core/index.ts";

/** A model folder and the name it is served under. */
export interface ModelFolder {
  readonly name: string;
  readonly dir: string;
}

/** The model that answers when none is named. */
export const DEFAULT_MODEL = "punctual-base";

const FOLDER = fileURLToPath(new URL("../../models", import.meta.url));

/** The built-in models, the default one first. Empty in a checkout whose weights were removed. */
export function builtInModels(): ModelFolder[] {
  if (!existsSync(FOLDER)) return [];
  const names = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, "config.json")));
  const rank = (name: string): number => (name === DEFAULT_MODEL ? 0 : 1);
  return names
    .toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => ({ name, dir: join(FOLDER, name) }));
}

/** Models that ship with the package too and are served only when they are named, each to show one thing. */
export function furtherModels(): ModelFolder[] {
  const folder = join(FOLDER, "more");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, "config.json")))
    .toSorted()
    .map((name) => ({ name, dir: join(folder, name) }));
}

/**
 * The folder of a built-in model, with or without its prefix "punctual-".
 * @throws PunctualError model_not_found, naming those there are.
 */
export function builtInModelDir(name: string = DEFAULT_MODEL): string {
  const models = [...builtInModels(), ...furtherModels()];
  const found = models.find((model) => model.name === name || model.name === `punctual-${name}`);
  const known = models.map((model) => model.name).join(", ");
  return (
    found?.dir ??
    fail("model_not_found", `expected a built-in model out of ${known || "none"}, got ${name}`, { param: "model" })
  );
}
