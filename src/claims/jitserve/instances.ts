/**
 * Claim `16`, simulated: how many instances a policy needs for 90 % of requests and tasks to meet their objectives, at the
 * same arrivals. Requests go to the instance with the fewest; nothing else knows of the fleet.
 */
import type { Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { capacityOf, type CurveSize } from "./curve.ts";
import { runArm } from "./run-arm.ts";
import { ARMS, CHUNKED, OURS, RIVALS, traceOf, type Admission, type Arm } from "./setup.ts";

/** How much is simulated, and between which sizes the fleet is sought. */
export interface InstancesSize {
  /** Arrivals, in capacities of one instance. */
  readonly load: number;
  readonly fewest: number;
  readonly most: number;
  readonly seeds: number;
  readonly warmMs: number;
  readonly windowMs: number;
  readonly admission: Admission;
}

/** Share of requests and tasks in time that counts as serving them. */
const ATTAINMENT = 0.9;
const LEAST_SAVING = 0.285;

/** The smallest fleet that attains, `most + 1` when none does. Attainment is taken to grow with the fleet. */
export function fewestInstances(attains: (instances: number) => boolean, fewest: number, most: number): number {
  let low = fewest;
  let high = most + 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (attains(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Every arm's smallest fleet, by seed. */
export function measureInstances(
  size: InstancesSize,
  curve: CurveSize,
  seed: number,
  progress: (message: string) => void,
): Readonly<Record<Arm, readonly number[]>> {
  const { load, fewest, most, seeds, warmMs, windowMs, admission } = size;
  const untilMs = warmMs + windowMs;
  const found = Object.fromEntries(ARMS.map((arm): [Arm, number[]] => [arm, []])) as Record<Arm, number[]>;
  for (let i = 0; i < seeds; i++) {
    const key = `fleet ${seed} ${i}`;
    const ratePerSecond = load * capacityOf(CHUNKED, key, curve);
    const trace = traceOf({ ratePerSecond, cv: 1, durationMs: untilMs, admission, seed: key });
    for (const arm of ARMS) {
      progress(`fewest instances, seed ${i + 1} of ${seeds}, ${arm}`);
      const attains = (instances: number): boolean =>
        runArm(arm, trace, { instances, warmMs, untilMs }).attained >= ATTAINMENT;
      found[arm].push(fewestInstances(attains, fewest, most));
    }
  }
  return found;
}

/** Ours against the rival that needs fewest; the target is on instances of theirs for one of ours. */
export function instanceLine(found: Readonly<Record<Arm, readonly number[]>>, size: InstancesSize): Measured {
  const total = (arm: Arm): number => found[arm].reduce((sum, count) => sum + count, 0);
  const best = RIVALS.reduce((least, arm) => (total(arm) < total(least) ? arm : least));
  const counts = ARMS.map((arm) => `${arm} ${found[arm].join("/")}`).join(", ");
  return compare(
    {
      metric: "simulated fleet: instances for 90 % in time",
      unit: "instances",
      better: "lower",
      kind: "simulated",
      note: `arrivals of ${size.load} capacities; the best rival is ${best}; ${counts}; the target is ${(100 * LEAST_SAVING).toFixed(1)} % fewer`,
      paper_says: "28.5 % to 83.2 % fewer",
      curve: ARMS.map((arm) => ({ arm, instances: total(arm) / found[arm].length })),
    },
    found[OURS],
    found[best],
    1 / (1 - LEAST_SAVING),
  );
}
