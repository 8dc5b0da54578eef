/**
 * Networks that do what networks do: frames of keys and values and messages of the bus dropped, doubled, swapped, delayed;
 * connections cut; sides parted for a while and healed. Tokens come once and in order, and no page stays in use.
 *
 * By default a few of all cases run; `FLEET_FAULTS=all` runs every one (the environment is a test file's only argument).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRandom } from "../../src/core/index.ts";
import type { FleetMoveView } from "../../src/protocol/index.ts";
import { ask, askPersistently, faultsOf, type Answer } from "./answers.ts";
import { PASS, type FaultProxy, type Rule, type Verdict } from "./fault-proxy.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { TestFleet } from "./test-fleet.ts";

const isFull = process.env["FLEET_FAULTS"] === "all";
const SEEDS = isFull ? [31, 32, 33, 34] : [31, 32];
let fleet: TestFleet;
let right: ReadonlyMap<number, string>;

beforeAll(async () => {
  fleet = await TestFleet.start({ one: {}, two: {} });
  const texts = await rightAnswers(
    fleet.modelDir,
    SEEDS.map((seed) => question("right", seed)),
  );
  right = new Map(SEEDS.map((seed, i) => [seed, texts[i]!]));
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
beforeEach(() => {
  for (const proxy of proxies()) proxy.rule = PASS;
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
});

function proxies(): readonly FaultProxy[] {
  return [fleet.routerBus, ...Array.from(fleet.workers.values()).flatMap(({ bus, kv }) => [bus, kv])];
}

/** Several answers at once, each sent to and fro a few times; resolves when they have ended. */
async function movedAbout(
  name: string,
  moves: number,
): Promise<{ answers: readonly Answer[]; moved: readonly FleetMoveView[] }> {
  const streams = await Promise.all(SEEDS.map((seed) => fleet.streaming(question(`${name}-${seed}`, seed))));
  for (let i = 0; i < moves; i++) {
    for (const { answer } of streams) {
      const open = await fleet.request(answer.id);
      if (open?.state === "running") await fleet.move(answer.id, fleet.other(open.instance ?? ""));
    }
    await sleep(50);
  }
  const answers = await Promise.all(streams.map(({ end }) => end));
  const ids = new Set(answers.map(({ id }) => id));
  const { endedMoves } = await fleet.quiesced();
  return { answers, moved: endedMoves.filter(({ request }) => ids.has(request)) };
}

/** @param mayRefuse a request that was never heard of may be refused; one that has begun has to go on */
const faults = (answers: readonly Answer[], mayRefuse = false): readonly string[] =>
  answers.flatMap((answer, i) => faultsOf(answer, right.get(SEEDS[i]!)!, mayRefuse && answer.pieces === 0));

/** Some frames, drawn by a seed, get that verdict. */
function some(share: number, verdict: Verdict, seed: number): Rule {
  const random = createRandom(seed, "frames");
  return () => (random.uniform() < share ? verdict : "pass");
}

/** The same for what the fleet says over the bus; what NATS itself says (directories, queues) is left alone. */
function ofBus(rule: Rule): Rule {
  return (frame, way) => (frame.subject.startsWith("punctual.") ? rule(frame, way) : "pass");
}

/** For what NATS itself says: answers to questions, JetStream's interface and deliveries, entries of directories. */
function ofNats(rule: Rule): Rule {
  return (frame, way) => (/^(_INBOX|\$JS|\$KV)\./.test(frame.subject) ? rule(frame, way) : "pass");
}

/** The first of several rules that does something. */
function anyOf(rules: readonly Rule[]): Rule {
  return (frame, way) => rules.map((rule) => rule(frame, way)).find((verdict) => verdict !== "pass") ?? "pass";
}

const LINK_CASES: readonly (readonly [name: string, isQuick: boolean, rule: () => Rule])[] = [
  ["dropped", false, () => some(0.2, "drop", 1)],
  ["doubled", false, () => some(0.5, "double", 2)],
  ["swapped", false, () => some(0.3, "swap", 3)],
  ["delayed", false, () => some(0.5, { delayMs: 40 }, 4)],
  ["cut off", false, () => some(0.15, "cut", 5)],
  [
    "treated in every way at once",
    true,
    () => anyOf([some(0.1, "drop", 6), some(0.2, "double", 7), some(0.2, "swap", 8), some(0.1, { delayMs: 20 }, 9)]),
  ],
];
const CASES = LINK_CASES.filter(([, isQuick]) => isQuick || isFull);
/** A bus that loses much costs seconds for each loss: that is for the full run. */
const BUS_CASES = isFull ? LINK_CASES : [];
const NATS_CASES: readonly (readonly [name: string, isQuick: boolean, rule: () => Rule])[] = [
  ["lost", false, () => some(0.1, "drop", 11)],
  ["doubled", false, () => some(0.5, "double", 12)],
  ["delayed", false, () => some(0.5, { delayMs: 60 }, 13)],
  ["doubled and delayed", true, () => anyOf([some(0.3, "double", 14), some(0.2, { delayMs: 20 }, 15)])],
  [
    "lost, doubled and delayed",
    false,
    () => anyOf([some(0.05, "drop", 16), some(0.2, "double", 17), some(0.1, { delayMs: 20 }, 18)]),
  ],
];

describe("keys and values on their way", () => {
  test("arrive, and the sequence with them, where nothing is wrong", async () => {
    const { answers, moved } = await movedAbout("calm", 3);
    expect(faults(answers)).toEqual([]);
    expect(moved.filter(({ outcome }) => outcome === "moved").length).toBeGreaterThan(0);
    for (const { outcome, bytes } of moved) if (outcome === "moved") expect(bytes).toBeGreaterThan(0);
  });

  test.each(CASES)("%s", async (name, _isQuick, rule) => {
    for (const { kv } of fleet.workers.values()) kv.rule = rule();
    const { answers } = await movedAbout(`kv-${name}`.replaceAll(" ", "-"), 3);
    expect(faults(answers)).toEqual([]);
  });
});

describe("messages of the bus", () => {
  test.each(BUS_CASES)("%s", async (name, _isQuick, rule) => {
    for (const proxy of [fleet.routerBus, ...Array.from(fleet.workers.values(), ({ bus }) => bus)]) {
      proxy.rule = ofBus(rule());
    }
    const streams = await Promise.all(
      SEEDS.map((seed) => fleet.streaming(question(`bus-${name}-${seed}`.replaceAll(" ", "-"), seed), 0)),
    );
    for (const { answer, at } of streams) await fleet.move(answer.id, fleet.other(at));
    const answers = await Promise.all(streams.map(({ end }) => end));
    for (const proxy of proxies()) proxy.rule = PASS;
    expect(faults(answers, true)).toEqual([]);
    await fleet.quiesced();
  });

  /** Its answers, directories and queues. */
  test.each(NATS_CASES.filter(([, isQuick]) => isQuick || isFull))(
    "what NATS itself says: %s",
    async (name, _isQuick, rule) => {
      const id = `nats-${name}`.replaceAll(/\W+/g, "-");
      const kept = SEEDS.map((seed) => question(`${id}-kept-${seed}`, seed));
      for (const proxy of [fleet.routerBus, ...Array.from(fleet.workers.values(), ({ bus }) => bus)]) {
        proxy.rule = ofNats(rule());
      }
      const streams = SEEDS.map((seed) => ask(fleet.url, question(`${id}-${seed}`, seed)));
      // What was accepted is answered, and the same to who asks again.
      const texts = kept.map((asked) => askPersistently(() => fleet.url, asked));
      const answers = await Promise.all(streams.map(({ end }) => end));
      expect(await Promise.all(texts)).toEqual(SEEDS.map((seed) => right.get(seed)));
      for (const proxy of proxies()) proxy.rule = PASS;
      expect(faults(answers, true)).toEqual([]);
      await fleet.whole();
      await fleet.quiesced();
    },
  );
});

const SHORT_MS = 1000;
/** Longer than a lease. */
const LONG_MS = 6000;

const PARTED: readonly (readonly [name: string, isQuick: boolean, ms: number, which: (at: string) => FaultProxy])[] = [
  ["a worker and the bus, for a moment", false, SHORT_MS, (at) => fleet.worker(at).bus],
  ["a worker and the bus, for longer than its lease", true, LONG_MS, (at) => fleet.worker(at).bus],
  ["the router and the bus, for a moment", false, SHORT_MS, () => fleet.routerBus],
  ["the router and the bus, for longer than a lease", false, LONG_MS, () => fleet.routerBus],
];

describe("parted and healed", () => {
  test.each(PARTED.filter(([, isQuick]) => isQuick || isFull))("%s", async (name, _isQuick, ms, which) => {
    const seed = SEEDS[0]!;
    const { answer, end, at } = await fleet.streaming(question(`parted-${name}`.replaceAll(/\W+/g, "-"), seed));
    const proxy = which(at);
    proxy.part();
    await sleep(ms);
    proxy.heal();
    await end;
    expect(faultsOf(answer, right.get(seed)!, false)).toEqual([]);
    await fleet.whole();
    await fleet.quiesced();
  });

  test("two workers, while something moves between them", async () => {
    const seed = SEEDS[1]!;
    const { answer, end, at } = await fleet.streaming(question("parted-kv", seed));
    const target = fleet.other(at);
    for (const { kv } of fleet.workers.values()) kv.part();
    await fleet.move(answer.id, target);
    await sleep(SHORT_MS);
    for (const { kv } of fleet.workers.values()) kv.heal();
    await end;
    expect(faultsOf(answer, right.get(seed)!, false)).toEqual([]);
    await fleet.quiesced();
  });
});
