/**
 * One request on one virtual instance. The object is the very `SequenceView` that policies see: its fields change in
 * place as steps are carried out, so that building a view costs nothing. A policy neither changes nor keeps it.
 *
 * It has no tokens, only counts, and block ids that say which tokens it shares with others.
 */
import type { Outlook, PromptBlocks, RequestOutlook, SequenceView, Slo, TaskStage } from "../sched/index.ts";
import type { TraceRoute } from "../workload/index.ts";

/** Where in a step a request fails for a reason of its own: reading its grammar, asking for scores, sampling, text. */
export type FailureStage = "submit" | "scores" | "sample" | "accept";

/** A request as an instance takes it: every default filled in. */
export interface SimRequest extends PromptBlocks {
  /** Unique on an instance; the order of arrival, and what breaks ties. */
  readonly id: number;
  readonly arrivalMs: number;
  /** At least 1. */
  readonly promptTokens: number;
  /** What the answer turns out to be; hidden from policies. 0: it is over when the prompt is computed. */
  readonly outputTokens: number;
  /** At least outputTokens. */
  readonly maxTokens: number;
  readonly slo: Slo;
  /** Leading tokens that `hashIds` speak for, the answer's included; promptTokens when absent. */
  readonly hashedTokens?: number;
  readonly task?: Pick<TaskStage, "id" | "stage">;
  /** Above 0 is urgent; 0 when absent. */
  readonly priority?: number;
  /** The prompt's tokens, for outlooks that read them; zeros when absent. */
  readonly promptIds?: ArrayLike<number>;
  /** Computed with an adapter; its blocks are not those of others. */
  readonly adapted?: boolean;
  /** By how many layers its answer goes; absent: it never might leave any out. */
  readonly route?: TraceRoute;
  /** It ends by failing, there, when it has that many tokens. */
  readonly failure?: { readonly afterTokens: number; readonly stage: FailureStage };
}

/** Who knows what to tell policies of a sequence beyond itself, and what time it is. */
export interface OutlookHost {
  readonly outlook: Outlook;
  readonly nowMs: number;
  /** Another number for every view. */
  readonly view: number;
}

const NO_PAGES = new Int32Array(0);

/** See the head of this file. Whatever is not in `SequenceView` is the instance's and the page pool's own. */
export class SimSequence implements SequenceView {
  readonly id: number;
  readonly arrivalMs: number;
  readonly promptTokens: number;
  computedTokens = 0;
  pendingTokens: number;
  /** Guesses that the next plan is offered; whoever drafts says so. */
  draftTokens = 0;
  generatedTokens = 0;
  readonly maxTokens: number;
  firstTokenMs: number | null = null;
  readonly slo: Slo;
  readonly priority: number;
  /** Blocks of tokens that its pages have room for: as many as pages, more when those hold some layers only. */
  pages = 0;
  ownPages = 0;
  readonly order: number;

  readonly request: SimRequest;
  #host: OutlookHost;
  #told: RequestOutlook = {};
  #toldInView = -1;
  /** The most tokens that were in place so far, cached ones included: up to here nothing is new. */
  reachedTokens = 0;
  lastTokenMs: number | null = null;
  scheduledMs: number | null = null;
  /** Leading tokens found in the cache at the first admission; null before it. */
  cachedTokens: number | null = null;
  preemptions = 0;
  /** Tokens that came in time, where each has a time of its own; whoever listens counts. */
  tokensInTime = 0;
  /** Its number in the page pool while it holds pages, else -1. */
  slot = -1;
  pageIds: Int32Array = NO_PAGES;
  /** Pages that it holds. */
  heldPages = 0;
  /** Whether they hold the layers of its route only. */
  packed = false;
  /** Pages registered under the prefix they hold. */
  committed = 0;
  /** Key of the last registered page; 0 before the first. */
  chain = 0;

  constructor(request: SimRequest, host: OutlookHost) {
    this.request = request;
    this.#host = host;
    this.id = request.id;
    this.arrivalMs = request.arrivalMs;
    this.promptTokens = request.promptTokens;
    this.pendingTokens = request.promptTokens;
    this.maxTokens = request.maxTokens;
    this.slo = request.slo;
    this.priority = request.priority ?? 0;
    this.order = request.id;
  }

  get expectedTokens(): number | undefined {
    return this.#outlook().expectedTokens;
  }
  get upperTokens(): number | undefined {
    return this.#outlook().upperTokens;
  }
  get task(): TaskStage | undefined {
    return this.#outlook().task;
  }
  get attainedTokens(): number | undefined {
    return this.#outlook().attainedTokens;
  }

  /** A second body with the same past and no pages, for handing it over. */
  twin(): SimSequence {
    const twin = new SimSequence(this.request, this.#host);
    twin.generatedTokens = this.generatedTokens;
    twin.pendingTokens = this.knownTokens;
    twin.firstTokenMs = this.firstTokenMs;
    twin.lastTokenMs = this.lastTokenMs;
    twin.scheduledMs = this.scheduledMs;
    twin.cachedTokens = this.cachedTokens;
    twin.preemptions = this.preemptions;
    twin.tokensInTime = this.tokensInTime;
    twin.reachedTokens = this.reachedTokens;
    return twin;
  }

  /** It is on another instance now. */
  moveTo(host: OutlookHost): void {
    this.#host = host;
    this.#toldInView = -1;
  }

  /** Asked for once a view, and only when a policy looks. */
  #outlook(): RequestOutlook {
    const host = this.#host;
    if (this.#toldInView !== host.view) {
      this.#told = host.outlook.of(this.id, this.generatedTokens, host.nowMs);
      this.#toldInView = host.view;
    }
    return this.#told;
  }

  get knownTokens(): number {
    return this.promptTokens + this.generatedTokens;
  }

  /** Of its known tokens those that are looked for in a cache of prefixes: what layers are left out of is not in it. */
  get soughtTokens(): number {
    return this.request.route === undefined ? this.knownTokens : this.promptTokens;
  }

  /** Of its computed tokens those that others may share. */
  get shareableTokens(): number {
    return this.request.route === undefined ? this.computedTokens : Math.min(this.computedTokens, this.promptTokens);
  }

  /** Of so many tokens that a plan allows, those of its next row: where layers may be left out it is of the prompt or behind it. */
  rowTokens(planned: number): number {
    const most = Math.min(planned, this.pendingTokens);
    const left = this.promptTokens - this.computedTokens;
    return this.request.route === undefined || left <= 0 ? most : Math.min(most, left);
  }

  /** Whether it goes on with some layers only, and its pages still hold all. */
  get packable(): boolean {
    const { route } = this.request;
    if (route === undefined || this.packed || this.heldPages === 0) return false;
    return route.kept < route.layers && this.computedTokens >= this.promptTokens;
  }
}

/** A copy that stays as it is, with the fields of a live sequence's view in their order. */
export function snapshot(sequence: SequenceView): SequenceView {
  const { id, arrivalMs, promptTokens, computedTokens, pendingTokens, draftTokens, generatedTokens } = sequence;
  const {
    maxTokens,
    expectedTokens,
    upperTokens,
    task,
    attainedTokens,
    firstTokenMs,
    slo,
    priority,
    pages,
    ownPages,
    order,
  } = sequence;
  return {
    id,
    arrivalMs,
    promptTokens,
    computedTokens,
    pendingTokens,
    ...(draftTokens === undefined || draftTokens === 0 ? {} : { draftTokens }),
    generatedTokens,
    maxTokens,
    ...(expectedTokens === undefined ? {} : { expectedTokens }),
    ...(upperTokens === undefined ? {} : { upperTokens }),
    ...(task === undefined ? {} : { task }),
    ...(attainedTokens === undefined ? {} : { attainedTokens }),
    firstTokenMs,
    slo,
    ...(priority === undefined || priority === 0 ? {} : { priority }),
    pages,
    ...(ownPages === undefined ? {} : { ownPages }),
    order,
  };
}

/** So many of its tokens have keys and values in place. */
export function setComputed(sequence: SimSequence, tokens: number): void {
  sequence.computedTokens = tokens;
  sequence.pendingTokens = sequence.knownTokens - tokens;
}

/** Whether the recorded request failed in that stage of the step at hand. */
export function failsAt({ request: { failure }, generatedTokens }: SimSequence, stage: string): boolean {
  return failure !== undefined && failure.stage === stage && failure.afterTokens === generatedTokens;
}
