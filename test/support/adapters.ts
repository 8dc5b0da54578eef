/** Adapters of random numbers, in memory and on disk, for tests. */
import { mkdir } from "node:fs/promises";
import { createRandom } from "../../src/core/index.ts";
import {
  LORA_TARGETS,
  loraShape,
  loraWeightName,
  writeAdapter,
  type DecoderConfig,
  type LoraAdapter,
  type LoraTarget,
} from "../../src/llm/index.ts";

/** An adapter that changes a decoder's answers clearly. */
export function randomAdapter(
  config: DecoderConfig,
  seed: number,
  rank: number,
  targets: readonly LoraTarget[] = LORA_TARGETS,
): LoraAdapter {
  const random = createRandom(seed, "adapter");
  const noise = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal() * 0.2);
  const modules = new Map(
    Array.from({ length: config.layers }).flatMap((_, layer) =>
      targets.map((target) => {
        const shape = loraShape(config, target);
        const module = { rank, a: noise(rank * shape.in), b: noise(shape.out * rank) };
        return [loraWeightName(layer, target), module] as const;
      }),
    ),
  );
  return { rank, modules };
}

/** The same as a folder in PEFT's layout; answers it. */
export async function writeRandomAdapter(
  dir: string,
  config: DecoderConfig,
  seed: number,
  rank: number,
): Promise<string> {
  await mkdir(dir, { recursive: true });
  const { modules } = randomAdapter(config, seed, rank);
  await writeAdapter(dir, { rank, alpha: rank, modules }, "a random model");
  return dir;
}
