/**
 * Profiles what is left of components when their prediction is taken away (prediction-fit.ts): how far it spreads by
 * component and by token, and the distributions of its symbols at every spread.
 */
import { createRandom } from "../../core/index.ts";
import { EntropyTables } from "../../kernels/index.ts";
import type { ProfileRows } from "./prediction-fit.ts";
import {
  CENTROID_MAX,
  CENTROID_UNIT,
  ESCAPE,
  logOf,
  MIDDLE,
  quarterPower,
  RESIDUAL_SYMBOLS,
  SIDE,
  SPREADS,
  STEP_LOGS,
  tableOf,
  type Block,
  type PredictionParts,
} from "./prediction.ts";
import { Quantiser } from "./quantiser.ts";
import type { CacheShape } from "./shape.ts";

/** Rounds in which spreads of components and of tokens are fitted to each other. */
const SPREAD_ROUNDS = 3;
/** Occurrences that an id's spread is worth before it has any. */
const PRIOR_OCCURRENCES = 2;
/** Tokens that distributions are counted over. */
const COUNTED_TOKENS = 1024;
/** Rounds of choosing symbols by their cost and counting them again. */
const COUNT_ROUNDS = 3;
/** What a distribution of its spread alone counts beside what was seen. */
const PRIOR_COUNT = 40;
const PER_COUNT = 64;
/** Spreads are not below 2^(this / 4) steps. */
const SPREAD_LOG_MIN = -40;

type Residuals = Pick<PredictionParts, "spreadLogs" | "idLogs" | "sizes" | "centroids">;

/**
 * @param sums of components by id, [ids x components]
 * @param shrink of each component: occurrences that count against its mean
 */
export function fitResiduals(
  shape: CacheShape,
  blocks: readonly Block[],
  profile: ProfileRows,
  sums: Float64Array,
  shrink: Float64Array,
): Residuals {
  const { tokens, width, row, places, ids, counts } = profile;
  // In place: rows are components before, residuals behind.
  for (let t = 0; t < tokens; t++) {
    const place = places[t]!;
    if (place === ids.length || counts[place] === 1) continue;
    const values = row(t);
    const others = counts[place]! - 1;
    for (let c = 0; c < width; c++) values[c]! -= (sums[place * width + c]! - values[c]!) / (others + shrink[c]!);
  }
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const own = blocks.filter((block) => block.layer === layer);
    const last = own.at(-1)!;
    return { first: own[0]!.first, end: last.first + last.rows.length };
  });
  const spreadLogs = new Int8Array(width);
  const idLogs = new Int8Array(shape.layers * (ids.length + 1));
  layers.forEach(({ first, end }, layer) => {
    const { spreads, idSpreads } = spreadsOf(profile, first, end);
    spreads.forEach((variance, c) => (spreadLogs[first + c] = Math.max(SPREAD_LOG_MIN, logOf(Math.sqrt(variance)))));
    idSpreads.forEach((variance, place) => (idLogs[layer * (ids.length + 1) + place] = logOf(Math.sqrt(variance))));
  });
  return { spreadLogs, idLogs, ...countSymbols(profile, layers, spreadLogs, idLogs) };
}

/** Whether a token was predicted when it was left out of its own prediction. */
function isPredicted({ places, ids, counts }: ProfileRows, t: number): boolean {
  return places[t] !== ids.length && counts[places[t]!]! > 1;
}

/** Variances of components of a layer, and factors of ids on them; the last factor is of tokens without prediction. */
function spreadsOf(profile: ProfileRows, first: number, end: number) {
  const { tokens, row, places, ids, counts } = profile;
  const n = end - first;
  const unknown = ids.length;
  const spreads = new Float64Array(n).fill(1);
  const idSpreads = new Float64Array(ids.length + 1).fill(1);
  const placeOf = (t: number): number => (isPredicted(profile, t) ? places[t]! : unknown);
  const hasPredicted = counts.some((count) => count > 1);
  for (let round = 0; round < SPREAD_ROUNDS; round++) {
    const sums = new Float64Array(n);
    let counted = 0;
    for (let t = 0; t < tokens; t++) {
      // What has no prediction says nothing of residuals, unless nothing else is there.
      if (placeOf(t) === unknown && hasPredicted) continue;
      const values = row(t);
      const weight = 1 / idSpreads[placeOf(t)]!;
      for (let c = 0; c < n; c++) sums[c]! += values[first + c]! ** 2 * weight;
      counted += 1;
    }
    for (let c = 0; c < n; c++) spreads[c] = Math.max(1e-6, sums[c]! / Math.max(1, counted));
    const energy = new Float64Array(ids.length + 1);
    const seen = new Float64Array(ids.length + 1);
    for (let t = 0; t < tokens; t++) {
      const values = row(t);
      let sum = 0;
      for (let c = 0; c < n; c++) sum += values[first + c]! ** 2 / spreads[c]!;
      energy[placeOf(t)]! += sum / n;
      seen[placeOf(t)]! += 1;
    }
    let twice = { energy: PRIOR_OCCURRENCES, seen: PRIOR_OCCURRENCES };
    for (let place = 0; place < unknown; place++) {
      if (counts[place] !== 2) continue;
      twice = { energy: twice.energy + energy[place]!, seen: twice.seen + seen[place]! };
    }
    for (let place = 0; place <= unknown; place++) {
      const prior = place < unknown && counts[place] === 1 ? 2 ** 20 : PRIOR_OCCURRENCES;
      const expected = counts[place] === 1 ? twice.energy / twice.seen : 1;
      idSpreads[place] = Math.max(1e-6, (energy[place]! + prior * expected) / (seen[place]! + prior));
    }
  }
  return { spreads, idSpreads };
}

/** Sizes of symbols at every spread, of what the encoder would choose at every level, and where residuals lie in them. */
function countSymbols(
  profile: ProfileRows,
  layers: readonly { readonly first: number; readonly end: number }[],
  spreadLogs: Int8Array,
  idLogs: Int8Array,
): Pick<Residuals, "sizes" | "centroids"> {
  const { tokens, row, places, ids } = profile;
  let fitted = { sizes: sizesOf(priorCounts()), centroids: new Uint8Array(SPREADS * 2) };
  const used = Math.min(tokens, COUNTED_TOKENS);
  const random = createRandom(1, "prediction-profile");
  const chosen = Array.from({ length: used }, (_, k) => Math.floor(((k + random.uniform()) * tokens) / used));
  for (let round = 0; round < COUNT_ROUNDS; round++) {
    const quantiser = new Quantiser(fitted);
    const counts = priorCounts();
    const near = new Float64Array(SPREADS * 4);
    for (const t of chosen) {
      const place = isPredicted(profile, t) ? places[t]! : ids.length;
      const values = row(t);
      layers.forEach(({ first, end }, layer) => {
        const idLog = idLogs[layer * (ids.length + 1) + place]!;
        for (const stepLog of STEP_LOGS) {
          const perStep = 1 / quarterPower(stepLog);
          for (let c = first; c < end; c++) {
            const table = tableOf(spreadLogs[c]!, idLog, stepLog);
            const residual = values[c]! * perStep;
            const steps = quantiser.steps(residual, table);
            const isNear = Math.abs(steps) <= SIDE;
            counts[table * RESIDUAL_SYMBOLS + (isNear ? steps + SIDE : ESCAPE)]! += 1;
            if (steps === 0 || !isNear) continue;
            const at = table * 4 + (Math.abs(steps) === 1 ? 0 : 2);
            near[at]! += Math.abs(steps) - Math.abs(residual);
            near[at + 1]! += 1;
          }
        }
      });
    }
    const centroids = Uint8Array.from({ length: SPREADS * 2 }, (_, i) => {
      const towardsZero = near[2 * i]! / (near[2 * i + 1]! + 8);
      return Math.max(0, Math.min(CENTROID_MAX, Math.round(towardsZero * CENTROID_UNIT)));
    });
    fitted = { sizes: sizesOf(counts), centroids };
  }
  return fitted;
}

/** What a bell of each spread would count; its tails are logistic: heavier than normal ones. */
function priorCounts(): Float64Array {
  const counts = new Float64Array(SPREADS * RESIDUAL_SYMBOLS);
  const below = (x: number): number => 1 / (1 + Math.exp(-x));
  for (let table = 0; table < SPREADS; table++) {
    const scale = quarterPower(table - MIDDLE) * 0.55;
    for (let s = -SIDE; s <= SIDE; s++) {
      const share = below((s + 0.5) / scale) - below((s - 0.5) / scale);
      counts[table * RESIDUAL_SYMBOLS + s + SIDE] = PRIOR_COUNT * share;
    }
  }
  return counts;
}

/** Parts of 16,384; what would have less than half of one is left to the escape. */
function sizesOf(counts: Float64Array): Uint16Array {
  const sizes = new Uint16Array(counts.length);
  for (let base = 0; base < counts.length; base += RESIDUAL_SYMBOLS) {
    const row = counts.subarray(base, base + RESIDUAL_SYMBOLS);
    const total = row.reduce((sum, count) => sum + count, 0);
    const whole = Array.from(row, (count) => (count * 16384 < total / 2 ? 0 : Math.ceil(count * PER_COUNT)));
    whole[SIDE] = Math.max(1, whole[SIDE]!);
    whole[ESCAPE] = Math.max(whole[ESCAPE]!, Math.ceil((total * PER_COUNT) / 8192));
    const table = EntropyTables.fromCounts(whole, RESIDUAL_SYMBOLS, { coverAll: false });
    for (let s = 0; s < RESIDUAL_SYMBOLS; s++) sizes[base + s] = table.size(0, s);
  }
  return sizes;
}
