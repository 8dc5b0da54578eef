/** Routers of random numbers on disk, for tests. */
import { mkdir } from "node:fs/promises";
import { createRandom } from "../../src/core/index.ts";
import {
  DEFAULT_PROTECTED,
  isRoutable,
  writeAdapter,
  writeRoutes,
  type DecoderConfig,
  type Router,
} from "../../src/llm/index.ts";
import { randomAdapter } from "./adapters.ts";

/** Routers that say something else of every prompt. */
export function randomRouters(config: DecoderConfig, seed: number): (Router | null)[] {
  const random = createRandom(seed, "routers");
  return Array.from({ length: config.layers }, (_, layer) => {
    if (!isRoutable(config, DEFAULT_PROTECTED, layer)) return null;
    const weight = Float32Array.from({ length: config.hidden }, () => random.normal() * 0.5);
    return { weight, bias: Math.fround(random.normal() * 0.1) };
  });
}

/** A folder of routes with an adapter; answers it. */
export async function writeRandomRoutes(dir: string, config: DecoderConfig, seed: number): Promise<string> {
  await mkdir(dir, { recursive: true });
  const routers = randomRouters(config, seed);
  await writeRoutes(dir, { routers, protected: DEFAULT_PROTECTED, identity: `random-${seed}` });
  const { modules } = randomAdapter(config, seed, 4);
  await writeAdapter(dir, { rank: 4, alpha: 2, modules }, "a random model");
  return dir;
}
