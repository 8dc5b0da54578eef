/**
 * One instance as its router knows it: its card, its last word about its load, how punctual it is, what its cache probably
 * holds and which requests of this router are there.
 */
import type { InstanceCard, LoadReport } from "../../protocol/index.ts";
import { costFromPoints, type CostEstimate, type InstanceLoad, type PromptBlocks } from "../../sched/index.ts";
import { Heartbeats, type HeartbeatOptions } from "../routing/heartbeats.ts";
import { countsOf } from "../registry/counts.ts";
import { BLOCK_TOKENS, PrefixIndex } from "../routing/prefix-index.ts";

/** What an instance has to know of a request. */
export interface PlacedRequest {
  /** Tokens of its answer that have come. */
  readonly tokens: number;
  /** As the instance's own counts of urgent requests have it. */
  readonly isUrgent: boolean;
}

/** Counts of a load that change with what ends. */
const NOTHING = {
  running: 0,
  pages: 0,
  waiting: 0,
  waitingTokens: 0,
  waitingPages: 0,
  urgent: 0,
  urgentWaiting: 0,
  urgentWaitingPages: 0,
};

/** See the head of this file. @typeParam R a request of this router */
export class FleetInstance<R extends PlacedRequest> {
  /** Of the router, never given twice: a restarted instance is another one. */
  readonly index: number;
  readonly prefix: PrefixIndex;
  readonly beats: Heartbeats;
  /** Requests that are there, as far as this router knows. */
  readonly open = new Set<R>();
  /** Its lease has ended, or it was found dead. */
  gone = false;
  #card: InstanceCard;
  #report: LoadReport | null = null;
  #load: InstanceLoad;
  /** What was sent there since its last word, which cannot speak of it. */
  readonly #sent = new Map<R, { readonly pages: number; readonly tokens: number }>();
  /** What has ended there since its last word, which still speaks of it. */
  readonly #ended = { ...NOTHING };
  /** Requests that its last word counts among those that wait, as nothing had come of them by then. */
  readonly #waited = new Map<R, number>();

  constructor(index: number, card: InstanceCard, nowMs: number, heartbeats: HeartbeatOptions = {}) {
    this.index = index;
    this.#card = card;
    this.prefix = new PrefixIndex(Math.floor((card.totalPages * card.pageTokens) / BLOCK_TOKENS));
    this.beats = new Heartbeats(nowMs, heartbeats);
    this.#load = this.#loadAt();
  }

  get id(): string {
    return this.#card.id;
  }

  get card(): InstanceCard {
    return this.#card;
  }

  /** Null before the first. */
  get report(): LoadReport | null {
    return this.#report;
  }

  /** As dispatchers see it: its last word, with what was sent since and has not ended, without what has ended since. */
  get load(): InstanceLoad {
    const [known, ended] = [this.#load, this.#ended];
    if (this.#sent.size === 0 && ended.running + ended.waiting === 0) return known;
    let waitingPages = Math.max(0, known.waitingPages - ended.waitingPages);
    let waitingTokens = Math.max(0, known.waitingTokens - ended.waitingTokens);
    let [urgentSent, urgentSentPages] = [0, 0];
    for (const [{ isUrgent }, { pages, tokens }] of this.#sent) {
      waitingPages += pages;
      waitingTokens += tokens;
      if (!isUrgent) continue;
      urgentSent += 1;
      urgentSentPages += pages;
    }
    return {
      ...known,
      waiting: Math.max(0, known.waiting - ended.waiting) + this.#sent.size,
      waitingPages,
      waitingTokens,
      urgent: Math.max(0, known.urgent - ended.urgent) + urgentSent,
      urgentWaiting: Math.max(0, known.urgentWaiting - ended.urgentWaiting) + urgentSent,
      urgentWaitingPages: Math.max(0, known.urgentWaitingPages - ended.urgentWaitingPages) + urgentSentPages,
      running: Math.max(0, known.running - ended.running),
      usedPages: Math.max(0, known.usedPages - ended.pages),
    };
  }

  /** A request goes there. @param tokens of it, and how many of them are probably cached */
  enter(request: R, tokens: number, cachedTokens: number): void {
    this.open.add(request);
    const pages = Math.ceil(tokens / this.#card.pageTokens);
    this.#sent.set(request, { pages, tokens: Math.max(1, tokens - cachedTokens) });
    this.#waited.set(request, tokens);
  }

  /** It is not there any more. @param tokens that it had */
  leave(request: R, tokens: number): void {
    this.open.delete(request);
    if (this.#sent.delete(request)) return;
    const { pageTokens } = this.#card;
    if (request.isUrgent) this.#ended.urgent += 1;
    const waited = this.#waited.get(request);
    // It may have been admitted just before the report: then the counts of those that wait do not have it.
    if (waited === undefined || this.#load.waiting <= this.#ended.waiting) {
      this.#ended.running += 1;
      this.#ended.pages += Math.ceil(tokens / pageTokens);
      return;
    }
    this.#ended.waiting += 1;
    this.#ended.waitingTokens += waited;
    const pages = Math.ceil(waited / pageTokens);
    this.#ended.waitingPages += pages;
    if (!request.isUrgent) return;
    this.#ended.urgentWaiting += 1;
    this.#ended.urgentWaitingPages += pages;
  }

  get draining(): boolean {
    return this.#card.state === "draining" || this.#report?.state === "draining";
  }

  renewed(card: InstanceCard): void {
    const changed = card.state !== this.#card.state;
    this.#card = card;
    if (changed) this.#load = this.#loadAt();
  }

  /** Its load, unless a younger one came before. */
  heard(report: LoadReport, nowMs: number): void {
    if (this.#report !== null && report.sequence <= this.#report.sequence) return;
    this.#report = report;
    this.beats.heard(nowMs);
    this.#sent.clear();
    for (const request of this.#waited.keys())
      if (!this.open.has(request) || request.tokens > 0) this.#waited.delete(request);
    Object.assign(this.#ended, NOTHING);
    this.#load = this.#loadAt();
  }

  /** May it be given something new? */
  accepts(nowMs: number): boolean {
    return !this.gone && !this.draining && this.#card.role !== "decode" && this.beats.trusted(nowMs);
  }

  #loadAt(): InstanceLoad {
    const { maxRunning } = this.#card;
    const { draining } = this;
    const budgetTokens = this.#report?.budgetTokens;
    const cost = costOf(this.#report);
    return {
      ...countsOf(this.#card, this.#report),
      index: this.index,
      state: draining ? "draining" : "serving",
      accepting: !draining,
      ...(cost === null ? {} : { cost }),
      ...(budgetTokens ? { limits: { budgetTokens, maxRunning } } : {}),
      cachedTokens: (request) => this.#cachedTokens(request),
    };
  }

  #cachedTokens({ promptTokens, hashIds = [] }: PromptBlocks): number {
    // The last token is always computed: somebody has to say what comes next.
    return Math.min(promptTokens - 1, this.prefix.match(hashIds) * BLOCK_TOKENS);
  }
}

function costOf(report: LoadReport | null): CostEstimate | null {
  const points = report?.costs ?? [];
  if (points.length === 0) return null;
  return costFromPoints(points.map(({ tokens, stepMs }) => [tokens, stepMs] as const));
}
