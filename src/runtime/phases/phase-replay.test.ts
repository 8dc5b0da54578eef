/** Engines whose phases are apart, recorded and replayed: the decision logs of all their lanes must be identical. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { createOutlook, createPolicy, outlookOf, type Slo } from "../../sched/index.ts";
import { firstDifference, recordedDecisions, replay } from "../../sim/index.ts";
import { readRecording, recordingLine, type Recording, type RecordingLine } from "../../workload/index.ts";
import { LoopRecorder } from "../recorder.ts";
import {
  createMachines,
  PAGE_TOKENS,
  spec,
  World,
  type Machines,
  type WorldOptions,
} from "./phase-loops.conformance.ts";

const PAGES = 60;
const REQUESTS = 14;
let machines: Machines;
beforeAll(async () => {
  machines = await createMachines(PAGES);
});
afterAll(() => machines.dispose());

interface Setup extends Omit<WorldOptions, "policy" | "outlook" | "recorder"> {
  readonly policy: string;
  readonly seed: number;
  readonly met: readonly RecordingLine["kind"][];
}

const SLOS: readonly Slo[] = [
  { class: "best-effort", onMiss: "finish" },
  { class: "deadline", deadlineMs: 30, onMiss: "cut" },
  { class: "latency", ttftMs: 20, tpotMs: 3, onMiss: "finish" },
  { class: "latency", ttftMs: 9, onMiss: "reject" },
];

/** A run in which a seed decides everything: requests, slots, messages, and what clients do. */
async function drive(setup: Setup): Promise<{ recording: Recording; world: World }> {
  const { policy, seed, ...options } = setup;
  const random = createRandom(seed, "phases replayed");
  let text = "";
  const write = (line: RecordingLine): void => void (text += recordingLine(line));
  const learns = outlookOf(policy) === "learning";
  const recorder = new LoopRecorder(write, PAGE_TOKENS, { features: learns });
  const outlook = createOutlook(outlookOf(policy), 5);
  const world = new World(machines, { ...options, policy: () => createPolicy(policy), outlook, recorder });
  const { prefill, decode } = world.pages;
  const apart = options.disaggregated === undefined ? {} : { decodePages: decode.pages };
  recorder.head(
    { name: "test", model: "tiny", policy },
    {
      pages: prefill.pages,
      ...apart,
      lanes: world.loops.recordedLanes,
      pageTokens: PAGE_TOKENS,
      prefixCache: options.prefixCache ?? true,
      limits: world.loops.recordedLanes[1]!.limits,
      cost: [],
      outlook: outlookOf(policy),
      ...(learns ? { predictorSeed: 5 } : {}),
    },
  );
  const shared = Array.from({ length: 30 }, () => random.int(30, 300));
  let submitted = 0;
  const submit = (): void => {
    if (submitted === REQUESTS) return;
    const own = Array.from({ length: random.int(1, 40) }, () => random.int(30, 300));
    const promptTokens = random.chance(0.5) ? [...shared.slice(0, random.int(8, 30)), ...own] : own;
    const slo = random.pick(SLOS);
    const arrivalMs = world.clock.nowMs() - random.uniform();
    world.loops.submit(spec(submitted, { arrivalMs, promptTokens, maxTokens: random.int(1, 20), slo }));
    submitted += 1;
  };
  const paused: number[] = [];
  let meddlings = 40;
  const client = (): void => {
    if (random.chance(0.05)) submit();
    if (meddlings > 0 && random.chance(0.04)) {
      meddlings -= 1;
      const id = random.int(0, submitted - 1);
      if (random.chance(0.3)) world.loops.cancel(id);
      else {
        world.loops.pause(id);
        paused.push(id);
      }
    }
    if (paused.length > 0 && (random.chance(0.2) || meddlings === 0)) world.loops.resume(paused.shift()!);
  };
  while (submitted < REQUESTS || world.loops.hasWork || paused.length > 0) {
    submit();
    for (const id of paused.splice(0)) world.loops.resume(id);
    await world.run(random, client);
  }
  return { recording: readRecording(text), world };
}

test.each<Setup>([
  { policy: "fifo", seed: 1, pages: PAGES, met: ["pause", "cancel"] },
  { policy: "fifo", seed: 2, pages: PAGES, semiPd: { sharing: "fixed", share: 0.8 }, met: ["move"] },
  { policy: "edf", seed: 3, pages: PAGES, semiPd: { sharing: "fixed", share: 0.2 }, met: ["move"] },
  { policy: "splitfuse", seed: 4, pages: PAGES, semiPd: { sharing: "static" }, met: [] },
  { policy: "fifo", seed: 5, pages: 12, met: [] },
  { policy: "fifo", seed: 6, pages: 12, prefixCache: false, met: [] },
  { policy: "jitserve", seed: 7, pages: 16, met: [] },
  { policy: "fifo", seed: 8, pages: PAGES, disaggregated: {}, met: ["handover"] },
  {
    policy: "edf",
    seed: 9,
    pages: PAGES,
    disaggregated: { bandwidthBytesPerSecond: 1e5, latencyMs: 2 },
    met: ["handover", "pause"],
  },
  { policy: "jitserve", seed: 10, pages: 26, disaggregated: {}, met: ["handover"] },
  { policy: "fifo", seed: 11, pages: 26, prefixCache: false, disaggregated: {}, met: ["handover"] },
])("phases apart under $policy, seed $seed, replay into the identical decision logs", async (setup) => {
  const { recording, world } = await drive(setup);
  const recorded = recordedDecisions(recording);
  expect(recorded).toHaveLength(recording.steps.length);
  const replayed = replay(recording, { check: true });
  expect(firstDifference(recorded, replayed.decisions)).toBeNull();
  expect(recording.ends).toHaveLength(REQUESTS);
  for (const { id, reason } of recording.ends) {
    const expected = reason === "stop" || reason === "length" ? "done" : reason;
    expect(replayed.ends.get(id)).toBe(expected);
  }
  // The run has met what a replay could get wrong.
  for (const kind of setup.met) expect(recording.lines.map((line) => line.kind)).toContain(kind);
  expect(new Set(recording.steps.map(({ lane }) => lane)).size).toBeGreaterThan(1);
  const preemptions = world.reports.reduce((sum, report) => sum + report.preemptions, 0);
  if (setup.pages === 12) expect(preemptions).toBeGreaterThan(0);
});
