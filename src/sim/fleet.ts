/**
 * What instances of a fleet are made of, and making them: deployment, policy, limits, pages. A specification is plain
 * settings; every instance gets a policy and an outlook of its own.
 */
import { fail } from "../core/index.ts";
import {
  createOutlook,
  kneeDecodes,
  outlookOf,
  type BatchPolicy,
  type InstanceRole,
  type Outlook,
  type SchedulerLimits,
  promptStepTokens,
} from "../sched/index.ts";
import { calibrate, decodeShape } from "./cost/calibrate.ts";
import type { VirtualDrafts } from "./drafts.ts";
import { VirtualInstance } from "./instance.ts";
import type { InstanceListener } from "./instance-options.ts";
import { CountedPages, type PagePool } from "./page-pool.ts";
import { SharedPages } from "./shared-pages.ts";
import type { Deployment } from "./types.ts";

/** One instance of a fleet. Counts are integers from 1. */
export interface InstanceSpec {
  readonly deployment: Deployment;
  readonly policy: () => BatchPolicy;
  /** "both" when absent. */
  readonly role?: InstanceRole;
  /** 16 when absent. */
  readonly pageTokens?: number;
  /** Reuse KV of equal prefixes; whether the trace names any when absent. */
  readonly prefixCache?: boolean;
  /** Most sequences in a step; 256 when absent. */
  readonly maxRunning?: number;
  /** Most tokens in a step; as many as keep to `targetStepMs` when absent. */
  readonly budgetTokens?: number;
  /** For the default budget; four times a lone decode, but at least 25 ms, when absent. */
  readonly targetStepMs?: number;
  /** Most tokens of one sequence in a step; the budget when absent. */
  readonly maxChunk?: number;
  /** Most tokens of a step that computes prompts whole; 8192, or the budget if larger, when absent. */
  readonly maxStepTokens?: number;
  /** A known engine's own, instead of everything above. */
  readonly limits?: SchedulerLimits;
  /** Most requests in the queue; the next is refused. 100,000 when absent. */
  readonly maxWaiting?: number;
  /** What policies are told of requests; the one that the policy is made for, as in a live engine, when absent. */
  readonly outlook?: () => Outlook;
  /** Who drafts; one token a step when absent. */
  readonly drafts?: () => VirtualDrafts;
  /** The index of an earlier instance on the same device: one KV cache for both. */
  readonly sharesPagesWith?: number;
  /** Keep that many decisions. */
  readonly recordDecisions?: number;
}

const DEFAULTS = { pageTokens: 16, maxRunning: 256, maxStepTokens: 8192, targetStepMs: 25 } as const;
const DEFAULT_MAX_WAITING = 100_000;

/** Most requests in the queue of an instance like that. */
export const maxWaitingOf = (spec: InstanceSpec): number => spec.maxWaiting ?? DEFAULT_MAX_WAITING;

/** @throws PunctualError invalid_request naming the setting. */
export function createInstance(
  spec: InstanceSpec,
  index: number,
  pagesOf: (index: number) => PagePool | null,
  listener: InstanceListener,
  namesBlocks: boolean,
): VirtualInstance {
  checkCounts(spec);
  const { deployment, recordDecisions, drafts } = spec;
  const { cost, limits } = limitsOf(spec);
  const policy = spec.policy();
  return new VirtualInstance({
    index,
    role: spec.role ?? "both",
    policy,
    limits,
    pages: poolOf(spec, pagesOf, namesBlocks, deployment),
    listener,
    cost,
    outlook: spec.outlook?.() ?? createOutlook(outlookOf(policy.name), index),
    ...(drafts === undefined ? {} : { drafts: drafts() }),
    ...(recordDecisions === undefined ? {} : { recordDecisions }),
  });
}

function limitsOf(spec: InstanceSpec): { limits: SchedulerLimits; cost: ReturnType<typeof calibrate>["cost"] } {
  const { cost: model } = spec.deployment;
  const maxRunning = spec.maxRunning ?? DEFAULTS.maxRunning;
  const largest = Math.max(spec.maxStepTokens ?? DEFAULTS.maxStepTokens, spec.budgetTokens ?? 1);
  const targetMs = spec.targetStepMs ?? Math.max(DEFAULTS.targetStepMs, 4 * model.stepMs(decodeShape(1, 1)));
  const decodes = spec.role === "prefill" ? 0 : kneeDecodes(maxRunning);
  const calibrated = calibrate(model, targetMs, Math.min(maxRunning, largest), largest, decodes);
  if (spec.limits !== undefined) return { cost: calibrated.cost, limits: spec.limits };
  const budgetTokens = spec.budgetTokens ?? calibrated.budgetTokens;
  const { kneeTokens } = calibrated;
  return {
    cost: calibrated.cost,
    limits: {
      maxRunning,
      budgetTokens,
      maxChunk: spec.maxChunk ?? budgetTokens,
      maxStepTokens: Math.max(largest, budgetTokens),
      ...(spec.budgetTokens === undefined ? { promptStepTokens: promptStepTokens(budgetTokens, largest) } : {}),
      ...(kneeTokens === null ? {} : { kneeTokens }),
    },
  };
}

function poolOf(
  spec: InstanceSpec,
  pagesOf: (index: number) => PagePool | null,
  namesBlocks: boolean,
  { kvTokens, name }: Deployment,
): PagePool {
  const { sharesPagesWith } = spec;
  if (sharesPagesWith !== undefined) {
    return (
      pagesOf(sharesPagesWith) ??
      fail("invalid_request", `sharesPagesWith: there is no instance ${sharesPagesWith} before this one`, {
        param: "sharesPagesWith",
      })
    );
  }
  const pageTokens = spec.pageTokens ?? DEFAULTS.pageTokens;
  const pages = Math.floor(kvTokens / pageTokens);
  if (pages < 1) {
    fail("invalid_request", `${name}: ${kvTokens} tokens of KV are less than a page of ${pageTokens}`, {
      param: "kvTokens",
    });
  }
  return (spec.prefixCache ?? namesBlocks) ? new SharedPages(pages, pageTokens) : new CountedPages(pages, pageTokens);
}

function checkCounts(spec: InstanceSpec): void {
  for (const field of [
    "pageTokens",
    "maxRunning",
    "budgetTokens",
    "maxChunk",
    "maxStepTokens",
    "maxWaiting",
  ] as const) {
    const value = spec[field];
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
    fail("invalid_request", `${field}: expected a whole number from 1, got ${value}`, { param: field });
  }
}
