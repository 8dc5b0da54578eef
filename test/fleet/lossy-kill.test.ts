/**
 * A worker that dies in the middle of an answer whose prompt it had at a level that is not exact: another one ends it, which has
 * read nothing lossy. What the client is told at the end holds for the whole answer.
 */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { readEvents } from "../support/sse.ts";
import { TestProcess } from "./processes.ts";
import { MODEL, PATIENCE_MS, TestFleet } from "./test-fleet.ts";

const LEVEL = "anchored-1";
/** Several chunks of 64 tokens. */
const MANUAL = Array.from({ length: 60 }, (_, i) => `Page ${i} of it says ${i * 7}.`).join(" ");
const TOKENS = 2500;
/** Of the prompt, at least: it has five times as many. */
const LEAST_LOSSY = 256;

let fleet: TestFleet;
let contexts: string;

beforeAll(async () => {
  fleet = await TestFleet.start({});
  contexts = join(fleet.dir, "contexts");
  const what = ["--model", fleet.modelDir, "--text", MANUAL, "--levels", LEVEL, "--dir", contexts];
  const put = TestProcess.start("put", ["contexts", "put", "manual", ...what]);
  if ((await put.ended) !== 0) throw new Error(put.output);
  // Both have it: neither uses it for what it only ends.
  const more = ["--contexts", contexts, "--contexts-levels", LEVEL];
  await Promise.all([fleet.startWorker("one", { more }), fleet.startWorker("two", { more })]);
  await fleet.whole();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
});

interface Told {
  pieces: number;
  details: { readonly cached_tokens: number; readonly lossy_tokens?: number } | null;
  tokens: number;
}

/** Streams an answer to the manual. */
async function follow(told: Told, more: object): Promise<void> {
  const body = {
    model: MODEL,
    prompt: `${MANUAL} So what?`,
    max_tokens: TOKENS,
    seed: 5,
    temperature: 1,
    ignore_eos: true,
    stream: true,
    stream_options: { include_usage: true },
    slo: { ttft_ms: PATIENCE_MS },
    ...more,
  };
  const response = await fetch(`${fleet.url}/v1/completions`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  for await (const { data } of readEvents(response.body)) {
    if (data === "[DONE]") break;
    const { choices, usage } = JSON.parse(data) as {
      choices: readonly { readonly text: string }[];
      usage?: { readonly completion_tokens: number; readonly prompt_tokens_details: NonNullable<Told["details"]> };
    };
    if (choices.some(({ text }) => text !== "")) told.pieces += 1;
    if (usage === undefined || usage === null) continue;
    [told.details, told.tokens] = [usage.prompt_tokens_details, usage.completion_tokens];
  }
}

test("what of an answer stood on lossy pages is told although its worker has died", async () => {
  const told: Told = { pieces: 0, details: null, tokens: 0 };
  const end = follow(told, { lossy_context: true });
  const { requests } = await fleet.until(
    (view) => told.pieces >= 3 && view.requests.some(({ instance }) => instance !== null),
  );
  expect(told.tokens).toBe(0); // it is in the middle
  fleet.worker(requests[0]!.instance!).process.kill();
  await end;
  expect(told.tokens).toBe(TOKENS);
  expect(told.details!.lossy_tokens).toBeGreaterThanOrEqual(LEAST_LOSSY);
  expect(told.details!.cached_tokens).toBeGreaterThanOrEqual(told.details!.lossy_tokens!);

  // The one that ended it has nothing lossy, and who does not allow it is told of none.
  const other: Told = { pieces: 0, details: null, tokens: 0 };
  await follow(other, { max_tokens: 4 });
  expect(other.details).not.toHaveProperty("lossy_tokens");
  await fleet.quiesced();
});
