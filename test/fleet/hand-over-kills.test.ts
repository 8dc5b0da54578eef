/**
 * Processes that die while a prompt goes from a prefill to a decode worker: either of them and the router, by kill -9, at every
 * stage, the stage's message lost or just sent. What a client streams stays whole or ends with one clear error, and no page
 * stays in use.
 *
 * By default a few of all cases run; `FLEET_FAULTS=all` runs every one (the environment is a test file's only argument).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask, faultsOf } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { atStage, HAND_OVER_STAGES, killCases, within, type Way } from "./stages.ts";
import { PATIENCE_MS, TestFleet } from "./test-fleet.ts";

const VICTIMS = ["prefill", "decode", "router"] as const;

const CASES = killCases(VICTIMS, HAND_OVER_STAGES, ["prefill commit sent", "decode pages lost"]);

const SEED = 91;
const TOKENS = 800;
let fleet: TestFleet;
let right: string;

beforeAll(async () => {
  fleet = await TestFleet.start({ prefill: { role: "prefill" }, decode: { role: "decode" } });
  [right] = (await rightAnswers(fleet.modelDir, [question("right", SEED, TOKENS)])) as [string];
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  console.error(fleet.report());
  if (!fleet.router.isRunning) await fleet.restartRouter();
  // One failure is not to be that of all that follow.
  for (const role of ["prefill", "decode"] as const) {
    if (!fleet.worker(idOf(role)).process.isRunning) await fleet.replaceWorker(idOf(role), { role });
  }
});

/** Who has that role now; a replaced worker has another number. */
function idOf(role: "prefill" | "decode"): string {
  return [...fleet.workers.keys()].find((id) => id.startsWith(role))!;
}

test.each(CASES)("%s", async (name, { victim, stage, message }) => {
  const way: Way = { source: idOf("prefill"), target: idOf("decode") };
  const process = victim === "router" ? fleet.router : fleet.worker(idOf(victim)).process;
  const struck = atStage(fleet, way, stage, message === "lost" ? "drop" : "pass", () => process.kill());
  const { answer, end } = ask(fleet.url, question(`over ${name}`.replaceAll(" ", "-"), SEED, TOKENS));
  await within(struck, PATIENCE_MS);
  await sleep(200);
  if (victim === "router") await fleet.restartRouter();
  // Nobody else takes prompts: the answer goes on when the new one comes in time. Decodes the prefill worker does itself.
  if (victim === "prefill") await fleet.replaceWorker(way.source, { role: "prefill" });
  await end;
  expect(faultsOf(answer, right, victim !== "decode")).toEqual([]);
  if (victim === "prefill" && answer.error !== null) expect(answer.error).toBe("engine_failed");
  if (victim === "decode") await fleet.replaceWorker(way.target, { role: "decode" });
  await fleet.whole();
  await fleet.quiesced();
});
