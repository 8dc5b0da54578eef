import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { sleep } from "./clock.ts";
import { SignalFan } from "./signal-fan.ts";
import { LiveStream } from "./stream.ts";
import type { FinishEvent, TokenEvent } from "./types.ts";

const token = (index: number): TokenEvent => ({ kind: "token", id: index, index, text: "x", section: "text", atMs: 0 });
const finish: FinishEvent = {
  kind: "finish",
  reason: "length",
  cause: "max_tokens",
  text: "",
  section: "text",
  usage: {
    promptTokens: 1,
    completionTokens: 1,
    cachedTokens: 0,
    reasoningTokens: 0,
    slo: { attained: true, ttft_ms: 1, tpot_ms: null, e2e_ms: 1, slack_ms: null },
  },
  atMs: 0,
};

function create(limit = 8, stallMs = 10_000, signal?: AbortSignal) {
  const calls: string[] = [];
  const fan = new SignalFan();
  const stream = new LiveStream(
    "s",
    {
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
      abandon: () => calls.push("abandon"),
    },
    { limit, stallMs, ...(signal === undefined ? {} : { onCancel: (cancel) => fan.listen(signal, cancel) }) },
  );
  return { stream, calls };
}

async function failure(stream: LiveStream): Promise<unknown> {
  try {
    await stream.next();
    return null;
  } catch (error) {
    return error;
  }
}

test("events come in order, before and after somebody waits, and then it ends", async () => {
  const { stream, calls } = create();
  stream.push(token(0));
  const seen: (number | string)[] = [];
  const reading = (async () => {
    for await (const event of stream) seen.push(event.kind === "token" ? event.index : event.kind);
  })();
  await Promise.resolve();
  stream.push(token(1));
  stream.push(token(2));
  stream.push(finish);
  stream.push(token(3));
  await reading;
  expect(seen).toEqual([0, 1, 2, "finish"]);
  expect(calls).toEqual([]);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

test("a slow reader pauses its sequence above the limit and resumes it at a quarter", async () => {
  const { stream, calls } = create(8);
  for (let i = 0; i < 12; i++) stream.push(token(i));
  expect(calls).toEqual(["pause"]);
  for (let i = 0; i < 9; i++) await stream.next();
  expect(calls).toEqual(["pause"]);
  await stream.next();
  expect(calls).toEqual(["pause", "resume"]);
  for (let i = 0; i < 12; i++) stream.push(token(i));
  expect(calls).toEqual(["pause", "resume", "pause"]);
});

test("a reader that stays away loses the request, but not what it had", async () => {
  const { stream, calls } = create(2, 5);
  for (let i = 0; i < 3; i++) stream.push(token(i));
  await sleep(30);
  expect(calls).toEqual(["pause", "abandon"]);
  for (let i = 0; i < 3; i++) expect((await stream.next()).value).toMatchObject({ index: i });
  expect(await failure(stream)).toMatchObject({ code: "request_timeout" });
});

test("cancelling throws once, drops what was unread, and tells the engine once", async () => {
  const controller = new AbortController();
  const { stream, calls } = create(8, 1000, controller.signal);
  stream.push(token(0));
  controller.abort();
  stream.cancel();
  expect(calls).toEqual(["abandon"]);
  expect(await failure(stream)).toMatchObject({ code: "cancelled" });
  expect((await stream.next()).done).toBe(true);
});

test("leaving the loop frees the request without an error", async () => {
  const { stream, calls } = create();
  stream.push(token(0));
  stream.push(token(1));
  for await (const event of stream) {
    expect(event.kind).toBe("token");
    break;
  }
  expect(calls).toEqual(["abandon"]);
  expect((await stream.next()).done).toBe(true);
});

test("the first end counts, and an error comes after what was made before it", async () => {
  const { stream, calls } = create();
  stream.push(token(0));
  stream.fail(new PunctualError("engine_failed", "gone"));
  stream.fail(new PunctualError("shutting_down", "too late"));
  stream.push(token(1));
  stream.cancel();
  expect((await stream.next()).value).toMatchObject({ index: 0 });
  expect(await failure(stream)).toMatchObject({ code: "engine_failed" });
  expect((await stream.next()).done).toBe(true);
  expect(calls).toEqual([]);
});

test("one signal cancels many streams through one listener, and only those still open", () => {
  const controller = new AbortController();
  const fan = new SignalFan();
  const cancelled: number[] = [];
  const undo = Array.from({ length: 40 }, (_, i) => fan.listen(controller.signal, () => cancelled.push(i)));
  for (const close of undo.slice(2)) close();
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  controller.abort();
  expect(cancelled).toEqual([0, 1]);
});
