/**
 * How latency follows from a phase's share of the compute, fitted while it is measured (Semi-PD 2025, section on the
 * latency model). A share x makes processing 1/x as fast; prompts queue before it (M/M/1), decodes do not:
 *
 *   TTFT(x) = a / (x - lambda) + b        TPOT(y) = a / y + b
 *
 * lambda is the share that the arriving prompts need just to be served. Recent measurements count for more, and a
 * measurement far from what the fit expected makes it forget the older ones: the load is another now.
 */

/** A measured latency (any unit, or relative to its target) under a share. */
export interface SharePoint {
  /** 0..1, above 0. */
  readonly share: number;
  readonly latency: number;
}

/** A fitted curve; `estimate` is Infinity where the share does not suffice for what arrives. */
export interface LatencyCurve {
  readonly a: number;
  readonly b: number;
  readonly lambda: number;
  estimate(share: number): number;
}

const MOST_POINTS = 24;
/** Weight of a measurement relative to the next one. */
const DECAY = 0.85;
/** A measurement off by more than this factor says that the load has changed. */
const SURPRISE = 2;
const LAMBDA_STEPS = 24;
/** How near to lambda a curve may be asked about, as a share. */
const LAMBDA_MARGIN = 0.01;

/** The last measurements of a phase, and the curve through them. */
export class LatencyFit {
  readonly #queueing: boolean;
  #points: SharePoint[] = [];

  /** @param queueing with a lambda (TTFT), else lambda is 0 (TPOT) */
  constructor(queueing: boolean) {
    this.#queueing = queueing;
  }

  add(point: SharePoint): void {
    const expected = this.curve()?.estimate(point.share);
    if (expected !== undefined && !within(point.latency, expected, SURPRISE)) this.#points = [];
    this.#points.push(point);
    if (this.#points.length > MOST_POINTS) this.#points.shift();
  }

  /** Null as long as too few different shares have been seen: three with a lambda, else two. */
  curve(): LatencyCurve | null {
    const shares = new Set(this.#points.map(({ share }) => share));
    if (shares.size < (this.#queueing ? 3 : 2)) return null;
    if (!this.#queueing) return curveOf(this.#points, 0).curve;
    const most = Math.min(...shares) - LAMBDA_MARGIN;
    let best = curveOf(this.#points, 0);
    for (let i = 1; i <= LAMBDA_STEPS && most > 0; i++) {
      const candidate = curveOf(this.#points, (most * i) / LAMBDA_STEPS);
      if (candidate.error < best.error) best = candidate;
    }
    return best.curve;
  }
}

function within(value: number, expected: number, factor: number): boolean {
  return value <= expected * factor && value >= expected / factor;
}

/** Least squares of latency over 1 / (share - lambda), by weight; neither a nor b is negative. */
function curveOf(points: readonly SharePoint[], lambda: number): { curve: LatencyCurve; error: number } {
  let [weights, sumX, sumY, sumXX, sumXY] = [0, 0, 0, 0, 0];
  const each = points.map(({ share, latency }, i) => {
    const weight = DECAY ** (points.length - 1 - i);
    const x = 1 / (share - lambda);
    weights += weight;
    sumX += weight * x;
    sumY += weight * latency;
    sumXX += weight * x * x;
    sumXY += weight * x * latency;
    return { weight, x, latency };
  });
  const spread = weights * sumXX - sumX * sumX;
  let a = spread > 1e-12 ? Math.max(0, (weights * sumXY - sumX * sumY) / spread) : 0;
  let b = (sumY - a * sumX) / weights;
  if (b < 0) [a, b] = [sumXX > 0 ? Math.max(0, sumXY / sumXX) : 0, 0];
  const error = each.reduce((sum, { weight, x, latency }) => sum + weight * (a * x + b - latency) ** 2, 0);
  const estimate = (share: number): number => (share - lambda < LAMBDA_MARGIN ? Infinity : a / (share - lambda) + b);
  return { curve: { a, b, lambda, estimate }, error };
}
