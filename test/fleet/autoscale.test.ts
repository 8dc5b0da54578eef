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
import type { FleetView } from "../../src/protocol/index.ts";
import { root } from "../support/process.ts";
import { ask, faultsOf, type Answer } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { MODEL, TestFleet } from "./test-fleet.ts";

/** Pages of each worker: six requests are too many for one, five are enough to keep two, two long ones fit into one. */
const PAGES = 512;
const RANGE = "1..2,1400..4000";
const SEEDS = [81, 82, 83, 84, 85, 86, 87, 88];
const TOKENS = 300;
const LONG_TOKENS = 2500;

let fleet: TestFleet;
let right: readonly string[];
let long: readonly string[];

/** A worker that leaves its pid behind: nobody else here knows it. */
const commandFor = ({ dir, modelDir }: { readonly dir: string; readonly modelDir: string }): string =>
  `echo $$ > '${dir}/{id}.pid'; exec '${process.execPath}' '${join(root, "dist/cli/main.js")}' worker ` +
  `--model ${MODEL}='${modelDir}' --id {id} --kv-pages ${PAGES} --threads 1 --exact`;

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

/** Asks for so many tokens again and again while `more` says so, the next as soon as one is answered. */
async function client(name: string, seed: number, tokens: number, more: () => boolean): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; more(); i++) answers.push(await ask(fleet.url, question(`${name}-${seed}-${i}`, seed, tokens)).end);
  return answers;
}

/** What is wrong with any of these answers to each of the seeds. */
function faultsOfAll(clients: readonly (readonly Answer[])[], texts: readonly string[]): readonly string[] {
  return clients.flatMap((answers, i) => answers.flatMap((answer) => faultsOf(answer, texts[i]!, false)));
}

test("it begins with the fewest, grows under load, shrinks when load goes, and loses nothing", async () => {
  // Who is there is in the directory at once, and counted as started when the router looks next.
  const begun = await fleet.until((view) => serving(view).length === 1 && view.scaling!.started === 1);
  expect(begun.scaling).toMatchObject({ isActive: true, least: 1, most: 2, wanted: 1, failed: 0 });
  const [first] = serving(begun);

  let isLoaded = true;
  const clients = SEEDS.map((seed) => client("load", seed, TOKENS, () => isLoaded));
  // Counts stay; how many there are at a moment need not, as nobody asks for anything while this process has no time.
  await fleet.until((view) => view.scaling!.started > 1);
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text();
  expect(metrics).toMatch(/punctual_scaling_instances\{number="wanted"\} [12]/);
  expect(Number(/punctual_scaling_changes_total\{what="started"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThan(1);
  // Some of it goes to the new one, sooner or later: the load goes on until then.
  await fleet.until(({ requests }) => requests.some(({ instance }) => instance !== null && instance !== first));
  isLoaded = false;
  let isLarge = true;
  const streams = SEEDS.slice(0, 2).map((seed) => client("long", seed, LONG_TOKENS, () => isLarge));
  expect(faultsOfAll(await Promise.all(clients), right)).toEqual([]);

  // These are too few for two, and go on while one of the two leaves; every start but one has its drain then.
  await fleet.until(({ instances, scaling }) => {
    const { started, drained, starting, draining } = scaling!;
    return instances.length === 1 && starting + draining === 0 && drained > 0 && drained >= started - 1;
  });
  isLarge = false;
  expect(faultsOfAll(await Promise.all(streams), long)).toEqual([]);
  // It has ended by itself; the other stays, although nobody asks for anything.
  await fleet.until(() => living().length === 1);
  const quiet = await fleet.until(({ requests, instances, scaling }) => {
    const isIdle = instances.every(({ usedPages, running }) => usedPages === 0 && running === 0);
    return requests.length === 0 && isIdle && scaling!.freenessSteps === null; // seen by the router as well
  });
  expect(quiet.scaling).toMatchObject({ wanted: 1, starting: 0, draining: 0, problem: null });
  expect(serving(quiet).length).toBe(1);
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
