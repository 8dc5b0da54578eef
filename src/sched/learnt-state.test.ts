import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError, type RandomStream } from "../core/index.ts";
import { createOutlook } from "./create-outlook.ts";
import type { LearningOutlook } from "./learning-outlook.ts";
import { MAX_LEARNT_CHARACTERS, readLearnt, writeLearnt } from "./learnt-state.ts";
import type { ArrivedRequest } from "./outlook.ts";
import type { Slo } from "./types.ts";

const BY = { model: "punctual-base", vocabSize: 4096 };
const COMPOUND: Slo = { class: "compound", deadlineMs: 9000, onMiss: "finish" };

/** An outlook that has seen requests whose answers follow from their first token, and tasks of three stages. */
function taught(count: number, random: RandomStream): LearningOutlook {
  const outlook = createOutlook("learning", 0) as LearningOutlook;
  for (let id = 0; id < count; id++) {
    const kind = random.int(0, 3);
    const task = id % 5 === 0 ? { task: { id: `t${Math.floor(id / 15)}`, stage: (id / 5) % 3 } } : {};
    const request: ArrivedRequest = {
      id,
      arrivalMs: id * 1000,
      prompt: [kind, 7, 7, kind],
      maxTokens: 400,
      slo: COMPOUND,
      ...task,
    };
    outlook.arrived(request);
    outlook.ended(id, 20 + 50 * kind + random.int(0, 4), true, id * 1000 + 500);
  }
  // Tasks end when nothing of them has run for long.
  outlook.arrived({ id: -1, arrivalMs: 1e9, prompt: [1], maxTokens: 9, slo: COMPOUND, task: { id: "last", stage: 0 } });
  return outlook;
}

const ask = (outlook: LearningOutlook, kind: number) => {
  const id = 1_000_000 + kind;
  const task = { id: `new${kind}`, stage: 0 };
  outlook.arrived({ id, arrivalMs: 2e9, prompt: [kind, 7, 7, kind], maxTokens: 400, slo: COMPOUND, task });
  return outlook.of(id, 0);
};

describe("what was learnt, written and read", () => {
  test("is the same, and an outlook that begins with it knows as much", () => {
    const outlook = taught(400, createRandom(3, "taught"));
    const text = writeLearnt(BY, outlook.learnt());
    const learnt = readLearnt(text, BY);
    expect(learnt.lengths).toEqual(outlook.learnt().lengths);
    expect(learnt.patterns).toEqual(outlook.learnt().patterns);
    expect(learnt.lengths).toHaveLength(400);
    expect(learnt.patterns.length).toBeGreaterThan(10);
    const next = createOutlook("learning", 0, learnt) as LearningOutlook;
    for (const kind of [0, 1, 2, 3]) {
      const [before, after] = [ask(outlook, kind), ask(next, kind)];
      expect(Math.abs(after.expectedTokens! - (20 + 50 * kind))).toBeLessThanOrEqual(6);
      expect(Math.abs(after.expectedTokens! - before.expectedTokens!)).toBeLessThanOrEqual(6);
      expect(after.task!.deadlineMs).toBeLessThan(9000);
    }
  });

  test("stays within its bounds, however long the engine ran", () => {
    const outlook = taught(2300, createRandom(4, "long"));
    const text = writeLearnt(BY, outlook.learnt());
    expect(readLearnt(text, BY).lengths).toHaveLength(2000);
    expect(text.length).toBeLessThan(MAX_LEARNT_CHARACTERS / 5);
  });

  test("little, or nothing, is no fault", () => {
    for (const count of [0, 5]) {
      const learnt = readLearnt(writeLearnt(BY, taught(count, createRandom(1)).learnt()), BY);
      const next = createOutlook("learning", 0, learnt) as LearningOutlook;
      expect(ask(next, 0).expectedTokens).toBeUndefined();
    }
  });
});

describe("what is not read", () => {
  const text = writeLearnt(BY, taught(60, createRandom(5)).learnt());
  const fault = (damaged: string, by = BY): string => {
    try {
      readLearnt(damaged, by);
    } catch (error) {
      expect(error).toBeInstanceOf(PunctualError);
      expect((error as PunctualError).code).toBe("invalid_file");
      return (error as PunctualError).message;
    }
    return "none";
  };

  test("each fault by its name", () => {
    expect(fault("")).toContain("not JSON");
    expect(fault("[]\n")).toContain("an object");
    expect(fault('{"kind":"other"}\n')).toContain("kind");
    expect(fault(text.replace('"version":1', '"version":2'))).toContain("version 1, got 2");
    expect(fault(text.slice(0, -4))).toContain("checksum");
    expect(fault(text.replace(/,(\d+)\]/, ",9$1]"))).toContain("checksum");
    expect(fault(text, { ...BY, model: "another" })).toContain('of "another"');
    expect(fault(text, { ...BY, vocabSize: 7 })).toContain("7 tokens");
    expect(fault("x".repeat(MAX_LEARNT_CHARACTERS + 1))).toContain("characters");
  });

  test("whatever is changed in it, nothing but a named fault comes of it", () => {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 4 }), (at, put) => {
        const damaged = text.slice(0, at) + put + text.slice(at + put.length + (put.length === 0 ? 1 : 0));
        if (damaged !== text) expect(fault(damaged)).not.toBe("none");
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  test("nonsense under a right checksum is refused by its place", () => {
    const withBody = (change: (row: Record<string, unknown>) => void): string => {
      const row = JSON.parse(text.split("\n")[0]!) as Record<string, unknown>;
      change(row);
      // What a program that knew the format would write.
      const written = writeLearnt(BY, { lengths: [], patterns: [] });
      expect(written.split("\n")).toHaveLength(3);
      return resealed(JSON.stringify(row));
    };
    expect(fault(withBody((row) => (row.lengths = [["00", 1]])))).toContain("lengths[0]");
    expect(fault(withBody((row) => (row.lengths = [["ff".repeat(64), 1]])))).toContain("levels below");
    expect(fault(withBody((row) => (row.lengths = [["00".repeat(64), -1]])))).toContain("number of tokens");
    expect(fault(withBody((row) => (row.patterns = [["00", "00"]])))).toContain("patterns[0]");
    expect(fault(withBody((row) => (row.patterns = [["40000000", "0000803f0000803f"]])))).toContain("level");
    expect(fault(withBody((row) => (row.patterns = [["00000000", "0000c07f0000803f"]])))).toContain("spans");
    expect(fault(withBody((row) => (row.patterns = "none")))).toContain("a list");
    expect(fault(withBody((row) => (row.lengths = [["zz", 1]])))).toContain("hex");
  });
});

/** The checksum of the format: two FNV hashes. */
function resealed(body: string): string {
  const fnv = (value: string): number => {
    let hash = 0x811c9dc5;
    for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
    return hash >>> 0;
  };
  const sum = [0, 1].map((part) => fnv(`${part}${body}`).toString(16).padStart(8, "0")).join("");
  return `${body}\n${sum}\n`;
}
