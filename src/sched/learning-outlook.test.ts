import { expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { TaskTracker } from "./jitserve/task-tracker.ts";
import { LearningOutlook } from "./learning-outlook.ts";
import type { ArrivedRequest } from "./outlook.ts";
import { ForestLengthPredictor, OracleLengthPredictor } from "./predict/length-predictor.ts";
import type { Slo } from "./types.ts";

const COMPOUND: Slo = { class: "compound", deadlineMs: 1000, onMiss: "finish" };

function request(id: number, over: Partial<ArrivedRequest> = {}): ArrivedRequest {
  return {
    id,
    arrivalMs: 0,
    prompt: [1, 2, 3],
    maxTokens: 500,
    slo: { class: "best-effort", onMiss: "finish" },
    ...over,
  };
}

function learning(): LearningOutlook {
  const random = createRandom(3, "outlook");
  return new LearningOutlook({ predictor: new ForestLengthPredictor({ random, minLog: 20, trees: 20, logSize: 100 }) });
}

test("expects nothing at first, then what requests like it came to", () => {
  const outlook = learning();
  outlook.arrived(request(0));
  expect(outlook.of(0, 0)).toEqual({});
  for (let id = 1; id <= 60; id++) {
    outlook.arrived(request(id, { prompt: id % 2 === 0 ? [7, 8] : [70, 80] }));
    outlook.ended(id, id % 2 === 0 ? 10 : 90, true, id);
  }
  outlook.arrived(request(100, { prompt: [7, 8] }));
  outlook.arrived(request(101, { prompt: [70, 80] }));
  expect(outlook.of(100, 0)).toEqual({ expectedTokens: 10, upperTokens: 10 });
  expect(outlook.of(101, 0)).toEqual({ expectedTokens: 90, upperTokens: 90 });
  expect(outlook.of(100, 50).upperTokens).toBeGreaterThan(50);
});

test("learns nothing of requests that did not complete", () => {
  const outlook = learning();
  for (let id = 0; id < 60; id++) {
    outlook.arrived(request(id));
    outlook.ended(id, 1, false, id);
  }
  outlook.arrived(request(100));
  expect(outlook.of(100, 0).upperTokens).toBeUndefined();
  outlook.ended(100, 5, true, 9);
  outlook.ended(100, 5, true, 9);
  expect(() => outlook.of(100, 0)).toThrow("have arrived and not ended");
});

test("gives stages of a task their share of its time and their common account", () => {
  const tracker = new TaskTracker({ idleMs: 100 });
  const oracle = new OracleLengthPredictor();
  const outlook = new LearningOutlook({
    predictor: oracle,
    tracker,
    onArrival: (_, features) => oracle.tell(features, 40),
  });
  const stage = (id: number, task: string, level: number, arrivalMs: number, leftMs: number): void =>
    outlook.arrived(
      request(id, { task: { id: task, stage: level }, arrivalMs, slo: { ...COMPOUND, deadlineMs: leftMs } }),
    );
  stage(0, "past", 0, 0, 1000);
  expect(outlook.of(0, 0)).toEqual({
    expectedTokens: 40,
    upperTokens: 40,
    task: { id: "past", stage: 0, deadlineMs: 1000 },
    attainedTokens: 0,
  });
  outlook.ended(0, 40, true, 100);
  stage(1, "past", 1, 100, 900);
  outlook.ended(1, 40, true, 400);
  stage(2, "now", 0, 1000, 2000);
  outlook.computed(2, 30);
  const view = outlook.of(2, 7);
  expect(view.task?.deadlineMs).toBeCloseTo(500, 0);
  expect(view.attainedTokens).toBe(30);
  tracker.checkIntegrity();
});
