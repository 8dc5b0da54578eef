/** Where files of served models go, recordings and what policies learn: one for one model, one each for several. */
import { existsSync } from "node:fs";
import { fail } from "../core/index.ts";

const UNSAFE = /[^\w.-]+/g;

/**
 * A path per model: the given one, or for several models the given one with `-model` before its extension.
 * Errors: `invalid_request` where one exists already or two would be the same: nothing is overwritten.
 */
export function recordingPaths(path: string, models: readonly string[]): ReadonlyMap<string, string> {
  const paths = modelPaths(path, models, "record");
  for (const file of paths.values()) {
    if (existsSync(file)) {
      fail("invalid_request", `--record: '${file}' exists already; remove it or name another file.`, {
        param: "record",
      });
    }
  }
  return paths;
}

/** The same for files that may be there already. @param param the flag that named the path. */
export function modelPaths(path: string, models: readonly string[], param: string): ReadonlyMap<string, string> {
  const paths = new Map(models.map((name) => [name, models.length === 1 ? path : named(path, name)]));
  if (new Set(paths.values()).size < paths.size) {
    fail("invalid_request", `--${param}: two models would share a file; give them other names.`, { param });
  }
  return paths;
}

function named(path: string, model: string): string {
  const [, stem, extension] = /^(.*?)(\.[^./\\]*)?$/s.exec(path)!;
  return `${stem}-${model.replaceAll(UNSAFE, "_")}${extension ?? ""}`;
}
