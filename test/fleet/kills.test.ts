/**
 * Processes that die in the middle: source, target, router and broker, by kill -9, at every stage of a migration, the stage's
 * message lost or just sent. What a client streams stays whole, what was accepted is answered, and no page stays in use.
 *
 * By default a few of all cases run; `FLEET_FAULTS=all` runs every one. It is read from the environment because a test file
 * has no other argument.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { askPersistently, faultsOf } from "./answers.ts";
import { question, rightAnswers } from "./right-answer.ts";
import { atStage, STAGES, killCases, within, type Way } from "./stages.ts";
import { PATIENCE_MS, TestFleet } from "./test-fleet.ts";

const VICTIMS = ["source", "target", "router", "broker"] as const;
type Victim = (typeof VICTIMS)[number];

const CASES = killCases(VICTIMS, STAGES, ["source pages sent", "broker reserved lost", "source commit sent"]);

const SEED = 11;
let fleet: TestFleet;
let right: string;

beforeAll(async () => {
  fleet = await TestFleet.start({ one: {}, two: {} });
  [right] = (await rightAnswers(fleet.modelDir, [question("right", SEED)])) as [string];
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  console.error(fleet.report());
  await fleet.repair(); // one failure is not to be that of all that follow
});

/** Ends a victim without a word. */
function kill(victim: Victim, { source, target }: Way): void {
  if (victim === "router") fleet.router.kill();
  else if (victim === "broker") void fleet.nats.kill();
  else fleet.worker(victim === "source" ? source : target).process.kill();
}

/** Starts it again, as whoever watches over processes would. */
async function revive(victim: Victim, { source, target }: Way): Promise<void> {
  if (victim === "router") await fleet.restartRouter();
  else if (victim === "broker") await fleet.nats.restart();
  else await fleet.replaceWorker(victim === "source" ? source : target);
}

describe("killed in the middle of a migration", () => {
  test.each(CASES)("%s", async (name, { victim, stage, message }) => {
    const { answer, end, at } = await fleet.streaming(question(`kill ${name}`.replaceAll(" ", "-"), SEED));
    const way = { source: at, target: fleet.other(at) };
    const struck = atStage(fleet, way, stage, message === "lost" ? "drop" : "pass", () => kill(victim, way));
    await fleet.move(answer.id, way.target); // its own answer may die with the victim
    await within(struck, PATIENCE_MS);
    await sleep(200);
    if (victim === "broker" || victim === "router") await revive(victim, way);
    await end;
    // Whoever loses the router loses the connection with it; nothing else is worth an error while one worker lives.
    expect(faultsOf(answer, right, victim === "router")).toEqual([]);
    if (victim === "source" || victim === "target") await revive(victim, way);
    await fleet.whole();
    await fleet.quiesced();
  });
});

describe("what was accepted and is not streamed", () => {
  test("is answered though its worker and its router die", async () => {
    const asked = Array.from({ length: 6 }, (_, i) => question(`whole-${i}`, 20 + i, 1500));
    const texts = await rightAnswers(fleet.modelDir, asked);
    const answers = asked.map((one) => askPersistently(() => fleet.url, one));
    await fleet.until(({ instances }) => instances.some(({ running }) => running > 0));
    const [dying] = fleet.workers.keys();
    fleet.worker(dying!).process.kill();
    await fleet.restartRouter();
    await fleet.replaceWorker(dying!);
    expect(await Promise.all(answers)).toEqual(texts);
    await fleet.whole();
    await fleet.quiesced();
  });
});
