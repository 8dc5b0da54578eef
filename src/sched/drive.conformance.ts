/**
 * Carries a policy's plans out in the plainest way, on counted pages and a clock that a linear cost of steps moves, and
 * checks every plan against the laws of plans. For tests of policies; nothing is computed.
 */
import { assert, FakeClock } from "../core/index.ts";
import { deadlineAtMs } from "./slo.ts";
import type { BatchPolicy, SchedulerLimits, SchedulerView, SequenceView, Slo, StepPlan, TaskStage } from "./types.ts";

/** One request of a driven workload. */
export interface DrivenRequest {
  readonly arrivalMs: number;
  readonly promptTokens: number;
  /** What it will generate if nothing stops it; also its maxTokens. */
  readonly outputTokens: number;
  readonly slo: Slo;
  /** Requests of one task share its account of service. */
  readonly task?: TaskStage;
  /** What the view says about its length; nothing when absent. Of no use to anyone but a policy. */
  readonly expectedTokens?: number;
  readonly upperTokens?: number;
  /** Requests of one group share their first `sharedPages` full pages of prompt. */
  readonly group: number;
  readonly sharedPages: number;
  /** Guesses at its next tokens that it offers with every decode, and how many of them prove right; none when absent. */
  readonly drafts?: { readonly tokens: number; readonly right: number };
}

export interface DriveOptions {
  readonly totalPages: number;
  readonly pageTokens: number;
  readonly limits: SchedulerLimits;
  readonly stepMs: (tokens: number) => number;
}

export type DrivenEnd = "done" | "expired" | "rejected" | "cut";

export interface Driven {
  /** When each request ended. */
  readonly endsMs: readonly number[];
  readonly ends: readonly (DrivenEnd | null)[];
  readonly firstAdmissions: readonly number[];
  readonly steps: number;
  readonly preemptions: number;
  readonly tokens: number;
}

/** What differs between policies in what a lawful plan is. */
export interface PlanLaws extends Pick<BatchPolicy, "chunked"> {
  readonly decodesWait?: boolean;
}

/** What a step of that view keeps within at most. */
function limitsOf({ limits, running }: SchedulerView, laws: PlanLaws): { budget: number; chunk: number } {
  const { budgetTokens, maxStepTokens = budgetTokens, maxChunk, promptStepTokens = budgetTokens } = limits;
  if (laws.chunked === false) return { budget: maxStepTokens, chunk: maxStepTokens };
  if (running.some(({ pendingTokens }) => pendingTokens === 1)) return { budget: budgetTokens, chunk: maxChunk };
  return { budget: promptStepTokens, chunk: maxChunk < budgetTokens ? maxChunk : promptStepTokens };
}

/** Checks one plan against the view it was made of. @throws AssertionError naming the broken rule. */
export function checkPlan(view: SchedulerView, plan: StepPlan, laws: PlanLaws = {}): void {
  const waiting = new Map(view.waiting.map((s) => [s.id, s]));
  const running = new Map(view.running.map((s) => [s.id, s]));
  const gone = new Set([...plan.expire, ...plan.cut, ...plan.preempt, ...plan.reject.map((r) => r.id)]);
  assert(
    gone.size === plan.expire.length + plan.cut.length + plan.preempt.length + plan.reject.length,
    "a sequence leaves for one reason",
  );
  checkLeaving(view, plan, waiting, running);
  const admitted = new Set(plan.admit);
  assert(admitted.size === plan.admit.length, "a sequence is admitted once");
  for (const id of admitted) assert(waiting.has(id) && !gone.has(id), "only waiting sequences are admitted");

  const { budget: most, chunk } = limitsOf(view, laws);
  let budget = most;
  let free = view.freePages;
  for (const id of [...plan.preempt, ...plan.cut]) {
    const sequence = running.get(id);
    free += sequence === undefined ? 0 : (sequence.ownPages ?? sequence.pages);
  }
  const cachedPages = (id: number): number => view.cachedTokens(id) / view.pageTokens;
  // Pages that come back in this step may be the cached ones: then nobody knows how many were free before.
  const returned = [...plan.preempt, ...plan.cut].some((id) => running.has(id));
  for (const id of admitted) free -= (returned ? null : view.cachedFreePages?.(id)) ?? cachedPages(id);
  const seen = new Set<number>();
  for (const { id, tokens } of plan.advance) {
    assert(!seen.has(id), "a sequence advances once");
    seen.add(id);
    const sequence = running.get(id) ?? (admitted.has(id) ? waiting.get(id) : undefined);
    assert(sequence !== undefined && !gone.has(id), "only running or admitted sequences advance");
    const cached = admitted.has(id) ? view.cachedTokens(id) : 0;
    assert(Number.isInteger(tokens) && tokens >= 1, "an advance is a positive number of tokens");
    const drafts = sequence.pendingTokens === 1 && running.has(id) ? (sequence.draftTokens ?? 0) : 0;
    assert(
      tokens <= sequence.pendingTokens - cached + drafts,
      "an advance stays within the pending and drafted tokens",
    );
    assert(tokens <= chunk, "an advance stays within the chunk limit");
    budget -= tokens;
    const before = admitted.has(id) ? cached / view.pageTokens : sequence.pages;
    const after = Math.ceil((sequence.computedTokens + cached + tokens) / view.pageTokens);
    free -= Math.max(0, after - before);
  }
  assert(budget >= 0, "a step stays within the token budget");
  assert(free >= 0, "a step stays within the free pages");
  const stay = view.running.filter((s) => !gone.has(s.id)).length;
  assert(
    plan.admit.length === 0 || stay + plan.admit.length <= view.limits.maxRunning,
    "running sequences are limited",
  );
  const decodes = view.running.filter((s) => s.pendingTokens === 1 && !gone.has(s.id));
  const decoding = decodes.filter((s) => seen.has(s.id)).length;
  if (laws.decodesWait === true && seen.size > decoding) {
    assert(decoding === 0, "decodes wait for prompts");
    return;
  }
  assert(decoding === decodes.length || budget === 0, "a running decode advances unless the budget is spent");
}

function checkLeaving(
  view: SchedulerView,
  plan: StepPlan,
  waiting: ReadonlyMap<number, SequenceView>,
  running: ReadonlyMap<number, SequenceView>,
): void {
  for (const id of plan.preempt) assert(running.has(id), "only running sequences are preempted");
  for (const id of plan.expire) {
    const sequence = waiting.get(id);
    assert(sequence?.generatedTokens === 0, "only sequences without output expire");
    assert(view.nowMs >= deadlineAtMs(sequence), "nothing expires before its deadline");
  }
  for (const { id, reason } of plan.reject) {
    const sequence = waiting.get(id);
    assert(sequence?.generatedTokens === 0, "only sequences without output are rejected");
    assert(sequence.slo.onMiss === "reject", "only those who asked for it are rejected");
    assert(reason.length > 0, "a rejection says why");
  }
  const stepMs = view.cost?.stepMs(Math.max(1, view.running.length)) ?? 0;
  for (const id of plan.cut) {
    const sequence = waiting.get(id) ?? running.get(id);
    assert(sequence?.slo.onMiss === "cut", "only those who asked for it are cut");
    assert(view.nowMs + stepMs >= deadlineAtMs(sequence), "nothing is cut more than a step before its deadline");
  }
}

interface DrivenState {
  readonly id: number;
  readonly request: DrivenRequest;
  generated: number;
  computed: number;
  /** Of `computed`, those of drafts that are not verified yet. */
  drafted: number;
  pages: number;
  /** Of `pages`, those taken from the group's shared prefix. */
  borrowed: number;
  firstTokenMs: number | null;
  where: "future" | "waiting" | "running" | "ended";
  end: DrivenEnd | null;
  endMs: number;
  admitted: boolean;
  /** The most tokens computed at a time, which is its share in its task's service. */
  attained: number;
}

/** Carries a policy's plans out on counted pages, checking every plan. Ends when every request has. */
export class Drive {
  readonly #policy: BatchPolicy;
  readonly #options: DriveOptions;
  readonly #laws: PlanLaws;
  readonly #clock = new FakeClock();
  readonly #states: DrivenState[];
  /** Computed pages of each group's shared prefix; what nobody holds counts as free. */
  readonly #groups = new Map<number, number>();
  readonly #firstAdmissions: number[] = [];
  #steps = 0;
  #preemptions = 0;
  #tokens = 0;

  constructor(policy: BatchPolicy, requests: readonly DrivenRequest[], options: DriveOptions, decodesWait = false) {
    this.#policy = policy;
    this.#options = options;
    this.#laws = { decodesWait, ...(policy.chunked === undefined ? {} : { chunked: policy.chunked }) };
    this.#states = requests.map((request, id) => ({
      id,
      request,
      generated: 0,
      computed: 0,
      drafted: 0,
      pages: 0,
      borrowed: 0,
      firstTokenMs: null,
      where: "future",
      end: null,
      endMs: 0,
      admitted: false,
      attained: 0,
    }));
  }

  /** @param watch sees every lawful plan before it is carried out. */
  run(maxSteps: number, watch?: (view: SchedulerView, plan: StepPlan) => void): Driven {
    while (this.#states.some((s) => s.where !== "ended")) {
      assert(this.#steps < maxSteps, `the workload ends within ${maxSteps} steps`);
      this.#arrive();
      const view = this.view();
      const plan = this.#policy.plan(view);
      checkPlan(view, plan, this.#laws);
      watch?.(view, plan);
      this.#carryOut(plan);
      this.#steps += 1;
    }
    return {
      endsMs: this.#states.map((s) => s.endMs),
      ends: this.#states.map((s) => s.end),
      firstAdmissions: this.#firstAdmissions,
      steps: this.#steps,
      preemptions: this.#preemptions,
      tokens: this.#tokens,
    };
  }

  view(): SchedulerView {
    const { totalPages, pageTokens, limits, stepMs } = this.#options;
    const views = (where: DrivenState["where"]): SequenceView[] =>
      this.#states.filter((s) => s.where === where).map((s) => this.#viewOf(s));
    return {
      nowMs: this.#clock.nowMs(),
      waiting: views("waiting"),
      running: views("running"),
      freePages: totalPages - this.#usedPages(),
      pageTokens,
      totalPages,
      limits,
      cachedTokens: (id) => this.#cachedPages(this.#states[id]!) * pageTokens,
      cachedFreePages: (id) => {
        const state = this.#states[id]!;
        return Math.max(0, this.#cachedPages(state) - this.#held(state.request.group, state));
      },
      cost: { stepMs },
    };
  }

  #viewOf(s: DrivenState): SequenceView {
    const shared = Math.min(s.borrowed, this.#held(s.request.group, s));
    const { task, expectedTokens, upperTokens, drafts, outputTokens } = s.request;
    const pendingTokens = s.request.promptTokens + s.generated - s.computed;
    const left = Math.min(drafts?.tokens ?? 0, outputTokens - s.generated - 1);
    return {
      id: s.id,
      arrivalMs: s.request.arrivalMs,
      promptTokens: s.request.promptTokens,
      computedTokens: s.computed,
      pendingTokens,
      ...(pendingTokens === 1 && left > 0 ? { draftTokens: left } : {}),
      generatedTokens: s.generated,
      maxTokens: s.request.outputTokens,
      ...(expectedTokens === undefined ? {} : { expectedTokens: Math.max(s.generated, expectedTokens) }),
      ...(upperTokens === undefined ? {} : { upperTokens: Math.max(s.generated, upperTokens) }),
      ...(task === undefined ? {} : { task, attainedTokens: this.#attained(task.id) }),
      firstTokenMs: s.firstTokenMs,
      slo: s.request.slo,
      pages: s.pages,
      ownPages: s.pages - shared,
      order: s.id,
    };
  }

  #attained(task: string): number {
    let tokens = 0;
    for (const s of this.#states) if (s.request.task?.id === task) tokens += s.attained;
    return tokens;
  }

  /** The last token is always computed, as in the page manager. */
  #cachedPages(s: DrivenState): number {
    const pages = this.#groups.get(s.request.group) ?? 0;
    const usable = Math.floor((s.request.promptTokens + s.generated - 1) / this.#options.pageTokens);
    return Math.min(pages, s.request.sharedPages, usable);
  }

  #usedPages(): number {
    let used = 0;
    for (const s of this.#states) if (s.where === "running") used += s.pages - s.borrowed;
    for (const group of this.#groups.keys()) used += this.#held(group, null);
    return used;
  }

  /** Pages of a group's prefix that running sequences other than `except` hold. */
  #held(group: number, except: DrivenState | null): number {
    const holders = this.#states.filter((s) => s.where === "running" && s.request.group === group && s !== except);
    return Math.max(0, ...holders.map((s) => s.borrowed));
  }

  #arrive(): void {
    const live = this.#states.some((s) => s.where === "waiting" || s.where === "running");
    const next = this.#states.find((s) => s.where === "future");
    if (!live && next !== undefined) this.#clock.advance(Math.max(0, next.request.arrivalMs - this.#clock.nowMs()));
    for (const s of this.#states) {
      if (s.where === "future" && s.request.arrivalMs <= this.#clock.nowMs()) s.where = "waiting";
    }
  }

  #carryOut(plan: StepPlan): void {
    for (const id of plan.expire) this.#end(this.#states[id]!, "expired");
    for (const { id } of plan.reject) this.#end(this.#states[id]!, "rejected");
    for (const id of plan.cut) this.#end(this.#states[id]!, "cut");
    for (const id of plan.preempt) {
      this.#release(this.#states[id]!);
      this.#states[id]!.where = "waiting";
      this.#preemptions += 1;
    }
    for (const id of plan.admit) this.#admit(this.#states[id]!);
    let tokens = 0;
    for (const advance of plan.advance) {
      const s = this.#states[advance.id]!;
      s.drafted = Math.max(0, s.computed + advance.tokens - s.request.promptTokens - s.generated);
      s.computed += advance.tokens;
      s.attained = Math.max(s.attained, s.computed);
      s.pages = Math.max(s.pages, Math.ceil(s.computed / this.#options.pageTokens));
      tokens += advance.tokens;
    }
    assert(this.#usedPages() <= this.#options.totalPages, "used pages exist");
    const left = plan.expire.length + plan.reject.length + plan.cut.length;
    assert(tokens + left + plan.preempt.length > 0, "a step with work does something");
    this.#clock.advance(this.#options.stepMs(tokens));
    this.#tokens += tokens;
    for (const { id } of plan.advance) this.#sample(this.#states[id]!);
  }

  #admit(s: DrivenState): void {
    const pages = this.#cachedPages(s);
    s.borrowed = pages;
    s.pages = pages;
    s.computed = pages * this.#options.pageTokens;
    s.where = "running";
    if (!s.admitted) this.#firstAdmissions.push(s.id);
    s.admitted = true;
  }

  #sample(s: DrivenState): void {
    if (s.computed < s.request.promptTokens + s.generated) return;
    const right = Math.min(s.drafted, s.request.drafts?.right ?? 0);
    s.computed -= s.drafted - right;
    if (s.drafted > 0) s.pages = Math.ceil(s.computed / this.#options.pageTokens);
    s.drafted = 0;
    s.generated += 1 + right;
    assert(s.generated <= s.request.outputTokens, "no draft goes beyond the answer");
    s.firstTokenMs ??= this.#clock.nowMs();
    if (s.generated >= s.request.outputTokens) this.#end(s, "done");
  }

  #end(s: DrivenState, end: DrivenEnd): void {
    this.#release(s);
    s.where = "ended";
    s.end = end;
    s.endMs = this.#clock.nowMs();
  }

  /** Gives the pages back; a computed shared prefix becomes the group's, if it has none. */
  #release(s: DrivenState): void {
    const { group, sharedPages } = s.request;
    const complete = Math.floor(s.computed / this.#options.pageTokens) >= sharedPages && sharedPages > 0;
    if (complete && !this.#groups.has(group)) this.#groups.set(group, sharedPages);
    s.pages = 0;
    s.borrowed = 0;
    s.computed = 0;
  }
}
