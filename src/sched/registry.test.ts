import { expect, test } from "vitest";
import { createPolicy, POLICY_NAMES } from "./registry.ts";

test("every name makes the policy of that name", () => {
  for (const name of POLICY_NAMES) expect(createPolicy(name).name).toBe(name);
  expect(POLICY_NAMES).toContain("splitfuse");
});

test("only policies that compute prompts whole say so", () => {
  const whole = POLICY_NAMES.filter((name) => createPolicy(name).chunked === false);
  expect(whole).toEqual(["prefill-first", "orca-mixed"]);
});

test("options that a policy does not take, or cannot use, are refused by name", () => {
  expect(createPolicy("edf", { agingMs: 5 }).name).toBe("edf");
  expect(createPolicy("fifo", { agingMs: undefined }).name).toBe("fifo");
  expect(() => createPolicy("fifo", { agingMs: 5 })).toThrow(/"fifo" takes no options, got "agingMs"/);
  expect(() => createPolicy("edf", { quantumTokens: 5 })).toThrow(/takes agingMs, got "quantumTokens"/);
  expect(() => createPolicy("edf", { agingMs: 0 })).toThrow(/expected a number above 0/);
  expect(() => createPolicy("splitfuse", { stepTokens: 1.5 })).toThrow(/expected an integer of at least 1/);
  expect(() => createPolicy("least-attained", { quantumTokens: 0 })).toThrow(/quantumTokens/);
  expect(() => createPolicy("constructor")).toThrow(/expected one of fifo/);
});
