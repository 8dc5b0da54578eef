import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { liveClock } from "../runtime/index.ts";
import { runFleet, stepRate } from "./simulator/fleet-run.ts";
import { createQueueArm, QUEUE_ARMS } from "./simulator/queues.ts";

describe("the queue and its baselines", () => {
  test("all arms do the same work in the same order", () => {
    const arms = QUEUE_ARMS.map(createQueueArm);
    const random = createRandom(5, "arms");
    const popped: number[][] = arms.map(() => []);
    let held = 0;
    for (let i = 0; i < 2000; i++) {
      if (held === 0 || random.chance(0.55)) {
        // Whole milliseconds: many ties.
        const timeMs = random.int(0, 200);
        for (const arm of arms) arm.push(timeMs, 0, i);
        held += 1;
      } else {
        for (const [k, arm] of arms.entries()) popped[k]!.push(arm.pop());
        held -= 1;
      }
    }
    expect(popped[1]).toEqual(popped[0]);
    expect(popped[2]).toEqual(popped[0]);
  });
});

describe("runs", () => {
  test("a fleet's run weighs the heap at each quarter and answers everybody", () => {
    const shares: number[] = [];
    const run = runFleet({ requests: 80, instances: 2, seed: 3 }, liveClock, (share) => shares.push(share));
    expect(shares).toEqual([0.25, 0.5, 0.75, 1]);
    expect(run.heap.map(({ requests }) => requests)).toEqual([20, 40, 60, 80]);
    expect(run.report.requests.done).toBe(80);
    for (const point of run.heap) expect(point.peakBytes).toBeGreaterThanOrEqual(point.liveBytes);
  });

  test("a saturated instance has nearly all its slots in use", () => {
    expect(stepRate(300, liveClock, 1).rows).toBeGreaterThan(24);
  });
});
