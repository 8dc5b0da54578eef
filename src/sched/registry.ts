/** Policies by name, for options that cross a thread border or come from a command line. */
import { fail } from "../core/index.ts";
import { edf, type EdfOptions } from "./edf.ts";
import { fifo } from "./fifo.ts";
import { jitserve, type JitserveOptions } from "./jitserve/jitserve.ts";
import { leastAttained, type LeastAttainedOptions } from "./least-attained.ts";
import { orcaMixed } from "./orca-mixed.ts";
import type { OutlookKind } from "./create-outlook.ts";
import { prefillFirst } from "./prefill-first.ts";
import { shortestPredicted, type ShortestPredictedOptions } from "./shortest-predicted.ts";
import { splitfuse, type SplitfuseOptions } from "./splitfuse.ts";
import type { BatchPolicy } from "./types.ts";

/** What can be set about policies, plain data; each takes some of it. */
export interface PolicyOptions
  extends SplitfuseOptions, EdfOptions, ShortestPredictedOptions, LeastAttainedOptions, JitserveOptions {}

interface Entry {
  /** The options it takes; any other is refused. */
  readonly takes: readonly (keyof PolicyOptions)[];
  /** It reads expected lengths and sub-deadlines. */
  readonly reads?: OutlookKind;
  create(options: PolicyOptions): BatchPolicy;
}

const POLICIES: Readonly<Record<string, Entry>> = {
  fifo: { takes: [], create: () => fifo() },
  "prefill-first": { takes: [], create: () => prefillFirst() },
  "orca-mixed": { takes: [], create: () => orcaMixed() },
  splitfuse: { takes: ["stepTokens"], create: splitfuse },
  edf: { takes: ["agingMs"], create: edf },
  "shortest-predicted": { takes: ["agingMs"], reads: "learning", create: shortestPredicted },
  "least-attained": { takes: ["quantumTokens", "agingMs"], create: leastAttained },
  jitserve: { takes: ["agingMs"], reads: "learning", create: jitserve },
};

/** The outlook that a policy of that name is made for; the plain one for names that are unknown here. */
export function outlookOf(policy: string): OutlookKind {
  return (Object.hasOwn(POLICIES, policy) ? POLICIES[policy]?.reads : undefined) ?? "mean";
}

/** The names that createPolicy knows. */
export const POLICY_NAMES: readonly string[] = Object.keys(POLICIES);

/**
 * A policy of that name; every call makes its own.
 * @throws PunctualError invalid_request when there is no policy of that name, or it takes no such option or value.
 */
export function createPolicy(name: string, options: PolicyOptions = {}): BatchPolicy {
  const entry = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (entry === undefined) {
    return fail("invalid_request", `policy: expected one of ${POLICY_NAMES.join(", ")}, got "${name}"`, {
      param: "policy",
    });
  }
  const known: readonly string[] = entry.takes;
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || known.includes(key)) continue;
    const takes = known.length === 0 ? "takes no options" : `takes ${known.join(" and ")}`;
    return fail("invalid_request", `policy: "${name}" ${takes}, got "${key}"`, { param: `policyOptions.${key}` });
  }
  return entry.create(options);
}
