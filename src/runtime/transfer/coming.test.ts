/** Sequences that tell of themselves before they leave: pages as they become whole, under a fake clock. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SequenceSpec } from "../messages.ts";
import { createBench, said, spec, type Bench } from "../speculation/loop.conformance.ts";
import {
  codeOf,
  createSide,
  drain,
  TIMEOUT_MS,
  unmoved,
  untilSaid,
  withoutCosts,
  type Side,
} from "./desk-sides.conformance.ts";
import type { LeavingSequence, PageBytes } from "./protocol.ts";

const PROMPT_TOKENS = 150;

let benches: readonly [Bench, Bench];
beforeAll(async () => {
  benches = [await createBench(), await createBench()];
});
afterAll(async () => {
  for (const { executor } of benches) await executor.dispose();
});

const long = (seq: number): SequenceSpec =>
  spec(seq, { promptTokens: Array.from({ length: PROMPT_TOKENS }, (_, i) => 30 + seq + i) });

/** All pages that were told of a sequence by now, and the word that it stands still. */
function toldOf(side: Side, seq: number): { readonly pieces: PageBytes[]; readonly ready: LeavingSequence | null } {
  const pieces: PageBytes[] = [];
  let ready: LeavingSequence | null = null;
  for (const event of side.events) {
    if (event.seq !== seq) continue;
    if (event.kind === "grown" && event.grown.told !== null) pieces.push(event.grown.told);
    if (event.kind !== "ready") continue;
    ready = event.leaving;
    if (ready !== null && ready.told !== null) pieces.push(ready.told);
  }
  return { pieces, ready };
}

/** What its client sees, wherever it was said. */
const saidBy = (sides: readonly Side[], seq: number): unknown[] =>
  withoutCosts(
    said(
      sides.flatMap(({ events }) => events.filter(({ kind }) => ["token", "finish", "error"].includes(kind))),
      seq,
    ),
  );

test("pages are told as they become whole: another engine has them before the first token, and then takes the rest", async () => {
  const [from, to] = [createSide(benches[0], {}, true), createSide(benches[1])];
  from.loop.submit(long(1));
  await from.step();
  expect(from.coming).toHaveLength(1);
  const [{ id, spec: asked, state }] = from.coming as [(typeof from.coming)[0]];
  const pageBytes = benches[0].executor.pageData(0).byteLength;
  const pages = Math.ceil(PROMPT_TOKENS / 8);
  const newcomer = { spec: asked, state, atMs: to.clock.nowMs() };
  const tokens = Int32Array.from(asked.promptTokens);
  const taken = to.ask("import", { tokens, salt: "", pages, holds: true, newcomer });
  expect(to.kv.usedPages).toBe(pages);
  let next = 0;
  const pass = (): void => {
    for (const { first, bytes } of toldOf(from, 1).pieces) {
      if (first < next) continue;
      expect(first).toBe(next);
      to.ask("write", { id: taken.id, first, bytes });
      next += bytes.length / pageBytes;
    }
  };
  const counts: number[] = [];
  while (toldOf(from, 1).ready === null) {
    expect(counts.length).toBeLessThan(20);
    await from.step();
    pass();
    counts.push(next);
  }
  expect(new Set(counts).size).toBeGreaterThan(2);
  expect(next).toBe(pages);
  const ready = toldOf(from, 1).ready!;
  expect([ready.id, ready.pages]).toEqual([id, pages]);
  to.ask("arrive", { id: taken.id, state: ready.state, atMs: to.clock.nowMs(), tail: null });
  from.ask("depart", { id });
  await drain(from);
  await drain(to);
  expect(saidBy([from, to], 1)).toEqual(await unmoved(benches[0], long(1)));
  expect(from.kv.usedPages + to.kv.usedPages).toBe(0);
});

test("what was told is what is there; with a prefix that is cached the first piece has it too", async () => {
  const from = createSide(benches[0], {}, true);
  for (const seq of [1, 2]) {
    // The second finds the prompt of the first in the cache.
    from.loop.submit({ ...long(1), seq });
    await untilSaid(from, seq, 1);
    const { pieces, ready } = toldOf(from, seq);
    const bytes = Buffer.concat(pieces.map((piece) => piece.bytes));
    expect(bytes.equals(from.ask("read", { id: ready!.id, first: 0, count: ready!.pages }))).toBe(true);
    from.ask("depart", { id: ready!.id });
    await from.step();
  }
  expect(from.kv.usedPages).toBe(0);
});

test("one that loses its pages says so, and comes anew; one that ends is forgotten", async () => {
  const from = createSide(benches[0], {}, true);
  from.loop.submit(long(1));
  await from.step();
  const [first] = from.coming;
  from.ask("progress", { id: first!.id });
  from.loop.retract(1);
  await from.step();
  expect(from.events.filter(({ kind }) => kind === "set_back")).toHaveLength(1);
  expect(codeOf(() => from.ask("progress", { id: first!.id }))).toBe("not_found");
  const again = from.coming.at(-1)!;
  expect(again.id).not.toBe(first!.id);
  from.loop.pause(1);
  await from.step();
  expect(from.events.filter(({ kind }) => kind === "set_back")).toHaveLength(2);
  from.loop.resume(1);
  await from.step();
  from.loop.cancel(1);
  await from.step();
  from.desk.tick();
  expect(from.desk.nextDueMs).toBeNull();
  expect(from.kv.usedPages).toBe(0);
});

test("nobody asks in time: it stands still when it is ready, and goes on here when nobody comes then", async () => {
  const from = createSide(benches[0], {}, true);
  from.loop.submit(long(1));
  await from.step();
  from.clock.advance(TIMEOUT_MS + 1);
  from.desk.tick();
  await untilSaid(from, 1, 1);
  const { ready } = toldOf(from, 1);
  expect(ready!.id).not.toBe(from.coming[0]!.id);
  expect(ready!.told!.first).toBe(0);
  from.clock.advance(TIMEOUT_MS + 1);
  from.desk.tick();
  await drain(from);
  expect(saidBy([from], 1)).toEqual(await unmoved(benches[0], long(1)));
});

test("what cannot be held is refused before anything comes, and what does not leave tells nothing", async () => {
  const [from, to] = [createSide(benches[0], {}, true), createSide(benches[1], { pages: 10 })];
  from.loop.submit(spec(2, { maxTokens: 1 }));
  from.loop.submit(long(1));
  await from.step();
  await from.step();
  expect(from.coming.map(({ spec: { seq } }) => seq)).toEqual([1]);
  const { spec: asked } = from.coming[0]!;
  const tokens = Int32Array.from(asked.promptTokens);
  expect(codeOf(() => to.ask("import", { tokens, salt: "", pages: 19, holds: true }))).toBe("out_of_memory");
  expect([to.kv.usedPages, to.loop.places.promised]).toEqual([0, 0]);
  from.loop.cancel(1);
  await from.step();
});
