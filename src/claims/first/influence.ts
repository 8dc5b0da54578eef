/** The layers that ShortGPT keeps: written down when the baseline was trained, so that its low-rank weights meet the layers they know. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail } from "../../core/index.ts";
import type { Subject } from "./subject.ts";

const schema = z.object({ about: z.object({ layers: z.array(z.number().int()) }) });

/** @throws PunctualError invalid_file when the folder does not say. */
export async function influentialLayers(subject: Subject): Promise<readonly number[]> {
  if (!("dir" in subject.model)) return [...Array.from({ length: subject.kept - 1 }, (_, i) => i), subject.layers - 1];
  const path = join(subject.routesOf("shortgpt"), "route_config.json");
  const found = schema.safeParse(JSON.parse(await readFile(path, "utf8")));
  return found.success ? found.data.about.layers : fail("invalid_file", `${path} does not say which layers are kept`);
}
