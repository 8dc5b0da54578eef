/**
 * The composition of steps against a plain first-come-first-served scheduler, written out with every scan in place: the
 * same views must give the same plans, to the byte.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fifo } from "./fifo.ts";
import { Drive } from "./drive.conformance.ts";
import { deadlineAtMs } from "./slo.ts";
import type { Advance, CostEstimate, Rejection, SchedulerView, SequenceView, StepPlan } from "./types.ts";
import { optionsArbitrary, requestsArbitrary, viewArbitrary } from "./views.conformance.ts";

const same = (view: SchedulerView, plan: StepPlan): void => {
  expect(JSON.stringify(plan)).toBe(JSON.stringify(new PlainFifo(view).plan()));
};

test("any view gives the plan of the plain scheduler", () => {
  const property = fc.property(viewArbitrary, (view) => same(view, fifo().plan(view)));
  fc.assert(property, { seed: 31, numRuns: 800 });
});

test("so does every view that a workload comes through", () => {
  const scenario = optionsArbitrary.chain((options) => fc.tuple(fc.constant(options), requestsArbitrary(options)));
  const property = fc.property(scenario, ([options, requests]) => {
    new Drive(fifo(), requests, options).run(20_000, same);
  });
  fc.assert(property, { seed: 32, numRuns: 30 });
});

/** Nobody waits for the end of a step in which nothing decodes: it may be larger, and so may a chunk that nobody set. */
function withLimitsOfStep(view: SchedulerView): SchedulerView {
  const { budgetTokens, maxChunk, promptStepTokens } = view.limits;
  const decodes = view.running.filter((sequence) => sequence.pendingTokens === 1).length;
  if (decodes > 0 || promptStepTokens === undefined) return view;
  const chunk = maxChunk >= budgetTokens ? promptStepTokens : maxChunk;
  return { ...view, limits: { ...view.limits, budgetTokens: promptStepTokens, maxChunk: chunk } };
}

/** One plan in the making. Lives for one call. */
class PlainFifo {
  readonly #view: SchedulerView;
  readonly #advance: Advance[] = [];
  readonly #admit: number[] = [];
  readonly #preempted = new Set<number>();
  readonly #expire: number[] = [];
  readonly #cut = new Set<number>();
  readonly #reject: Rejection[] = [];
  /** Still running after cuts, oldest first. */
  #running: SequenceView[] = [];
  #free: number;
  #budget: number;

  constructor(view: SchedulerView) {
    this.#view = withLimitsOfStep(view);
    this.#free = view.freePages;
    this.#budget = this.#view.limits.budgetTokens;
  }

  plan(): StepPlan {
    const waiting = this.#triage();
    for (const sequence of this.#view.running) {
      if (mustCut(this.#view, sequence)) {
        this.#cut.add(sequence.id);
        this.#free += ownPages(sequence);
      } else {
        this.#running.push(sequence);
      }
    }
    this.#running.sort(byOrder);
    for (const sequence of this.#running) if (sequence.pendingTokens === 1) this.#decode(sequence);
    for (const sequence of this.#running) if (sequence.pendingTokens > 1) this.#prefill(sequence);
    // Pages that a preemption freed belong to the older ones; admitting now would only preempt again.
    if (this.#preempted.size === 0) {
      this.#admitFrom(waiting);
      for (const sequence of this.#running) this.#draft(sequence);
    }
    return {
      advance: this.#advance,
      admit: this.#admit,
      preempt: [...this.#preempted],
      expire: this.#expire,
      cut: [...this.#cut],
      reject: this.#reject,
    };
  }

  /** What leaves the queue unrun; returns the rest in arrival order. */
  #triage(): SequenceView[] {
    const { nowMs, waiting } = this.#view;
    const kept: SequenceView[] = [];
    for (const sequence of waiting.toSorted(byOrder)) {
      if (sequence.generatedTokens > 0) {
        if (mustCut(this.#view, sequence)) this.#cut.add(sequence.id);
        else kept.push(sequence);
        continue;
      }
      if (nowMs >= deadlineAtMs(sequence)) {
        this.#expire.push(sequence.id);
        continue;
      }
      const refused = sequence.slo.onMiss === "reject" ? rejection(this.#view, sequence, kept) : null;
      if (refused === null) kept.push(sequence);
      else this.#reject.push(refused);
    }
    return kept;
  }

  #decode(sequence: SequenceView): void {
    if (this.#preempted.has(sequence.id) || this.#budget === 0) return;
    const needed = pagesFor(this.#view, sequence.computedTokens + 1) - sequence.pages;
    while (needed > this.#free) {
      const victim = this.#youngest();
      if (victim === undefined) return; // shared pages count as free only in the next view
      this.#preempt(victim);
      if (victim === sequence) return;
    }
    this.#take(sequence.id, 1, needed);
  }

  #prefill(sequence: SequenceView): void {
    if (this.#preempted.has(sequence.id)) return;
    const { maxChunk } = this.#view.limits;
    const wanted = Math.min(sequence.pendingTokens, this.#budget, maxChunk);
    if (wanted === 0) return;
    const needed = pagesFor(this.#view, sequence.computedTokens + wanted) - sequence.pages;
    while (needed > this.#free) {
      const victim = this.#youngest();
      if (victim === undefined || victim.order <= sequence.order) break;
      this.#preempt(victim);
    }
    const room = (sequence.pages + this.#free) * this.#view.pageTokens - sequence.computedTokens;
    const tokens = Math.min(wanted, room);
    if (tokens < 1) return;
    this.#take(sequence.id, tokens, pagesFor(this.#view, sequence.computedTokens + tokens) - sequence.pages);
  }

  #admitFrom(waiting: readonly SequenceView[]): void {
    const { limits } = this.#view;
    // What admitted prompts still need is spoken for.
    let reserved = 0;
    for (const sequence of this.#running) {
      if (sequence.pendingTokens === 1) continue;
      const planned = this.#advance.find((a) => a.id === sequence.id)?.tokens ?? 0;
      const total = pagesFor(this.#view, sequence.computedTokens + sequence.pendingTokens);
      reserved += total - Math.max(sequence.pages, pagesFor(this.#view, sequence.computedTokens + planned));
    }
    let count = this.#running.length;
    for (const sequence of waiting) {
      if (count >= limits.maxRunning || this.#budget === 0) return;
      const cached = this.#view.cachedTokens(sequence.id);
      const cachedPages = Math.ceil(cached / this.#view.pageTokens);
      const returned = this.#cut.size > 0 && this.#view.running.some((s) => this.#cut.has(s.id));
      const revived = returned ? cachedPages : (this.#view.cachedFreePages?.(sequence.id) ?? cachedPages);
      const fresh = pagesFor(this.#view, sequence.pendingTokens) - cachedPages;
      // A page for each running sequence to grow into, so that admission does not cause preemption at once.
      const headroom = count;
      if (fresh + revived + reserved + headroom > this.#free && count > 0) return;
      if (fresh + revived > this.#free) return;
      const tokens = Math.min(sequence.pendingTokens - cached, this.#budget, limits.maxChunk);
      const now = pagesFor(this.#view, cached + tokens) - cachedPages;
      this.#admit.push(sequence.id);
      this.#free -= revived;
      this.#take(sequence.id, tokens, now);
      reserved += fresh - now;
      count += 1;
    }
  }

  /** As many guesses as there is room for when everybody else has what is theirs. */
  #draft({ id, pendingTokens, draftTokens = 0 }: SequenceView): void {
    const at = this.#advance.findIndex((a) => a.id === id);
    if (at < 0 || pendingTokens !== 1) return;
    for (let tokens = 1 + draftTokens; tokens > 1; tokens--) {
      const plan = this.#advance.with(at, { id, tokens });
      const total = plan.reduce((sum, a) => sum + a.tokens, 0);
      const { budgetTokens, maxChunk } = this.#view.limits;
      const pages = this.#pagesWith(plan);
      const short = pages > this.#pagesWith(this.#advance) && pages > this.#freeAtFirst();
      if (total > budgetTokens || tokens > maxChunk || short) continue;
      this.#advance[at] = { id, tokens };
      return;
    }
  }

  /** Pages that a plan takes, and those that prompts in it or begun before will take. */
  #pagesWith(plan: readonly Advance[]): number {
    let pages = 0;
    for (const sequence of this.#running) {
      const planned = plan.find((a) => a.id === sequence.id)?.tokens ?? 0;
      const end = sequence.computedTokens + Math.max(planned, sequence.pendingTokens > 1 ? sequence.pendingTokens : 0);
      pages += Math.max(0, pagesFor(this.#view, end) - sequence.pages);
    }
    for (const id of this.#admit) {
      const sequence = this.#view.waiting.find((one) => one.id === id)!;
      const cachedPages = Math.ceil(this.#view.cachedTokens(id) / this.#view.pageTokens);
      const returned = this.#view.running.some((s) => this.#cut.has(s.id));
      pages += pagesFor(this.#view, sequence.pendingTokens) - cachedPages;
      pages += returned ? cachedPages : (this.#view.cachedFreePages?.(id) ?? cachedPages);
    }
    return pages;
  }

  #freeAtFirst(): number {
    const returned = this.#view.running.filter((sequence) => this.#cut.has(sequence.id));
    return this.#view.freePages + returned.reduce((sum, sequence) => sum + ownPages(sequence), 0);
  }

  #take(id: number, tokens: number, pages: number): void {
    this.#advance.push({ id, tokens });
    this.#budget -= tokens;
    this.#free -= Math.max(0, pages);
  }

  /** The youngest sequence that still may be preempted: not planned in this step. */
  #youngest(): SequenceView | undefined {
    return this.#running.findLast(
      (sequence) => !this.#preempted.has(sequence.id) && !this.#advance.some((a) => a.id === sequence.id),
    );
  }

  #preempt(sequence: SequenceView): void {
    this.#preempted.add(sequence.id);
    this.#free += ownPages(sequence);
  }
}

function byOrder(a: SequenceView, b: SequenceView): number {
  return a.order - b.order;
}

function pagesFor(view: SchedulerView, tokens: number): number {
  return Math.ceil(tokens / view.pageTokens);
}

function ownPages(sequence: SequenceView): number {
  return sequence.ownPages ?? sequence.pages;
}

/** True when the next token would come after the deadline of a sequence that asked to be cut there. */
function mustCut(view: SchedulerView, sequence: SequenceView): boolean {
  if (sequence.slo.onMiss !== "cut") return false;
  const stepMs = sequence.generatedTokens > 0 ? (view.cost?.stepMs(view.running.length) ?? 0) : 0;
  return view.nowMs + stepMs >= deadlineAtMs(sequence);
}

interface FinishEstimate {
  /** From arrival, milliseconds. */
  readonly ttftMs: number;
  readonly e2eMs: number;
}

/**
 * @param ahead waiting sequences that go first, in order.
 * @param cachedTokens tokens of the sequence that need no computing.
 * @returns null while nothing is known about costs.
 */
function estimateFinish(
  view: SchedulerView,
  sequence: SequenceView,
  ahead: readonly SequenceView[],
  cachedTokens = 0,
): FinishEstimate | null {
  const { cost, running } = view;
  if (cost === undefined || cost.stepMs(1) <= 0) return null;
  let tokens = sequence.pendingTokens - cachedTokens;
  for (const other of running) if (other.pendingTokens > 1) tokens += other.pendingTokens;
  for (const other of ahead) tokens += other.pendingTokens;
  const queuedMs = view.nowMs - sequence.arrivalMs;
  const ttftMs = queuedMs + slotWaitMs(view, ahead.length) + prefillMs(view, cost, tokens);
  const idle = running.length === 0 && ahead.length === 0;
  const expected = sequence.expectedTokens ?? (idle ? 1 : sequence.maxTokens);
  const together = Math.min(view.limits.maxRunning, running.length + ahead.length + 1);
  return { ttftMs, e2eMs: ttftMs + (expected - 1) * cost.stepMs(together) };
}

/** That many prompt tokens in steps of a full budget, beside the running decodes. */
function prefillMs(view: SchedulerView, cost: CostEstimate, tokens: number): number {
  const { budgetTokens, maxRunning } = view.limits;
  const decodes = view.running.length;
  const perStep = Math.max(1, budgetTokens - Math.min(decodes, maxRunning - 1));
  const fullSteps = Math.floor(tokens / perStep);
  const rest = tokens - fullSteps * perStep;
  const restMs = rest > 0 ? cost.stepMs(Math.min(budgetTokens, rest + decodes)) : 0;
  return fullSteps * cost.stepMs(budgetTokens) + restMs;
}

/** Until enough running sequences have finished to leave a slot for number `position` in line. */
function slotWaitMs(view: SchedulerView, position: number): number {
  const missing = position + 1 - (view.limits.maxRunning - view.running.length);
  if (missing <= 0) return 0;
  const left = view.running
    .map((other) => Math.max(1, (other.expectedTokens ?? other.maxTokens) - other.generatedTokens))
    .toSorted((a, b) => a - b);
  const steps = left[Math.min(missing, left.length) - 1] ?? 0;
  return steps * (view.cost?.stepMs(view.running.length) ?? 0);
}

/** The refusal of a request whose objective cannot be met, by the estimate; null when it can. */
function rejection(view: SchedulerView, sequence: SequenceView, ahead: readonly SequenceView[]): Rejection | null {
  // Looking into the prefix cache hashes the whole prompt: only when the answer depends on it.
  // An idle server tries one in sixteen that it would refuse for less than eight times the target.
  const mercy = view.running.length === 0 && ahead.length === 0 && sequence.id % 16 === 15 ? 8 : 1;
  const refused = missed(sequence, estimateFinish(view, sequence, ahead), mercy);
  if (refused === null) return null;
  const cached = view.cachedTokens(sequence.id);
  return cached === 0 ? refused : missed(sequence, estimateFinish(view, sequence, ahead, cached), mercy);
}

function missed(sequence: SequenceView, estimate: FinishEstimate | null, mercy: number): Rejection | null {
  if (estimate === null) return null;
  const { ttftMs, deadlineMs } = sequence.slo;
  const targets: [string, number, number | undefined][] = [
    ["first token", estimate.ttftMs, ttftMs],
    ["last token", estimate.e2eMs, deadlineMs],
  ];
  for (const [what, expected, target] of targets) {
    if (target === undefined || expected <= target * mercy) continue;
    return {
      id: sequence.id,
      reason: `${what} expected ${Math.round(expected)} ms after arrival, objective ${Math.round(target)} ms`,
      retryAfterMs: Math.ceil(expected - target),
    };
  }
  return null;
}
