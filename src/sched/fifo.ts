/**
 * First come, first served: running decodes first, then chunks of prompts under the token budget
 * (Sarathi, SplitFuse), then admission in arrival order while pages last. When pages run out the
 * youngest sequence is preempted: it gives its pages back and recomputes later.
 *
 * It reads deadlines only to expire, cut and reject; it never reorders by them.
 *
 * Why nothing starves and nothing deadlocks: an admission needs room for the whole prompt beyond what
 * admitted prompts still need; older sequences take pages from younger ones, never the reverse; and
 * the oldest always fits alone (the runtime refuses what would not).
 */
import { rejection } from "./estimate.ts";
import { deadlineAtMs } from "./slo.ts";
import type { Advance, BatchPolicy, Rejection, SchedulerView, SequenceView, StepPlan } from "./types.ts";

/** The policy at the head of this file. It keeps nothing between plans: one object serves any number of engines. */
export function fifo(): BatchPolicy {
  return { name: "fifo", plan: (view) => new Draft(view).plan() };
}

/** One plan in the making. Lives for one call. */
class Draft {
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
    this.#view = view;
    this.#free = view.freePages;
    this.#budget = view.limits.budgetTokens;
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
    if (this.#preempted.size === 0) this.#admitFrom(waiting);
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
      const revived = this.#view.cachedFreePages?.(sequence.id) ?? cachedPages;
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
