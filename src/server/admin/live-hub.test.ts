/** An hour of requests in a moment: what the hub keeps stays within its bounds, and slow readers miss only what is gone. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTinyEngine } from "../../../test/support/engine.ts";
import { createRandom } from "../../core/index.ts";
import { CONSOLE_LIMITS, liveEventSchema, type LiveEvent } from "../../protocol/index.ts";
import type { Engine, RequestSummary } from "../../runtime/index.ts";
import { LatencyWindow } from "./latency-window.ts";
import { LiveHub } from "./live-hub.ts";
import type { LiveReader } from "./live-reader.ts";
import { RequestBook } from "./request-book.ts";
import { StepRing } from "./step-ring.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await startTinyEngine();
});
afterAll(() => engine.stop({ graceMs: 0 }));

const slo = { class: "latency", ttftMs: 50, onMiss: "finish" } as const;
const request = (promptTokens: number) => ({ promptTokens: { length: promptTokens }, maxTokens: 9000, slo });
const step = (startMs: number, prefillTokens = 0) => {
  return { startMs, durationMs: 5, prefillTokens, decodeTokens: 4, sequences: 4, budgetTokens: 64, preempted: 0 };
};

function summary(arrivalMs: number, endMs: number, tokens: number): RequestSummary {
  const outcome = { attained: true, ttft_ms: 20, tpot_ms: 5, e2e_ms: endMs - arrivalMs, slack_ms: 30 };
  const times = { arrivalMs, scheduledMs: arrivalMs + 1, firstTokenMs: arrivalMs + 20, lastTokenMs: endMs, endMs };
  const counts = { promptTokens: 10, cachedTokens: 0, completionTokens: tokens };
  return { end: "stop", ...times, ...counts, cause: "end", error: null, outcome };
}

/** A hub whose clock stands until it is moved. */
function makeHub(): { readonly hub: LiveHub; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  const hub = new LiveHub({ clock: { nowMs: () => clock.nowMs }, unixOriginMs: 1e12, serverVersion: "1", sampleMs: 0 });
  hub.add(engine);
  return { hub, clock };
}

const everything = { wants: () => true };

function eventsOf(text: string): LiveEvent[] {
  const lines = text.split("\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => JSON.parse(line.slice(6)) as LiveEvent);
}

/** What has come, each event as the protocol has it. */
const read = (reader: LiveReader): LiveEvent[] => eventsOf(reader.take()).map((event) => liveEventSchema.parse(event));

describe("one hour at five requests a second", () => {
  test("stays within its bounds, whoever reads", () => {
    const { hub, clock } = makeHub();
    const random = createRandom(1, "hour");
    const model = hub.models.get("tiny")!;
    const fast = hub.read(everything);
    hub.read(everything); // never looks
    let rows = 0;
    let longest = 0;
    let heapAfterMinutes = 0;
    for (let second = 0; second < 3600; second++) {
      for (let i = 0; i < 5; i++) {
        const arrivalMs = clock.nowMs + i * 200;
        const record = hub.requests.open(`r${second}-${i}`, "tiny", request(random.int(1, 500)), arrivalMs);
        record.admitted(arrivalMs + 1, 0);
        record.chunk(arrivalMs + 1, 5, 10);
        const tokens = second % 600 === 0 && i === 0 ? 6000 : random.int(1, 60);
        for (let token = 0; token < tokens; token++) record.token(arrivalMs + 20 + token * 5);
        record.ended(summary(arrivalMs, arrivalMs + 20 + tokens * 5, tokens));
        model.steps.note(step(arrivalMs, 10));
      }
      clock.nowMs += 1000;
      hub.tick();
      const events = eventsOf(fast.take());
      rows += events.filter(({ kind }) => kind === "request").length;
      longest = Math.max(longest, events.length);
      expect(events.some(({ kind }) => kind === "dropped")).toBe(false);
      if (second === 300) heapAfterMinutes = process.memoryUsage().heapUsed;
    }
    hub.requests.checkIntegrity();
    expect(hub.requests.size).toBe(CONSOLE_LIMITS.requests);
    expect(rows).toBe(3600 * 5);
    expect(longest).toBeLessThan(30);
    expect(model.sampleCount - model.firstSample).toBe(CONSOLE_LIMITS.samples);
    expect(model.steps.count - model.steps.first).toBe(CONSOLE_LIMITS.steps);
    // The rest of the hour left nothing that the first five minutes had not; collection is the runtime's, so with room.
    expect(process.memoryUsage().heapUsed - heapAfterMinutes).toBeLessThan(64 * 2 ** 20);
    hub.close();
  }, 60_000);

  test("a reader that comes back gets the last word of every request, and is told what is gone", () => {
    const { hub, clock } = makeHub();
    const model = hub.models.get("tiny")!;
    const reader = hub.read(everything);
    read(reader);
    const open = hub.requests.open("open", "tiny", request(3), 0);
    for (let i = 0; i < 3000; i++) {
      model.steps.note(step(i));
      open.token(i);
      clock.nowMs += 2001;
      hub.tick();
    }
    const events = read(reader);
    const sampled = CONSOLE_LIMITS.samples;
    expect(events.filter(({ kind }) => kind === "dropped")).toEqual([
      { kind: "dropped", samples: 3000 - sampled, steps: 3000 - CONSOLE_LIMITS.steps },
    ]);
    expect(events.filter(({ kind }) => kind === "sample")).toHaveLength(sampled);
    expect(events.filter(({ kind }) => kind === "request")).toMatchObject([{ request: { answerTokens: 3000 } }]);
    const steps = events.flatMap((event) => (event.kind === "steps" ? event.steps : []));
    expect(steps.map(({ startMs }) => startMs)).toEqual(Array.from({ length: 2048 }, (_, i) => 952 + i));
    expect(read(reader)).toEqual([]);
    hub.close();
  });
});

test("an idle hub says so now and then, and a model that comes or goes is introduced", () => {
  const { hub, clock } = makeHub();
  const reader = hub.read(everything);
  expect(read(reader).map(({ kind }) => kind)).toEqual(["hello", "sample"]);
  const kinds: string[] = [];
  for (let i = 0; i < 20; i++) {
    clock.nowMs += 250;
    hub.tick();
    kinds.push(...read(reader).map(({ kind }) => kind));
  }
  expect(kinds).toEqual(["sample", "sample"]);
  hub.remove("tiny");
  expect(read(reader)).toMatchObject([{ kind: "hello", models: [] }]);
  clock.nowMs += 5001;
  expect(read(reader)).toMatchObject([{ kind: "hello", models: [] }]);
  hub.switched("tiny", { policy: "edf", previous: "fifo", atMs: 3 });
  expect(read(reader)).toMatchObject([{ kind: "policy", model: "tiny", policy: "edf" }]);
  hub.close();
  expect(() => hub.read(everything)).toThrow(/shutting down/);
});

describe("the book", () => {
  test("forgets the traces first and the requests later, never one that is open", () => {
    const book = new RequestBook({ requests: 10, traces: 4 });
    const open = book.open("stays", "m", request(1), 0);
    for (let i = 0; i < 30; i++) {
      book.open(`r${i}`, "m", request(1), i).ended(summary(i, i + 50, 2));
      book.checkIntegrity();
    }
    expect(book.size).toBe(11);
    expect([19, 20, 25, 26, 29].map((i) => [book.find(`r${i}`) !== null, book.trace(`r${i}`) !== null])).toEqual([
      [false, false],
      [true, false],
      [true, false],
      [true, true],
      [true, true],
    ]);
    open.ended(summary(0, 50, 1));
    expect(book.trace("stays")).toMatchObject({ state: "finished" });
    expect(book.find("r20")).toBe(null);
  });

  test("two open requests of one id are two", () => {
    const book = new RequestBook();
    const ids = ["a", "a", "a"].map((id) => book.open(id, "m", request(1), 0).id);
    expect(ids).toEqual(["a", "a~2", "a~3"]);
  });

  test("a round has every change up to it once", () => {
    const book = new RequestBook();
    const record = book.open("a", "m", request(1), 0);
    const first = book.nextRound();
    expect(book.rowsSince(0, first, () => true)).toHaveLength(1);
    expect(book.rowsSince(first, book.nextRound(), () => true)).toEqual([]);
    record.token(1);
    const later = book.nextRound();
    expect(book.rowsSince(first, later, () => true)).toMatchObject([{ answerTokens: 1 }]);
    expect(book.rowsSince(first, later, () => false)).toEqual([]);
  });

  test("tokens, pieces and interruptions beyond the limits are counted, or not kept", () => {
    const record = new RequestBook().open("a", "m", request(1), 0);
    for (let i = 0; i < 5000; i++) record.token(i);
    for (let i = 0; i < 2000; i++) record.chunk(i, 1, 1);
    for (let i = 0; i < 300; i++) {
      record.interrupted("preempted", i);
      record.resumed(i + 0.5);
    }
    record.interrupted("paused", 900);
    record.interrupted("preempted", 901);
    const trace = record.trace()!;
    expect([trace.tokenMs.length, trace.omittedTokens]).toEqual([4096, 904]);
    expect([trace.chunks.length, trace.omittedChunks]).toEqual([1024, 976]);
    expect(trace.interruptions).toHaveLength(256);
    expect(trace.interruptions.every(({ resumedMs, atMs }) => resumedMs === atMs + 0.5)).toBe(true);
  });
});

test("percentiles are of the window, by nearest rank, and leave out what there is not", () => {
  const window = new LatencyWindow(100, 1000);
  expect(window.at(0)).toEqual({ ttftMs: null, tpotMs: null, e2eMs: null });
  for (let i = 1; i <= 200; i++) window.note(i * 10, { ttftMs: i, tpotMs: Number.NaN, e2eMs: 201 - i });
  const { ttftMs, tpotMs, e2eMs } = window.at(2500);
  // The ring holds 101 to 200; those that ended after 1500 are in the window.
  expect(ttftMs).toEqual({ p50: 175, p90: 195, p99: 200, count: 50 });
  expect(e2eMs).toEqual({ p50: 25, p90: 45, p99: 50, count: 50 });
  expect(tpotMs).toBe(null);
});

test("a ring of steps gives back what it was told, of the last ones", () => {
  const ring = new StepRing(3);
  for (let i = 0; i < 5; i++) ring.note({ ...step(i, i), ...(i === 4 ? { phase: "decode" as const } : {}) });
  expect([ring.first, ring.count, ring.prefillTokens]).toEqual([2, 5, 10]);
  expect(ring.slice(2, 5)).toEqual([step(2, 2), step(3, 3), { ...step(4, 4), phase: "decode" }]);
  expect(() => ring.slice(1, 5)).toThrow(/are there/);
});
