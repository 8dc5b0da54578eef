import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../../core/index.ts";
import type { DecisionLogEntry, SequenceView } from "../../sched/index.ts";
import type { StepShape } from "../types.ts";
import { calibrate, chunkShape, decodeShape } from "./calibrate.ts";
import { calibratedDeployment, readCalibration, writeCalibration } from "./calibration-file.ts";
import { createDeployment, TABLE_NAMES } from "./deployments.ts";
import { fitCost, fittedCost, type StepPoint } from "./fitted.ts";
import { heldOutError } from "./held-out.ts";
import { phaseErrors, rooflineError } from "./known-errors.ts";
import { nonNegativeLeastSquares } from "./least-squares.ts";
import { readSplitwise, splitwiseModels } from "./splitwise.ts";
import { stepPoints } from "./step-points.ts";

const mixed = (prompts: StepShape, answers: StepShape): StepShape => ({
  tokens: prompts.tokens + answers.tokens,
  rows: prompts.rows + answers.rows,
  prefillTokens: prompts.prefillTokens,
  prefillSquares: prompts.prefillSquares,
  prefillContext: prompts.prefillContext,
  decodes: answers.decodes,
  decodeContext: answers.decodeContext,
});

describe("A100 tables", () => {
  const { cost } = createDeployment("opt-13b").deployment;

  test("prompts and decodes cost what the published lines say", () => {
    expect(cost.stepMs(chunkShape(512))).toBeCloseTo(18.1 + 0.10191 * 512 + 7.12e-6 * 512 * 512, 9);
    expect(cost.stepMs(decodeShape(10, 300))).toBeCloseTo(19.93 + 6.27e-4 * 3000 + 0.0385 * 10, 9);
    expect(cost.stepMs(decodeShape(95, 300))).toBeCloseTo(7.17 + 5.8e-4 * 95 * 300 + 0.1583 * 95, 9);
  });

  test("chunks add up to the attention of the whole prompt, and pay the constant each", () => {
    const parts = [0, 128, 256, 384].reduce((sum, at) => sum + cost.stepMs(chunkShape(128, at)), 0);
    expect(parts - 3 * 18.1).toBeCloseTo(cost.stepMs(chunkShape(512)), 9);
  });

  test("a mixed step costs more than either part and less than both", () => {
    const [prompt, answers] = [chunkShape(256), decodeShape(32, 500)];
    const both = cost.stepMs(mixed(prompt, answers));
    expect(both).toBeGreaterThan(Math.max(cost.stepMs(prompt), cost.stepMs(answers)));
    expect(both).toBeLessThan(cost.stepMs(prompt) + cost.stepMs(answers));
  });

  test("the scheduler's overhead is the published one", () => {
    const slower = createDeployment("opt-13b:overhead").deployment.cost;
    expect(slower.stepMs(chunkShape(1000)) - cost.stepMs(chunkShape(1000))).toBeCloseTo(2.1, 9);
  });

  test("every name makes a deployment, others are refused with what there is", () => {
    for (const name of TABLE_NAMES) expect(createDeployment(name).deployment.kvTokens).toBeGreaterThan(1000);
    expect(createDeployment("opt-66b:tp4").deployment).toMatchObject({ devices: 4, kvTokens: 78_496 });
    expect(() => createDeployment("opt-175b")).toThrow(/opt-13b/);
    expect(() => createDeployment("roofline:h100:gpt-5")).toThrow(/llama3-8b/);
    expect(() => createDeployment("splitwise:llama2-70b:a100-80gb:tp4")).toThrow(PunctualError);
  });
});

test("a roofline is bound by memory for decodes and by arithmetic for prompts", () => {
  const { deployment } = createDeployment("roofline:a100-80g:llama3-8b");
  const { cost } = deployment;
  // 16 GB of weights at 80 % of 2 TB/s.
  expect(cost.stepMs(decodeShape(1, 1))).toBeCloseTo(2 + 16.06e9 / (2039e6 * 0.8), 1);
  expect(cost.stepMs(decodeShape(16, 1)) / cost.stepMs(decodeShape(1, 1))).toBeLessThan(1.01);
  const prompt = cost.stepMs(chunkShape(4096)) - 2;
  expect(prompt).toBeGreaterThan((2 * 8.03e9 * 4096) / (312e9 * 0.6));
  expect(cost.stepMs(chunkShape(8192)) - 2).toBeGreaterThan(2 * prompt);
  expect(deployment.kvBytesPerToken).toBe(2 * 32 * 8 * 128 * 2);
  expect(deployment.kvTokens).toBeGreaterThan(400_000);
  expect(() => createDeployment("roofline:l4:llama3-70b")).toThrow(/do not fit/);
  expect(createDeployment("roofline:l4:llama3-70b:tp8").deployment.devices).toBe(8);
});

test("least squares finds coefficients that are there and keeps the others at 0", () => {
  const random = createRandom(1, "nnls");
  const truth = [3, 0, 0.5, 2];
  const rows = Array.from({ length: 60 }, () => truth.map(() => random.uniform()));
  const targets = rows.map((row) => row.reduce((sum, value, i) => sum + value * truth[i]!, 0));
  const found = nonNegativeLeastSquares(
    rows,
    targets,
    rows.map(() => 1),
  );
  for (const [i, value] of truth.entries()) expect(found[i]!).toBeCloseTo(value, 5);
  const opposed = nonNegativeLeastSquares([[1], [1]], [-1, -2], [1, 1]);
  expect(opposed).toEqual([0]);
});

/** Measured steps of an engine with a bend, noise and now and then a hiccup. */
function measuredSteps(count: number, noise: number): StepPoint[] {
  const random = createRandom(2, "points");
  return Array.from({ length: count }, () => {
    const prompts = random.chance(0.5) ? chunkShape(random.int(1, 200), random.int(0, 1000)) : decodeShape(0, 0);
    const shape = mixed(
      prompts.tokens > 0 ? prompts : decodeShape(0, 0),
      decodeShape(random.int(1, 32), random.int(1, 2000)),
    );
    const clean = trueMs(shape);
    const off = 1 + noise * (random.uniform() - 0.5);
    return { ...shape, stepMs: clean * off * (random.chance(0.01) ? 20 : 1) };
  });
}

const trueMs = ({ tokens, prefillSquares, decodeContext }: StepShape): number =>
  2 + 0.5 * Math.min(tokens, 16) + 0.2 * Math.max(0, tokens - 16) + 1e-5 * prefillSquares + 2e-4 * decodeContext;

describe("fits", () => {
  test("follow bends, attention and context, whatever hiccups", () => {
    const fit = fitCost(measuredSteps(3000, 0.1), { keepSum: false });
    const cost = fittedCost("fit", fit.form);
    expect(fit.medianError).toBeLessThan(0.05);
    for (const shape of [decodeShape(1, 500), decodeShape(32, 1500), chunkShape(64, 0), chunkShape(200, 900)]) {
      expect(cost.stepMs(shape) / trueMs(shape)).toBeGreaterThan(0.93);
      expect(cost.stepMs(shape) / trueMs(shape)).toBeLessThan(1.07);
    }
  });

  test("with two knots are A + B tokens + C squares", () => {
    const straight = Array.from({ length: 100 }, (_, i) => {
      const shape = chunkShape(1 + i * 5);
      return { ...shape, stepMs: 7 + 0.3 * shape.tokens + 2e-4 * shape.prefillSquares };
    });
    const { form, meanError } = fitCost(straight, { linear: true });
    expect(form.knots).toEqual([1, 496]);
    expect(meanError).toBeLessThan(1e-3);
    expect(form.perSquareMs).toBeCloseTo(2e-4, 6);
  });

  test("never fall, never go below 0, and go straight on", () => {
    const property = fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.1, max: 50, noNaN: true })), {
        minLength: 3,
        maxLength: 60,
      }),
      (samples) => {
        if (new Set(samples.map(([tokens]) => tokens)).size < 2) return;
        const { form } = fitCost(samples.map(([tokens, stepMs]) => ({ ...chunkShape(tokens), stepMs })));
        const cost = fittedCost("any", { ...form, perSquareMs: 0 });
        let before = 0;
        for (let tokens = 1; tokens <= 600; tokens += 7) {
          const ms = cost.stepMs(chunkShape(tokens));
          expect(ms).toBeGreaterThanOrEqual(before - 1e-9);
          before = ms;
        }
      },
    );
    fc.assert(property, { seed: 4_021, numRuns: 60 });
  });

  test("keep the sum of measured time", () => {
    const points = measuredSteps(1000, 0.2);
    const cost = fittedCost("sum", fitCost(points).form);
    const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
    const ratio = sum(points.map((point) => cost.stepMs(point))) / sum(points.map(({ stepMs }) => stepMs));
    expect(ratio).toBeCloseTo(1, 6);
  });

  test("know of layers left out and of adapters what steps with them show, and say so", () => {
    const plain = measuredSteps(600, 0.02);
    expect(fittedCost("plain", fitCost(plain).form).knows).toEqual([]);
    const random = createRandom(11, "kinds");
    const mixedKinds = plain.map((point): StepPoint => {
      const skippedTokens = random.chance(0.5) ? point.decodes * random.uniform() : 0;
      const adaptedTokens = random.chance(0.3) ? 1 : 0;
      const savedMs = (1.5 * skippedTokens) / point.tokens + 0.02 * skippedTokens;
      const addedMs = adaptedTokens * (0.7 + 0.01 * point.tokens);
      return { ...point, skippedTokens, adaptedTokens, stepMs: point.stepMs - savedMs + addedMs };
    });
    const cost = fittedCost("kinds", fitCost(mixedKinds, { keepSum: false }).form);
    expect(cost.knows).toEqual(["routes", "adapters"]);
    const step = decodeShape(16, 200);
    const saved = cost.stepMs(step) - cost.stepMs({ ...step, skippedTokens: 4 });
    expect(saved).toBeCloseTo((1.5 * 4) / 16 + 0.02 * 4, 1);
    expect(cost.stepMs({ ...step, adaptedTokens: 1 }) - cost.stepMs(step)).toBeCloseTo(0.7 + 0.01 * 16, 1);
    // However much is left out, a step takes time.
    expect(cost.stepMs({ ...decodeShape(1, 1), skippedTokens: 1e6 })).toBeGreaterThan(0);
  });

  test("need steps of different sizes", () => {
    expect(() => fitCost([{ ...chunkShape(4), stepMs: 1 }])).toThrow(PunctualError);
  });
});

test("the budget is the largest step within the target, by straight line between two sizes", () => {
  const cost = { name: "line", stepMs: ({ tokens }: StepShape) => 5 + tokens / 10 };
  expect(calibrate(cost, 25, 8, 512, 0).budgetTokens).toBe(200);
  expect(calibrate(cost, 25, 8, 100, 0).budgetTokens).toBe(64);
  expect(calibrate(cost, 1, 8, 512, 0).budgetTokens).toBe(8);
});

test("the knee is that of chunks beside decodes: their own costs are spread over more tokens", () => {
  const stepMs = ({ prefillTokens, decodes }: StepShape): number => 2 + 0.1 * prefillTokens + 0.5 * decodes;
  const kneeOf = (decodes: number): number =>
    calibrate({ name: "dear decodes", stepMs }, 1e6, 32, 8192, decodes).kneeTokens!;
  expect(kneeOf(16)).toBeGreaterThan(1.5 * kneeOf(0));
  expect(kneeOf(0)).toBeGreaterThan(100);
  // Nothing is gained by larger steps: the smallest chunk that is looked at.
  const even = { name: "even", stepMs: ({ tokens }: StepShape) => tokens };
  expect(calibrate(even, 1e6, 32, 8192, 0).kneeTokens).toBe(8);
});

describe("calibration files", () => {
  const file = {
    machine: "2 cores",
    model: "tiny",
    settings: { weights: "int4", threads: 1 },
    kvTokens: 8192,
    kvBytesPerToken: 512,
    points: measuredSteps(200, 0.1),
  };

  test("survive writing and reading", () => {
    const read = readCalibration(writeCalibration(file));
    expect(read).toMatchObject(file);
    const { deployment, fit } = calibratedDeployment(read);
    expect(deployment).toMatchObject({ kvTokens: 8192, devices: 1 });
    expect(fit.points).toBe(200);
    expect(createDeployment("calibration", writeCalibration(file)).basis).toMatch(/200 measured steps of tiny/);
  });

  test("bad ones are refused by field, whatever they are", () => {
    expect(() => readCalibration("{}")).toThrow(/kind/);
    const text = writeCalibration(file);
    expect(() => readCalibration(text.replace('"version":1', '"version":2'))).toThrow(/version/);
    expect(() => readCalibration(text.replace('"stepMs"', '"other"'))).toThrow(/stepMs/);
    const property = fc.property(fc.oneof(fc.string(), fc.json(), damaged(text)), (input) => {
      try {
        readCalibration(input);
      } catch (error) {
        expect(error).toBeInstanceOf(PunctualError);
      }
    });
    fc.assert(property, { seed: 4_022, numRuns: 200 });
  });
});

/** The text with one piece of it replaced. */
function damaged(text: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 5 }))
    .map(([at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length));
}

describe("what is known of errors", () => {
  test("a fit is judged by sizes that it has not seen", () => {
    const clean = measuredSteps(400, 0).map((point) => ({ ...point, stepMs: trueMs(point) }));
    expect(heldOutError(clean)).toBeLessThan(0.05);
    const noisy = measuredSteps(400, 0.2);
    expect(heldOutError(noisy)!).toBeGreaterThan(fitCost(noisy).meanError * 0.9);
    // A size that is like no other is predicted badly, however well a fit of all of them goes through it.
    const sizes = [16, 32, 64, 128, 256, 512, 1024, 2048];
    const bent = sizes.flatMap((tokens) =>
      Array.from({ length: 5 }, () => ({ ...chunkShape(tokens), stepMs: tokens === 2048 ? 4000 : tokens })),
    );
    expect(heldOutError(bent)!).toBeGreaterThan(2 * fitCost(bent).meanError);
    expect(heldOutError([])).toBeNull();
    expect(heldOutError([{ ...chunkShape(4), stepMs: 1 }])).toBeNull();
  });

  test("of rooflines by the nearest that was measured on as many devices", () => {
    expect(rooflineError("h100", "llama2-70b", 4)?.against).toContain("llama2-70b on 4 x h100");
    expect(rooflineError("h100", "llama3-8b", 2)?.against).toContain("2 x h100");
    expect(rooflineError("l4", "llama3-8b", 1)?.against).toContain("opt-13b on 1 x a100-80g");
    expect(rooflineError("h100", "llama3-70b", 16)).toBeNull();
    const { basis, fitError } = createDeployment("roofline:a100-80g:llama2-70b:tp2");
    expect(basis).toContain("off by 6.1 % on prompts and 21.1 % on tokens against Splitwise's measurements");
    expect(fitError).toBe(0.211);
  });

  test("of tables where a measurement comes near, and else that none does", () => {
    expect(createDeployment("opt-66b:tp4")).toMatchObject({ fitError: 0.248 });
    expect(createDeployment("opt-66b:tp4").basis).toContain("against Splitwise's measurements of llama2-70b");
    expect(createDeployment("opt-13b")).toMatchObject({ fitError: null });
    expect(createDeployment("opt-13b").basis).toContain("nothing measured comes near it");
  });

  test("phase by phase, over rows that can have run", () => {
    const row = { model: "m", hardware: "h", tensorParallel: 1, promptTokens: 100, batch: 1, outputTokens: 10 };
    const rows = [
      { ...row, promptMs: 100, tokenMs: 20 },
      { ...row, batch: 2, promptMs: 200, tokenMs: 10 },
      { ...row, batch: 64, promptMs: 1, tokenMs: 1 },
    ];
    const cost = {
      name: "c",
      stepMs: ({ prefillTokens }: StepShape) => (prefillTokens > 0 ? 1.1 * prefillTokens : 15),
    };
    const { prefill, decode } = phaseErrors(cost, rows);
    expect(prefill).toBeCloseTo(0.1, 9);
    expect(decode).toBeCloseTo((0.25 + 0.5) / 2, 9);
  });
});

describe("Splitwise's table", () => {
  const head =
    "model,hardware,prompt_size,batch_size,token_size,peak_power,average_power,prompt_time,token_time,e2e_time,tensor_parallel";
  const rows = [128, 256, 512, 1024, 2048, 4096].flatMap((prompt) =>
    [1, 2, 4, 8].map((batch) => {
      const promptMs = 50 + 0.2 * prompt * batch;
      return `llama2-70b,a100-80gb,${prompt},${batch},128,1,1,${promptMs},${40 + batch * 0.5 + 1e-3 * batch * prompt},1,4`;
    }),
  );
  const text = [head, ...rows, ""].join("\n");

  test("becomes a fitted model per combination", () => {
    const [model] = splitwiseModels(readSplitwise(text));
    expect(model).toMatchObject({ model: "llama2-70b", hardware: "a100-80gb", tensorParallel: 4 });
    expect(model!.prefill.meanError).toBeLessThan(0.06);
    expect(model!.decode.meanError).toBeLessThan(0.02);
    expect(model!.cost.stepMs(chunkShape(1000)) / 250).toBeCloseTo(1, 1);
    expect(model!.cost.stepMs(decodeShape(4, 512)) / (42 + 2.048)).toBeCloseTo(1, 1);
    const { deployment, fitError } = createDeployment("splitwise:llama2-70b:a100-80gb:tp4", text);
    expect(deployment.devices).toBe(4);
    expect(fitError).toBeLessThan(0.15);
  });

  test("a larger batch that took less time than a smaller one did not run, and is left out", () => {
    const impossible = "llama2-70b,a100-80gb,512,64,128,1,1,60,50,1,4";
    const [model] = splitwiseModels(readSplitwise(`${text}${impossible}\n`));
    expect(model!.prefill.points).toBe(rows.length);
  });

  test("bad ones are refused by line and column", () => {
    expect(() => readSplitwise("a,b\n1,2")).toThrow(/line 1: model/);
    expect(() => readSplitwise(`${head}\nx,y,1,1,1,1,1,-5,1,1,1`)).toThrow(/line 2: prompt_time/);
    const property = fc.property(fc.oneof(fc.string(), damaged(text)), (input) => {
      try {
        splitwiseModels(readSplitwise(input));
      } catch (error) {
        expect(error).toBeInstanceOf(PunctualError);
      }
    });
    fc.assert(property, { seed: 4_023, numRuns: 100 });
  });
});

test("points of a decision log: what each row had, and the gap to a step that somebody waited for", () => {
  const slo = { class: "best-effort", onMiss: "finish" } as const;
  const sequence = (id: number, over: Partial<SequenceView>): SequenceView => ({
    id,
    arrivalMs: 0,
    promptTokens: 40,
    computedTokens: 0,
    pendingTokens: 40,
    generatedTokens: 0,
    maxTokens: 9,
    firstTokenMs: null,
    slo,
    pages: 1,
    order: id,
    ...over,
  });
  const entry = (step: number, nowMs: number): DecisionLogEntry => ({
    step,
    policy: "fifo",
    view: {
      nowMs,
      waiting: [sequence(2, {})],
      running: [
        sequence(0, { computedTokens: 44, pendingTokens: 1, generatedTokens: 5 }),
        sequence(1, { computedTokens: 10, pendingTokens: 30 }),
      ],
      freePages: 9,
      pageTokens: 16,
      totalPages: 20,
      limits: { maxRunning: 4, budgetTokens: 64, maxChunk: 64 },
      cached: [[2, 16, 1]],
      cost: [],
    },
    plan: {
      admit: [2],
      advance: [
        { id: 0, tokens: 1 },
        { id: 1, tokens: 20 },
        { id: 2, tokens: 24 },
      ],
      preempt: [],
      expire: [],
      cut: [],
      reject: [],
    },
    stepMs: 10,
  });
  const [first, last] = stepPoints([entry(0, 100), entry(1, 110.5)]);
  expect(first).toEqual({
    tokens: 45,
    rows: 3,
    prefillTokens: 44,
    prefillSquares: 30 * 30 - 10 * 10 + 40 * 40 - 16 * 16,
    prefillContext: 70,
    decodes: 1,
    decodeContext: 45,
    stepMs: 10.5,
  });
  expect(last!.stepMs).toBe(10);
});
