/**
 * Processes that stand still for longer than anybody waits for them, and go on (SIGSTOP, SIGCONT; a virtual machine that is
 * paused): a worker in the middle of an answer, source and target of a move, the router. Who comes back holds what others have
 * taken over meanwhile: nothing is said twice, what it still computes ends as soon as it hears, and no page stays in use.
 *
 * By default a few of all cases run; `FLEET_FAULTS=all` runs every one (the environment is a test file's only argument).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { faultsOf } from "./answers.ts";
import type { TestProcess } from "./processes.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { atStage, STAGES, within } from "./stages.ts";
import { PATIENCE_MS, TestFleet } from "./test-fleet.ts";

const isFull = process.env["FLEET_FAULTS"] === "all";
const SEED = 41;
/** So long that they mostly go on when whoever stood still is back. */
const TOKENS = 8000;
const PAGES = 768;
/** Longer than a lease (3 s), and than a move waits for either side (2 s, 5 s). */
const FROZEN_MS = 5500;

let fleet: TestFleet;
let right: string;

beforeAll(async () => {
  fleet = await TestFleet.start({ one: { kvPages: PAGES }, two: { kvPages: PAGES } });
  [right] = (await rightAnswers(fleet.modelDir, [question("right", SEED, TOKENS)])) as [string];
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(({ task }) => {
  for (const { process: worker } of fleet.workers.values()) worker.thaw();
  if (task.result?.state === "fail") console.error(fleet.report());
});

async function frozenFor(one: TestProcess, ms: number): Promise<void> {
  one.freeze();
  await sleep(ms);
  one.thaw();
}

/** It has nothing any more: neither a sequence nor a page. */
async function dropped(id: string): Promise<void> {
  await fleet.until(({ instances }) => {
    const one = instances.find((instance) => instance.id === id);
    return one?.state === "serving" && one.running + one.waiting === 0 && one.usedPages === 0;
  });
}

test("a worker in the middle of an answer: another goes on, and it drops what it had", async () => {
  const { answer, end, at } = await fleet.streaming(question("frozen", SEED, TOKENS));
  await frozenFor(fleet.worker(at).process, FROZEN_MS);
  await dropped(at);
  if (!answer.done) expect((await fleet.request(answer.id))?.instance).toBe(fleet.other(at));
  await end;
  expect(faultsOf(answer, right, false)).toEqual([]);
  await fleet.whole();
  await fleet.quiesced();
});

const MOVES = (["source", "target"] as const).flatMap((who) => STAGES.map((stage) => [who, stage] as const));
const QUICK = new Set(["source commit", "target pages"]);

test.each(MOVES.filter((names) => isFull || QUICK.has(names.join(" "))))(
  "the %s of a move, at its %s",
  async (who, stage) => {
    const { answer, end, at } = await fleet.streaming(question(`frozen-${who}-${stage}`, SEED, TOKENS));
    const way = { source: at, target: fleet.other(at) };
    const frozen = way[who];
    const struck = atStage(fleet, way, stage, "pass", () => fleet.worker(frozen).process.freeze());
    void fleet.move(answer.id, way.target); // who is asked may stand still
    await within(struck, PATIENCE_MS);
    await sleep(FROZEN_MS);
    fleet.worker(frozen).process.thaw();
    await dropped(frozen);
    await end;
    expect(faultsOf(answer, right, false)).toEqual([]);
    await fleet.whole();
    await fleet.quiesced();
  },
);

test("the router: its answers go on where they were", async () => {
  const before = await lostInstances();
  const { answer, end, at } = await fleet.streaming(question("frozen-router", SEED, TOKENS));
  await frozenFor(fleet.router, FROZEN_MS);
  // Leases have run out by its clock; what renewed them was waiting for it.
  expect((await fleet.view()).instances.map(({ state }) => state)).not.toContain("gone");
  if (!answer.done) expect((await fleet.request(answer.id))?.instance ?? at).toBe(at);
  await end;
  expect(faultsOf(answer, right, false)).toEqual([]);
  expect(await lostInstances()).toBe(before);
  await fleet.whole();
  await fleet.quiesced();
});

/** How many instances were lost so far, as the router counts. */
async function lostInstances(): Promise<number> {
  const text = await (await fetch(`${fleet.url}/metrics`)).text();
  return Number(/^punctual_engine_restarts_total\{[^}]*\} (\d+)$/m.exec(text)?.[1]);
}
