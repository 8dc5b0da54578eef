/**
 * The plain twin of predicted.ts: the same chunks to bodies and back, one obvious step after the other, to the last bit.
 * Numbers are single precision wherever the kernel's are; terms are added in their order.
 */
import { fail } from "../../core/index.ts";
import type { EntropyCoder, LoadedTables } from "../../kernels/index.ts";
import { BitReader } from "./bits.ts";
import { emptyPlanes, type Planes } from "./planes.ts";
import { joinBody, placesOf, splitBody } from "./predicted.ts";
import { BLOCK_MAX, ESCAPE, quarterPower, SIDE, STEP_LOGS, tableOf, type PredictionTables } from "./prediction.ts";
import { Quantiser } from "./quantiser.ts";
import { channelCount, type CacheShape } from "./shape.ts";
import { Turn } from "./turn.ts";

/** Tables in a coder's memory, with what symbols cost. */
export interface PredictionTwin {
  readonly tables: PredictionTables;
  readonly residuals: LoadedTables;
  readonly quantiser: Quantiser;
  readonly turns: readonly Turn[];
}

/** Puts tables into a coder. */
export function loadPredictionTwin(coder: EntropyCoder, tables: PredictionTables): PredictionTwin {
  const turns = tables.blocks.map((block, b) => new Turn(block, tables.matrices[b]!, tables));
  return { tables, residuals: coder.load(tables.residuals), quantiser: new Quantiser(tables), turns };
}

/** A chunk's tokens by table: order of tokens per layer, and the stretches of it that share a spread. */
interface LayerOrder {
  /** Places of token ids in the tables, by token of the chunk; the number of ids for those without. */
  readonly tokens: Uint32Array;
  readonly segments: readonly { readonly idLog: number; readonly from: number; readonly end: number }[];
}

function ordersOf(shape: CacheShape, { idLogs, ids }: PredictionTables, places: Uint32Array): LayerOrder[] {
  return Array.from({ length: shape.layers }, (_, layer) => {
    const log = (token: number): number => idLogs[layer * (ids.length + 1) + places[token]!]!;
    const tokens = Uint32Array.from(places.keys()).sort((a, b) => log(a) - log(b) || a - b);
    const segments: { idLog: number; from: number; end: number }[] = [];
    tokens.forEach((token, i) => {
      const last = segments.at(-1);
      if (last !== undefined && last.idLog === log(token)) last.end = i + 1;
      else segments.push({ idLog: log(token), from: i, end: i + 1 });
    });
    return { tokens, segments };
  });
}

function runsOf(tables: PredictionTables, orders: readonly LayerOrder[], stepLog: number) {
  const runs = { tables: [] as number[], lengths: [] as number[] };
  for (const { layer, rows, first } of tables.blocks) {
    for (let c = first; c < first + rows.length; c++) {
      for (const { idLog, from, end } of orders[layer]!.segments) {
        runs.tables.push(tableOf(tables.spreadLogs[c]!, idLog, stepLog));
        runs.lengths.push(end - from);
      }
    }
  }
  return runs;
}

/** The body that `encodePredicted` makes of the same pages. @param level 0 (finest) to PREDICTED_LEVELS - 1 */
export function encodePredictedTwin(
  coder: EntropyCoder,
  { tables, residuals, quantiser, turns }: PredictionTwin,
  shape: CacheShape,
  planes: Planes,
  tokenIds: readonly number[],
  level: number,
): Uint8Array<ArrayBuffer> {
  const { tokens } = planes;
  const channels = channelCount(shape);
  const places = placesOf(tables, tokenIds);
  const orders = ordersOf(shape, tables, places);
  const stepLog = STEP_LOGS[level]!;
  const perStep = 1 / quarterPower(stepLog);
  const symbols = new Uint8Array(tables.meanLogs.length * tokens);
  const steps = new Int32Array(tables.meanLogs.length * tokens);
  const y = new Float32Array(BLOCK_MAX);
  tables.blocks.forEach(({ layer, rows, first }, b) => {
    const { tokens: order, segments } = orders[layer]!;
    for (const { idLog, from, end } of segments) {
      for (let i = from; i < end; i++) {
        const token = order[i]!;
        turns[b]!.components((row) => planes.data[Math.floor(row / channels)]![(row % channels) * tokens + token]!, y);
        for (let j = 0; j < rows.length; j++) {
          const residual = (y[j]! - predictionOf(tables, first + j, places[token]!)) * perStep;
          if (!Number.isFinite(residual)) fail("invalid_request", "expected finite keys and values");
          const table = tableOf(tables.spreadLogs[first + j]!, idLog, stepLog);
          const at = (first + j) * tokens + i;
          steps[at] = quantiser.steps(residual, table);
          symbols[at] = quantiser.hasSymbol(steps[at]!, table) ? steps[at]! + SIDE : ESCAPE;
        }
      }
    }
  });
  const payload = coder.encode(residuals, symbols, runsOf(tables, orders, stepLog));
  return joinBody(
    tokenIds,
    payload,
    Int32Array.from(steps).filter((_, at) => symbols[at] === ESCAPE),
  );
}

function predictionOf({ ids, idMeans, meanLogs }: PredictionTables, component: number, place: number): number {
  if (place === ids.length) return 0;
  return Math.fround(idMeans[component * ids.length + place]! * Math.fround(quarterPower(meanLogs[component]!)));
}

/**
 * The planes of the pages that `decodePredicted` makes of the same body.
 * @throws PunctualError invalid_file where that does.
 */
export function decodePredictedTwin(
  coder: EntropyCoder,
  { tables, residuals, quantiser, turns }: PredictionTwin,
  shape: CacheShape,
  body: Uint8Array,
  tokenIds: readonly number[],
  level: number,
): Planes {
  const { payload, escapes: escapeBytes } = splitBody(body, tokenIds);
  const tokens = tokenIds.length;
  const channels = channelCount(shape);
  const places = placesOf(tables, tokenIds);
  const orders = ordersOf(shape, tables, places);
  const stepLog = STEP_LOGS[level]!;
  const step = quarterPower(stepLog);
  const symbols = coder.decode(residuals, payload, runsOf(tables, orders, stepLog));
  const escapes = new BitReader(escapeBytes);
  const planes = emptyPlanes(shape, tokens);
  const [y, x] = [new Float32Array(BLOCK_MAX), new Float32Array(BLOCK_MAX)];
  const far = new Map<number, number>();
  symbols.forEach((symbol, at) => {
    if (symbol === ESCAPE) far.set(at, escapes.signed());
  });
  escapes.end();
  tables.blocks.forEach(({ layer, rows, first }, b) => {
    const n = rows.length;
    const { tokens: order, segments } = orders[layer]!;
    for (const { idLog, from, end } of segments) {
      for (let i = from; i < end; i++) {
        const token = order[i]!;
        for (let j = 0; j < n; j++) {
          const at = (first + j) * tokens + i;
          const symbol = symbols[at]!;
          const table = tableOf(tables.spreadLogs[first + j]!, idLog, stepLog);
          const residual = quantiser.value(symbol === ESCAPE ? far.get(at)! : symbol - SIDE, table);
          y[j] = predictionOf(tables, first + j, places[token]!) + Math.fround(residual * step);
        }
        turns[b]!.channels(y, x);
        for (let c = 0; c < n; c++) {
          if (!Number.isFinite(x[c])) fail("invalid_file", "expected finite keys and values");
          const row = rows[c]!;
          planes.data[Math.floor(row / channels)]![(row % channels) * tokens + token] = x[c]!;
        }
      }
    }
  });
  return planes;
}
