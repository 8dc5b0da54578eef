/** Sequences between two step loops with caches of their own, under a fake clock: what moves says what it would have said. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromErrorRecord, type FakeClock, type RandomStream, createRandom } from "../../core/index.ts";
import { NgramDrafter, type KvPages, type SamplingOptions } from "../../llm/index.ts";
import type { SequenceEvent, SequenceSpec } from "../messages.ts";
import type { LiveSequence } from "../sequence.ts";
import {
  createBench,
  createLoop,
  said,
  spec,
  tokensOf,
  type Bench,
  type LoopSetup,
} from "../speculation/loop.conformance.ts";
import type { StepLoop } from "../step-loop.ts";
import { TransferDesk } from "./desk.ts";
import type { TransferCall, TransferKind, TransferProtocol } from "./protocol.ts";

const RUNS = 30;
const TIMEOUT_MS = 1000;

/** One engine less its threads. */
interface Side {
  readonly loop: StepLoop;
  readonly desk: TransferDesk;
  readonly kv: KvPages;
  readonly clock: FakeClock;
  readonly events: SequenceEvent[];
  /** Two steps of one engine may not be under way at once; between them everything is checked. */
  step(): Promise<void>;
  ask<K extends TransferKind>(ask: K, args: TransferProtocol[K]["args"]): TransferProtocol[K]["result"];
  check(): void;
}

let benches: readonly [Bench, Bench];
beforeAll(async () => {
  benches = [await createBench(), await createBench()];
});
afterAll(async () => {
  for (const { executor } of benches) await executor.dispose();
});

function createSide(bench: Bench, setup: LoopSetup = {}, handsOff = false): Side {
  const handOff = (sequence: LiveSequence): void => desk.ready(sequence);
  const { loop, kv, clock } = createLoop(bench, { ...setup, ...(handsOff ? { handOff } : {}) });
  const { executor } = bench;
  const prefixCache = setup.prefixCache ?? true;
  const maxRunning = setup.limits?.maxRunning ?? 8;
  const desk = new TransferDesk({ loop, pages: kv, executor, clock, prefixCache, maxRunning, timeoutMs: TIMEOUT_MS });
  const events: SequenceEvent[] = [];
  const check = (): void => {
    loop.checkIntegrity();
    desk.checkIntegrity();
  };
  return {
    loop,
    desk,
    kv,
    clock,
    events,
    check,
    step: async () => {
      events.push(...(loop.hasWork ? await loop.step() : loop.flush()).events);
      check();
    },
    ask: (ask, args) => {
      const answer = desk.answer({ ask, args } as TransferCall);
      check();
      if (!answer.ok) throw fromErrorRecord(answer.error);
      return answer.result as never;
    },
  };
}

async function drain(side: Side): Promise<void> {
  for (let i = 0; side.loop.hasWork; i++) {
    expect(i).toBeLessThan(2000);
    await side.step();
  }
  await side.step();
}

/** Everything that a request says where nobody moves it. */
async function unmoved(request: SequenceSpec): Promise<unknown[]> {
  const side = createSide(benches[0]);
  side.loop.submit(request);
  await drain(side);
  return withoutCosts(said(side.events, request.seq));
}

/** What depends on where it was computed: cached tokens, times, drafts. */
function withoutCosts(events: readonly unknown[]): unknown[] {
  return events.map((event) => {
    const { usage, ...rest } = event as { usage?: Record<string, unknown> };
    if (usage === undefined) return rest;
    const { completionTokens, promptTokens, reasoningTokens } = usage;
    return { ...rest, usage: { completionTokens, promptTokens, reasoningTokens } };
  });
}

/** Moves a sequence in stages, both sides working on between them. False when the source says that it cannot go now. */
async function move(from: Side, to: Side, seq: number, stages: number): Promise<boolean> {
  const exported = from.ask("export", { seq });
  const { id } = exported;
  const known = from.loop.places.find(seq)!;
  const { computed } = known;
  const pages = Math.ceil(computed / from.kv.pageTokens);
  const tokens = Int32Array.from(known.known);
  const target = to.ask("import", { tokens, salt: known.spec.cacheSalt ?? "", pages });
  let done = target.cachedPages;
  for (let stage = 0; stage < stages; stage++) {
    const found = from.loop.places.find(seq);
    if (found === null) {
      expect(() => from.ask("progress", { id })).toThrow("over");
      to.ask("abort", { id: target.id });
      return false;
    }
    const { wholePages, running } = from.ask("progress", { id });
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
    const newcomer = { spec: { ...frozen.spec, seq: seq + 1000, arrivalMs }, state, atMs: to.clock.nowMs() };
    await from.step(); // others go on meanwhile
    to.ask("enter", { id: target.id, newcomer, tail });
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
            if (!full && from.loop.places.find(at.seq) !== null && (await move(from, to, at.seq, random.int(0, 4)))) {
              place.set(original, { side: 1 - at.side, seq: at.seq + 1000 });
            }
          }
        }
        for (const side of sides) await side.step();
        for (const side of sides)
          for (const event of side.events) streams.get(event.seq % 1000)!.push({ ...event, seq: 0 });
        for (const request of list) {
          const own = streams.get(request.seq)!;
          const tokens = own.flatMap((event) => (event.kind === "token" ? [event] : []));
          const order = tokens.toSorted((a, b) => a.token.index - b.token.index);
          const ends = own.filter(({ kind }) => kind === "finish" || kind === "error");
          expect(ends).toHaveLength(1);
          expect(withoutCosts(said([...order, ...ends], 0))).toEqual(await unmoved(request));
        }
        for (const side of sides) expect(side.kv.usedPages).toBe(0);
      }),
      { numRuns: RUNS, seed: 6 },
    );
  }, 120_000);
});

test("placeholder", () => expect(tokensOf([], 0)).toEqual([]));
