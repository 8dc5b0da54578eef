import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { SequenceSpec } from "../messages.ts";
import { colocated, createMachines, spec, World, type Machines, type WorldOptions } from "./phase-loops.conformance.ts";

const PAGES = 60;
const SEEDS = [1, 2];
let machines: Machines;
beforeAll(async () => {
  machines = await createMachines(PAGES);
});
afterAll(() => machines.dispose());

/** Requests of any length, half of them with a beginning that others share. */
function requests(random: RandomStream, count = 11): SequenceSpec[] {
  const shared = Array.from({ length: 30 }, () => random.int(30, 300));
  return Array.from({ length: count }, (_, seq) => {
    const own = Array.from({ length: random.int(1, 40) }, () => random.int(30, 300));
    const promptTokens = random.uniform() < 0.5 ? [...shared.slice(0, random.int(8, 30)), ...own] : own;
    const temperature = random.int(0, 2) === 0 ? 0 : 1;
    return spec(seq, { promptTokens, maxTokens: random.int(1, 20), sampling: { seed: seq, temperature } });
  });
}

/** Submits the requests at moments of its own, until all have ended. */
async function serve(
  world: World,
  random: RandomStream,
  all: readonly SequenceSpec[],
  client: (submitted: number) => void = () => undefined,
): Promise<void> {
  let submitted = 0;
  const submit = (): void => {
    if (submitted < all.length) world.loops.submit(all[submitted++]!);
  };
  while (submitted < all.length || world.loops.hasWork) {
    submit();
    await world.run(random, () => {
      if (random.uniform() < 0.04) submit();
      client(submitted);
    });
  }
}

const preemptions = (world: World): number => world.reports.reduce((sum, report) => sum + report.preemptions, 0);
const usedPages = ({ pages }: World): number[] => [pages.decode.usedPages, pages.prefill.usedPages];

/** What each arrangement must have done in these tests, or they would show nothing. */
interface Arrangement extends WorldOptions {
  readonly exercised: (worlds: readonly World[]) => boolean;
}

const some = (condition: (world: World) => boolean) => (worlds: readonly World[]) => worlds.some(condition);
const ARRANGEMENTS: readonly (readonly [string, Arrangement])[] = [
  ["semi-pd", { pages: PAGES, exercised: some((world) => world.pairedSteps > 3) }],
  [
    "semi-pd, prompts favoured",
    {
      pages: PAGES,
      semiPd: { sharing: "fixed", share: 0.8 },
      exercised: some(({ loops }) => loops.stats.use.decode.prefill.slots > 0),
    },
  ],
  [
    "semi-pd, decodes favoured",
    {
      pages: PAGES,
      semiPd: { sharing: "fixed", share: 0.2 },
      exercised: some(({ loops }) => loops.stats.use.prefill.decode.slots > 0),
    },
  ],
  [
    "semi-pd, static",
    {
      pages: PAGES,
      semiPd: { sharing: "static" },
      exercised: ({ 0: world }) => world!.loops.stats.use.prefill.decode.slots === 0,
    },
  ],
  ["semi-pd, short of pages", { pages: 12, exercised: some((world) => preemptions(world) > 0) }],
  ["semi-pd, no prefix cache", { pages: 12, prefixCache: false, exercised: some((world) => preemptions(world) > 0) }],
  [
    "disaggregated",
    { pages: PAGES, disaggregated: {}, exercised: some(({ loops }) => loops.stats.transfers.bytes > 0) },
  ],
  [
    "disaggregated, slow link",
    {
      pages: PAGES,
      disaggregated: { bandwidthBytesPerSecond: 1e5, latencyMs: 2 },
      exercised: some(({ loops }) => loops.stats.transfers.ms > 2 * loops.stats.transfers.count),
    },
  ],
  [
    "disaggregated, short of pages",
    { pages: 26, disaggregated: {}, exercised: some((world) => preemptions(world) > 0) },
  ],
];

describe.each(ARRANGEMENTS)("%s", (_, options) => {
  test("every order of slots and messages gives the words of a colocated engine, and all pages back", async () => {
    const worlds: World[] = [];
    for (const seed of SEEDS) {
      const random = createRandom(seed, "phases");
      const all = requests(random);
      const expected = await colocated(machines, all);
      const world = new World(machines, options);
      worlds.push(world);
      await serve(world, random, all);
      for (const { seq } of all) expect(world.tokensOf(seq)).toEqual(expected.get(seq));
      expect(usedPages(world)).toEqual([0, 0]);
    }
    expect(options.exercised(worlds)).toBe(true);
  });

  test("cancels, pauses and resumes at any moment leave nothing behind and disturb nobody", async () => {
    for (const seed of SEEDS) {
      const random = createRandom(seed, "meddling");
      const all = requests(random);
      const expected = await colocated(machines, all);
      const world = new World(machines, options);
      const cancelled = new Set<number>();
      const paused = new Set<number>();
      const resume = (): void => {
        for (const one of paused) world.loops.resume(one);
        paused.clear();
      };
      let meddlings = 60; // a client that never stops could keep a slow transfer from ever ending
      const meddle = (submitted: number): void => {
        if (meddlings === 0) return resume();
        const seq = random.int(0, submitted - 1);
        const chance = random.uniform();
        if (chance > 0.98 && seq % 3 === 0) {
          cancelled.add(seq);
          world.loops.cancel(seq);
        } else if (chance > 0.95) {
          meddlings -= 1;
          paused.add(seq);
          world.loops.pause(seq);
        } else if (chance > 0.9) resume();
      };
      await serve(world, random, all, meddle);
      resume();
      await world.run(random);
      expect(cancelled.size).toBeGreaterThan(0);
      for (const { seq } of all) {
        const said = world.tokensOf(seq);
        const whole = expected.get(seq)!;
        expect(said).toEqual(cancelled.has(seq) ? whole.slice(0, said.length) : whole);
        expect(world.endOf(seq)).toBeDefined();
      }
      expect(usedPages(world)).toEqual([0, 0]);
    }
  });
});

test("a transfer that is broken off frees both sides at once, and what still comes is dropped", async () => {
  const world = new World(machines, { pages: PAGES, disaggregated: { latencyMs: 50 } });
  world.loops.submit(spec(0));
  while (world.loops.stats.sequences.transfer === 0) {
    await world.pump();
    await world.slot("prefill");
  }
  await world.pump();
  expect(world.send()).toBe(true);
  expect(usedPages(world).every((pages) => pages > 0)).toBe(true);
  world.loops.cancel(0);
  expect(usedPages(world)).toEqual([0, 0]);
  expect(world.loops.stats.transfers).toMatchObject({ count: 0, aborted: 1 });
  world.loops.submit(spec(1)); // takes the pages that were freed
  await world.run(createRandom(1, "after"));
  world.clock.advance(100);
  await world.deliver();
  expect(world.tokensOf(1)).toEqual((await colocated(machines, [spec(1)])).get(1));
  expect(world.endOf(0)).toMatchObject({ kind: "error", error: { code: "cancelled" } });
});

test("with both caches full nothing is dropped and nothing stands still", async () => {
  const random = createRandom(7, "full");
  const all = Array.from({ length: 10 }, (_, seq) =>
    spec(seq, { promptTokens: Array.from({ length: 40 }, () => random.int(30, 300)), maxTokens: 20 }),
  );
  const expected = await colocated(machines, all);
  const world = new World(machines, { pages: 20, disaggregated: {}, prefixCache: false });
  for (const one of all) world.loops.submit(one);
  let full = 0;
  await world.run(random, () => {
    if (usedPages(world).every((pages) => pages >= 8) && world.loops.stats.sequences.transfer > 0) full += 1;
  });
  expect(full).toBeGreaterThan(0);
  for (const { seq } of all) expect(world.tokensOf(seq)).toEqual(expected.get(seq));
});

test("a share changes at the next slot: the workers' time follows it, and no step is begun again", async () => {
  const long = (seq: number): SequenceSpec =>
    spec(seq, { promptTokens: Array.from({ length: 100 }, (_, i) => 30 + ((seq * 7 + i) % 250)), maxTokens: 60 });
  const part = async (share: number): Promise<number> => {
    const world = new World(machines, { pages: PAGES, semiPd: { sharing: "fixed", share }, maxRunning: 4 });
    for (let seq = 0; seq < 4; seq++) world.loops.submit(long(seq));
    for (let i = 0; i < 600; i++) {
      await world.pump();
      await world.slot("decode");
      await world.slot("prefill");
    }
    const { decode } = world.loops.stats.use;
    return decode.prefill.ms / (decode.prefill.ms + decode.decode.ms);
  };
  expect(await part(0.9)).toBeGreaterThan(await part(0.5));
});

test("the second token comes like any other: a hand-over within one cache costs no step", async () => {
  const world = new World(machines, { pages: PAGES, semiPd: { sharing: "static" } });
  world.loops.submit(spec(0));
  while (world.loops.hasWork) {
    await world.pump();
    await world.slot("prefill");
    await world.slot("decode");
  }
  const times = world.events.flatMap((event) => (event.kind === "token" ? [event.token.atMs] : []));
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(gaps[0]).toBeCloseTo(gaps[1]!, 6);
});

test("targets move the share; requests without any leave it where it is", async () => {
  const run = async (slo: SequenceSpec["slo"]) => {
    const semiPd = { windowMs: 5, minSamples: 2 };
    const world = new World(machines, { pages: PAGES, semiPd, maxRunning: 8 });
    const random = createRandom(3, "targets");
    const all = Array.from({ length: 12 }, (_, seq) => spec(seq, { slo, maxTokens: 20 }));
    await serve(world, random, all);
    return world.loops.stats;
  };
  const idle = await run({ class: "best-effort", onMiss: "finish" });
  expect([idle.shares.prefill, idle.moves]).toEqual([0.5, 0]);
  const eager = await run({ class: "latency", ttftMs: 0.5, tpotMs: 1000, onMiss: "finish" });
  expect(eager.shares.prefill).toBeGreaterThan(0.5);
  expect(eager.moves).toBeGreaterThan(0);
  const paced = await run({ class: "latency", ttftMs: 10_000, tpotMs: 0.001, onMiss: "finish" });
  expect(paced.shares.prefill).toBeLessThan(0.5);
});
