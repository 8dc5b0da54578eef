/**
 * The vocabulary of scheduling as plain data: what a request asks for (`Slo`), what a policy sees
 * (`SchedulerView`) and what it decides (`StepPlan`).
 *
 * There is no prefill phase and no decode phase, only tokens a sequence still has to catch up on
 * (vLLM V1's idea): `pendingTokens` above one is a prompt or a recomputation, one is a decode. A plan
 * says how many of them each sequence advances in the next step. Nothing here executes anything: the
 * live runtime and a simulator carry out the same plans.
 */

/**
 * What kind of promise an objective is. "latency" needs a first-token or pace target, "deadline" and "compound" need a
 * deadline, "best-effort" needs nothing.
 */
export type SloClass = "latency" | "deadline" | "compound" | "best-effort";

/** What happens when the deadline is missed: end late but marked, stop there, or refuse beforehand. */
export type OnMiss = "finish" | "cut" | "reject";

/** A service-level objective. All times are milliseconds counted from arrival at the server. */
export interface Slo {
  readonly class: SloClass;
  /** Time to the first token, above 0. */
  readonly ttftMs?: number;
  /** Mean time per output token after the first, above 0. */
  readonly tpotMs?: number;
  /** Time to the last token, above 0. */
  readonly deadlineMs?: number;
  readonly onMiss: OnMiss;
}

/** Where a request stands in a compound task: several requests that depend on one another under one deadline. */
export interface TaskStage {
  /** What all requests of the task have in common. */
  readonly id: string;
  /** Counted from 0 along the chain of dependencies; siblings of one stage share the number. */
  readonly stage: number;
  /**
   * The sub-deadline: when this stage should be complete, milliseconds from this request's own arrival. At or below 0
   * when the stages before have used it up; unknown when absent.
   */
  readonly deadlineMs?: number;
}

/** One sequence as a policy sees it. Ids are the runtime's own and unique within one engine. */
export interface SequenceView {
  readonly id: number;
  readonly arrivalMs: number;
  readonly promptTokens: number;
  /** Tokens whose KV is in place. */
  readonly computedTokens: number;
  /** Known tokens not computed yet: above 1 a prefill or recomputation, 1 a decode. */
  readonly pendingTokens: number;
  /**
   * Of a decode: how many guesses at its next tokens may be checked in the same step, each a token of the step like any
   * other. A plan may take fewer; 0 when absent.
   */
  readonly draftTokens?: number;
  readonly generatedTokens: number;
  readonly maxTokens: number;
  /** A guess at the final number of generated tokens, at most maxTokens; maxTokens when absent. */
  readonly expectedTokens?: number;
  /**
   * What the final number of generated tokens will hardly exceed (its 0.95 quantile, refined as tokens come): at least
   * generatedTokens, at most maxTokens; maxTokens when absent.
   */
  readonly upperTokens?: number;
  /** The compound task it belongs to, if any. */
  readonly task?: TaskStage;
  /**
   * Tokens computed so far for its whole task: finished, running and waiting requests of the task and itself, nothing
   * computed twice counted twice. Its own when absent.
   */
  readonly attainedTokens?: number;
  readonly firstTokenMs: number | null;
  readonly slo: Slo;
  /** Higher goes first with policies that have such an order; 0 when absent. */
  readonly priority?: number;
  /** KV pages held, shared ones included. */
  readonly pages: number;
  /** Of those, pages nobody else holds: what a preemption gives back. Equal to `pages` when absent. */
  readonly ownPages?: number;
  /** Arrival order; the tie-breaker, and what FIFO means. Kept through a preemption. */
  readonly order: number;
}

/** What every plan keeps within, from options or from calibration at start. */
export interface SchedulerLimits {
  /** Most sequences running at once. */
  readonly maxRunning: number;
  /** Most tokens in one step, over all sequences; what a step should cost. */
  readonly budgetTokens: number;
  /** Most tokens of one sequence in one step. */
  readonly maxChunk: number;
  /**
   * Most tokens that a step can hold at all. Policies that compute prompts whole (`chunked: false`) keep within this
   * instead of budgetTokens and maxChunk; at least budgetTokens, and budgetTokens when absent.
   */
  readonly maxStepTokens?: number;
  /**
   * Most tokens in a step in which nothing decodes, instead of budgetTokens and of a maxChunk as large as that: nobody's
   * next token waits for its end. budgetTokens when absent.
   */
  readonly promptStepTokens?: number;
  /** The smallest step whose throughput is close to the best one (the knee of the cost curve); unknown when absent. */
  readonly kneeTokens?: number;
}

/** What a step costs, learnt from measured steps. */
export interface CostEstimate {
  /** Expected milliseconds of a step that advances that many tokens in total. */
  stepMs(tokens: number): number;
}

/**
 * What a policy may look at for one step; it must not change or keep any of it. Pages are those of the KV cache, each
 * of `pageTokens` tokens.
 */
export interface SchedulerView {
  readonly nowMs: number;
  /** Not holding pages: never admitted, or preempted. In `order`. */
  readonly waiting: readonly SequenceView[];
  /** Holding pages. In `order`. */
  readonly running: readonly SequenceView[];
  /** Pages that can be taken now, evictable cached ones included. */
  readonly freePages: number;
  readonly pageTokens: number;
  readonly totalPages: number;
  readonly limits: SchedulerLimits;
  /** Leading tokens of a waiting sequence found in the prefix cache: whole pages, fewer than its tokens. */
  cachedTokens(id: number): number;
  /** Of the pages behind `cachedTokens(id)`, those counted in `freePages` (nobody holds them now). All when absent. */
  cachedFreePages?(id: number): number;
  readonly cost?: CostEstimate;
}

/**
 * Computes the next `tokens` of a sequence, in order. When none stay pending, the step also yields a token. Tokens beyond
 * the pending one of a running decode are drafted ones: each that proves right yields a further token, and the
 * others leave nothing behind.
 */
export interface Advance {
  readonly id: number;
  /** At least 1, at most the sequence's pending tokens, and for a running decode its draftTokens more. */
  readonly tokens: number;
}

/** A waiting request that is refused because its objective cannot be met. */
export interface Rejection {
  readonly id: number;
  /** Why it cannot be met, for the error message. */
  readonly reason: string;
  /** When trying again may help, milliseconds from now. */
  readonly retryAfterMs?: number;
}

/**
 * One step's decisions. Carried out in this order: expire, reject and cut leave; preempt gives pages
 * back; admit takes cached pages; advance takes new pages and computes. `advance` may name sequences
 * admitted by the same plan, never preempted, cut, expired or rejected ones.
 */
export interface StepPlan {
  readonly advance: readonly Advance[];
  readonly admit: readonly number[];
  readonly preempt: readonly number[];
  /** Never ran and their deadline has passed: not run. */
  readonly expire: readonly number[];
  /** Reached their deadline with onMiss "cut": end with what they have. */
  readonly cut: readonly number[];
  /** Never ran, onMiss "reject", and the estimate says the objective cannot be met. */
  readonly reject: readonly Rejection[];
}

/** A scheduling policy: a pure function of the view. Same view, same plan. */
export interface BatchPolicy {
  readonly name: string;
  /** False: it computes prompts whole and keeps within `limits.maxStepTokens`. True when absent. */
  readonly chunked?: boolean;
  plan(view: SchedulerView): StepPlan;
}
