/**
 * The end of a step: the rows whose successors are scored, compacted, through the last boundary. What it made a row's
 * scores from is kept until the next step, so that a sampler which could not decide may ask for the whole row.
 */
import { assert, present } from "../core/index.ts";
import type { Fetched, Session, TensorData } from "../graph/index.ts";
import type { DecoderConfig } from "./config.ts";
import { StepLora, type LoraBank } from "./lora/index.ts";
import type { ScoredRow } from "./step-plan.ts";
import type { KeptRow, StepWants, TokenScores } from "./types.ts";

const TOP_OUTPUTS = ["values", "indices", "logSumExp"];

/** What the last boundary needs. */
export interface ScoreParts {
  readonly config: DecoderConfig;
  /** The last boundary. */
  readonly session: Session;
  /** Best tokens per TopScores. */
  readonly topK: number;
  /** Null: no adapters. */
  readonly bank: LoraBank | null;
  /** It gives the states behind its scores too. */
  readonly states: boolean;
  readonly maxRows: number;
  /** Rows as graphs run them. */
  readonly padded: (rows: number) => number;
}

/** The scored rows of a step at a time. */
export class StepScores {
  readonly #parts: ScoreParts;
  readonly #lora: StepLora;
  readonly #attended: Float32Array;
  readonly #x: Float32Array;
  #scored: readonly ScoredRow[] = [];
  /** Behind the scores, [kept rows, hidden]; null: not asked for. */
  #states: Float32Array | null = null;

  constructor(parts: ScoreParts) {
    const { heads, headDim, hidden } = parts.config;
    const rows = parts.padded(parts.maxRows + 1);
    this.#parts = parts;
    this.#lora = new StepLora(parts.bank);
    this.#attended = new Float32Array(rows * heads * headDim);
    this.#x = new Float32Array(rows * hidden);
  }

  /** Compacts the rows that are scored, in order. */
  keep(scored: readonly ScoredRow[], attended: Float32Array, x: Float32Array): void {
    const { heads, headDim, hidden } = this.#parts.config;
    const width = heads * headDim;
    this.#scored = [...scored];
    for (const [at, { row }] of scored.entries()) {
      this.#attended.set(attended.subarray(row * width, (row + 1) * width), at * width);
      this.#x.set(x.subarray(row * hidden, (row + 1) * hidden), at * hidden);
    }
  }

  /** Scores of all kept rows, in order. */
  async score({ states = true }: StepWants = {}): Promise<TokenScores[]> {
    const scored = this.#scored;
    const hasStates = states && this.#parts.states;
    this.#states = null;
    if (scored.length === 0) return [];
    const { topK, config } = this.#parts;
    const { vocabSize } = config;
    const result = await this.#head(scored, hasStates);
    if (hasStates) this.#states = floats(result["states"]);
    const ids = result["indices"] === undefined ? null : int32Of(result["indices"].data as BigInt64Array);
    let tops = 0;
    let wholes = 0;
    return scored.map(({ whole, inverseTemperature }) => {
      if (whole) {
        const from = wholes++ * vocabSize;
        return { kind: "row", logits: floats(result["logits"]).subarray(from, from + vocabSize) };
      }
      const top = tops++;
      const [from, to] = [top * topK, (top + 1) * topK];
      return {
        kind: "top",
        ids: ids!.subarray(from, to),
        logits: floats(result["values"]).subarray(from, to),
        logSumExp: floats(result["logSumExp"])[top]!,
        inverseTemperature,
        vocabSize,
      };
    });
  }

  /** Final states of all kept rows, in order, of a last boundary that gives those. */
  async states(): Promise<Float32Array[]> {
    if (this.#scored.length === 0) return [];
    const { hidden } = this.#parts.config;
    const result = await this.#parts.session.run(this.#keptRows());
    return this.#scored.map((_, at) => floats(result["hidden"]).slice(at * hidden, (at + 1) * hidden));
  }

  /** The state behind the scores of the kept row of that number, until the next step. */
  stateOf(at: number): Float32Array {
    const { hidden } = this.#parts.config;
    return present(this.#states, "states").subarray(at * hidden, (at + 1) * hidden);
  }

  /** What `wholeRowOf` needs of the kept row of that number, in memory of its own. */
  keptRow(at: number): KeptRow {
    const { heads, headDim, hidden } = this.#parts.config;
    const width = heads * headDim;
    const scored = this.#scored[at];
    assert(scored !== undefined, "a kept row");
    return {
      attended: this.#attended.slice(at * width, (at + 1) * width),
      x: this.#x.slice(at * hidden, (at + 1) * hidden),
      ...(scored.adapter === null ? {} : { adapter: scored.adapter }),
    };
  }

  /** All logits of a row that any step over the same weights has kept. */
  async wholeRowOf(kept: KeptRow): Promise<TokenScores> {
    const { config, padded, session, bank } = this.#parts;
    const { heads, headDim, hidden, layers } = config;
    const rows = padded(1);
    const width = heads * headDim;
    const attended = new Float32Array(rows * width);
    const x = new Float32Array(rows * hidden);
    attended.set(kept.attended);
    x.set(kept.x);
    const adapter = kept.adapter ?? null;
    const lora = new StepLora(bank);
    lora.begin(rows, [{ row: 0, adapter }]);
    const result = await session.run(
      {
        attended: tensor(attended, rows, width),
        x: tensor(x, rows, hidden),
        ...lora.feeds(layers, layers),
        ...selection([{ row: 0, sequence: 0, whole: true, inverseTemperature: 1, adapter }]),
      },
      ["logits"],
    );
    return { kind: "row", logits: floats(result["logits"]) };
  }

  /** Runs the last boundary on the kept rows, fetching only the forms that are wanted. */
  #head(scored: readonly ScoredRow[], hasStates: boolean): Promise<Fetched> {
    const { session } = this.#parts;
    const hasTops = scored.some(({ whole }) => !whole);
    const hasWholes = scored.some(({ whole }) => whole);
    const fetches = [
      ...(hasTops ? TOP_OUTPUTS : []),
      ...(hasWholes ? ["logits"] : []),
      ...(hasStates ? ["states"] : []),
    ];
    return session.run({ ...this.#keptRows(), ...selection(scored) }, fetches);
  }

  /** Inputs of the last boundary: the kept rows, padded as graphs want them. */
  #keptRows(): Readonly<Record<string, TensorData>> {
    const { heads, headDim, hidden, layers } = this.#parts.config;
    const width = heads * headDim;
    const rows = this.#parts.padded(this.#scored.length);
    this.#lora.begin(
      rows,
      this.#scored.map(({ adapter }, row) => ({ row, adapter })),
    );
    return {
      attended: tensor(this.#attended.subarray(0, rows * width), rows, width),
      x: tensor(this.#x.subarray(0, rows * hidden), rows, hidden),
      ...this.#lora.feeds(layers, layers),
    };
  }
}

function floats(data: TensorData | undefined): Float32Array {
  return data!.data as Float32Array;
}

function tensor(data: Float32Array, ...dims: number[]): TensorData {
  return { dtype: "float32", dims, data };
}

/** Which rows the last boundary ranks, and which it gives whole. */
function selection(scored: readonly ScoredRow[]): Readonly<Record<string, TensorData>> {
  const tops: bigint[] = [];
  const wholes: bigint[] = [];
  const inverse: number[] = [];
  for (const [at, { whole, inverseTemperature }] of scored.entries()) {
    (whole ? wholes : tops).push(BigInt(at));
    if (!whole) inverse.push(inverseTemperature);
  }
  // TopK of no rows at all divides by zero inside ORT and kills the process: let it rank row 0 for nobody.
  if (tops.length === 0) {
    tops.push(0n);
    inverse.push(1);
  }
  return {
    topRows: { dtype: "int64", dims: [tops.length], data: BigInt64Array.from(tops) },
    inverseTemperature: tensor(Float32Array.from(inverse), tops.length, 1),
    wholeRows: { dtype: "int64", dims: [wholes.length], data: BigInt64Array.from(wholes) },
  };
}

function int32Of(values: BigInt64Array): Int32Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const result = new Int32Array(values.length);
  for (let i = 0; i < result.length; i++) result[i] = words[i * 2]!;
  return result;
}
