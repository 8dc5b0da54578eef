/**
 * Keeps the share of each phase: tells the controller how requests fare against their targets, and the workers how many
 * tickets their lanes have. A share is of all compute; with one worker for each phase it says how much of its time a
 * worker gives to the other phase:
 *
 *   prompts' share 0.5     nothing is given
 *   prompts' share 0.6     the decode side gives 2 x 0.6 - 1 = a fifth of its slots
 *   prompts' share 0.3     the prompts' worker gives 1 - 2 x 0.3 = two fifths of its slots
 */
import { ShareController, type Phase, type ShareDecision } from "../../sched/index.ts";
import type { SequenceEvent, SequenceSpec } from "../messages.ts";
import type { PhasesMode, PhaseStats, SemiPdOptions, SlotUse } from "./options.ts";

type Tickets = Readonly<Record<Phase, number>>;
type Use = Readonly<Record<Phase, SlotUse>>;

export interface ShareKeeperOptions {
  readonly mode: Exclude<PhasesMode, "colocated">;
  readonly semiPd?: SemiPdOptions;
  /** Tells a worker its tickets. */
  readonly setTickets: (worker: Phase, tickets: Tickets) => void;
  /** What a worker has spent so far. */
  readonly use: (worker: Phase) => Use;
}

/** How a request stands against its targets. */
interface Watched {
  readonly spec: SequenceSpec;
  /** The time of some token, and how many came before it. */
  markMs: number;
  markIndex: number;
  late: boolean;
}

/** Tokens over which a pace is taken. */
const PACE_TOKENS = 8;
/** Tickets of a step that a worker has begun for the other phase without owing it anything: it must end some time. */
const LEAST_TICKETS = 0.1;
/** How often waiting requests are looked through for those that are late already, milliseconds. */
const LATE_EVERY_MS = 50;

export class ShareKeeper {
  readonly #options: ShareKeeperOptions;
  readonly #controller: ShareController | null;
  readonly #watched = new Map<number, Watched>();
  readonly #shares: boolean;
  readonly #fixedShare: number;
  #lastDecision: ShareDecision | null = null;
  #moves = 0;
  #lookedMs = -Infinity;

  constructor(options: ShareKeeperOptions) {
    const { mode, semiPd = {} } = options;
    const { sharing = "controlled", ...controller } = semiPd;
    this.#options = options;
    this.#shares = mode === "semi-pd" && (sharing === "controlled" || sharing === "fixed");
    this.#controller = mode === "semi-pd" && sharing === "controlled" ? new ShareController(controller) : null;
    this.#fixedShare = this.#shares ? (controller.share ?? 0.5) : 0.5;
  }

  /** The prompts' share of all compute. */
  get share(): number {
    return this.#controller?.share ?? this.#fixedShare;
  }

  /** The share of its slots that a worker gives to the other phase. */
  given(worker: Phase): number {
    const tilt = 2 * this.share - 1;
    return Math.max(0, worker === "decode" ? tilt : -tilt);
  }

  arrived(spec: SequenceSpec): void {
    if (this.#controller === null || (spec.slo.ttftMs === undefined && spec.slo.tpotMs === undefined)) return;
    this.#watched.set(spec.seq, { spec, markMs: 0, markIndex: 0, late: false });
  }

  /** Tells the controller what tokens say about the targets of their requests. */
  observe(events: readonly SequenceEvent[]): void {
    if (this.#controller === null) return;
    for (const event of events) {
      const watched = this.#watched.get(event.seq);
      if (watched === undefined) continue;
      if (event.kind === "token") this.#token(watched, event.token.index, event.token.atMs);
      else if (event.kind === "finish")
        this.#pace(watched, event.finish.usage.completionTokens - 1, event.end.timing.lastTokenMs);
    }
  }

  /** Forgets requests that are over. */
  ended(events: readonly SequenceEvent[]): void {
    for (const { kind, seq } of events) if (kind === "finish" || kind === "error") this.#watched.delete(seq);
  }

  #token(watched: Watched, index: number, atMs: number): void {
    const { slo, arrivalMs } = watched.spec;
    if (index > 0) {
      if (index - watched.markIndex >= PACE_TOKENS) this.#pace(watched, index, atMs);
      return;
    }
    watched.markMs = atMs;
    // A caller that counts from a timetable may be ahead of the clock: timers fire early.
    if (slo.ttftMs !== undefined) this.#controller?.observe("prefill", Math.max(0, atMs - arrivalMs) / slo.ttftMs);
  }

  #pace(watched: Watched, index: number, atMs: number | null): void {
    const tokens = index - watched.markIndex;
    const { tpotMs } = watched.spec.slo;
    if (tpotMs === undefined || atMs === null || tokens < 1) return;
    this.#controller?.observe("decode", Math.max(0, atMs - watched.markMs) / tokens / tpotMs);
    watched.markMs = atMs;
    watched.markIndex = index;
  }

  /**
   * Ends the controller's window when it is due, and gives the workers their tickets.
   * @param lanes prompts not computed yet, those of them on the decode side, and decodes on the prompts' worker
   */
  update(nowMs: number, lanes: { readonly prompts: number; readonly helped: number; readonly split: number }): void {
    if (!this.#shares) return;
    this.#noteLate(nowMs);
    const decision = this.#controller?.update(nowMs) ?? null;
    if (decision !== null) {
      this.#lastDecision = decision;
      if (decision.share !== decision.previousShare) this.#moves += 1;
    }
    const toPrompts = Math.max(this.given("decode"), lanes.helped > 0 ? LEAST_TICKETS : 0);
    const toDecodes = Math.max(this.given("prefill"), lanes.split > 0 ? LEAST_TICKETS : 0);
    this.#options.setTickets("decode", { prefill: toPrompts, decode: 1 - toPrompts });
    this.#options.setTickets("prefill", { prefill: 1 - toDecodes, decode: toDecodes });
  }

  /** A request whose first token is late counts when it is late, not when it comes at last. */
  #noteLate(nowMs: number): void {
    if (this.#controller === null || nowMs - this.#lookedMs < LATE_EVERY_MS) return;
    this.#lookedMs = nowMs;
    for (const watched of this.#watched.values()) {
      const { ttftMs } = watched.spec.slo;
      if (watched.late || watched.markMs > 0 || ttftMs === undefined) continue;
      const relative = (nowMs - watched.spec.arrivalMs) / ttftMs;
      if (relative <= 1) continue;
      watched.late = true;
      this.#controller.observe("prefill", relative);
    }
  }

  stats(sequences: PhaseStats["sequences"], transfers: PhaseStats["transfers"]): PhaseStats {
    const { mode, semiPd, use } = this.#options;
    return {
      mode,
      sharing: mode === "semi-pd" ? (semiPd?.sharing ?? "controlled") : null,
      shares: { prefill: this.share, decode: 1 - this.share },
      use: { prefill: use("prefill"), decode: use("decode") },
      sequences,
      moves: this.#moves,
      lastDecision: this.#lastDecision,
      transfers,
    };
  }
}
