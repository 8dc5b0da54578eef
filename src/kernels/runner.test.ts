import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { builtFile, instantiateKernel, loadKernelModule, reserveMemory } from "./kernel-module.ts";
import { measureKvBandwidth, measureStreamBandwidth } from "./measure.ts";
import { PagedAttention, type PagedAttentionOptions } from "./paged-attention.ts";
import { smallestWinner } from "./calibrate.ts";

const clock = { nowMs: () => performance.now() };
const OPTIONS: PagedAttentionOptions = {
  layout: { layers: 1, kvHeads: 2, headDim: 32, pageTokens: 16, pages: 16, format: "f32" },
  heads: 2,
  maxRows: 4,
  threads: 2,
};

test("2^x is within 1.3e-7 of the truth, exact at its ends", async () => {
  const memory = reserveMemory(8 * 65536);
  const kernel = instantiateKernel(await loadKernelModule(), memory);
  const x = new Float32Array(memory.buffer, 65536, 65536);
  x.forEach((_, i) => (x[i] = -127 * (i / x.length) ** 3));
  x.set([0, -1, -126, -126.5, -Infinity, Number.NaN, -1e30, -0]);
  const given = x.slice();
  kernel.exp2All(65536, x.length);
  expect(Array.from(x.subarray(0, 8))).toEqual([1, 0.5, 2 ** -126, 0, 0, Number.NaN, 0, 1]);
  const worst = x.slice(8).reduce((top, got, i) => {
    const exponent = given[i + 8]!;
    return exponent < -126 ? Math.max(top, got) : Math.max(top, Math.abs(got / 2 ** exponent - 1));
  }, 0);
  expect(worst).toBeLessThan(1.3e-7);
});

describe("the second thread", () => {
  test("ends with dispose, which may be called twice", async () => {
    const attention = await PagedAttention.create(OPTIONS);
    await attention.dispose();
    await attention.dispose();
  });

  test("does not keep a process alive that forgot to dispose", () => {
    const script = `
      import { PagedAttention } from ${JSON.stringify(builtFile("paged-attention.js").href)};
      const attention = await PagedAttention.create(${JSON.stringify(OPTIONS)});
      attention.threadThresholdBytes = 0;
      const pages = Int32Array.from({ length: 16 }, (_, i) => i);
      const out = new Float32Array(64);
      attention.attend(0, new Float32Array(64), [{ queryStart: 0, queryRows: 1, contextLength: 256, pages }], out);
      console.log("done");`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(output.trim()).toBe("done");
  });

  test("survives many jobs of a few items, back to back", async () => {
    const attention = await PagedAttention.create(OPTIONS);
    attention.threadThresholdBytes = 0;
    const pages = Int32Array.from({ length: 16 }, (_, i) => i);
    const out = new Float32Array(64);
    for (let i = 0; i < 20_000; i++) {
      attention.attend(
        0,
        new Float32Array(64),
        [{ queryStart: 0, queryRows: 1, contextLength: 1 + (i % 200), pages }],
        out,
      );
    }
    expect(out.every((x) => x === 0)).toBe(true);
    await attention.dispose();
  });

  test("is calibrated by a clock", async () => {
    const attention = await PagedAttention.create({ ...OPTIONS, clock });
    expect(attention.threadThresholdBytes).toBeGreaterThan(0);
    expect(() => (attention.threadThresholdBytes = -1)).toThrow("expected a threshold");
    await attention.dispose();
  });
});

test("calibration takes the first of two winning sizes in a row", () => {
  const winners = (...sizes: number[]) => smallestWinner(1024, (size) => sizes.includes(size));
  expect(winners(32, 128, 256, 512, 1024)).toBe(128);
  expect(winners(64, 1024)).toBe(1024);
  expect(winners()).toBe(Infinity);
});

test.each([1, 2] as const)("bandwidth is measured on %i threads", async (threads) => {
  const small = { clock, threads, workingSetBytes: 2 << 20, passes: 2 } as const;
  const stream = await measureStreamBandwidth(small);
  expect(stream).toMatchObject({ passes: 2, bytesPerPass: 2 << 20 });
  expect(stream.gigabytesPerSecond).toBeGreaterThan(0);
  const f32 = await measureKvBandwidth({ ...small, contextLength: 512, heads: 4, kvHeads: 2, headDim: 32 });
  expect(f32.bytesPerPass).toBe(2 << 20);
  expect(f32.effectiveGigabytesPerSecond).toBe(f32.gigabytesPerSecond);
  const int8 = await measureKvBandwidth({ ...small, contextLength: 512, sequences: 2, format: "int8" });
  expect(int8.effectiveGigabytesPerSecond / int8.gigabytesPerSecond).toBeCloseTo(256 / 68, 5);
});
