/**
 * Distributions of lengths, gaps and thinking times as plain data, drawn by inverting their cumulative function: one
 * uniform number gives one value, so equal seeds give equal draws whatever is drawn beside them.
 */
import { fail, type RandomStream } from "../core/index.ts";

/** A distribution of positive numbers; the unit is that of whoever uses it. */
export type Distribution =
  | { readonly kind: "fixed"; readonly value: number }
  /** Continuous and even over [low, high]. */
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  | { readonly kind: "normal"; readonly mean: number; readonly sd: number }
  | { readonly kind: "exponential"; readonly mean: number }
  /** By its own mean and coefficient of variation, not by those of the logarithm. */
  | { readonly kind: "lognormal"; readonly mean: number; readonly cv: number }
  /** Density proportional to value^-exponent over [low, high], low above 0. */
  | { readonly kind: "power-law"; readonly exponent: number; readonly low: number; readonly high: number }
  /** Through published quantiles [q, value], q ascending from 0 to 1; between them evenly in the value or its logarithm. */
  | {
      readonly kind: "quantiles";
      readonly points: readonly (readonly [q: number, value: number])[];
      readonly scale?: "log" | "linear";
    }
  | { readonly kind: "mixture"; readonly parts: readonly { readonly weight: number; readonly of: Distribution }[] }
  | { readonly kind: "scaled"; readonly by: number; readonly of: Distribution }
  | { readonly kind: "clipped"; readonly low: number; readonly high: number; readonly of: Distribution };

/** One draw. */
export function draw(distribution: Distribution, random: RandomStream): number {
  return valueAt(distribution, random.uniform());
}

/** One draw as a whole number of at least `low` and at most `high`. */
export function drawWhole(distribution: Distribution, random: RandomStream, low = 1, high = Infinity): number {
  return Math.max(low, Math.min(high, Math.round(draw(distribution, random))));
}

/** The value at u in [0, 1): the u-quantile, but for a mixture, where u first chooses the part. */
export function valueAt(distribution: Distribution, u: number): number {
  switch (distribution.kind) {
    case "fixed":
      return distribution.value;
    case "uniform":
      return distribution.low + (distribution.high - distribution.low) * u;
    case "normal":
      return distribution.mean + distribution.sd * normalQuantile(u);
    case "exponential":
      return -Math.log(1 - u) * distribution.mean;
    case "lognormal": {
      const variance = Math.log(1 + distribution.cv * distribution.cv);
      return distribution.mean * Math.exp(Math.sqrt(variance) * normalQuantile(u) - variance / 2);
    }
    case "power-law":
      return powerLawQuantile(distribution, u);
    case "quantiles":
      return tableQuantile(distribution.points, distribution.scale ?? "log", u);
    case "mixture":
      return mixtureAt(distribution.parts, u);
    case "scaled":
      return distribution.by * valueAt(distribution.of, u);
    case "clipped":
      return Math.max(distribution.low, Math.min(distribution.high, valueAt(distribution.of, u)));
    default:
      return distribution satisfies never;
  }
}

const MEAN_STEPS = 20_000;

/** The mean, in closed form where there is one, else by even steps through the quantiles. */
export function meanOf(distribution: Distribution): number {
  switch (distribution.kind) {
    case "fixed":
      return distribution.value;
    case "uniform":
      return (distribution.low + distribution.high) / 2;
    case "normal":
    case "exponential":
    case "lognormal":
      return distribution.mean;
    case "scaled":
      return distribution.by * meanOf(distribution.of);
    case "mixture": {
      const total = distribution.parts.reduce((sum, part) => sum + part.weight, 0);
      return distribution.parts.reduce((sum, part) => sum + (part.weight / total) * meanOf(part.of), 0);
    }
    case "power-law":
    case "quantiles":
    case "clipped": {
      let sum = 0;
      for (let i = 0; i < MEAN_STEPS; i++) sum += valueAt(distribution, (i + 0.5) / MEAN_STEPS);
      return sum / MEAN_STEPS;
    }
    default:
      return distribution satisfies never;
  }
}

/** The same shape with another mean. */
export function withMean(distribution: Distribution, mean: number): Distribution {
  return { kind: "scaled", by: mean / meanOf(distribution), of: distribution };
}

/**
 * The power law over [low, high] that has this mean (bisection on the exponent).
 * @throws PunctualError invalid_request when no exponent in [-8, 8] gives it.
 */
export function powerLawWithMean(mean: number, low: number, high: number): Distribution {
  let [steep, flat] = [8, -8];
  const meanAt = (exponent: number): number => powerLawMean(exponent, low, high);
  if (!(low > 0 && high > low && mean > meanAt(steep) && mean < meanAt(flat))) {
    return fail("invalid_request", `power law: no exponent over [${low}, ${high}] gives the mean ${mean}`);
  }
  for (let i = 0; i < 80; i++) {
    const middle = (steep + flat) / 2;
    if (meanAt(middle) < mean) steep = middle;
    else flat = middle;
  }
  return { kind: "power-law", exponent: (steep + flat) / 2, low, high };
}

function powerLawMean(exponent: number, low: number, high: number): number {
  const integral = (power: number): number =>
    Math.abs(power + 1) < 1e-9 ? Math.log(high / low) : ((high / low) ** (power + 1) - 1) / (power + 1);
  return (low * integral(1 - exponent)) / integral(-exponent);
}

function powerLawQuantile({ exponent, low, high }: { exponent: number; low: number; high: number }, u: number): number {
  const power = 1 - exponent;
  if (Math.abs(power) < 1e-9) return low * (high / low) ** u;
  return low * (1 + u * ((high / low) ** power - 1)) ** (1 / power);
}

function tableQuantile(points: readonly (readonly [number, number])[], scale: "log" | "linear", u: number): number {
  let right = 1;
  while (right < points.length - 1 && points[right]![0] <= u) right += 1;
  const [q0, v0] = points[right - 1]!;
  const [q1, v1] = points[right]!;
  const share = q1 === q0 ? 1 : Math.max(0, Math.min(1, (u - q0) / (q1 - q0)));
  return scale === "log" ? v0 * (v1 / v0) ** share : v0 + (v1 - v0) * share;
}

function mixtureAt(parts: readonly { readonly weight: number; readonly of: Distribution }[], u: number): number {
  const total = parts.reduce((sum, part) => sum + part.weight, 0);
  let rest = u * total;
  for (const { weight, of } of parts) {
    if (rest < weight) return valueAt(of, rest / weight);
    rest -= weight;
  }
  return valueAt(parts.at(-1)!.of, 1 - Number.EPSILON);
}

/** Rational approximation of the inverse normal distribution (Acklam 2003), relative error below 1.2e-9. */
function normalQuantile(u: number): number {
  const p = Math.max(1e-300, u);
  const tail = 0.02425;
  if (p < tail) return tailQuantile(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - tail) return -tailQuantile(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const top = a.reduce((sum, term) => (sum + term) * r, 0) + 2.506628277459239;
  return (top * q) / (b.reduce((sum, term) => (sum + term) * r, 0) + 1);
}

function tailQuantile(q: number): number {
  const c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const top = c.reduce((sum, term) => (sum + term) * q, 0) + 2.938163982698783;
  return top / (d.reduce((sum, term) => (sum + term) * q, 0) + 1);
}

/** A gamma draw of that shape and mean 1 (Marsaglia and Tsang 2000; below shape 1 with their boost). */
export function drawGamma(shape: number, random: RandomStream): number {
  return gammaOf(shape, random) / shape;
}

function gammaOf(shape: number, random: RandomStream): number {
  if (shape < 1) return gammaOf(shape + 1, random) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
