/** The way into a checkpoint, whatever it is: a folder in Hugging Face's layout, or one GGUF file. */
import { stat } from "node:fs/promises";
import { fail } from "../../core/index.ts";
import { readFolderFacts, type CheckpointFacts } from "./folder-facts.ts";
import { openFolder } from "./folder.ts";
import { openGguf } from "./gguf.ts";
import type { Checkpoint } from "./types.ts";

/**
 * Opens a model: a folder with config.json, perhaps tokenizer.json, and one or many safetensors files; or a GGUF file.
 * Everything that can be checked without reading weights is. The caller closes it.
 * @throws PunctualError model_not_found when a file is missing, invalid_file or unsupported naming the field.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  return (await isFolder(path)) ? openFolder(path) : openGguf(path);
}

/** The same without weights, and with nothing left open: for threads that only need the vocabulary. */
export async function readCheckpointFacts(path: string): Promise<CheckpointFacts> {
  if (await isFolder(path)) return readFolderFacts(path);
  const checkpoint = await openGguf(path);
  await checkpoint.close();
  const { format, config, tokenizer, chatTemplate, endTokens } = checkpoint;
  return { format, config, tokenizer, chatTemplate, endTokens };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    // The folder's first file by name, as before there were single files.
    return fail("model_not_found", `${path} cannot be read`, { param: "config.json", cause });
  }
}
