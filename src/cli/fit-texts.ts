/** Texts of a user that something is fitted on, read from a file of JSON lines, and where what is fitted goes. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { fail, PunctualError } from "../core/index.ts";
import type { OpenedModel, PromptedText } from "../fit/index.ts";

/** So many lines that cannot be used are named; a file in which more are wrong is not read on. */
const MOST_PROBLEMS = 5;
/** What the system says of a file that cannot be read, and how we say it. */
const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "it may not be read",
};

/**
 * Every line of the file that is not empty.
 * @throws PunctualError invalid_file naming the lines that are wrong and why, not_found for a file that cannot be read.
 */
export async function readTexts(path: string, model: OpenedModel, limit = Infinity): Promise<PromptedText[]> {
  const { EXAMPLE_LIMITS, readExample } = await import("../fit/index.ts");
  const texts: PromptedText[] = [];
  const problems: string[] = [];
  let number = 0;
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  try {
    for await (const read of lines) {
      number += 1;
      const line = number === 1 ? read.replace(/^\uFEFF/, "") : read;
      if (line.trim() === "") continue;
      if (texts.length >= Math.min(limit, EXAMPLE_LIMITS.lines) || problems.length > MOST_PROBLEMS) break;
      try {
        texts.push(readExample(line, `line ${number}`, model));
      } catch (error) {
        if (!(error instanceof PunctualError) || error.code !== "invalid_file") throw error;
        problems.push(error.message);
      }
    }
  } catch (error) {
    const why = UNREADABLE[(error as NodeJS.ErrnoException).code ?? ""];
    if (why === undefined) throw error;
    return fail("not_found", `--data: ${path} cannot be read: ${why}`, { param: "--data" });
  }
  if (problems.length > 0) {
    const more = problems.length > MOST_PROBLEMS ? "; and more" : "";
    return fail("invalid_file", `${path}: ${problems.slice(0, MOST_PROBLEMS).join("; ")}${more}`, { param: "--data" });
  }
  if (texts.length === 0) return fail("invalid_file", `${path} has no texts`, { param: "--data" });
  return texts;
}

/**
 * Where what is fitted goes: where the user says, else the model's own folder; models of the hub's cache and single files
 * have none of their own.
 * @param served how it is served from another folder, for the message
 */
export async function outFolder(
  { out, model }: { readonly out?: string; readonly model: string },
  dir: string,
  served: string,
): Promise<string> {
  if (out !== undefined) return resolve(out);
  const isFolder = (await stat(dir)).isDirectory();
  if (isFolder && !model.includes("hf:")) return dir;
  return fail("invalid_request", `Expected --out: this model has no folder of its own; serve with ${served}.`, {
    param: "--out",
  });
}

/** A checkpoint of other settings stands in the way: says what to do about it. Everything else is thrown as it is. */
export function explainCheckpoint(error: unknown): never {
  if (!(error instanceof PunctualError) || !error.message.includes("belongs to another run")) throw error;
  return fail(error.code, `${error.message}. Its model, texts or settings were others; --no-resume starts anew.`, {
    cause: error,
  });
}
