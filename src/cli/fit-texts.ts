/** Texts of a user that something is fitted on, read from a file of JSON lines. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { fail } from "../core/index.ts";
import type { OpenedModel, PromptedText } from "../fit/index.ts";

/** Every line of the file that is not empty. @throws PunctualError invalid_file naming the line. */
export async function readTexts(path: string, model: OpenedModel, limit = Infinity): Promise<PromptedText[]> {
  const { EXAMPLE_LIMITS, readExample } = await import("../fit/index.ts");
  const texts: PromptedText[] = [];
  let number = 0;
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      number += 1;
      if (line.trim() === "") continue;
      if (texts.length >= Math.min(limit, EXAMPLE_LIMITS.lines)) break;
      texts.push(readExample(line, `${path} line ${number}`, model));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return fail("not_found", `${path} cannot be read`, { param: "--data" });
  }
  return texts;
}
