import fc from "fast-check";
import { expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { ShareController, type ShareDecision } from "./share-controller.ts";

const SEED = 20261126;
const invalid = expect.objectContaining({ code: "invalid_request" });

/** Latencies over their targets as the model has them; `noise` is the deviation of their logarithm. */
interface Plant {
  readonly ttft: { readonly a: number; readonly b: number; readonly lambda: number };
  readonly tpot: { readonly a: number; readonly b: number };
  readonly noise: number;
}

const P90 = 1.2816;
const ttftAt = ({ ttft: { a, b, lambda } }: Plant, share: number): number =>
  share <= lambda + 0.01 ? 50 : a / (share - lambda) + b;
const tpotAt = ({ tpot: { a, b } }: Plant, share: number): number => a / (1 - share) + b;
const worstAt = (plant: Plant, share: number): number => Math.max(ttftAt(plant, share), tpotAt(plant, share));

/** The static share with the least of the worse of the two, among those the controller may choose. */
function bestStatic(plant: Plant): number {
  const shares = Array.from({ length: 17 }, (_, i) => 0.1 + i * 0.05);
  return shares.reduce((best, share) => (worstAt(plant, share) < worstAt(plant, best) ? share : best));
}

/** One window of 40 requests, each 90th percentile at the plant's latency. */
function window(controller: ShareController, plant: Plant, nowMs: number, random: RandomStream): ShareDecision {
  const noise = (): number => Math.exp(plant.noise * (random.normal() - P90));
  for (let i = 0; i < 40; i++) {
    controller.observe("prefill", ttftAt(plant, controller.share) * noise());
    controller.observe("decode", tpotAt(plant, controller.share) * noise());
  }
  const decision = controller.update(nowMs);
  expect(decision).not.toBeNull();
  return decision!;
}

function run(controller: ShareController, plant: Plant, windows: number, random: RandomStream, startMs = 0) {
  controller.update(startMs);
  return Array.from({ length: windows }, (_, i) => window(controller, plant, startMs + (i + 1) * 1000, random));
}

/** How often the share turned from rising to falling or back. */
function turns(decisions: readonly ShareDecision[]): number {
  const moves = decisions.map(({ share, previousShare }) => Math.sign(share - previousShare)).filter((m) => m !== 0);
  return moves.filter((move, i) => i > 0 && move !== moves[i - 1]).length;
}

const value = (min: number, max: number) => fc.double({ min, max, noNaN: true });
/** Plants in which some share meets both targets with a fifth to spare. */
const feasible: fc.Arbitrary<Plant> = fc
  .record({
    ttft: fc.record({ a: value(0.02, 0.4), b: value(0, 0.3), lambda: value(0, 0.6) }),
    tpot: fc.record({ a: value(0.02, 0.5), b: value(0, 0.4) }),
    noise: value(0, 0.3),
  })
  .filter((plant) => worstAt(plant, bestStatic(plant)) < 0.8);

test("on a plant that stays as it is, it settles where both targets are met, and does not swing", () => {
  fc.assert(
    fc.property(feasible, value(0.1, 0.9), fc.integer(), (plant, start, seed) => {
      const controller = new ShareController({ share: start, windowMs: 500 });
      const decisions = run(controller, plant, 120, createRandom(seed, "plant"));
      const late = decisions.slice(60);
      expect(worstAt(plant, controller.share)).toBeLessThan(1.15);
      expect(turns(decisions)).toBeLessThanOrEqual(5);
      expect(turns(late)).toBeLessThanOrEqual(2);
      const shares = late.map(({ share }) => share);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(0.31);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("follows a load that shifts from prompts to decodes and back", () => {
  const prompts: Plant = { ttft: { a: 0.15, b: 0.1, lambda: 0.5 }, tpot: { a: 0.15, b: 0.1 }, noise: 0.2 };
  const decodes: Plant = { ttft: { a: 0.1, b: 0.05, lambda: 0.02 }, tpot: { a: 0.55, b: 0.1 }, noise: 0.2 };
  const random = createRandom(SEED, "shift");
  const controller = new ShareController({ windowMs: 500 });
  for (let round = 0; round < 6; round++) {
    const plant = round % 2 === 0 ? prompts : decodes;
    run(controller, plant, 60, random, round * 100_000);
    expect(worstAt(plant, controller.share)).toBeLessThan(1.1);
  }
});

test("holds when both targets are missed, and where moving would only miss the other", () => {
  const hopeless: Plant = { ttft: { a: 2, b: 1, lambda: 0.2 }, tpot: { a: 2, b: 1 }, noise: 0.1 };
  const controller = new ShareController({ share: 0.4 });
  const decisions = run(controller, hopeless, 30, createRandom(1, "hopeless"));
  expect(controller.share).toBe(0.4);
  expect(new Set(decisions.map(({ why }) => why))).toEqual(new Set(["both missed"]));
  // Each can be met, but never both: it must not walk back and forth.
  const tight: Plant = { ttft: { a: 0.3, b: 0.3, lambda: 0.2 }, tpot: { a: 0.4, b: 0.3 }, noise: 0 };
  const second = run(new ShareController({ share: 0.2 }), tight, 100, createRandom(1, "tight"));
  expect(turns(second)).toBeLessThanOrEqual(4);
});

test("decides nothing in a window that is too short or too empty, and nothing without targets", () => {
  const controller = new ShareController({ windowMs: 500, minSamples: 8 });
  expect(controller.update(0)).toBeNull();
  for (let i = 0; i < 7; i++) controller.observe("prefill", 9);
  expect(controller.update(5000)).toBeNull();
  controller.observe("prefill", 9);
  expect(controller.update(5001)).toMatchObject({ why: "prefill missed", share: 0.55, tpot: null });
  for (let i = 0; i < 8; i++) controller.observe("prefill", 9);
  expect(controller.update(5400)).toBeNull();
  expect(controller.update(5501)).toMatchObject({ why: "prefill missed" });
  expect(controller.update(9999)).toBeNull();
});

test("a share never leaves its bounds, nor moves by more than its steps", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(value(0, 3), value(0, 3)), { maxLength: 80 }), (latencies) => {
      const controller = new ShareController({
        leastShare: 0.2,
        mostShare: 0.7,
        maxSteps: 2,
        windowMs: 1,
        minSamples: 1,
      });
      controller.update(0);
      latencies.forEach(([ttft, tpot], i) => {
        controller.observe("prefill", ttft);
        controller.observe("decode", tpot);
        const { share, previousShare } = controller.update(i + 1)!;
        expect(share).toBeGreaterThanOrEqual(0.2);
        expect(share).toBeLessThanOrEqual(0.7);
        expect(Math.abs(share - previousShare)).toBeLessThanOrEqual(0.1 + 1e-9);
      });
    }),
    { seed: SEED },
  );
});

test("options out of range are refused by name", () => {
  const wrong: ConstructorParameters<typeof ShareController>[0][] = [
    { share: 0.05 },
    { leastShare: 0.6, mostShare: 0.5, share: 0.55 },
    { step: 0 },
    { maxSteps: 1.5 },
    { windowMs: 0 },
    { minSamples: 0 },
    { percentile: 1 },
  ];
  for (const options of wrong) expect(() => new ShareController(options)).toThrow(invalid);
});
