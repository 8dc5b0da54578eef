/** What migrations of an instance came to: counts and times since the start, and each as it is shown. */
import { assert, Histogram } from "../../core/index.ts";
import type { FleetMoveStage, FleetMoveView } from "../../protocol/index.ts";
import { liveClock, type HistogramSnapshot } from "../../runtime/index.ts";
import type { KvServerStats } from "../kv/server.ts";
import type { MoveReport, Outgoing } from "./outgoing.ts";
import { isOver, type SourceState } from "./source.ts";
import { STAY_REASONS, type StayReason } from "./types.ts";

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;

/** How migrations went. */
export interface MigrationStats {
  /** Left for good, and came. */
  readonly moved: number;
  readonly adopted: number;
  /** Given up, by why. */
  readonly stayed: Readonly<Record<StayReason, number>>;
  /** Under way now. */
  readonly outgoing: number;
  readonly incoming: number;
  /** Sent from here, over all migrations. */
  readonly pages: number;
  readonly bytes: number;
  /** How long sequences that moved stood still, seconds. */
  readonly standstillSeconds: HistogramSnapshot;
  /** How long whole moves took, seconds. */
  readonly moveSeconds: HistogramSnapshot;
  /** What the server of pages has carried; null before the start. */
  readonly server: KvServerStats | null;
}

/** See the head of this file. */
export class MigrationLedger {
  #moved = 0;
  #adopted = 0;
  #pages = 0;
  #bytes = 0;
  readonly #stayed = Object.fromEntries(STAY_REASONS.map((reason) => [reason, 0])) as Record<StayReason, number>;
  readonly #standstill = new Histogram(SECONDS);
  readonly #moves = new Histogram(SECONDS);

  adopted(): void {
    this.#adopted += 1;
  }

  ended(report: MoveReport): void {
    this.#pages += report.pages;
    this.#bytes += report.bytes;
    if (report.stayReason !== null) {
      this.#stayed[report.stayReason] += 1;
      return;
    }
    this.#moved += 1;
    this.#standstill.observe(report.standstillMs / 1000);
    this.#moves.observe(report.tookMs / 1000);
  }

  stats(
    server: KvServerStats | null,
    moving: { readonly outgoing: number; readonly incoming: number },
  ): MigrationStats {
    return {
      moved: this.#moved,
      adopted: this.#adopted,
      stayed: { ...this.#stayed },
      ...moving,
      pages: this.#pages,
      bytes: this.#bytes,
      standstillSeconds: snapshot(this.#standstill),
      moveSeconds: snapshot(this.#moves),
      server,
    };
  }

  /**
   * A move as a fleet's page shows it: it has ended when it is known how, not when its state says so and pages are being freed.
   * @param report null while it is under way
   */
  view({ parts, state, startMs, bytes }: Outgoing, report: MoveReport | null): FleetMoveView {
    assert(report !== null || !isOver(state), "a move that is over is told with what became of it");
    const { migration, hosted, host, to, reason, pages } = parts;
    const known = "pages" in state ? state.pages : 0;
    return {
      id: migration,
      request: hosted.requestId,
      model: host.engine.info.name,
      from: host.id,
      to,
      reason,
      stage: report === null ? stageOf(state) : "ended",
      copies: state.stages,
      pages: report?.outcome === "moved" ? Math.max(known, state.copied) : state.copied,
      totalPages: Math.max(pages, known, state.copied),
      bytes: report?.bytes ?? bytes,
      ageMs: liveClock.nowMs() - startMs,
      outcome: report === null ? null : outcomeOf(report),
      tookMs: report?.tookMs ?? null,
      gapMs: report?.outcome === "moved" ? report.standstillMs : null,
      ...(report === null || report.stayReason === null ? {} : { detail: report.stayReason }),
    };
  }
}

function outcomeOf({ outcome, stayReason }: MoveReport): "moved" | "aborted" | "failed" {
  if (outcome === "moved") return "moved";
  return stayReason === "target_gone" || stayReason === "no_answer" ? "failed" : "aborted";
}

function stageOf({ kind, stages, config }: SourceState): FleetMoveStage {
  // Between two pages of a prompt that is being computed nothing is asked for.
  if (kind === "measuring" && config.promptPages > 0 && stages > 0) return "copy";
  switch (kind) {
    case "offering":
    case "measuring":
    case "reserving":
      return "reserve";
    case "copying":
      return "copy";
    case "freezing":
    case "topping":
      return "freeze";
    case "handing":
      return "commit";
    case "moved":
    case "stayed":
      return "ended";
    default:
      return kind satisfies never;
  }
}

function snapshot(histogram: Histogram): HistogramSnapshot {
  const { bounds, sum, count } = histogram;
  return { bounds, cumulative: histogram.cumulative(), sum, count };
}
