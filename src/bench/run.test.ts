import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDouble, type Double } from "../../test/support/openai-double.ts";
import type { TraceRequest } from "../workload/index.ts";
import { latencies, runLoad, wireRequest, type Outcome, type RunOptions, type ScheduledRequest } from "./index.ts";
import { createRandom } from "../core/index.ts";

let double: Double;
beforeEach(async () => {
  double = await startDouble();
});
afterEach(() => double.stop());

const timing = {
  clock: { nowMs: () => performance.now() },
  sleep: (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      if (signal?.aborted === true) resolve();
    }),
};
const due = (id: number, dueMs = 0, more: Partial<TraceRequest> = {}): ScheduledRequest => ({
  request: { id, arrivalMs: dueMs, promptTokens: 4, outputTokens: 3, ...more },
  dueMs,
});

async function load(
  schedule: readonly ScheduledRequest[],
  more: Partial<RunOptions> & { readonly endpoint?: "chat" | "completions" } = {},
): Promise<{ outcomes: Outcome[]; summary: Awaited<ReturnType<typeof runLoad>> }> {
  const { endpoint = "completions", ...rest } = more;
  const outcomes: Outcome[] = [];
  const wire = {
    endpoint,
    model: "double",
    form: { kind: "text", scale: { tokensPerWord: 1, overheadTokens: 0 } },
    blockTokens: 0,
    ignoreEos: false,
    runningUsage: true,
    sloForm: "body",
    extraBody: {},
    idPrefix: "t-",
  } as const;
  const summary = await runLoad({
    target: { url: double.url, endpoint, headers: { authorization: "Bearer k" } },
    timing,
    schedule,
    wireOf: ({ request }) => wireRequest(request, wire, createRandom(1)),
    maxConcurrency: Infinity,
    timeoutMs: 20_000,
    keepText: true,
    onOutcome: (outcome) => outcomes.push(outcome),
    ...rest,
  });
  return { outcomes: outcomes.toSorted((a, b) => a.request.id - b.request.id), summary };
}
const only = async (manner: ReturnType<Double["manner"]>, more: Parameters<typeof load>[1] = {}): Promise<Outcome> => {
  double.manner = () => manner;
  return (await load([due(0)], more)).outcomes[0]!;
};

describe("an answer", () => {
  test.each(["chat", "completions"] as const)("of %s: tokens by the running count", async (endpoint) => {
    const outcome = await only({ chunks: [1, 3, 2], usage: "running", roleFirst: true }, { endpoint });
    expect(outcome).toMatchObject({
      failure: null,
      promptTokens: 7,
      outputTokens: 6,
      counted: "running usage",
      chunkTokens: [1, 3, 2],
      finishReason: "stop",
      text: "xxxxxx",
    });
    expect(double.seen[0]!.path).toBe(endpoint === "chat" ? "/v1/chat/completions" : "/v1/completions");
    expect(double.seen[0]!.headers).toMatchObject({ authorization: "Bearer k", "x-request-id": "t-0" });
    expect(double.seen[0]!.body).toMatchObject({
      model: "double",
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
  });

  test("counts at the end, counts in the last chunk, and no counts at all", async () => {
    expect(await only({ chunks: [2, 2], usage: "final" })).toMatchObject({
      outputTokens: 4,
      counted: "final usage",
      chunkTokens: [1, 1],
    });
    expect(await only({ chunks: [2, 2, 1], usage: "last choice" })).toMatchObject({
      outputTokens: 5,
      counted: "final usage",
      chunkTokens: [1, 1, 1],
    });
    expect(await only({ chunks: [2, 2], usage: "none" })).toMatchObject({
      outputTokens: 2,
      counted: "chunks",
      promptTokens: null,
    });
  });

  test("an empty first chunk with the role is not the first token", async () => {
    const outcome = await only({ roleFirst: true, gapMs: 30 }, { endpoint: "chat" });
    expect(latencies(outcome).ttftMs).toBeGreaterThan(latencies({ ...outcome, firstMs: outcome.ackMs }).ttftMs + 10);
    expect(outcome.chunkMs).toHaveLength(3);
  });

  test("times are in order, and the last token ends it", async () => {
    const { sentMs, ackMs, firstMs, endMs, chunkMs } = await only({ gapMs: 5, waitMs: 5 });
    expect(sentMs).toBeLessThan(ackMs!);
    expect(ackMs!).toBeLessThanOrEqual(firstMs!);
    expect(chunkMs).toEqual(chunkMs.toSorted((a, b) => a - b));
    expect([firstMs, endMs]).toEqual([chunkMs[0], chunkMs[2]]);
  });

  test("without a stream everything comes at once", async () => {
    for (const endpoint of ["chat", "completions"] as const) {
      const outcome = await only({ plain: true }, { endpoint });
      expect(outcome).toMatchObject({ failure: null, outputTokens: 3, text: "all at once", finishReason: "stop" });
      expect(outcome.firstMs).toBe(outcome.endMs);
    }
  });

  test("a server that leaves out [DONE] but gives a reason has answered", async () => {
    expect((await only({ end: "no done" })).failure).toBeNull();
  });
});

describe("failures by kind", () => {
  test.each([
    [
      { status: 429, retryAfterS: 3 },
      { kind: "status", status: 429, message: "refused with 429", retryAfterMs: 3000 },
    ],
    [{ status: 503 }, { kind: "status", status: 503, retryAfterMs: null }],
    [{ end: "cut" }, { kind: "stream_cut", status: 200 }],
    [{ end: "reset" }, { kind: "stream_cut", status: 200 }],
    [{ end: "error" }, { kind: "stream_error", message: "the engine broke" }],
    [{ end: "garbage" }, { kind: "bad_stream" }],
    [{ chunks: [0], usage: "final" }, { kind: "empty" }],
  ] as const)("%o", async (manner, failure) => {
    expect((await only(manner)).failure).toMatchObject(failure);
  });

  test("what came before a cut is kept", async () => {
    expect(await only({ chunks: [1, 1], end: "cut", usage: "running" })).toMatchObject({
      outputTokens: 2,
      chunkTokens: [1, 1],
    });
  });

  test("a stream that hangs is given up in time, and the server sees it go", async () => {
    expect((await only({ end: "hang", chunks: [1] }, { timeoutMs: 60 })).failure).toMatchObject({ kind: "timeout" });
    for (let i = 0; i < 100 && double.aborted() === 0; i++) await timing.sleep(10);
    expect(double.aborted()).toBe(1);
  });

  test("nobody there", async () => {
    await double.stop();
    expect((await load([due(0)])).outcomes[0]!.failure).toMatchObject({ kind: "connection", status: 0 });
  });

  test("a trace's own cancellation is no failure", async () => {
    double.manner = () => ({ end: "hang", chunks: [1] });
    const { outcomes } = await load([due(0, 0, { cancelAfterMs: 40 })]);
    expect(outcomes[0]).toMatchObject({ failure: null, cancelled: true });
  });
});

describe("load", () => {
  test("an open loop sends when requests are due, whatever the server does", async () => {
    double.manner = () => ({ waitMs: 150 });
    const { outcomes, summary } = await load([due(0, 0), due(1, 20), due(2, 40), due(3, 40)]);
    for (const { dueMs, sentMs } of outcomes) expect(sentMs).toBeGreaterThanOrEqual(dueMs - 0.5);
    expect(outcomes[3]!.sentMs).toBeLessThan(outcomes[0]!.endMs);
    expect(summary).toMatchObject({ sent: 4, peakConcurrency: 4, saturated: false });
  });

  test("a closed loop keeps so many under way, over kept connections", async () => {
    let most = 0;
    double.manner = () => {
      most = Math.max(most, double.underWay());
      return { gapMs: 2 };
    };
    const { outcomes, summary } = await load(
      Array.from({ length: 30 }, (_, id) => due(id)),
      { maxConcurrency: 3 },
    );
    expect(outcomes.every(({ failure }) => failure === null)).toBe(true);
    expect(most).toBe(3);
    expect(summary.peakConcurrency).toBe(3);
    expect(double.connections()).toBeLessThanOrEqual(6);
  });

  test("a closed loop does not read its schedule ahead", async () => {
    double.manner = () => ({ gapMs: 2 });
    let read = 0;
    const ends: number[] = [];
    const schedule = function* (): Generator<ScheduledRequest> {
      for (let id = 0; id < 20; id++) {
        read += 1;
        expect(read - ends.length).toBeLessThanOrEqual(4);
        yield due(id);
      }
    };
    await load(schedule() as unknown as ScheduledRequest[], { maxConcurrency: 2, onOutcome: () => void ends.push(1) });
    expect([read, ends.length]).toEqual([20, 20]);
  });

  test("calls of a task wait for those before them, and for thinking", async () => {
    const task = (stage: number, after: number[], thinkMs = 0) => ({ task: { id: 9, stage, after, thinkMs } });
    double.manner = () => ({ gapMs: 3 });
    const { outcomes } = await load([
      due(0, 5, task(0, [])),
      due(1, 5, task(0, [])),
      due(2, 5, task(1, [0, 1], 30)),
      due(3, 5, task(2, [2])),
    ]);
    const [a, b, c, d] = outcomes as [Outcome, Outcome, Outcome, Outcome];
    expect(c.sentMs).toBeGreaterThanOrEqual(Math.max(a.endMs, b.endMs) + 25);
    expect(d.sentMs).toBeGreaterThanOrEqual(c.endMs);
    // Waiting for the task is no lateness of the client.
    expect(latencies(c).queueMs).toBeLessThan(25);
    expect(double.seen[2]!.headers).toMatchObject({ "x-task-id": "t-9", "x-task-stage": "1" });
  });

  test("when a call fails, those that waited for it are not sent", async () => {
    const task = (stage: number, after: number[]) => ({ task: { id: 0, stage, after, thinkMs: 0 } });
    double.manner = (request) => (request === 0 ? { status: 500 } : {});
    const { outcomes, summary } = await load([
      due(0, 0, task(0, [])),
      due(1, 0, task(1, [0])),
      due(2, 0, task(2, [1])),
      due(3),
    ]);
    expect(outcomes.map(({ failure }) => failure?.kind ?? null)).toEqual([
      "status",
      "task_failed",
      "task_failed",
      null,
    ]);
    expect(summary).toMatchObject({ sent: 2, sentOnSchedule: 2 });
  });

  test("stopping gives up what is under way and never sends the rest", async () => {
    const stop = new AbortController();
    double.manner = () => ({ end: "hang", chunks: [1] });
    const task = { task: { id: 0, stage: 1, after: [0], thinkMs: 5 } };
    const first = { task: { id: 0, stage: 0, after: [], thinkMs: 0 } };
    const running = load([due(0, 0, first), due(1, 0, task), due(2), due(3), due(4, 60_000)], {
      maxConcurrency: 2,
      signal: stop.signal,
    });
    for (let i = 0; i < 200 && double.underWay() < 2; i++) await timing.sleep(5);
    stop.abort();
    const { outcomes, summary } = await running;
    expect(summary.sent).toBe(2);
    const kinds = Object.fromEntries(outcomes.map(({ request, failure }) => [request.id, failure?.kind]));
    expect(kinds).toMatchObject({ 0: "stopped", 2: "stopped" });
    expect(outcomes.every(({ failure }) => failure !== null)).toBe(true);
  });

  test("objectives go in the body, in headers, or not at all", () => {
    const request = due(1, 0, {
      slo: { class: "deadline", ttftMs: 5, deadlineMs: 10, onMiss: "cut" },
      priority: 2,
    }).request;
    const options = {
      endpoint: "completions",
      model: "m",
      form: { kind: "ids", range: { low: 5, size: 3 } },
      blockTokens: 0,
      ignoreEos: true,
      runningUsage: false,
      sloForm: "body",
      extraBody: { temperature: 0 },
      idPrefix: "",
    } as const;
    const wire = (sloForm: "body" | "headers" | "none") =>
      wireRequest(request, { ...options, sloForm }, createRandom(1));
    const body = JSON.parse(wire("body").body) as Record<string, unknown>;
    expect(body).toMatchObject({
      slo: { class: "deadline", ttft_ms: 5, deadline_ms: 10, on_miss: "cut" },
      priority: 2,
      ignore_eos: true,
      min_tokens: 3,
      max_tokens: 3,
      temperature: 0,
      stream_options: { include_usage: true },
    });
    expect(body["prompt"]).toHaveLength(4);
    expect(wire("headers").headers).toMatchObject({
      "x-slo-class": "deadline",
      "x-slo-ttft-ms": "5",
      "x-slo-on-miss": "cut",
    });
    expect(JSON.parse(wire("none").body)).not.toHaveProperty("slo");
    expect(Object.keys(wire("none").headers)).toEqual(["x-request-id"]);
  });
});
