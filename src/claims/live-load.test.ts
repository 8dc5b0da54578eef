/** Loops over a real engine: what is sent, and what is told of it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { Engine, liveClock, type GenerateRequest } from "../runtime/index.ts";
import { closedLoop, openLoop } from "./live-load.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.start({ model: { random: TINY, seed: 3 }, budgetTokens: 32, maxRunning: 4 });
});
afterAll(() => engine.stop({ graceMs: 0 }));

const request = (maxTokens: number): GenerateRequest => ({
  promptTokens: [40, 41, 42],
  maxTokens,
  ignoreEos: true,
  sampling: { temperature: 0 },
});

test("a closed loop has one request per client at a time, and cancels what is left", async () => {
  const asked: [client: number, first: boolean][] = [];
  const run = await closedLoop(engine, {
    clients: 3,
    windowMs: 20,
    leastAnswers: 6,
    clock: liveClock,
    request: (client, first) => {
      asked.push([client, first]);
      return request(8 + client);
    },
  });
  expect(run.requests).toHaveLength(asked.length);
  expect(asked.filter(([, first]) => first).map(([client]) => client)).toEqual([0, 1, 2]);
  expect(run.toMs - run.fromMs).toBeGreaterThanOrEqual(20);
  expect(run.requests.filter(({ done }) => done).length).toBeGreaterThanOrEqual(3 + 6);
  expect(run.requests.filter(({ done }) => !done).length).toBeLessThanOrEqual(3);
  for (const { arrivalMs, tokenMs, done, promptTokens } of run.requests) {
    expect(promptTokens).toBe(3);
    if (done) expect([8, 9, 10]).toContain(tokenMs.length);
    for (const at of tokenMs) expect(at).toBeGreaterThan(arrivalMs);
  }
  const lengthOf = (client: number) =>
    run.requests.filter(({ tokenMs, done }) => done && tokenMs.length === 8 + client);
  for (const client of [0, 1, 2]) {
    const own = lengthOf(client);
    for (let i = 1; i < own.length; i++) expect(own[i]!.arrivalMs).toBeGreaterThan(own[i - 1]!.tokenMs.at(-1)!);
  }
});

test("an open loop counts from when a request was due", async () => {
  const beforeMs = liveClock.nowMs();
  const arrivals = [0, 5, 5, 20].map((atMs, i) => ({ atMs, request: request(2 + i) }));
  const run = await openLoop(engine, arrivals, liveClock);
  expect(run.requests.map(({ tokenMs }) => tokenMs.length)).toEqual([2, 3, 4, 5]);
  expect(run.requests.every(({ done }) => done)).toBe(true);
  expect(run.requests.map(({ arrivalMs }) => arrivalMs - run.fromMs).map(Math.round)).toEqual([0, 5, 5, 20]);
  expect(run.fromMs).toBeGreaterThanOrEqual(beforeMs);
  expect(run.toMs).toBeGreaterThanOrEqual(run.requests.at(-1)!.tokenMs.at(-1)!);
});
