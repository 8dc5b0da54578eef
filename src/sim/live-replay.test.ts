/** The step loop of the live engine, over a real executor, recorded and replayed: the decision logs must be identical. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomAdapter } from "../../test/support/adapters.ts";
import { randomRouters } from "../../test/support/routes.ts";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, FakeClock, type RandomStream } from "../core/index.ts";
import {
  KvPages,
  NgramDrafter,
  randomWeights,
  StepExecutor,
  type DecoderConfig,
  type Drafter,
  type StepBatch,
} from "../llm/index.ts";
import { loadFacts } from "../runtime/load-model.ts";
import type { SequenceSpec } from "../runtime/messages.ts";
import { LoopRecorder } from "../runtime/recorder.ts";
import type { RouteRequest } from "../runtime/routes/sequence-route.ts";
import { Speculator } from "../runtime/speculation/speculator.ts";
import { StepLoop } from "../runtime/step-loop.ts";
import { createVocabulary, type Vocabulary } from "../runtime/text-assembler.ts";
import {
  createPolicy,
  Outlooks,
  outlookOf,
  StepCost,
  type PolicyOptions,
  type SchedulerLimits,
  type Slo,
} from "../sched/index.ts";
import { readRecording, recordingLine, type Recording, type RecordingLine } from "../workload/index.ts";
import { createDeployment } from "./cost/deployments.ts";
import { fitCost, fittedCost } from "./cost/fitted.ts";
import { requestKinds, stepPoints } from "./cost/step-points.ts";
import { firstDifference, recordedDecisions } from "./log-difference.ts";
import { predict } from "./predict.ts";
import { replay } from "./replay.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 256 };
const PAGES = 40;
const PAGE_TOKENS = 8;
const TURNS = 90;

/** Deep enough to leave layers out. */
const deep: DecoderConfig = { ...config, layers: 5 };
const routers = randomRouters(deep, 3);
/** By number, as the main thread's book would have them. */
const ADAPTERS = new Map([
  [2, "polite"],
  [5, "terse"],
]);

let executor: StepExecutor;
/** Of the other kind: routes and adapters. */
let routed: StepExecutor;
let vocabulary: Vocabulary;

beforeAll(async () => {
  const shared = {
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS },
    attention: { ortRowThreshold: Infinity },
  } as const;
  executor = await StepExecutor.create({ ...shared, config, weights: randomWeights(config, 3) });
  routed = await StepExecutor.create({
    ...shared,
    config: deep,
    weights: randomWeights(deep, 3),
    routes: { routers, adapter: null, identity: "test" },
    lora: { maxLoras: 2, maxRank: 4 },
  });
  for (const id of ADAPTERS.keys()) routed.addAdapter(id, randomAdapter(deep, id, 4));
  const facts = await loadFacts({ random: config, seed: 3 });
  vocabulary = createVocabulary(facts.tokenizer, facts.endTokens, config.vocabSize);
});
afterAll(async () => {
  await executor.dispose();
  await routed.dispose();
});

interface Setup {
  readonly policy: string;
  readonly policyOptions?: PolicyOptions;
  readonly pages: number;
  readonly prefixCache: boolean;
  /** Whether tokens are drafted, by repetitions of the text so far. */
  readonly drafts?: boolean;
  /** Whether requests leave layers out, or name adapters. */
  readonly kinds?: boolean;
  /** Policies among which the run is switched, at moments of its own. */
  readonly switches?: readonly string[];
}

/** A drafter that takes time. */
function slowDrafter(clock: FakeClock): Drafter {
  const inner = new NgramDrafter({ minMatch: 1, maxMatch: 3 });
  return {
    source: "ngram",
    available: (subject, most) => inner.available(subject, most),
    draft: (requests) => {
      clock.advance(0.07 * requests.length);
      return inner.draft(requests);
    },
    release: (id) => inner.release(id),
  };
}

/** A live loop whose steps take noisy virtual time, and its recording. */
function recordedLoop(setup: Setup, random: RandomStream) {
  const { policy, policyOptions, pages, prefixCache, drafts = false, kinds = false, switches = [] } = setup;
  const used = kinds ? routed : executor;
  const clock = new FakeClock(1000.25);
  let text = "";
  const kind = outlookOf(policy);
  const learns = [policy, ...switches].some((name) => outlookOf(name) === "learning");
  const write = (line: RecordingLine): void => void (text += recordingLine(line));
  const recorder = new LoopRecorder(write, PAGE_TOKENS, {
    features: learns,
    adapterName: (id) => ADAPTERS.get(id) ?? "?",
  });
  const limits: SchedulerLimits = { maxRunning: 6, budgetTokens: 24, maxChunk: 16, maxStepTokens: 256, kneeTokens: 8 };
  const cost = new StepCost();
  for (const tokens of [1, 2, 4, 8, 16]) cost.observe(tokens, 1 + tokens / 9);
  recorder.head(
    { name: "test", model: "tiny", policy },
    {
      pages,
      pageTokens: PAGE_TOKENS,
      prefixCache,
      limits,
      cost: cost.points(),
      ...(policyOptions === undefined ? {} : { policyOptions }),
      outlook: kind,
      ...(learns ? { predictorSeed: 3 } : {}),
    },
  );
  const outlook = new Outlooks(kind, 3);
  const speculator = new Speculator({ drafters: [slowDrafter(clock)], tokens: 5, adaptive: false, drawn: false });
  const loop = new StepLoop({
    executor: {
      topK: used.topK,
      wholeRow: (sequence, index) => used.wholeRow(sequence, index),
      step: async (batch: StepBatch) => {
        const result = await used.step(batch);
        const tokens = batch.reduce((sum, row) => sum + row.tokens.length, 0);
        clock.advance((1 + 0.1 * tokens) * (0.8 + 0.4 * random.uniform()));
        return result;
      },
    },
    pages: new KvPages({ pages, pageTokens: PAGE_TOKENS }),
    vocabulary,
    policy: createPolicy(policy, policyOptions),
    limits,
    clock,
    outlook,
    ...(drafts ? { speculator } : {}),
    ...(kinds ? { routes: { executor: routed, routers } } : {}),
    prefixCache,
    cost,
    recordDecisions: 10_000,
    checkEachStep: true,
    recorder,
  });
  /** As an engine's worker does it, between two steps. */
  const switchTo = (name: string): void => {
    loop.setPolicy(createPolicy(name, name === policy ? policyOptions : {}));
    outlook.use(outlookOf(name));
    recorder.switched(name, (name === policy ? policyOptions : undefined) ?? {}, outlookOf(name), clock.nowMs());
  };
  return { loop, clock, switchTo, recording: () => readRecording(text) };
}

const SLOS: readonly Slo[] = [
  { class: "best-effort", onMiss: "finish" },
  { class: "deadline", deadlineMs: 60, onMiss: "cut" },
  { class: "latency", ttftMs: 40, tpotMs: 6, onMiss: "finish" },
  { class: "latency", ttftMs: 25, onMiss: "reject" },
  { class: "deadline", deadlineMs: 35, onMiss: "finish" },
  { class: "compound", deadlineMs: 90, onMiss: "finish" },
];

/** Of four requests one has all layers, one an adapter, and two may leave layers out. */
function kindOf(random: RandomStream): Partial<SequenceSpec> {
  const adapter = { adapter: random.pick([...ADAPTERS.keys()]) };
  const routes: readonly RouteRequest[] = [
    { compute: "auto" },
    { compute: 0.6 },
    { compute: 0.9 },
    { keepLayers: [0, 4] },
    { keepLayers: [0, 1, 2, 3, 4] },
  ];
  const route = { route: random.pick(routes) };
  return random.pick([{}, adapter, route, route]);
}

/** Requests that share prefixes, some of them with answers of requests before; cancellations, pauses, bad grammars. */
async function drive(setup: Setup, seed: string): Promise<Recording> {
  const random = createRandom(seed, "drive");
  const { loop, clock, switchTo, recording } = recordedLoop(setup, random.fork("steps"));
  const { switches = [], drafts = false, kinds = false } = setup;
  const prompts: number[][] = [];
  const paused: number[] = [];
  let seq = 0;
  const submit = (): void => {
    const earlier = prompts.length > 0 && random.chance(0.6) ? random.pick(prompts) : [];
    const kept = earlier.slice(0, random.int(0, earlier.length));
    const fresh = Array.from({ length: random.int(1, 60) }, () => random.int(30, 300));
    const promptTokens = [...kept, ...fresh].slice(0, Math.min(120, setup.pages * PAGE_TOKENS - 32));
    prompts.push(promptTokens);
    loop.submit({
      seq,
      arrivalMs: clock.nowMs() - random.uniform(),
      promptTokens,
      maxTokens: random.int(1, 30),
      minTokens: 0,
      // Greedy ones come to repeat themselves, so that repetitions are worth drafting.
      sampling: { seed: seq, ...(drafts && seq % 2 === 0 ? { temperature: 0 } : {}) },
      stop: [],
      slo: random.pick(SLOS),
      thinkingBudget: null,
      ignoreEos: random.chance(0.5),
      ...(random.chance(0.3) ? { task: { id: `t${seq % 4}`, stage: seq % 3 } } : {}),
      ...(kinds ? kindOf(random) : {}),
    } satisfies SequenceSpec);
    seq += 1;
  };
  for (let turn = 0; turn < TURNS || loop.hasWork; turn++) {
    if (turn < TURNS && random.chance(0.3)) for (let i = random.int(1, 3); i > 0; i--) submit();
    if (switches.length > 0 && random.chance(0.1)) switchTo(random.pick(switches));
    if (random.chance(0.05) && seq > 0) loop.cancel(random.int(0, seq - 1));
    if (random.chance(0.08) && seq > 0) {
      const id = random.int(0, seq - 1);
      loop.pause(id);
      paused.push(id);
    }
    if (paused.length > 0 && (random.chance(0.3) || turn >= TURNS)) loop.resume(paused.shift()!);
    if (loop.hasWork) await loop.step();
    else clock.advance(1);
    if (turn > 3000) throw new Error("the run does not end");
  }
  return recording();
}

const ROOM: Omit<Setup, "policy"> = { pages: 40, prefixCache: true };
const TIGHT: Omit<Setup, "policy"> = { pages: 15, prefixCache: true };

test.each<Setup>([
  { policy: "fifo", ...ROOM },
  { policy: "fifo", ...TIGHT },
  { policy: "fifo", pages: 15, prefixCache: false },
  { policy: "splitfuse", ...TIGHT },
  { policy: "prefill-first", ...ROOM },
  { policy: "edf", ...TIGHT },
  { policy: "splitfuse", policyOptions: { stepTokens: 5 }, ...ROOM },
  { policy: "shortest-predicted", ...ROOM },
  { policy: "jitserve", policyOptions: { agingMs: 40 }, ...TIGHT },
  { policy: "fifo", ...ROOM, drafts: true },
  { policy: "splitfuse", ...TIGHT, drafts: true },
  { policy: "edf", pages: 15, prefixCache: false, drafts: true },
  { policy: "jitserve", ...TIGHT, drafts: true, switches: ["jitserve", "fifo", "least-attained"] },
  { policy: "fifo", ...ROOM, kinds: true },
  { policy: "splitfuse", ...TIGHT, kinds: true },
  { policy: "edf", pages: 15, prefixCache: false, kinds: true },
  { policy: "jitserve", ...ROOM, kinds: true, drafts: true },
  { policy: "fifo", ...TIGHT, switches: ["jitserve", "splitfuse", "shortest-predicted", "fifo"] },
])("a live run under $policy with $pages pages replays into the identical decision log", async (setup) => {
  const recording = await drive(setup, `${setup.policy} ${setup.pages}`);
  const recorded = recordedDecisions(recording);
  const replayed = replay(recording, { check: true });
  expect(firstDifference(recorded, replayed.decisions)).toBeNull();
  expect(JSON.stringify(replayed.decisions)).toBe(JSON.stringify(recorded));
  for (const { id, reason } of recording.ends) {
    const expected = reason === "stop" || reason === "length" ? "done" : reason;
    expect(replayed.ends.get(id)).toBe(expected);
  }
  // Recordings of before are read and replayed as ever.
  if (setup.drafts !== true && setup.kinds !== true && setup.switches === undefined) {
    const { outlook: _, ...engine } = recording.head.engine as { readonly outlook: string };
    const old = { ...recording, head: { ...recording.head, version: 1 as const, engine } };
    expect(firstDifference(recorded, replay(old).decisions)).toBeNull();
  }
  expect(recording.head.version).toBe(3);
  // What was left out of which layers matters: with all of them in every page others decide otherwise. (With drafts a replay
  // that decides otherwise ends at the first draft that no record has.)
  const leftOut = recording.routes.filter(({ skipped }) => skipped.length > 0);
  expect(leftOut.length > 3).toBe(setup.kinds === true);
  expect(recording.requests.some(({ adapter }) => adapter === "terse")).toBe(setup.kinds === true);
  if (setup.kinds === true && setup.drafts !== true) {
    expect(firstDifference(recorded, replay({ ...recording, routes: [] }).decisions)).not.toBeNull();
  }
  // The run has met what a replay could get wrong.
  const plans = recorded.map(({ plan }) => plan);
  const cachedTokens = recorded.flatMap(({ view }) => view.cached.map(([, tokens]) => tokens));
  expect(new Set(recording.ends.map(({ reason }) => reason)).size).toBeGreaterThanOrEqual(4);
  expect(recording.lines.some(({ kind }) => kind === "pause")).toBe(true);
  if (setup.pages < ROOM.pages) expect(plans.some(({ preempt }) => preempt.length > 0)).toBe(true);
  expect(cachedTokens.some((tokens) => tokens > 0)).toBe(setup.prefixCache);
  expect(new Set(recorded.map(({ policy }) => policy)).size > 1).toBe(setup.switches !== undefined);
  const drafts = recording.steps.flatMap((step) => step.drafts ?? []);
  expect(drafts.length > 0).toBe(setup.drafts === true);
  if (setup.drafts !== true) return;
  expect(drafts.some(([, , drafted, taken]) => taken > 1 && taken <= drafted)).toBe(true);
  expect(drafts.some(([, , drafted, taken]) => drafted > 0 && taken === 1)).toBe(true);
  expect(drafts.some(([, offered, drafted]) => drafted < offered)).toBe(true);
  expect(recording.steps.some(({ draftingMs = 0 }) => draftingMs > 0)).toBe(true);
});

test("costs fitted to a recording know its adapters and routes, others are told apart as knowing nothing of them", async () => {
  const recording = await drive({ policy: "fifo", ...ROOM, kinds: true }, "predicted");
  const kinds = requestKinds(recording);
  expect([...kinds.values()].some(({ adapted }) => adapted)).toBe(true);
  const points = stepPoints(recordedDecisions(recording), kinds);
  // What a step left out is what its rows behind prompts left out.
  expect(points.some(({ skippedTokens = 0, decodes }) => skippedTokens > 0 && skippedTokens < decodes)).toBe(true);
  expect(
    points.every(({ skippedTokens = 0, adaptedTokens = 0, tokens }) => skippedTokens + adaptedTokens <= tokens),
  ).toBe(true);
  const lines = [recording.head, ...recording.lines].map(recordingLine).join("");
  const { deployment, basis } = createDeployment("recording", lines);
  expect(deployment.kvTokens).toBe(PAGES * PAGE_TOKENS);
  expect(basis).toContain("recorded steps of tiny");
  const known = predict(recording, deployment.cost);
  expect(known.notKnown).toEqual([]);
  expect(known.requests).toBeGreaterThan(10);
  const { form } = fitCost(stepPoints(recordedDecisions(recording)));
  expect(new Set(predict(recording, fittedCost("plain", form)).notKnown)).toEqual(new Set(["adapters", "routes"]));
});
