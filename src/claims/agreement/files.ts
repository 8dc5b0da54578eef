/** Claim `agreement`: the same random weights as a folder of safetensors and as GGUF files. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parameterSpecs, toHuggingFaceConfig, type WeightSource } from "../../llm/index.ts";
import { encodeSafetensors } from "../../nn/index.ts";
import type { TensorData } from "../../graph/index.ts";
import type { Family } from "./families.ts";
import { encodeGgufModel, vocabularyEntries, type GgufStorage } from "./gguf-file.ts";

/** config.json and model.safetensors in F32. */
export async function writeFolder(
  folder: string,
  { config }: Pick<Family, "config">,
  weights: WeightSource,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of parameterSpecs(config)) {
    tensors.set(name, { dtype: "float32", dims, data: weights.get(name, dims) });
  }
  await writeFile(join(folder, "config.json"), JSON.stringify(toHuggingFaceConfig(config)));
  await writeFile(join(folder, "model.safetensors"), encodeSafetensors(tensors));
  return folder;
}

/** One GGUF file with matrices stored as asked, and a vocabulary without meaning. */
export async function writeGguf(
  path: string,
  family: Family,
  weights: WeightSource,
  type: GgufStorage | ((name: string) => GgufStorage),
): Promise<string> {
  const { architecture, config, tensors } = family;
  const entries = [...family.entries, ...vocabularyEntries(config.vocabSize)];
  await writeFile(path, encodeGgufModel(config, weights, { architecture, type, entries, tensors }));
  return path;
}
