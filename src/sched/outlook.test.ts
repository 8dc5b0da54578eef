import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MeanOutlook, TaskLedger, type ArrivedRequest } from "./outlook.ts";
import { BEST_EFFORT } from "./slo.ts";

const request = (id: number, task?: string): ArrivedRequest => ({
  id,
  arrivalMs: id,
  prompt: [1, 2, 3],
  maxTokens: 100,
  slo: BEST_EFFORT,
  ...(task === undefined ? {} : { task: { id: task, stage: 0 } }),
});

describe("the mean outlook", () => {
  test("expects nothing at first, then what answers were lately, never less than what is there", () => {
    const outlook = new MeanOutlook();
    for (const id of [0, 1, 2]) outlook.arrived(request(id));
    expect(outlook.of(2, 0)).toEqual({});
    outlook.ended(0, 40, true);
    expect(outlook.of(2, 0).expectedTokens).toBe(40);
    outlook.ended(1, 90, false); // cut: says nothing about lengths
    expect(outlook.of(2, 0).expectedTokens).toBe(40);
    outlook.arrived(request(3));
    outlook.ended(3, 60, true);
    expect(outlook.of(2, 0).expectedTokens).toBeCloseTo(42);
    expect(outlook.of(2, 70).expectedTokens).toBe(70);
  });

  test("a task has attained what all its requests computed, also those that are over", () => {
    const outlook = new MeanOutlook();
    outlook.arrived(request(0, "a"));
    outlook.arrived(request(1, "b"));
    outlook.computed(0, 16);
    outlook.computed(1, 5);
    outlook.computed(0, 1);
    outlook.ended(0, 2, true);
    outlook.arrived(request(2, "a"));
    expect(outlook.of(2, 0)).toMatchObject({ task: { id: "a", stage: 0 }, attainedTokens: 17 });
    outlook.computed(2, 3);
    expect(outlook.of(2, 0).attainedTokens).toBe(20);
    expect(outlook.of(1, 0).attainedTokens).toBe(5);
  });
});

test("a ledger forgets the task unheard of longest, and knows the others exactly", () => {
  const entries = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.nat(50)), { maxLength: 80 });
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 5 }), (added, limit) => {
      const ledger = new TaskLedger(limit);
      let naive: [string, number][] = [];
      for (const [task, tokens] of added) {
        const before = naive.find(([name]) => name === task)?.[1] ?? 0;
        naive = [...naive.filter(([name]) => name !== task), [task, before + tokens] as [string, number]].slice(-limit);
        ledger.add(task, tokens);
        for (const name of ["a", "b", "c", "d"]) {
          expect(ledger.attained(name)).toBe(naive.find(([other]) => other === name)?.[1] ?? 0);
        }
      }
    }),
  );
});
