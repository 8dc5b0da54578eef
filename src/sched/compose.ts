/**
 * The mechanics that batching policies share: who leaves (expired, cut, refused), pages counted to the last one,
 * decodes and prompts under a token budget, admission with room for the whole prompt, preemption from the end of the
 * line. A policy says how by `StepRules`: an order, a budget, what goes first, whether prompts may be cut, who gives
 * way.
 *
 * Drafted tokens come last, within what budget and free pages are left over: they may save steps, so they must not cost
 * anybody's place, and nobody is preempted for them.
 *
 * It is no policy and keeps nothing between plans.
 *
 * Why nothing deadlocks, whatever the rules: an admission needs room for the whole prompt beyond what admitted
 * prompts still need, so half-computed prompts cannot block each other; a sequence takes pages only from those behind
 * it in the order; the first in the order always fits alone (the runtime refuses what would not); who gives way has
 * made a token since it was admitted. Why nothing starves is the order's business: see each policy.
 */
import { FinishEstimates } from "./estimate.ts";
import { deadlineAtMs } from "./slo.ts";
import type { Advance, Rejection, SchedulerView, SequenceView, StepPlan } from "./types.ts";

/**
 * What goes first in a step.
 *   decodes-first  running decodes, then prompts with what is left of the budget
 *   prompts-first  prompts that have begun, then decodes, then new prompts
 *   prompts-alone  prompts; decodes only in steps without any
 */
export type Mix = "decodes-first" | "prompts-first" | "prompts-alone";

/** How one step is to be composed. */
export interface StepRules {
  /** Lower goes first, ties go in arrival order. A function of the view alone. Absent: arrival order. */
  readonly rank?: (sequence: SequenceView) => number;
  /** Most tokens in this step. */
  readonly budgetTokens: number;
  /** Most tokens of one sequence in this step. */
  readonly maxChunk: number;
  readonly mix: Mix;
  /** Prompts are computed in one piece; only one that no step can hold is cut, and then the pieces follow each other. */
  readonly whole?: boolean;
  /**
   * Prompts waiting and begun go in one line by rank; otherwise those begun come first. With decodes first only, and
   * not with whole prompts.
   */
  readonly oneLine?: boolean;
  /**
   * May the waiting one take the slot and the pages of the running decode, when there is no other room for it? Asked
   * only of sequences that have generated; a few give way per step.
   */
  readonly displaces?: (waiting: SequenceView, running: SequenceView) => boolean;
}

/** More would mostly recompute. */
const MAX_DISPLACED = 4;

/** The plan that follows from the rules. Time is that of sorting the waiting and running sequences by rank. */
export function composeStep(view: SchedulerView, rules: StepRules): StepPlan {
  return new Draft(view, rules).plan();
}

/** What admitting a sequence takes. */
interface Demand {
  readonly cachedTokens: number;
  readonly cachedPages: number;
  /** Pages that leave the free list: cached ones revived, and fresh ones for the whole prompt. */
  readonly revived: number;
  readonly fresh: number;
}

/** One plan in the making. Lives for one call. */
class Draft {
  readonly #view: SchedulerView;
  readonly #rules: StepRules;
  readonly #advance: Advance[] = [];
  readonly #planned = new Set<number>();
  readonly #admit: number[] = [];
  readonly #preempted = new Set<number>();
  readonly #expire: number[] = [];
  readonly #cut = new Set<number>();
  readonly #reject: Rejection[] = [];
  /** Still running after cuts, first in line first. */
  #running: readonly SequenceView[] = [];
  /** Behind this index everyone is planned or preempted. */
  #lastIdle = -1;
  #free: number;
  #budget: number;
  /** Pages that prompts which have begun still need: spoken for. */
  #reserved = 0;
  /** Prompts have a piece in this step. */
  #prompts = 0;
  /** Pages ran out: what a preemption freed belongs to those ahead. */
  #pressed = false;
  /** Pages come back from who leaves in this step; some may be those that a waiting sequence counts as cached. */
  #returned = false;
  /** Somebody could not be admitted, so nobody behind may be. */
  #closed = false;

  constructor(view: SchedulerView, rules: StepRules) {
    this.#view = view;
    this.#rules = rules;
    this.#free = view.freePages;
    this.#budget = rules.budgetTokens;
  }

  plan(): StepPlan {
    const waiting = this.#triage();
    this.#running = inOrder(this.#cutRunning(), this.#rules.rank);
    this.#lastIdle = this.#running.length - 1;
    for (const sequence of this.#running) {
      if (sequence.pendingTokens > 1) this.#reserved += this.#wholePages(sequence) - sequence.pages;
    }
    this.#displace(waiting);
    switch (this.#rules.mix) {
      case "decodes-first":
        this.#decodes();
        if (this.#rules.oneLine === true) this.#promptsInOneLine(waiting);
        else {
          this.#begun();
          this.#admitFrom(waiting);
        }
        break;
      case "prompts-first":
        this.#begun();
        this.#decodes();
        this.#admitFrom(waiting);
        break;
      case "prompts-alone":
        this.#begun();
        this.#admitFrom(waiting);
        if (this.#prompts === 0) this.#decodes();
        break;
      default:
        this.#rules.mix satisfies never;
    }
    this.#drafts();
    return {
      advance: this.#advance,
      admit: this.#admit,
      preempt: [...this.#preempted],
      expire: this.#expire,
      cut: [...this.#cut],
      reject: this.#reject,
    };
  }

  /** What leaves the queue unrun; returns the rest, first in line first. */
  #triage(): SequenceView[] {
    const { nowMs, waiting } = this.#view;
    const kept: SequenceView[] = [];
    const estimates = new FinishEstimates(this.#view, this.#rules.budgetTokens);
    for (const sequence of inOrder(waiting, this.#rules.rank)) {
      if (sequence.generatedTokens > 0) {
        if (mustCut(this.#view, sequence)) {
          this.#cut.add(sequence.id);
          continue;
        }
      } else if (nowMs >= deadlineAtMs(sequence)) {
        this.#expire.push(sequence.id);
        continue;
      } else if (sequence.slo.onMiss === "reject") {
        const refused = estimates.rejection(sequence);
        if (refused !== null) {
          this.#reject.push(refused);
          continue;
        }
      }
      kept.push(sequence);
      estimates.goesAhead(sequence);
    }
    return kept;
  }

  #cutRunning(): SequenceView[] {
    return this.#view.running.filter((sequence) => {
      if (!mustCut(this.#view, sequence)) return true;
      this.#cut.add(sequence.id);
      this.#free += ownPages(sequence);
      this.#returned = true;
      return false;
    });
  }

  #decodes(): void {
    for (const sequence of this.#running) if (sequence.pendingTokens === 1) this.#decode(sequence);
  }

  #begun(): void {
    for (const sequence of this.#running) if (sequence.pendingTokens > 1) this.#prefill(sequence);
  }

  #decode(sequence: SequenceView): void {
    if (this.#preempted.has(sequence.id) || this.#budget === 0) return;
    const needed = this.#pagesFor(sequence.computedTokens + 1) - sequence.pages;
    while (needed > this.#free) {
      const victim = this.#lastInLine();
      if (victim === undefined) return; // shared pages count as free only in the next view
      this.#takePagesOf(victim);
      if (victim === sequence) return;
    }
    this.#take(sequence.id, 1, needed);
  }

  /** Gives decodes of this step the room that is left, in their order. */
  #drafts(): void {
    if (this.#pressed || this.#running.every(({ draftTokens = 0 }) => draftTokens === 0)) return;
    let pages = Math.max(0, this.#free - Math.max(0, this.#reserved)); // begun prompts have theirs promised
    const running = new Map(this.#running.map((sequence) => [sequence.id, sequence]));
    for (const [at, { id, tokens }] of this.#advance.entries()) {
      const sequence = running.get(id);
      if (sequence === undefined || sequence.pendingTokens !== 1) continue;
      const { draftTokens = 0, computedTokens, pages: held } = sequence;
      const after = Math.max(held, this.#pagesFor(computedTokens + tokens));
      const room = (after + pages) * this.#view.pageTokens - computedTokens - tokens;
      const more = Math.min(draftTokens, this.#budget, this.#rules.maxChunk - tokens, room);
      if (more < 1) continue;
      this.#advance[at] = { id, tokens: tokens + more };
      this.#budget -= more;
      pages -= Math.max(0, this.#pagesFor(computedTokens + tokens + more) - after);
    }
  }

  #prefill(sequence: SequenceView): void {
    if (this.#preempted.has(sequence.id)) return;
    const wanted = Math.min(sequence.pendingTokens, this.#budget, this.#rules.maxChunk);
    if (wanted === 0) return;
    const needed = this.#pagesFor(sequence.computedTokens + wanted) - sequence.pages;
    while (needed > this.#free) {
      const victim = this.#lastInLine();
      if (victim === undefined || victim === sequence) break;
      this.#takePagesOf(victim);
    }
    const room = (sequence.pages + this.#free) * this.#view.pageTokens - sequence.computedTokens;
    const tokens = Math.min(wanted, room);
    if (tokens < 1) return;
    const pages = this.#pagesFor(sequence.computedTokens + tokens) - sequence.pages;
    this.#take(sequence.id, tokens, pages);
    this.#reserved -= Math.max(0, pages);
    this.#prompts += 1;
  }

  #admitFrom(waiting: readonly SequenceView[]): void {
    for (const sequence of waiting) {
      if (this.#budget === 0 || !this.#admits(sequence)) return;
    }
  }

  #promptsInOneLine(waiting: readonly SequenceView[]): void {
    const begun = this.#running.filter((sequence) => sequence.pendingTokens > 1);
    const isBegun = new Set(begun);
    for (const sequence of inOrder([...begun, ...waiting], this.#rules.rank)) {
      if (this.#budget === 0) return;
      if (isBegun.has(sequence)) this.#prefill(sequence);
      else this.#admits(sequence);
    }
  }

  /** Admits a sequence with its first piece, or closes the door to those behind it. */
  #admits(sequence: SequenceView): boolean {
    // Admitting on pages that were just taken from somebody would only take them again.
    if (this.#closed || this.#pressed) return false;
    const count = this.#running.length - this.#preempted.size + this.#admit.length;
    this.#closed = true;
    if (count >= this.#view.limits.maxRunning) return false;
    const { cachedTokens, cachedPages, revived, fresh } = this.#demand(sequence);
    if (!this.#fits(fresh + revived, count)) return false;
    const pending = sequence.pendingTokens - cachedTokens;
    const tokens = Math.min(pending, this.#budget, this.#rules.maxChunk);
    // A prompt that is not to be cut waits for a step it can begin.
    if (this.#rules.whole === true && tokens < pending && this.#prompts > 0) return false;
    this.#closed = false;
    const now = this.#pagesFor(cachedTokens + tokens) - cachedPages;
    this.#admit.push(sequence.id);
    this.#free -= revived;
    this.#take(sequence.id, tokens, now);
    this.#reserved += fresh - now;
    this.#prompts += 1;
    return true;
  }

  /** A page for each of the others to grow into, so that an admission does not cause preemption at once. */
  #fits(pages: number, others: number): boolean {
    return pages <= this.#free && (others === 0 || pages + this.#reserved + others <= this.#free);
  }

  #demand(sequence: SequenceView): Demand {
    const cachedTokens = this.#view.cachedTokens(sequence.id);
    const cachedPages = this.#pagesFor(cachedTokens);
    // Cached pages of somebody who leaves in this step are counted as returned already: they are not there twice.
    const revived = this.#returned ? cachedPages : (this.#view.cachedFreePages?.(sequence.id) ?? cachedPages);
    return { cachedTokens, cachedPages, revived, fresh: this.#pagesFor(sequence.pendingTokens) - cachedPages };
  }

  /** Makes room for the first in line, where the rules let them take it from running decodes. */
  #displace(waiting: readonly SequenceView[]): void {
    const { displaces } = this.#rules;
    if (displaces === undefined) return;
    let count = this.#running.length;
    let budget = this.#budget;
    let promised = this.#reserved;
    let free = this.#free;
    for (const { pendingTokens } of this.#running) budget -= Math.min(pendingTokens, this.#rules.maxChunk);
    let at = this.#running.length - 1;
    for (const sequence of waiting) {
      if (budget <= 0) return;
      const demand = this.#demand(sequence);
      const givingWay: SequenceView[] = [];
      let returned = 0;
      const short = (): boolean => {
        const others = count - givingWay.length;
        // Twice a page for each: decodes of this step may take one before the admission, which wants another.
        const pages = demand.fresh + (givingWay.length > 0 ? demand.cachedPages : demand.revived);
        return others >= this.#view.limits.maxRunning || pages + promised + 2 * others > free + returned;
      };
      while (short()) {
        while (at >= 0 && !mayGiveWay(this.#running[at]!, sequence, displaces)) at -= 1;
        if (at < 0 || this.#preempted.size + givingWay.length >= MAX_DISPLACED) return;
        givingWay.push(this.#running[at]!);
        returned += ownPages(this.#running[at]!);
        at -= 1;
      }
      for (const other of givingWay) this.#preempt(other);
      free += returned - (givingWay.length > 0 ? demand.cachedPages : demand.revived);
      promised += demand.fresh;
      budget -= Math.min(sequence.pendingTokens - demand.cachedTokens, this.#rules.maxChunk);
      count += 1 - givingWay.length;
    }
  }

  #take(id: number, tokens: number, pages: number): void {
    this.#advance.push({ id, tokens });
    this.#planned.add(id);
    this.#budget -= tokens;
    this.#free -= Math.max(0, pages);
  }

  /** The last in line that still may be preempted: not planned in this step. */
  #lastInLine(): SequenceView | undefined {
    while (this.#lastIdle >= 0) {
      const sequence = this.#running[this.#lastIdle]!;
      if (!this.#preempted.has(sequence.id) && !this.#planned.has(sequence.id)) return sequence;
      this.#lastIdle -= 1;
    }
    return undefined;
  }

  #takePagesOf(victim: SequenceView): void {
    this.#preempt(victim);
    this.#pressed = true;
  }

  #preempt(sequence: SequenceView): void {
    this.#preempted.add(sequence.id);
    this.#free += ownPages(sequence);
    this.#returned = true;
  }

  #pagesFor(tokens: number): number {
    return Math.ceil(tokens / this.#view.pageTokens);
  }

  #wholePages(sequence: SequenceView): number {
    return this.#pagesFor(sequence.computedTokens + sequence.pendingTokens);
  }
}

/** The sequences by rank, then by arrival; the same list when they are so already. */
function inOrder(sequences: readonly SequenceView[], rank: StepRules["rank"]): readonly SequenceView[] {
  if (isInOrder(sequences, rank)) return sequences;
  if (rank === undefined) return sequences.toSorted((a, b) => a.order - b.order);
  const ranked = sequences.map((sequence) => ({ sequence, rank: rank(sequence) }));
  ranked.sort((a, b) => a.rank - b.rank || a.sequence.order - b.sequence.order);
  return ranked.map(({ sequence }) => sequence);
}

function isInOrder(sequences: readonly SequenceView[], rank: StepRules["rank"]): boolean {
  let lastRank = -Infinity;
  let lastOrder = -Infinity;
  for (const sequence of sequences) {
    const own = rank === undefined ? 0 : rank(sequence);
    if (own < lastRank || (own === lastRank && sequence.order < lastOrder)) return false;
    lastRank = own;
    lastOrder = sequence.order;
  }
  return true;
}

/** Only decodes, so that everyone admitted makes a token before it may have to go again. */
function mayGiveWay(
  running: SequenceView,
  waiting: SequenceView,
  displaces: NonNullable<StepRules["displaces"]>,
): boolean {
  return running.pendingTokens === 1 && running.generatedTokens > 0 && displaces(waiting, running);
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
