/** What is known of a plan while it is made: events in, one state out. Pure; job.ts asks the server. */
import type { PlanBody, PlanEvent, PlanMode, PlanPointBody, PlanStage, RatedBody } from "@protocol";

/** A mode's best placement and its curve so far. */
export interface ModeRun {
  readonly mode: PlanMode;
  /** Null until it is known. */
  readonly best: RatedBody | null;
  /** False: its best does not attain; null until it is known. */
  readonly attains: boolean | null;
  readonly points: readonly PlanPointBody[];
}

/** A plan that is being made, or was. */
export interface PlanRun {
  readonly status: "idle" | "waiting" | "running" | "done" | "failed" | "cancelled";
  /** Plans before it in the queue. */
  readonly ahead: number;
  readonly stage: PlanStage | null;
  readonly simulations: number;
  /** What is simulated now: "chunked 2 x a100 …, load 1.1". */
  readonly doing: string;
  readonly loads: readonly number[];
  readonly requests: number;
  readonly ratePerSecond: number;
  /** What was guessed about the trace. */
  readonly note: string | null;
  readonly modes: readonly ModeRun[];
  readonly plan: PlanBody | null;
  readonly seconds: number;
  readonly command: string;
  readonly problem: string | null;
}

/** Before anything was asked. */
export const IDLE: PlanRun = {
  status: "idle",
  ahead: 0,
  stage: null,
  simulations: 0,
  doing: "",
  loads: [],
  requests: 0,
  ratePerSecond: 0,
  note: null,
  modes: [],
  plan: null,
  seconds: 0,
  command: "",
  problem: null,
};

/** A run that was just asked for. */
export function begin(modes: readonly PlanMode[]): PlanRun {
  return {
    ...IDLE,
    status: "waiting",
    modes: modes.map((mode) => ({ mode, best: null, attains: null, points: [] })),
  };
}

/** The state after an event. */
export function advance(run: PlanRun, event: PlanEvent): PlanRun {
  switch (event.kind) {
    case "queued":
      return { ...run, status: "waiting", ahead: event.ahead };
    case "started": {
      const { requests, ratePerSecond, note, loads } = event;
      return { ...run, status: "running", ahead: 0, requests, ratePerSecond, note, loads };
    }
    case "progress": {
      const { stage, simulations, placement, load } = event;
      return { ...run, stage, simulations, doing: `${placement}, load ${Number(load.toPrecision(3))}` };
    }
    case "found":
      return withMode(run, event.mode, { best: event.cheapest, attains: event.cheapest !== null });
    case "near":
      return withMode(run, event.near.placement.mode, { best: event.near });
    case "point": {
      const { mode } = event.placement;
      const points = run.modes.find((one) => one.mode === mode)?.points ?? [];
      return withMode(run, mode, { points: [...points, event.point] });
    }
    case "done": {
      const { plan, seconds, command } = event;
      const modes = run.modes.map((one) => ({ ...one, points: curveOf(plan, one.mode) ?? one.points }));
      return { ...run, status: "done", plan, seconds, command, modes, simulations: plan.simulations };
    }
    case "error":
      return { ...run, status: "failed", problem: event.message };
    default:
      event satisfies never; // an event of a later server
      return run;
  }
}

const curveOf = (plan: PlanBody, mode: PlanMode): readonly PlanPointBody[] | undefined =>
  plan.curves.find(({ placement }) => placement.mode === mode)?.points;

function withMode(run: PlanRun, mode: PlanMode, change: Partial<ModeRun>): PlanRun {
  return { ...run, modes: run.modes.map((one) => (one.mode === mode ? { ...one, ...change } : one)) };
}

/** True while the server works on it. */
export const isBusy = ({ status }: PlanRun): boolean => status === "waiting" || status === "running";

/** How far it is, from 0 to 1: by stages, since nobody knows beforehand how much a search takes. */
export function progressOf(run: PlanRun): number {
  if (run.status === "done") return 1;
  if (run.stage === null) return 0;
  const drawn = run.modes.reduce((sum, { points }) => sum + points.length, 0);
  const all = Math.max(1, run.modes.length * run.loads.length);
  const found = run.modes.filter(({ attains }) => attains !== null).length / Math.max(1, run.modes.length);
  switch (run.stage) {
    case "search":
      return 0.4 * found;
    case "near":
      return 0.4;
    case "curves":
      return 0.45 + 0.25 * (drawn / all);
    case "sensitivity":
      return 0.72;
    case "replans":
      return 0.85;
    default:
      return run.stage satisfies never;
  }
}

/** What it works on, in words. */
export const STAGE_TEXT: Readonly<Record<PlanStage, string>> = {
  search: "Looking for the cheapest of each mode",
  near: "Looking at what comes nearest",
  curves: "Drawing curves over load",
  sensitivity: "Looking for the edge",
  replans: "Planning for less and for more load",
};

/** Columns for a chart over loads: the loads, then a column a mode, null where no point is known yet. */
export function curveColumns(run: PlanRun): [number[], ...(number | null)[][]] {
  const loads = [...run.loads];
  const columns = run.modes.map(({ points }) =>
    loads.map((load) => points.find((point) => point.load === load)?.share ?? null),
  );
  return [loads, ...columns];
}

/** Modes as a table lists them: what attains first, cheapest first, then what comes nearest. */
export function rankedModes(run: PlanRun): readonly ModeRun[] {
  return run.modes.toSorted((a, b) => {
    const [x, y] = [a.attains === true ? 0 : 1, b.attains === true ? 0 : 1];
    if (x !== y || a.best === null || b.best === null) return x - y;
    if (x === 0)
      return a.best.placement.pricePerHour - b.best.placement.pricePerHour || b.best.point.share - a.best.point.share;
    return b.best.point.share - a.best.point.share;
  });
}
