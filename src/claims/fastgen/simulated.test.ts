/** The paper's scale: what must hold of every arm's run whatever the numbers are. */
import { expect, test } from "vitest";
import { ARMS, extentOf, PAPER_STEP, paceOf, slaOf, SLA_RATES } from "./setup.ts";
import { simulate, simulatePaper, closedTrace } from "./simulated.ts";

const CLIENTS = 4;
const LENGTHS = { prompt: 2600, answer: 20 };

test.each(ARMS)("%s: every request is answered, in order, never more at once than clients", (arm) => {
  const trace = closedTrace(LENGTHS, CLIENTS, 40, "test");
  const { run, steps } = simulate(arm, trace);
  expect(run.requests).toHaveLength(40);
  const lengths = (pairs: readonly (readonly [number, number])[]) => pairs.map(String).toSorted();
  expect(lengths(run.requests.map(({ promptTokens, tokenMs }) => [promptTokens, tokenMs.length]))).toEqual(
    lengths(trace.requests.map(({ promptTokens, outputTokens }) => [promptTokens, outputTokens])),
  );
  for (const { arrivalMs, tokenMs } of run.requests) {
    expect(tokenMs[0]).toBeGreaterThan(arrivalMs);
    for (let i = 1; i < tokenMs.length; i++) expect(tokenMs[i]).toBeGreaterThan(tokenMs[i - 1]!);
  }
  const computed = steps.reduce((sum, { tokens }) => sum + tokens, 0);
  // The first token comes with the prompt's last piece.
  expect(computed).toBe(trace.requests.reduce((sum, one) => sum + one.promptTokens + one.outputTokens - 1, 0));
  const starts = run.requests.map(({ arrivalMs }) => arrivalMs);
  for (const at of starts) {
    const open = run.requests.filter(({ arrivalMs, tokenMs }) => arrivalMs <= at && tokenMs.at(-1)! > at);
    expect(open.length).toBeLessThanOrEqual(CLIENTS);
  }
});

test("steps of splitfuse are full and no longer, those of the others hold whole prompts", () => {
  const trace = closedTrace({ prompt: 2600, answer: 60 }, 16, 96, "test");
  const most = ARMS.map((arm) => Math.max(...simulate(arm, trace).steps.map(({ tokens }) => tokens)));
  expect(most[0]).toBe(PAPER_STEP.tokens);
  expect(Math.min(most[1]!, most[2]!)).toBeGreaterThan(2600);
});

test("a pace shortens the steps that it has to", () => {
  const trace = closedTrace({ prompt: 2600, answer: 60 }, 16, 64, "test");
  const tokens = (tpotMs?: number): number => {
    const full = simulate("splitfuse", trace, tpotMs).steps.map((step) => step.tokens);
    return full.toSorted((a, b) => a - b)[full.length >> 1]!;
  };
  expect(paceOf(2, PAPER_STEP)).toBeUndefined();
  const pace = paceOf(10, PAPER_STEP)!;
  expect(pace).toBeLessThan(slaOf(10, PAPER_STEP).gapMs);
  expect(tokens(pace)).toBeLessThan(tokens());
});

test("a seed gives the same numbers again, and a sweep has every agreement", () => {
  const extent = { ...extentOf("smoke"), simulatedRequests: 48 };
  const first = simulatePaper(extent, "a");
  expect(simulatePaper(extent, "a")).toEqual(first);
  expect(new Set(first.sweep.map(({ rate }) => rate))).toEqual(new Set(SLA_RATES));
});
