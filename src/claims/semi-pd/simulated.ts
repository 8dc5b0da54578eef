/**
 * The simulated arms of claim 40, on the same requests and two devices each: unified instances under prefill-first and
 * under splitfuse, one prefill and one decode instance with a copy of the weights each, and two devices with two workers
 * over one cache each, their shares left alone or controlled. A sample is a seed.
 *
 * How much two workers gain depends on how little of a device a decode needs to draw its bandwidth. The headline uses
 * the paper's own curve; what half of the compute units drawing all of it would give is published beside it.
 */
import { assert } from "../../core/index.ts";
import { catalogue, devicesOf, Evaluator, goodputOf, type DeviceChoice, type Placement } from "../../plan/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { ATTAIN, chatTrace, HEADLINE, objectiveOf, OTHERS, type Setting } from "./workloads.ts";

interface Size {
  readonly seeds: number;
  readonly requests: number;
  readonly tolerance: number;
}

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: { seeds: 1, requests: 12, tolerance: 0.6 },
  quick: { seeds: 3, requests: 400, tolerance: 0.05 },
  full: { seeds: 7, requests: 1500, tolerance: 0.02 },
};
/** Rates of the published curve, in multiples of the unified arms' best. */
const CURVE: readonly number[] = [0.4, 0.6, 0.8, 1, 1.2, 1.5, 2];

const ARMS = [
  "prefill-first",
  "splitfuse",
  "disaggregated",
  "semi-pd, uncontrolled",
  "semi-pd",
  "semi-pd, half",
] as const;
type Arm = (typeof ARMS)[number];

/** One seed's figures. */
interface Sample {
  /** Requests per second and device at 90 % attainment. */
  readonly rates: Readonly<Record<Arm, number>>;
  /** Mean end-to-end latency at the rate up to which the better unified arm attains, milliseconds. */
  readonly e2eMs: Readonly<Record<Arm, number>>;
}

/** Placements of an arm; the best of them is the arm. */
function placementsOf(arm: Arm, on: DeviceChoice): readonly Placement[] {
  const two = { on, instances: 2 } as const;
  switch (arm) {
    case "prefill-first":
      return [{ kind: "colocated", ...two }];
    case "splitfuse":
      return [512, 1024, 2048].map((stepTokens) => ({ kind: "chunked", ...two, stepTokens }));
    case "disaggregated":
      return [{ kind: "disaggregated", prefill: on, prefills: 1, decode: on, decodes: 1 }];
    case "semi-pd, uncontrolled":
      return [{ kind: "semi-pd", ...two, shares: { kind: "uncontrolled" } }];
    case "semi-pd":
      return [{ kind: "semi-pd", ...two }];
    case "semi-pd, half":
      return [{ kind: "semi-pd", ...two, sharing: { bandwidthShare: 0.5 } }];
    default:
      return arm satisfies never;
  }
}

/** All simulated lines. */
export async function measureSimulated(context: ClaimContext): Promise<Measured[]> {
  const size = SIZES[context.mode];
  const lines = await headlineLines(context, size);
  for (const setting of OTHERS) {
    const samples = await sampleSetting(context, setting, { ...size, seeds: Math.min(3, size.seeds) });
    lines.push(rateLine(setting, samples, "splitfuse", null), rateLine(setting, samples, "prefill-first", null));
  }
  return lines;
}

async function headlineLines(context: ClaimContext, size: Size): Promise<Measured[]> {
  const samples = await sampleSetting(context, HEADLINE, size);
  const curve = await attainmentCurve(context, size);
  return [
    { ...rateLine(HEADLINE, samples, "splitfuse", 1.55), paper_says: "1.55x", curve },
    { ...rateLine(HEADLINE, samples, "prefill-first", 1.72), paper_says: "1.72x" },
    { ...rateLine(HEADLINE, samples, "disaggregated", 1.6), paper_says: "1.62x" },
    { ...rateLine(HEADLINE, samples, "semi-pd, uncontrolled", null), paper_says: "1.11x" },
    rateLine(HEADLINE, samples, "splitfuse", null, "semi-pd, half"),
    rateLine(HEADLINE, samples, "prefill-first", null, "semi-pd, half"),
    { ...e2eLine(samples, "semi-pd", 1.27), paper_says: "1.27x to 2.58x" },
    e2eLine(samples, "semi-pd, half", null),
  ];
}

function rateLine(
  { name }: Setting,
  samples: readonly Sample[],
  baseline: Arm,
  target: number | null,
  ours: Arm = "semi-pd",
): Measured {
  const text = {
    metric: `rate per device at ${ATTAIN * 100} %, ${name}${ours === "semi-pd" ? "" : `, ${ours}`}, against ${baseline}`,
    unit: "req/s",
    better: "higher",
    kind: "simulated",
    note: ours === "semi-pd" ? "" : "if half of the compute units draw the whole bandwidth",
  } as const;
  const rates = (arm: Arm): number[] => samples.map((sample) => sample.rates[arm]);
  return compare(text, rates(ours), rates(baseline), target);
}

/** Against whichever unified arm is quicker in that sample. */
function e2eLine(samples: readonly Sample[], ours: Arm, target: number | null): Measured {
  const text = {
    metric: `mean end-to-end latency at high load, ${HEADLINE.name}${ours === "semi-pd" ? "" : `, ${ours}`}`,
    unit: "ms",
    better: "lower",
    kind: "simulated",
    note: "at the rate up to which the better unified arm attains; against the quicker unified arm",
  } as const;
  const unified = samples.map(({ e2eMs }) => Math.min(e2eMs["prefill-first"], e2eMs.splitfuse));
  return compare(
    text,
    samples.map(({ e2eMs }) => e2eMs[ours]),
    unified,
    target,
  );
}

async function sampleSetting(
  context: ClaimContext,
  setting: Setting,
  { seeds, requests, tolerance }: Size,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    context.progress(`40: ${setting.name}, seed ${seed + 1} of ${seeds}`);
    const { evaluator, on } = arena(setting, requests, context.seed + seed);
    const best = new Map<Arm, { placement: Placement; perDevice: number }>();
    for (const arm of ARMS) best.set(arm, await bestOf(evaluator, placementsOf(arm, on), tolerance));
    const rateOf = (arm: Arm): number => best.get(arm)!.perDevice;
    const highRate = Math.max(rateOf("prefill-first"), rateOf("splitfuse"));
    const e2eMs = {} as Record<Arm, number>;
    for (const arm of ARMS) {
      const { placement } = best.get(arm)!;
      const load = (highRate * devicesOf(placement)) / evaluator.ratePerSecond;
      const { e2eMeanMs } = await evaluator.point(placement, { load, whole: true });
      assert(e2eMeanMs !== null, "some request finishes");
      e2eMs[arm] = e2eMeanMs;
    }
    samples.push({ rates: Object.fromEntries(ARMS.map((arm) => [arm, rateOf(arm)])) as Record<Arm, number>, e2eMs });
  }
  return samples;
}

async function bestOf(
  evaluator: Evaluator,
  placements: readonly Placement[],
  tolerance: number,
): Promise<{ placement: Placement; perDevice: number }> {
  const all = [];
  for (const placement of placements) all.push(await goodputOf(evaluator, placement, { tolerance, start: 4 }));
  return all.reduce((best, other) => (other.perDevice > best.perDevice ? other : best));
}

function arena(
  { workload, model, slack }: Setting,
  requests: number,
  seed: number,
): { evaluator: Evaluator; on: DeviceChoice } {
  const [on] = catalogue({ model, prices: [{ gpu: "a100", pricePerHour: 1 }], mostStages: 1, mostParallel: 1 });
  assert(on !== undefined, "the model fits a device");
  const trace = chatTrace(workload, requests, seed);
  const slo = objectiveOf(trace, on.deployment.cost, slack);
  return { evaluator: new Evaluator({ trace, objective: { slo, attain: ATTAIN } }), on };
}

/** Attainment and latency of every arm over the rate, of one seed. */
async function attainmentCurve(
  context: ClaimContext,
  { requests, tolerance }: Size,
): Promise<Record<string, number | string>[]> {
  const { evaluator, on } = arena(HEADLINE, requests, context.seed);
  const unified = await bestOf(evaluator, placementsOf("splitfuse", on), tolerance);
  const curve: Record<string, number | string>[] = [];
  for (const multiple of CURVE) {
    const row: Record<string, number | string> = { req_per_s_device: unified.perDevice * multiple };
    for (const arm of ARMS) {
      const [placement] = arm === "splitfuse" ? [unified.placement] : placementsOf(arm, on);
      const load = (unified.perDevice * multiple * devicesOf(placement!)) / evaluator.ratePerSecond;
      const { share, e2eMeanMs } = await evaluator.point(placement!, { load, whole: true });
      row[arm] = share;
      row[`${arm}, s`] = (e2eMeanMs ?? 0) / 1000;
    }
    curve.push(row);
  }
  return curve;
}
