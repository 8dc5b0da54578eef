import { describe, expect, test } from "vitest";
import { lengthFeatures } from "../sched/index.ts";
import type { RecordingLine } from "../workload/index.ts";
import type { SequenceSpec } from "./messages.ts";
import { LoopRecorder } from "./recorder.ts";
import { SecretIds } from "./secret-ids.ts";

describe("ids under a secret", () => {
  test("equal ids stay equal, others differ, another secret gives others", () => {
    const ids = new SecretIds("a");
    const tokens = Array.from({ length: 2000 }, (_, i) => i);
    const first = ids.of(tokens);
    expect(ids.of(tokens)).toEqual(first);
    expect(new SecretIds("a").of(tokens)).toEqual(first);
    expect(new Set(first).size).toBe(2000);
    const other = new SecretIds("b").of(tokens);
    expect(other.filter((id, i) => id === first[i])).toHaveLength(0);
  });
});

const PROMPTS = [[17], [17], [17, 18, 19], [4, 4, 4, 250]];

function specOf(seq: number, promptTokens: readonly number[]): SequenceSpec {
  const slo = { class: "best-effort", onMiss: "finish" } as const;
  // All that a recorder reads of it.
  return {
    seq,
    arrivalMs: 0,
    promptTokens: Int32Array.from(promptTokens),
    maxTokens: 8,
    slo,
  } as unknown as SequenceSpec;
}

/** What a recording under that salt holds of the features of the prompts. */
function recorded(salt: string): (readonly number[])[] {
  const written: (readonly number[])[] = [];
  const write = (line: RecordingLine): void => {
    if (line.kind === "request") written.push(line.features!);
  };
  const recorder = new LoopRecorder(write, 16, { salt, features: true });
  for (const [seq, promptTokens] of PROMPTS.entries()) {
    // The live predictor is told what the recording says.
    expect([...recorder.request(specOf(seq, promptTokens))!]).toEqual(written.at(-1));
  }
  return written;
}

describe("features in a recording", () => {
  test("equal prompts have equal features within one recording, others in another", () => {
    const [a, b] = [recorded("first"), recorded("second")];
    expect(a[1]).toEqual(a[0]);
    expect(recorded("first")).toEqual(a);
    expect(b).not.toEqual(a);
    // Sizes are no secret: they are in the request anyway.
    for (const [i, features] of a.entries()) expect(features.slice(0, 2)).toEqual(b[i]!.slice(0, 2));
  });

  test("guessing a prompt of one token by its features gets nowhere", () => {
    const shape = (features: readonly number[]): string => features.slice(2).join();
    // Who tries every token without the salt finds the buckets of some other one.
    let hits = 0;
    for (let i = 0; i < 200; i++) {
      const [alone] = recorded(`salt ${i}`);
      if (shape(alone!) === shape([...lengthFeatures([17], 8)])) hits += 1;
    }
    // By chance: one in 24 times 38 pairs of buckets.
    expect(hits).toBeLessThan(6);
  });

  test("no features where no lengths are predicted", () => {
    const lines: RecordingLine[] = [];
    const recorder = new LoopRecorder((line) => lines.push(line), 16, { salt: "s" });
    expect(recorder.request(specOf(0, [1]))).toBeUndefined();
    expect(lines[0]).not.toHaveProperty("features");
  });
});
