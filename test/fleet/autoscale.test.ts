/**
 * A fleet that a router keeps as large as load asks for: workers are started by a command and drained by the router's word, with
 * requests under way all the time. Every answer is right, and who leaves ends by itself.
 *
 * By default one that dies is not waited for; `FLEET_FAULTS=all` runs that as well (the environment is a test file's only
 * argument).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { FleetScalingView, FleetView } from "../../src/protocol/index.ts";
import { root } from "../support/process.ts";
import { ask, faultsOf, type Answer } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { MODEL, TestFleet } from "./test-fleet.ts";

/** Pages of each worker: eight requests are too many for one, five are enough to keep two, two long ones fit into one. */
const PAGES = 512;
const RANGE = "1..2,1100..4000";
const SEEDS = [81, 82, 83, 84, 85, 86, 87, 88];
const TOKENS = 300;
const LONG_TOKENS = 2500;

let fleet: TestFleet;
let right: readonly string[];
let long: readonly string[];

/** A worker that leaves its pid behind: nobody else here knows it. */
const commandFor = ({ dir, modelDir }: { readonly dir: string; readonly modelDir: string }): string =>
  `echo $$ > '${dir}/{id}.pid'; exec '${process.execPath}' '${join(root, "dist/cli/main.js")}' worker ` +
  `--model ${MODEL}='${modelDir}' --id {id} --kv-pages ${PAGES} --threads 1`;

/** Every process that the router has started and that lives. */
function living(): readonly number[] {
  if (fleet === undefined || !existsSync(fleet.dir)) return [];
  const files = readdirSync(fleet.dir).filter((file) => file.endsWith(".pid"));
  return files.map((file) => Number(readFileSync(join(fleet.dir, file), "utf8"))).filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function killAll(): void {
  for (const pid of living()) process.kill(pid, "SIGKILL");
}

process.on("exit", killAll); // whatever ends this process ends them

beforeAll(async () => {
  fleet = await TestFleet.start({}, (folders) => {
    return ["--scale", RANGE, "--scale-every", "1", "--scale-command", commandFor(folders)];
  });
  const asked = SEEDS.map((seed) => question("right", seed, TOKENS));
  right = await rightAnswers(fleet.modelDir, asked);
  long = await rightAnswers(
    fleet.modelDir,
    SEEDS.slice(0, 2).map((seed) => question("long", seed, LONG_TOKENS)),
  );
});
afterAll(async () => {
  killAll();
  await fleet?.[Symbol.asyncDispose]();
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
});

const serving = ({ instances }: FleetView): readonly string[] =>
  instances.filter(({ state }) => state === "serving").map(({ id }) => id);

/** Asks the same again and again while `more` says so. */
async function client(seed: number, more: () => boolean): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; more(); i++) answers.push(await ask(fleet.url, question(`load-${seed}-${i}`, seed, TOKENS)).end);
  return answers;
}

async function scaling(): Promise<FleetScalingView> {
  return (await fleet.view()).scaling!;
}

test("it begins with the fewest, grows under load, shrinks when load goes, and loses nothing", async () => {
  // Who is there is in the directory at once, and counted as started when the router looks next.
  await fleet.until((view) => serving(view).length === 1 && view.scaling!.started === 1);
  expect(await scaling()).toMatchObject({ isActive: true, least: 1, most: 2, wanted: 1, started: 1, failed: 0 });

  let isLoaded = true;
  const clients = SEEDS.map((seed) => client(seed, () => isLoaded));
  await fleet.until((view) => serving(view).length === 2 && view.scaling!.wanted === 2 && view.scaling!.started === 2);
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text();
  expect(metrics).toMatch(/punctual_scaling_instances\{number="wanted"\} [12]/);
  expect(metrics).toMatch(/punctual_scaling_changes_total\{what="started"\} 2/);
  // Some of it goes to the new one.
  await fleet.until(({ instances }) => instances.every(({ running }) => running > 0));
  isLoaded = false;
  const streams = SEEDS.slice(0, 2).map((seed) => ask(fleet.url, question(`long-${seed}`, seed, LONG_TOKENS)));
  for (const [i, answers] of (await Promise.all(clients)).entries()) {
    expect(answers.flatMap((answer) => faultsOf(answer, right[i]!, false))).toEqual([]);
  }

  await fleet.until((view) => view.instances.length === 1 && view.scaling!.drained > 0);
  const ended = await Promise.all(streams.map(({ end }) => end));
  expect(ended.flatMap((answer, i) => faultsOf(answer, long[i]!, false))).toEqual([]);
  // It has ended by itself; the other stays, although nobody asks for anything.
  await fleet.until(() => living().length === 1);
  const quiet = await fleet.until(({ requests, instances }) => {
    return requests.length === 0 && instances.every(({ usedPages, running }) => usedPages === 0 && running === 0);
  });
  expect(quiet.scaling).toMatchObject({ wanted: 1, starting: 0, draining: 0, freenessSteps: null, problem: null });
});

if (process.env["FLEET_FAULTS"] === "all") {
  test("one that dies is replaced", async () => {
    const before = await fleet.until((view) => serving(view).length === 1);
    const [lost] = serving(before);
    killAll();
    await fleet.until((view) => serving(view).length === 1 && serving(view)[0] !== lost);
    const answer = await ask(fleet.url, question("after", SEEDS[0], TOKENS)).end;
    expect(faultsOf(answer, right[0]!, false)).toEqual([]);
  });
}
