/** Sequences between two step loops with caches of their own, under a fake clock: what moves says what it would have said. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { NgramDrafter, type SamplingOptions } from "../../llm/index.ts";
import type { SequenceEvent, SequenceSpec } from "../messages.ts";
import { createBench, said, spec, tokensOf, type Bench, type LoopSetup } from "../speculation/loop.conformance.ts";
import {
  allUnmoved,
  codeOf,
  createSide,
  drain,
  TIMEOUT_MS,
  unmoved,
  untilSaid,
  withoutCosts,
  type Side,
} from "./desk-sides.conformance.ts";

const RUNS = 4;

let benches: readonly [Bench, Bench];
beforeAll(async () => {
  benches = [await createBench(), await createBench()];
});
afterAll(async () => {
  for (const { executor } of benches) await executor.dispose();
});

/** Moves a sequence in stages, made ready at its target or not, both sides working on between them. False when the source says that it cannot go now. */
async function move(from: Side, to: Side, seq: number, stages: number): Promise<boolean> {
  const exported = from.ask("export", { seq });
  const { id } = exported;
  const known = from.loop.places.find(seq)!;
  const { computed } = known;
  const pages = Math.ceil(computed / from.kv.pageTokens);
  const tokens = Int32Array.from(known.known);
  const isReady = stages > 1;
  const own = { ...exported.spec, seq: seq + 1000 };
  const at = { spec: own, state: known.state(from.clock.nowMs()), atMs: to.clock.nowMs() };
  const offer = { tokens, salt: known.spec.cacheSalt ?? "", pages };
  const target = to.ask("import", isReady ? { ...offer, newcomer: at } : offer);
  let done = target.cachedPages;
  for (let stage = 0; stage < stages; stage++) {
    const found = from.loop.places.find(seq);
    if (found === null) {
      expect(() => from.ask("progress", { id })).toThrow("over");
      to.ask("abort", { id: target.id });
      return false;
    }
    const { wholePages, running, generated } = from.ask("progress", { id });
    if (isReady && stage % 2 === 1) to.ask("foresee", { id: target.id, generated });
    if (running && pages > 0 && wholePages > done && to.ask("reserve", { id: target.id, pages: wholePages })) {
      to.ask("write", {
        id: target.id,
        first: done,
        bytes: from.ask("read", { id, first: done, count: wholePages - done }),
      });
      done = wholePages;
    }
    await from.step();
    await to.step();
  }
  try {
    const frozen = from.ask("freeze", { id, from: done });
    if (frozen.pages > 0 && pages === 0) {
      from.ask("resume", { id });
      to.ask("abort", { id: target.id });
      return false;
    }
    const tail = frozen.bytes === null ? null : { first: done, bytes: frozen.bytes };
    const arrivalMs = to.clock.nowMs() - frozen.state.ageMs;
    // As over a wire.
    const state = JSON.parse(JSON.stringify(frozen.state)) as typeof frozen.state;
    const newcomer = { spec: { ...exported.spec, seq: seq + 1000, arrivalMs }, state, atMs: to.clock.nowMs() };
    await from.step(); // others go on meanwhile
    if (isReady && pages > 0) to.ask("arrive", { id: target.id, state, atMs: to.clock.nowMs(), tail });
    else to.ask("enter", { id: target.id, newcomer, tail });
    from.ask("depart", { id });
    return true;
  } catch (error) {
    expect((error as { code?: string }).code).toMatch(/busy|not_found|out_of_memory/);
    from.ask("resume", { id });
    to.ask("abort", { id: target.id });
    return false;
  }
}

/** Requests that between them use everything that has a state. */
function requests(random: RandomStream): SequenceSpec[] {
  const sampling = (seed: number): SamplingOptions => ({ seed });
  const schema = {
    type: "object",
    properties: { a: { type: "integer" }, b: { type: "string" } },
    required: ["a", "b"],
  };
  const forms: Partial<SequenceSpec>[] = [
    { sampling: { temperature: 0 } },
    { sampling: { ...sampling(11), logprobs: 2 } },
    { sampling: { ...sampling(12), repetitionPenalty: 1.4, presencePenalty: 0.5, frequencyPenalty: 0.3 } },
    { sampling: { ...sampling(13), topK: 12, topP: 0.9, logprobs: 0 }, minTokens: 20, ignoreEos: false },
    { sampling: sampling(14), grammar: { kind: "json_schema", schema }, maxTokens: 60 },
    { sampling: { ...sampling(15), temperature: 0.7 }, grammar: { kind: "json_object" }, maxTokens: 40 },
    { sampling: sampling(16), stop: ["ab", "xyz", "q\u00e9", "  "], maxTokens: 60 },
    { sampling: sampling(17), thinkingBudget: 5, promptTokens: [...spec(17).promptTokens, 4] },
    { sampling: { ...sampling(18), logitBias: { 40: 6, 41: 5, 4: 7, 5: 7, 6: 7, 7: 7 } }, thinkingBudget: 3 },
  ];
  return forms.map((over, i) => {
    const length = random.int(3, 40);
    const prompt = Array.from({ length }, () => random.int(30, 300));
    return spec(i, { promptTokens: prompt, maxTokens: random.int(8, 40), ...over });
  });
}

describe("a sequence that moves", () => {
  test("says what it would have said, whenever it moves, however often, among others, with drafts or without", async () => {
    let moves = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), fc.boolean(), async (seed, speculates) => {
        const random = createRandom(seed, "moves");
        const setup: LoopSetup = speculates ? { drafters: () => [new NgramDrafter()] } : {};
        const pages = random.chance(0.5) ? 48 : 24;
        const sides = benches.map((bench) => createSide(bench, { ...setup, pages, prefixCache: random.chance(0.7) }));
        const list = requests(random);
        const place = new Map(list.map(({ seq }) => [seq, { side: 0, seq }]));
        for (const request of list) sides[0]!.loop.submit(request);
        const streams = new Map<number, SequenceEvent[]>(list.map(({ seq }) => [seq, []]));
        for (let round = 0; sides.some(({ loop }) => loop.hasWork); round++) {
          expect(round).toBeLessThan(1500);
          for (const side of sides) await side.step();
          if (random.chance(0.4)) {
            const original = random.pick(list).seq;
            const at = place.get(original)!;
            const [from, to] = [sides[at.side]!, sides[1 - at.side]!];
            const full = to.loop.places.running.size + to.loop.places.takenPlaces >= 8;
            if (full || from.loop.places.find(at.seq) === null) continue;
            if (await move(from, to, at.seq, random.int(0, 4))) {
              place.set(original, { side: 1 - at.side, seq: at.seq + 1000 });
              moves += 1;
            } else refused += 1;
          }
        }
        for (const side of sides) await side.step();
        for (const side of sides)
          for (const event of side.events) streams.get(event.seq % 1000)!.push({ ...event, seq: 0 });
        const whole = await allUnmoved(benches[0], list);
        for (const [i, request] of list.entries()) {
          const own = streams.get(request.seq)!;
          const tokens = own.flatMap((event) => (event.kind === "token" ? [event] : []));
          const order = tokens.toSorted((a, b) => a.token.index - b.token.index);
          const ends = own.filter(({ kind }) => kind === "finish" || kind === "error");
          expect(ends).toHaveLength(1);
          expect(withoutCosts(said([...order, ...ends], 0))).toEqual(whole[i]);
        }
        for (const side of sides) expect(side.kv.usedPages).toBe(0);
      }),
      { numRuns: RUNS, seed: 6 },
    );
    expect(moves).toBeGreaterThan(5 * RUNS);
    expect(refused).toBeGreaterThan(0);
  }, 120_000);
});

/** A sequence that has been frozen after so many tokens, as it would travel. */
async function frozenAfter(side: Side, request: SequenceSpec, tokens: number) {
  side.loop.submit(request);
  await untilSaid(side, request.seq, tokens);
  const { id, spec: own } = side.ask("export", { seq: request.seq });
  return { id, spec: own, ...side.ask("freeze", { id, from: 0 }) };
}

describe("a sequence that is to leave", () => {
  test("paused or resumed by its reader while it is frozen, it comes back as its reader is", async () => {
    const whole = await unmoved(benches[0], spec(1));
    for (const order of ["pause", "pause, resume", "paused before", "pause, cancel"] as const) {
      const side = createSide(benches[0]);
      side.loop.submit(spec(1));
      await untilSaid(side, 1, 5);
      if (order === "paused before") side.loop.pause(1);
      const { id } = side.ask("export", { seq: 1 });
      const { pages } = side.ask("freeze", { id, from: null });
      expect(pages > 0).toBe(order !== "paused before");
      if (order !== "paused before") side.loop.pause(1);
      if (order === "pause, resume") side.loop.resume(1);
      if (order === "pause, cancel") side.loop.cancel(1);
      side.check();
      side.ask("resume", { id });
      const slow = order === "pause" || order === "paused before";
      expect(side.loop.places.paused.has(1)).toBe(slow);
      expect(side.loop.places.running.has(1)).toBe(order === "pause, resume");
      side.loop.resume(1);
      await drain(side);
      if (order !== "pause, cancel") expect(withoutCosts(said(side.events, 1))).toEqual(whole);
      expect(side.kv.usedPages).toBe(0);
    }
  });

  test("preempted or paused after it began to leave, it is busy, and leaves later without pages", async () => {
    const whole = await unmoved(benches[0], spec(2));
    for (const how of ["retract", "pause"] as const) {
      const [from, to] = [createSide(benches[0]), createSide(benches[1])];
      from.loop.submit(spec(2));
      await untilSaid(from, 2, 4);
      const { id } = from.ask("export", { seq: 2 });
      from.loop[how](2);
      from.check();
      expect(codeOf(() => from.ask("read", { id, first: 0, count: 1 }))).toBe("busy");
      expect(codeOf(() => from.ask("freeze", { id, from: null }))).toBe("busy");
      expect(codeOf(() => from.ask("depart", { id }))).toBe("busy");
      from.ask("resume", { id });
      expect(await move(from, to, 2, 0)).toBe(true);
      await drain(from);
      await drain(to);
      const tokens = [...from.events, ...to.events].map((event) => ({ ...event, seq: 2 }));
      const events = tokens.filter(({ kind }) => kind === "token" || kind === "finish");
      expect(withoutCosts(said(events, 2))).toEqual(whole);
    }
  });

  test("whatever nobody asks about is given up after a while: it goes on here, and pages come free", async () => {
    const [from, to] = [createSide(benches[0]), createSide(benches[1])];
    const { id, pages, state, bytes, spec: own } = await frozenAfter(from, spec(3), 6);
    const offer = { tokens: Int32Array.from([...own.promptTokens, ...state.generated]), salt: "", pages };
    const entering = to.ask("import", offer);
    expect(to.ask("reserve", { id: entering.id, pages })).toBe(true);
    expect(to.desk.nextDueMs).toBe(to.clock.nowMs() + TIMEOUT_MS);
    to.clock.advance(TIMEOUT_MS - 1);
    from.clock.advance(TIMEOUT_MS - 1);
    to.desk.tick();
    from.desk.tick();
    to.ask("write", { id: entering.id, first: 0, bytes: bytes! }); // asked about: it has its time again
    to.clock.advance(1);
    from.clock.advance(1);
    to.desk.tick();
    from.desk.tick();
    to.check();
    from.check();
    expect(from.loop.places.running.has(3)).toBe(true);
    expect(codeOf(() => from.ask("depart", { id }))).toBe("not_found");
    expect(to.kv.usedPages).toBe(pages);
    to.clock.advance(TIMEOUT_MS);
    to.desk.tick();
    to.check();
    expect(to.kv.usedPages).toBe(0);
    expect(to.desk.nextDueMs).toBeNull();
    expect(codeOf(() => to.ask("reserve", { id: entering.id, pages }))).toBe("not_found");
    to.ask("abort", { id: entering.id });
    await drain(from);
    expect(withoutCosts(said(from.events, 3))).toEqual(await unmoved(benches[0], spec(3)));
  });

  test("ages, counts and lateness go with it", async () => {
    const slo = { class: "latency", ttftMs: 5, tpotMs: 3, onMiss: "finish" } as const;
    const [from, to] = [createSide(benches[0]), createSide(benches[1])];
    const { spec: own, state, pages, bytes } = await frozenAfter(from, spec(4, { slo }), 8);
    expect(state.ageMs).toBe(from.clock.nowMs() - 1000);
    expect(state.counts).toMatchObject({ cachedTokens: 0, tokensInTime: 8, reachedTokens: state.computed });
    const entering = to.ask("import", { tokens: Int32Array.from(own.promptTokens), salt: "", pages });
    to.clock.advance(5000); // another process has another clock, and the way took 40 ms
    const atMs = to.clock.nowMs() - 40;
    const newcomer = { spec: { ...own, arrivalMs: atMs - state.ageMs }, state, atMs };
    to.ask("enter", { id: entering.id, newcomer, tail: { first: 0, bytes: bytes! } });
    await drain(to);
    const end = to.events.find(({ kind }) => kind === "finish");
    if (end?.kind !== "finish") return expect.unreachable();
    const { usage } = end.finish;
    expect(usage.transferMs).toBe(40);
    expect(usage.slo.ttft_ms).toBeCloseTo(state.ageMs - state.firstTokenAgeMs!, 9);
    expect(usage.slo.e2e_ms).toBeCloseTo(end.end.timing.endMs - (atMs - state.ageMs), 9);
    expect(usage.slo.attained).toBe(end.end.outcome.tpot_ms! <= 3);
    const first = to.events.find((event) => event.kind === "token");
    expect(first?.kind === "token" && first.gapMs!).toBeGreaterThan(40);
    // 40 ms late on a line of 3 ms a token: those behind came late too, until it had caught up.
    expect(end.end.goodTokens).toBeLessThan(24);
    expect(end.end.goodTokens).toBeGreaterThanOrEqual(8);
    expect(to.events.some(({ kind }) => kind === "admit")).toBe(false);
  });
});

describe("a sequence that comes", () => {
  test("takes no page that others have to grow into, and no place that there is not", async () => {
    const limits = { maxRunning: 2 };
    const to = createSide(benches[1], { pages: 8, limits });
    to.loop.submit(spec(0));
    await untilSaid(to, 0, 1);
    const tokens = Int32Array.from(spec(9).promptTokens);
    const one = to.ask("import", { tokens, salt: "", pages: 4 });
    expect(codeOf(() => to.ask("import", { tokens, salt: "", pages: 4 }))).toBe("queue_full");
    expect(to.ask("reserve", { id: one.id, pages: 6 })).toBe(false);
    expect(to.ask("reserve", { id: one.id, pages: 5 })).toBe(true);
    to.loop.submit(spec(2)); // the other place is promised
    await to.step();
    expect(to.loop.places.waiting.has(2)).toBe(true);
    expect(codeOf(() => to.ask("write", { id: one.id, first: 5, bytes: new Uint8Array(1) }))).toBe("invalid_request");
    to.ask("abort", { id: one.id });
    await drain(to);
    expect(said(to.events, 2).length).toBeGreaterThan(20);
    expect(to.kv.usedPages).toBe(0);
  });

  test("with what is cached there already needs none of it, and never writes into it", async () => {
    const prompt = Array.from({ length: 40 }, (_, i) => 30 + i);
    const request = spec(5, { promptTokens: prompt });
    const to = createSide(benches[1]);
    to.loop.submit(spec(6, { promptTokens: prompt, maxTokens: 1 }));
    await drain(to);
    const from = createSide(benches[0]);
    const { state, pages, bytes } = await frozenAfter(from, request, 3);
    const tokens = Int32Array.from([...prompt, ...state.generated]);
    const entering = to.ask("import", { tokens, salt: "", pages });
    expect(entering.cachedPages).toBe(5);
    const rubbish = new Uint8Array(bytes!.length).fill(77);
    rubbish.set(bytes!.subarray(5 * (bytes!.length / pages)), 5 * (bytes!.length / pages));
    const newcomer = { spec: request, state, atMs: to.clock.nowMs() };
    to.ask("enter", { id: entering.id, newcomer, tail: { first: 0, bytes: rubbish } });
    await drain(to);
    const events = [...from.events, ...to.events.filter(({ seq }) => seq === 5)];
    expect(
      withoutCosts(
        said(
          events.filter(({ kind }) => kind !== "admit"),
          5,
        ),
      ),
    ).toEqual(await unmoved(benches[0], request));
  });

  test("in any wrong state is refused, and the import stays open for the right one", async () => {
    const grammar = { kind: "json_object" } as const;
    const request = spec(7, { grammar, sampling: { seed: 3 }, maxTokens: 20 });
    const [from, to] = [createSide(benches[0]), createSide(benches[1])];
    const { state, pages, bytes } = await frozenAfter(from, request, 4);
    const { id } = to.ask("import", { tokens: Int32Array.from(request.promptTokens), salt: "", pages });
    const enter = (over: Partial<typeof state>, tail = { first: 0, bytes: bytes! }): string | null =>
      codeOf(() => to.ask("enter", { id, newcomer: { spec: request, state: { ...state, ...over }, atMs: 0 }, tail }));
    expect(enter({ generated: [300, 301, 302, 303] })).toBe("invalid_request"); // the grammar allows no such thing
    expect(enter({}, { first: 0, bytes: bytes!.subarray(3) })).toBe("invalid_request");
    expect(enter({}, { first: 1, bytes: bytes! })).toBe("invalid_request"); // the first page was never written
    expect(enter({ computed: 200 })).toBe("invalid_request");
    expect(enter({})).toBeNull();
    await drain(to);
    const events = [...from.events, ...to.events].filter(({ kind }) => kind !== "admit");
    expect(withoutCosts(said(events, 7))).toEqual(await unmoved(benches[0], request));
  });

  test("computed again from what its client has seen, it says the rest, at any token, complete ones too", async () => {
    for (const request of requests(createRandom(5, "resume"))) {
      const whole = await unmoved(benches[0], request);
      const tokens = (whole as { kind: string; id: number }[])
        .filter(({ kind }) => kind === "token")
        .map(({ id }) => id);
      for (const seen of new Set([0, 1, tokens.length >> 1, tokens.length - 1, tokens.length])) {
        const side = createSide(benches[seen % 2]!);
        const counts = { cachedTokens: null, tokensInTime: 0, reachedTokens: 0, transferMs: null, drafts: null };
        const ages = {
          ageMs: 5,
          scheduledAgeMs: null,
          firstTokenAgeMs: seen > 0 ? 4 : null,
          lastTokenAgeMs: seen > 0 ? 1 : null,
        };
        const state = { generated: tokens.slice(0, seen), computed: 0, ...ages, counts };
        side.ask("revive", { spec: request, state, atMs: side.clock.nowMs() });
        await drain(side);
        const events = side.events.filter(({ kind }) => kind !== "admit");
        expect(withoutCosts(said(events, request.seq))).toEqual(whole.slice(seen));
        expect(side.kv.usedPages).toBe(0);
      }
      const past = {
        generated: [...tokens, 40],
        computed: 0,
        ageMs: 1,
        scheduledAgeMs: null,
        firstTokenAgeMs: 1,
        lastTokenAgeMs: 1,
      };
      const counts = { cachedTokens: null, tokensInTime: 0, reachedTokens: 0, transferMs: null, drafts: null };
      const side = createSide(benches[0]);
      expect(codeOf(() => side.ask("revive", { spec: request, state: { ...past, counts }, atMs: 0 }))).toBe(
        "invalid_request",
      );
    }
  }, 60_000);
});

describe("hand-off after the first token", () => {
  test("a sequence freezes itself, keeps its pages, goes elsewhere, or on here when nobody comes", async () => {
    const [from, to] = [createSide(benches[0], {}, true), createSide(benches[1])];
    for (const seq of [1, 2]) from.loop.submit(spec(seq));
    from.loop.submit(spec(3, { maxTokens: 1 }));
    for (let i = 0; i < 4; i++) await from.step();
    expect(from.events.filter(({ kind }) => kind === "ready").map(({ seq }) => seq)).toEqual([1, 2]);
    expect(from.events.some(({ kind, seq }) => kind === "finish" && seq === 3)).toBe(true);
    expect([...from.loop.places.frozen.keys()]).toEqual([1, 2]);
    expect(from.loop.hasWork).toBe(false);
    expect(await move(from, to, 1, 0)).toBe(true);
    await drain(to);
    expect(tokensOf([...from.events, ...to.events.map((event) => ({ ...event, seq: 1 }))], 1)).toHaveLength(24);
    from.clock.advance(TIMEOUT_MS + 1);
    from.desk.tick();
    await drain(from);
    expect(
      withoutCosts(
        said(
          from.events.filter(({ kind }) => kind !== "ready"),
          2,
        ),
      ),
    ).toEqual(await unmoved(benches[0], spec(2)));
    expect(from.kv.usedPages + to.kv.usedPages).toBe(0);
  });

  test("made ready beforehand it takes what follows only; told other tokens meanwhile, it goes on from the right ones", async () => {
    const [from, to] = [createSide(benches[0]), createSide(benches[1])];
    const grammar = { kind: "json_object" } as const;
    const request = spec(5, { grammar, maxTokens: 40 });
    const { id, pages, state, bytes, spec: own } = await frozenAfter(from, request, 6);
    const first = { ...state, generated: state.generated.slice(0, 2) };
    const tokens = Int32Array.from(own.promptTokens);
    const newcomer = { spec: own, state: first, atMs: to.clock.nowMs() };
    const entering = to.ask("import", { tokens, salt: "", pages, newcomer });
    const tail = { first: 0, bytes: bytes! };
    const arrive = (over: Partial<typeof state>): unknown =>
      to.ask("arrive", { id: entering.id, state: { ...state, ...over }, atMs: to.clock.nowMs(), tail });
    expect(codeOf(() => to.ask("foresee", { id: entering.id, generated: [300, 301] }))).toBe("invalid_request");
    expect(codeOf(() => arrive({ generated: [300, 301, 302] }))).toBe("invalid_request");
    expect(codeOf(() => arrive({ computed: 500 }))).not.toBeNull();
    to.ask("foresee", { id: entering.id, generated: state.generated.slice(0, 4) });
    arrive({});
    from.ask("depart", { id });
    await drain(from);
    await drain(to);
    const all = [...from.events, ...to.events].filter(({ kind }) => kind !== "moved");
    expect(withoutCosts(said(all, 5))).toEqual(await unmoved(benches[0], request));
    const bare = to.ask("import", { tokens, salt: "", pages });
    expect(codeOf(() => to.ask("arrive", { id: bare.id, state, atMs: 0, tail }))).toBe("invalid_request");
    to.ask("abort", { id: bare.id });
    expect(from.kv.usedPages + to.kv.usedPages).toBe(0);
  });

  test("what is told of it is all that another engine needs: it is taken over in one question", async () => {
    const [from, to] = [createSide(benches[0], {}, true), createSide(benches[1])];
    from.loop.submit(spec(1));
    await untilSaid(from, 1, 1);
    const told = from.events.flatMap((event) => (event.kind === "ready" ? [event.leaving!] : []))[0]!;
    expect(from.ask("list", null)).toMatchObject([{ seq: 1, state: "frozen", leaving: false }]);
    const { spec: asked, state, pages, id } = told;
    const { first, bytes } = told.told!;
    expect(first).toBe(0);
    expect(bytes).toEqual(from.ask("read", { id, first: 0, count: pages }));
    expect(from.ask("list", null)).toMatchObject([{ leaving: true }]);
    expect(codeOf(() => from.ask("export", { seq: 1 }))).toBe("busy");
    const newcomer = { spec: asked, state, atMs: to.clock.nowMs() };
    expect(codeOf(() => to.ask("takeOver", { newcomer, bytes: bytes.subarray(1) }))).toBe("invalid_request");
    expect(codeOf(() => to.ask("takeOver", { newcomer, bytes: new Uint8Array(0) }))).toBe("invalid_request");
    expect(to.kv.usedPages).toBe(0);
    to.ask("takeOver", { newcomer, bytes });
    from.ask("depart", { id });
    await drain(from);
    await drain(to);
    const all = [...from.events, ...to.events].filter(({ kind }) => kind !== "ready" && kind !== "moved");
    expect(withoutCosts(said(all, 1))).toEqual(await unmoved(benches[0], spec(1)));
    expect(from.kv.usedPages + to.kv.usedPages).toBe(0);
  });

  test("with no room for it nothing is taken over, and nothing is left", async () => {
    const [from, to] = [createSide(benches[0], {}, true), createSide(benches[1], { pages: 1 })];
    from.loop.submit(spec(1, { promptTokens: Array.from({ length: 40 }, (_, i) => 30 + i) }));
    await untilSaid(from, 1, 1);
    const { leaving } = from.events.find((event) => event.kind === "ready")!;
    const newcomer = { spec: leaving!.spec, state: leaving!.state, atMs: to.clock.nowMs() };
    expect(codeOf(() => to.ask("takeOver", { newcomer, bytes: leaving!.told!.bytes }))).toBe("out_of_memory");
    expect([to.kv.usedPages, to.loop.places.promised]).toEqual([0, 0]);
    from.loop.cancel(1);
    await from.step();
  });

  test("one whose pages mean nothing elsewhere does not wait to be taken, and cannot be", async () => {
    const from = createSide(benches[0], {}, true);
    from.loop.submit(spec(1, { route: { compute: 0.5 } }));
    await untilSaid(from, 1, 1);
    expect(from.loop.places.running.has(1)).toBe(true);
    expect(codeOf(() => from.ask("export", { seq: 1 }))).toBe("unsupported");
    from.loop.cancel(1);
    await from.step();
    expect(from.kv.usedPages).toBe(0);
  });

  test("cancelled or cut while it waits, nothing of it is left", async () => {
    const from = createSide(benches[0], {}, true);
    from.loop.submit(spec(1));
    for (let i = 0; i < 3; i++) await from.step();
    from.loop.cancel(1);
    await from.step();
    from.desk.tick();
    expect(from.desk.nextDueMs).toBeNull();
    expect(from.kv.usedPages).toBe(0);
  });
});
