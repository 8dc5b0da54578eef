/**
 * A fleet at its limits: a worker that is too slow, caches without a free page, a prompt longer than any cache, disks of a
 * worker and of the broker that are full. Refusals are clear, answers are right, and afterwards every page is free.
 *
 * By default a few of all cases run; `FLEET_FAULTS=all` runs every one (the environment is a test file's only argument).
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ask, faultsOf } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { TestFleet } from "./test-fleet.ts";

/** So few that three answers of 1,000 tokens do not fit into one worker. */
const FEW_PAGES = 160;
const TOKENS = 1000;
/** Of an answer that has a worker for itself, which is fast then: it fits, and lasts until what is to happen has happened. */
const LONE_TOKENS = 2400;
const SEEDS = [51, 52, 53, 54, 55, 56];

let fleet: TestFleet;
let right: ReadonlyMap<number, string>;

beforeAll(async () => {
  fleet = await TestFleet.start({ one: { kvPages: FEW_PAGES }, two: { kvPages: FEW_PAGES } });
  const texts = await rightAnswers(
    fleet.modelDir,
    SEEDS.map((seed) => question("right", seed, TOKENS)),
  );
  right = new Map(SEEDS.map((seed, i) => [seed, texts[i]!]));
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
});

describe("pages", () => {
  test("run out, and every answer is right all the same", async () => {
    const streams = SEEDS.map((seed) => ask(fleet.url, question(`full-${seed}`, seed, TOKENS)));
    const answers = await Promise.all(streams.map(({ end }) => end));
    expect(answers.flatMap((answer, i) => faultsOf(answer, right.get(SEEDS[i]!)!, false))).toEqual([]);
    await fleet.quiesced();
  });

  test("are not there at the target: what should move stays, and goes on", async () => {
    const streams = await Promise.all(SEEDS.map((seed) => fleet.streaming(question(`crowd-${seed}`, seed, TOKENS))));
    for (const { answer, at } of streams) await fleet.move(answer.id, fleet.other(at));
    const answers = await Promise.all(streams.map(({ end }) => end));
    expect(answers.flatMap((answer, i) => faultsOf(answer, right.get(SEEDS[i]!)!, false))).toEqual([]);
    await fleet.quiesced();
  });

  test("would never be enough: the request is refused at once", async () => {
    const prompt = "the ".repeat(FEW_PAGES * 16);
    const { answer, end } = ask(fleet.url, { ...question("too-long", 1, 16), prompt });
    await end;
    expect([answer.errors, answer.pieces]).toEqual([1, 0]);
    expect(answer.error).toMatch(/context_length_exceeded|out_of_memory|invalid_request/);
    await fleet.quiesced();
  });
});

test("a worker that hardly runs holds up its own answers, and nobody's are wrong", async () => {
  const asked = question("slow", SEEDS[0]!, LONE_TOKENS);
  const [text] = await rightAnswers(fleet.modelDir, [asked]);
  const { answer, end, at } = await fleet.streaming(asked);
  const target = fleet.other(at);
  const quicken = fleet.worker(at).process.slow(0.2);
  await fleet.move(answer.id, target);
  await end;
  quicken();
  expect(faultsOf(answer, text!, false)).toEqual([]);
  await fleet.quiesced();
});

test("a drained worker gives away what it has and leaves; it can be started again", async () => {
  const streams = await Promise.all(
    SEEDS.slice(0, 2).map((seed) => fleet.streaming(question(`drain-${seed}`, seed, TOKENS))),
  );
  const leaving = fleet.worker("one");
  await fleet.drain("one");
  const answers = await Promise.all(streams.map(({ end }) => end));
  expect(answers.flatMap((answer, i) => faultsOf(answer, right.get(SEEDS[i]!)!, false))).toEqual([]);
  expect(await leaving.process.ended).toBe(0);
  await fleet.replaceWorker("one", { kvPages: FEW_PAGES });
  await fleet.whole();
  await fleet.quiesced();
});

/** A disk of that size at `dir`, seen by one command only; what it is run under, or null where the system allows no such thing. */
function smallDisk(dir: string, size: string): readonly string[] | null {
  mkdirSync(dir, { recursive: true });
  const mount = ["unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size=${size} none "$0" && exec "$@"`, dir];
  try {
    execFileSync(mount[0]!, [...mount.slice(1), "true"], { stdio: "ignore" });
    return mount;
  } catch {
    return null; // a container without namespaces of its own
  }
}

describe("disks", () => {
  test("of a worker's contexts are full: it forgets prefixes, and nobody notices", async () => {
    const dir = join(fleet.dir, "contexts");
    const under = smallDisk(dir, "96k");
    // Where no small disk can be had, the store's own limit stands for it.
    const limit = under === null ? ["--contexts-bytes", "96000"] : [];
    await fleet.startWorker("three", { more: ["--contexts", dir, ...limit], ...(under === null ? {} : { under }) });
    for (const id of fleet.workers.keys()) if (id !== "three") await fleet.drain(id);
    await fleet.until(({ instances }) => instances.length === 1);
    const asked = Array.from({ length: 12 }, (_, i) => {
      return { ...question(`disk-${i}`, 60 + i, 8), prompt: `${i} ${"kitchen light ".repeat(40)}` };
    });
    const texts = await rightAnswers(fleet.modelDir, asked);
    const answers = [];
    for (const one of asked) answers.push(await ask(fleet.url, one).end);
    expect(answers.flatMap((answer, i) => faultsOf(answer, texts[i]!, false))).toEqual([]);
    await fleet.quiesced();
    expect(fleet.worker("three").process.isRunning).toBe(true);
  });

  test("of the broker have no room for what has to outlive it: who comes is told", async () => {
    const config = `jetstream { store_dir: "${join(fleet.dir, "store")}", max_file_store: 1MB }`;
    const start = TestFleet.start({ only: {} }, [], { jetStream: false, config });
    await expect(start).rejects.toThrow(/insufficient storage/);
  });
});
