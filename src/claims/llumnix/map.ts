/**
 * The map of claim `29`: every mix, burstiness and load, every arm on the same requests. A regime is a mix with a
 * burstiness; its operating point is the highest load at which INFaaS++ still attains 90 %, found by halving from runs of
 * INFaaS++ alone, so that no other arm has a say in where it is compared.
 */
import { median } from "../../core/index.ts";
import type { SimulationReport } from "../../sim/index.ts";
import type { Trace } from "../../workload/index.ts";
import type { Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { INFAAS, LEAST_QUEUE, LLUMNIX, LLUMNIX_STILL, MIXES, ROUND_ROBIN, runArm, traceOf, type Arm } from "./setup.ts";

/** A mix and the coefficient of variation of its gaps. */
export interface Regime {
  readonly mix: string;
  readonly cv: number;
}

/** How large the map is. */
export interface MapSize {
  readonly regimes: readonly Regime[];
  /** Beside the operating points; 1 is the load that fills the memory on average. */
  readonly loads: readonly number[];
  /** How often the range of loads is halved. */
  readonly halvings: number;
  /** Traces of an operating point and of the search for it, and of the other points. */
  readonly seeds: number;
  readonly fewSeeds: number;
  readonly durationMs: number;
}

/** What is kept of one arm on one trace. */
interface Outcome {
  readonly p99TtftMs: number;
  readonly p99TpotMs: number;
  readonly attained: number;
  readonly preemptions: number;
  readonly migrations: number;
}

/** One load of a regime: outcomes by arm, one for each seed. */
export interface MapPoint extends Regime {
  readonly load: number;
  readonly operating: boolean;
  readonly outcomes: ReadonlyMap<Arm, readonly Outcome[]>;
}

/** Those that are compared run on every seed, the others on the first one: they only complete the picture. */
const COMPARED: readonly Arm[] = [ROUND_ROBIN, INFAAS, LLUMNIX];
const SHOWN: readonly Arm[] = [LEAST_QUEUE, LLUMNIX_STILL];
const ATTAINED = 0.9;
const LEAST_LOAD = 0.3;
const MOST_LOAD = 1.5;

/** Every point of the map, arms in turn on each trace; of a regime the operating point first. */
export function measureMap(size: MapSize, seed: number, progress: (message: string) => void): MapPoint[] {
  return size.regimes.flatMap((regime) => {
    progress(`llumnix, ${regime.mix} at cv ${regime.cv}`);
    const load = operatingLoad(regime, size, seed);
    return [
      measurePoint(regime, load, true, size, seed),
      ...size.loads.map((other) => measurePoint(regime, other, false, size, seed)),
    ];
  });
}

function tracesOf({ mix, cv }: Regime, load: number, seeds: number, durationMs: number, seed: number): Trace[] {
  const lengths = MIXES.find(({ name }) => name === mix)!;
  return Array.from({ length: seeds }, (_, repeat) =>
    traceOf(lengths, load, cv, durationMs, `published ${seed} ${repeat}`),
  );
}

/** The highest load found at which INFaaS++ attains enough; the lowest of the range when it does nowhere. */
function operatingLoad(regime: Regime, size: MapSize, seed: number): number {
  let [low, high] = [LEAST_LOAD, MOST_LOAD];
  for (let i = 0; i < size.halvings; i++) {
    const load = (low + high) / 2;
    const shares = tracesOf(regime, load, size.seeds, size.durationMs, seed).map(
      (trace) => outcomeOf(runArm(INFAAS, trace)).attained,
    );
    if (median(shares) >= ATTAINED) low = load;
    else high = load;
  }
  return low;
}

function measurePoint(regime: Regime, load: number, operating: boolean, size: MapSize, seed: number): MapPoint {
  const outcomes = new Map<Arm, Outcome[]>([...COMPARED, ...SHOWN].map((arm) => [arm, []]));
  const seeds = operating ? size.seeds : size.fewSeeds;
  for (const [repeat, trace] of tracesOf(regime, load, seeds, size.durationMs, seed).entries()) {
    for (const arm of repeat === 0 ? [...COMPARED, ...SHOWN] : COMPARED) {
      outcomes.get(arm)!.push(outcomeOf(runArm(arm, trace)));
    }
  }
  return { ...regime, load, operating, outcomes };
}

function outcomeOf({ ttftMs, tpotMs, attainment, preemptions, migrations }: SimulationReport): Outcome {
  return {
    p99TtftMs: ttftMs.p99 ?? 0,
    p99TpotMs: tpotMs.p99 ?? 0,
    attained: attainment.all.share ?? 1,
    preemptions,
    migrations: migrations.completed,
  };
}

const valuesOf = (point: MapPoint, arm: Arm, key: keyof Outcome): number[] =>
  point.outcomes.get(arm)!.map((outcome) => outcome[key]);
const middle = (point: MapPoint, arm: Arm, key: keyof Outcome): number => median(valuesOf(point, arm, key));

/** Improvement of Llumnix over an arm: the median of the ratios on each trace, as lines have it. */
function gainOf(point: MapPoint, against: Arm, key: "p99TtftMs" | "p99TpotMs" = "p99TtftMs"): number {
  const ours = valuesOf(point, LLUMNIX, key);
  return median(valuesOf(point, against, key).map((value, i) => value / ours[i]!));
}

/** The map as a table: P99 of the first token in milliseconds for every arm, and what Llumnix gains on two of them. */
export function mapTable(points: readonly MapPoint[]): NonNullable<Measured["curve"]> {
  return points.map((point) => {
    const ttft = (arm: Arm): number => middle(point, arm, "p99TtftMs");
    return {
      mix: point.mix,
      cv: point.cv,
      load: point.load,
      operating: point.operating ? "yes" : "",
      infaas_attains: middle(point, INFAAS, "attained"),
      llumnix_attains: middle(point, LLUMNIX, "attained"),
      round_robin_ms: ttft(ROUND_ROBIN),
      least_queue_ms: ttft(LEAST_QUEUE),
      infaas_ms: ttft(INFAAS),
      no_migration_ms: ttft(LLUMNIX_STILL),
      llumnix_ms: ttft(LLUMNIX),
      over_round_robin: gainOf(point, ROUND_ROBIN),
      over_infaas: gainOf(point, INFAAS),
      tpot_over_infaas: gainOf(point, INFAAS, "p99TpotMs"),
      preempted_infaas: middle(point, INFAAS, "preemptions"),
      preempted_llumnix: middle(point, LLUMNIX, "preemptions"),
      migrations: middle(point, LLUMNIX, "migrations"),
    };
  });
}

/** Where round-robin is to be beaten by an order of magnitude, and where INFaaS++ by the lesser target in bursts. */
const CONTENDED: readonly string[] = ["M-M", "L-L", "S-L"];
const FRAGMENTED: readonly string[] = ["L-L", "S-L", "L-S"];
const ROUND_ROBIN_TARGET = 10;
const FRAGMENTED_TARGET = 3;
const FLOOR = 0.95;
const HEADLINE = 10;
const TPOT_TARGET = 1.5;

/** The lines that are read off the map. */
export function mapLines(points: readonly MapPoint[]): Measured[] {
  const operating = points.filter((point) => point.operating);
  const burstiest = Math.max(...points.map(({ cv }) => cv));
  const smooth = operating.filter(({ cv }) => cv === 1);
  const roundRobinTarget = ({ mix }: MapPoint): number | null => (CONTENDED.includes(mix) ? ROUND_ROBIN_TARGET : null);
  const infaasTarget = ({ mix, cv }: MapPoint): number | null =>
    cv === burstiest && FRAGMENTED.includes(mix) ? FRAGMENTED_TARGET : null;
  return [
    ...smooth.map((point) => ttftLine(point, ROUND_ROBIN, roundRobinTarget(point))),
    ...operating.map((point) => ttftLine(point, INFAAS, infaasTarget(point))),
    floorLine(points),
    headlineLine(operating),
    ...smooth.filter(({ mix }) => mix === "S-L").map(tpotLine),
  ];
}

const SIMULATED = { unit: "ms", better: "lower", kind: "simulated" } as const;

const where = ({ mix, cv, load }: MapPoint): string =>
  `${mix}, ${cv === 1 ? "Poisson" : `gamma of CV ${cv}`}, load ${load.toFixed(2)}`;

function ttftLine(point: MapPoint, against: Arm, target: number | null): Measured {
  const attained = middle(point, INFAAS, "attained");
  return compare(
    {
      ...SIMULATED,
      metric: `P99 to the first token against ${against.name}, ${point.mix}, CV ${point.cv}`,
      note: `${where(point)}; INFaaS++ attains ${(attained * 100).toFixed(1)} %`,
      ...(against === ROUND_ROBIN ? { paper_says: "an order of magnitude" } : {}),
    },
    valuesOf(point, LLUMNIX, "p99TtftMs"),
    valuesOf(point, against, "p99TtftMs"),
    target,
  );
}

function floorLine(points: readonly MapPoint[]): Measured {
  const worst = points.reduce((a, b) => (gainOf(b, INFAAS) < gainOf(a, INFAAS) ? b : a));
  return compare(
    {
      ...SIMULATED,
      metric: "P99 to the first token against infaas, the worst point of the whole map",
      note: `${where(worst)}; of ${points.length} points, beyond capacity included`,
      curve: mapTable(points),
    },
    valuesOf(worst, LLUMNIX, "p99TtftMs"),
    valuesOf(worst, INFAAS, "p99TtftMs"),
    FLOOR,
  );
}

function headlineLine(operating: readonly MapPoint[]): Measured {
  const best = operating.reduce((a, b) => (gainOf(b, INFAAS) > gainOf(a, INFAAS) ? b : a));
  return compare(
    {
      ...SIMULATED,
      metric: "P99 to the first token against infaas, the best operating point",
      note: `${where(best)}; the paper's own headline`,
      paper_says: "up to 15x",
    },
    valuesOf(best, LLUMNIX, "p99TtftMs"),
    valuesOf(best, INFAAS, "p99TtftMs"),
    HEADLINE,
  );
}

function tpotLine(point: MapPoint): Measured {
  return compare(
    {
      ...SIMULATED,
      metric: `P99 per token against infaas, ${point.mix}, CV ${point.cv}`,
      note: where(point),
      paper_says: "up to 2x",
    },
    valuesOf(point, LLUMNIX, "p99TpotMs"),
    valuesOf(point, INFAAS, "p99TpotMs"),
    TPOT_TARGET,
  );
}
