/**
 * Is a server falling ever further behind? Under a load that it can carry, the number of requests under way wanders
 * around a level; beyond its capacity it grows along a line. The test is the slope of a least-squares line through the
 * recent half of the samples, against its standard error, and a growth that matters, while fewer requests end than
 * arrive: the slope alone would take a long queue's wandering for growth.
 */

/** The state of a run at a moment. */
export interface SaturationSample {
  readonly atMs: number;
  /** Requests sent or waiting at the client, and not ended. */
  readonly underWay: number;
  /** Requests that have become due, and those of them that have ended, since the start. */
  readonly due: number;
  readonly ended: number;
}

/** Fewest samples, and the shortest time, that a verdict rests on. */
const MIN_SAMPLES = 12;
const MIN_SPAN_MS = 5000;
/** The slope must be so many standard errors above 0. */
const MIN_T = 6;
/** The backlog must have grown by so many requests, and by this share of where the line begins. */
const MIN_GROWTH = 16;
const MIN_GROWTH_SHARE = 0.5;
/** Fewer than this share of what became due has ended. */
const MAX_SERVED_SHARE = 0.9;

/** True when the recent half of the samples says that the backlog grows without end. */
export function isSaturated(samples: readonly SaturationSample[]): boolean {
  const recent = samples.slice(Math.floor(samples.length / 2));
  const spanMs = (recent.at(-1)?.atMs ?? 0) - (recent[0]?.atMs ?? 0);
  if (recent.length < MIN_SAMPLES || spanMs < MIN_SPAN_MS) return false;
  const [first, last] = [recent[0]!, recent.at(-1)!];
  if (last.ended - first.ended >= MAX_SERVED_SHARE * (last.due - first.due)) return false;
  const { slope, standardError, atStart } = fitLine(recent);
  const growth = slope * spanMs;
  if (growth < MIN_GROWTH || growth < MIN_GROWTH_SHARE * Math.max(1, atStart)) return false;
  return slope > MIN_T * standardError;
}

/** The least-squares line: requests per millisecond, the error of that, and where the line begins. */
function fitLine(samples: readonly SaturationSample[]): { slope: number; standardError: number; atStart: number } {
  const count = samples.length;
  const startMs = samples[0]!.atMs;
  const meanX = samples.reduce((sum, { atMs }) => sum + atMs - startMs, 0) / count;
  const meanY = samples.reduce((sum, { underWay }) => sum + underWay, 0) / count;
  let [xx, xy] = [0, 0];
  for (const { atMs, underWay } of samples) {
    xx += (atMs - startMs - meanX) ** 2;
    xy += (atMs - startMs - meanX) * (underWay - meanY);
  }
  const slope = xx === 0 ? 0 : xy / xx;
  const residual = samples.reduce(
    (sum, { atMs, underWay }) => sum + (underWay - meanY - slope * (atMs - startMs - meanX)) ** 2,
    0,
  );
  return { slope, standardError: Math.sqrt(residual / (count - 2) / xx), atStart: meanY - slope * meanX };
}
