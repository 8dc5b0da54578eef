import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { after, liveClock, sleep } from "./clock.ts";

test("every thread reads the same live clock, and it is the process's monotonic one", async () => {
  const url = new URL("../../dist/runtime/clock.js", import.meta.url).href;
  const code = `
    import { parentPort } from "node:worker_threads";
    const { liveClock } = await import(${JSON.stringify(url)});
    parentPort.once("message", () => parentPort.postMessage(liveClock.nowMs()));
    parentPort.postMessage("ready");`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  await new Promise((resolve) => worker.once("message", resolve));
  const beforeMs = liveClock.nowMs();
  const answer = new Promise<number>((resolve) => worker.once("message", resolve));
  worker.postMessage("now");
  const sharedMs = await answer;
  const afterMs = liveClock.nowMs();
  // A reading is exact to the microseconds of the offset's measurement.
  expect(sharedMs).toBeGreaterThan(beforeMs - 0.1);
  expect(sharedMs).toBeLessThan(afterMs + 0.1);
  const monotonicMs = Number(process.hrtime.bigint()) / 1e6;
  expect(Math.abs(liveClock.nowMs() - monotonicMs)).toBeLessThan(5);
  await worker.terminate();
});

test("sleep ends early on a signal, and a call that is undone never comes", async () => {
  const controller = new AbortController();
  const startMs = liveClock.nowMs();
  let called = false;
  const undo = after(5, () => {
    called = true;
  });
  undo();
  const early = after(10, () => controller.abort());
  await sleep(10_000, controller.signal);
  early();
  expect(liveClock.nowMs() - startMs).toBeLessThan(5000);
  expect(called).toBe(false);
});
