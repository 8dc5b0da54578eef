import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import {
  detectFormat,
  readRecording,
  recordingLine,
  RecordingReader,
  recordingTrace,
  type RecordingLine,
} from "./index.ts";

const HEAD: RecordingLine = {
  kind: "head",
  version: 1,
  name: "run",
  model: "m",
  policy: "fifo",
  blockTokens: 16,
  startedAt: "2026-01-01T00:00:00Z",
  engine: { pages: 4 },
};
const REQUEST = { kind: "request", id: 5, atMs: 100, promptTokens: 20, maxTokens: 64 } as const;
const LINES: readonly RecordingLine[] = [
  HEAD,
  { ...REQUEST, slo: { class: "latency", ttftMs: 50, onMiss: "finish" }, hashIds: [2 ** 51 + 1], step: 0 },
  { ...REQUEST, id: 6, atMs: 110, task: { id: "job", stage: 0 }, priority: 2 },
  { kind: "step", step: 0, atMs: 111, stepMs: 4.5, decision: { plan: { advance: [] } } },
  { ...REQUEST, id: 7, atMs: 115, promptIds: [1, 2, 3], session: 4 },
  { kind: "cancel", id: 5, atMs: 130, step: 1 },
  { kind: "end", id: 5, atMs: 131, reason: "cancelled", outputTokens: 1, firstTokenMs: 120, step: 1 },
  { kind: "end", id: 6, atMs: 140, reason: "stop", outputTokens: 9, firstTokenMs: 121, outputIds: [1, 2] },
  { ...REQUEST, id: 8, atMs: 190, task: { id: "job", stage: 1 } },
  { kind: "end", id: 8, atMs: 200, reason: "rejected", outputTokens: 0, firstTokenMs: null },
];
/** What version 1 does not have. */
const LANES: readonly RecordingLine[] = [
  { ...HEAD, version: 2 },
  REQUEST,
  { kind: "policy", atMs: 101, policy: "edf", options: {}, outlook: "mean" },
  { kind: "begin", lane: 1, atMs: 102, maxRunning: 0, reservedPages: 3 },
  { kind: "computed", lane: 1 },
  { kind: "step", step: 0, lane: 1, atMs: 102, stepMs: 3, tokenMs: 104, drafts: [[5, 3, 2, 1]], draftingMs: 0.5 },
  { kind: "handover", id: 5, state: "begun" },
  { kind: "handover", id: 5, state: "done" },
  { kind: "move", id: 5, lane: 2 },
  { kind: "retract", id: 5 },
];
/** What version 2 does not have. */
const ROUTES: readonly RecordingLine[] = [
  { ...HEAD, version: 3 },
  { ...REQUEST, adapter: "polite" },
  { ...REQUEST, id: 6, compute: "auto" },
  { ...REQUEST, id: 7, compute: 0.75 },
  { ...REQUEST, id: 8, keepLayers: [0, 3] },
  { kind: "route", id: 6, layers: 4, skipped: [] },
  { kind: "route", id: 8, layers: 4, skipped: [1, 2] },
];
const text = (lines: readonly RecordingLine[]): string => lines.map(recordingLine).join("");
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof PunctualError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
};

describe("recordings", () => {
  test("what is written is read again, in order and by kind", () => {
    expect(detectFormat(text(LINES))).toBe("recording");
    const recording = readRecording(text(LINES));
    expect([recording.head, ...recording.lines]).toEqual(LINES);
    expect(recording.requests.map(({ id }) => id)).toEqual([5, 6, 7, 8]);
    expect([recording.steps.length, recording.cancels.length, recording.ends.length]).toEqual([1, 1, 3]);
  });

  test("lanes, drafts and switches of the policy too", () => {
    const recording = readRecording(text(LANES));
    expect([recording.head, ...recording.lines]).toEqual(LANES);
    const refused = (line: unknown): string => message(() => readRecording(`${text(LANES)}${JSON.stringify(line)}\n`));
    expect(refused({ kind: "computed", lane: 64 })).toContain("lane: expected a number below 64");
    expect(refused({ kind: "move", id: 9, lane: 0 })).toContain("the id of a request above");
    expect(refused({ kind: "handover", id: 5, state: "lost" })).toContain("state: expected begun or done");
    const step = { kind: "step", step: 1, atMs: 103, stepMs: 1 };
    for (const draft of [[5, 1, 2, 1], [5, 3, 1, 3], [5, 1], "5"]) {
      expect(refused({ ...step, drafts: [draft] })).toMatch(/drafts\[0\]/);
    }
  });

  test("adapters and layer routes too, also as a trace", () => {
    const recording = readRecording(text(ROUTES));
    expect([recording.head, ...recording.lines]).toEqual(ROUTES);
    const { requests } = recordingTrace(recording);
    expect(requests.map(({ adapter }) => adapter)).toEqual(["polite", undefined, undefined, undefined]);
    const routes = [undefined, { layers: 4, kept: 4 }, undefined, { layers: 4, kept: 2 }];
    expect(requests.map(({ route }) => route)).toEqual(routes);
    const refused = (line: unknown): string => message(() => readRecording(`${text(ROUTES)}${JSON.stringify(line)}\n`));
    expect(refused({ kind: "route", id: 9, layers: 4, skipped: [] })).toContain("the id of a request above");
    expect(refused({ ...REQUEST, id: 9, compute: "some" })).toContain("compute");
    expect(refused({ ...REQUEST, id: 9, adapter: 3 })).toContain("adapter: expected a string");
    for (const skipped of [[2, 1], [4], [0, 1, 2, 3], "1"]) {
      expect(refused({ kind: "route", id: 7, layers: 4, skipped })).toContain("skipped");
    }
    expect(refused({ kind: "route", id: 7, layers: 0, skipped: [] })).toContain("layers: expected a number from 1");
  });

  test("in any chunks", () => {
    const whole = text(LINES);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 30 }), (cuts) => {
        const reader = new RecordingReader();
        const borders = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const lines = borders.flatMap((at, i) => reader.push(whole.slice(at, borders[i + 1] ?? whole.length)));
        expect([...lines, ...reader.end()]).toEqual(LINES);
      }),
      { seed: 4, numRuns: 60 },
    );
  });

  test("as a trace: arrivals from 0, tasks with their thinking time, limits where an answer did not end by itself", () => {
    const trace = recordingTrace(readRecording(text(LINES)));
    expect(trace).toMatchObject({ name: "run", source: "recording", blockTokens: 16 });
    expect(trace.requests).toEqual([
      {
        id: 0,
        arrivalMs: 0,
        promptTokens: 20,
        outputTokens: 64,
        hashIds: [2 ** 51 + 1],
        slo: { class: "latency", ttftMs: 50, onMiss: "finish" },
        cancelAfterMs: 30,
      },
      {
        id: 1,
        arrivalMs: 10,
        promptTokens: 20,
        outputTokens: 9,
        priority: 2,
        task: { id: 0, stage: 0, after: [], thinkMs: 0 },
      },
      { id: 2, arrivalMs: 15, promptTokens: 20, outputTokens: 64, session: 4, promptIds: [1, 2, 3] },
      { id: 3, arrivalMs: 90, promptTokens: 20, outputTokens: 64, task: { id: 0, stage: 1, after: [1], thinkMs: 50 } },
    ]);
  });

  test("refusals name line and field", () => {
    const read = (...lines: unknown[]) =>
      message(() => readRecording(lines.map((line) => JSON.stringify(line)).join("\n"), "r.jsonl"));
    expect(read()).toContain('r.jsonl line 1: kind: expected "head", got "nothing"');
    expect(read(REQUEST)).toContain('kind: expected "head" first');
    expect(read(HEAD, HEAD)).toContain("one head only");
    expect(read({ ...HEAD, version: 9 })).toContain("unsupported: r.jsonl: versions 1, 2, 3");
    expect(read(HEAD, REQUEST, REQUEST)).toContain("r.jsonl line 3: id: expected an id that has not come before");
    expect(read(HEAD, LINES[5])).toContain("the id of a request above");
    const end = { ...LINES[6]!, id: 5 };
    expect(read(HEAD, REQUEST, end, end)).toContain("one end per request");
    expect(read(HEAD, REQUEST, { ...end, reason: "bored" })).toContain("reason: expected stop, length");
    expect(read(HEAD, { ...REQUEST, atMs: "1" })).toContain("atMs: expected milliseconds as a number");
    expect(read(HEAD, { ...REQUEST, id: 1.5 })).toContain("id: expected a whole number");
    expect(read(HEAD, { ...REQUEST, slo: { class: "latency", onMiss: "wait" } })).toContain("slo.onMiss");
    expect(read(HEAD, { kind: "lunch" })).toContain("kind: expected head, request");
  });

  test.each([{ lines: LINES }, { lines: LANES }, { lines: ROUTES }])(
    "damaged text is read or refused, never worse",
    ({ lines }) => {
      const whole = text(lines);
      fc.assert(
        fc.property(fc.nat(whole.length), fc.nat(12), fc.string({ maxLength: 6 }), (at, drop, insert) => {
          const outcome = message(() =>
            recordingTrace(readRecording(whole.slice(0, at) + insert + whole.slice(at + drop))),
          );
          expect(outcome).toMatch(/^(accepted|invalid_file|unsupported)/);
        }),
        { seed: 7, numRuns: 300 },
      );
    },
  );
});
