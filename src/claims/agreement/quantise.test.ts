import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { encodeAs, type GgufStorage } from "./gguf-file.ts";
import { isBlockFormat } from "./quantise.ts";
import { BLOCK_FORMATS } from "../../llm/checkpoint/blocks.ts";

/** Half a step of the coarsest scale that a format can choose, for numbers up to 1. */
const BOUNDS: Readonly<Record<string, number>> = {
  F16: 3e-4,
  BF16: 4e-3,
  Q8_0: 0.0042,
  Q6_K: 0.04,
  Q5_K: 0.06,
  Q4_K: 0.1,
  Q4_0: 0.13,
};

describe("formats as the loader reads them", () => {
  test.each(Object.keys(BOUNDS))("%s keeps numbers within a step", (name) => {
    const random = createRandom(5, name);
    const values = Float32Array.from({ length: 1024 }, () => 2 * random.uniform() - 1);
    const bytes = encodeAs(values, name as GgufStorage);
    const { elements, bytes: size, decode } = BLOCK_FORMATS[name as keyof typeof BLOCK_FORMATS];
    expect(bytes.length).toBe((values.length / elements) * size);
    const back = new Float32Array(values.length);
    decode(bytes, back, 0);
    const worst = Math.max(...values.map((value, i) => Math.abs(value - back[i]!)));
    expect(worst).toBeLessThan(BOUNDS[name]!);
  });

  test.each(["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0"] as const)("%s of nothing but zeros is zeros", (name) => {
    const back = new Float32Array(512).fill(1);
    BLOCK_FORMATS[name].decode(encodeAs(new Float32Array(512), name), back, 0);
    expect(back.every((value) => value === 0)).toBe(true);
    expect(isBlockFormat(name)).toBe(true);
  });
});
