/**
 * Where training starts from. Weights are normal of deviation 0.02; projections that end a residual branch
 * are smaller by the root of their number (Radford et al. 2019), norms start at one.
 *
 * A `copying` start also writes one circuit into the first two layers, the induction heads that language models
 * grow by themselves (Olsson et al. 2022) but only after far more tokens than a tiny model sees. That
 * structure may be put in by hand is the idea of mimetic initialisation (Trockman & Kolter 2023).
 *
 *     layer 0     heads that look one and two tokens back, and write what stands there into elements of their own
 *     layer 1     heads that look for an earlier place whose previous token is the one at hand, and
 *                 write the token of that place towards the output:  ... A B ... A -> B
 *
 * Nothing is frozen: these are first values like all others.
 */
import { assert, createRandom } from "../core/index.ts";
import { EMBEDDING_NAME, layerName, type DecoderConfig } from "../llm/index.ts";
import type { Start } from "./types.ts";

const DEVIATION = 0.02;

interface Parameter {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Fills in initial weights, the same for the same seed. */
export function initialise(parameters: readonly Parameter[], config: DecoderConfig, seed: number, start: Start): void {
  const residual = DEVIATION / Math.sqrt(2 * config.layers);
  for (const { name, dims, data } of parameters) {
    const random = createRandom(seed, `initial/${name}`);
    const deviation = /\.(?:o_proj|down_proj)\./u.test(name) ? residual : DEVIATION;
    for (let i = 0; i < data.length; i++) data[i] = dims.length === 1 ? 1 : random.normal() * deviation;
  }
  if (start === "copying") new CopyingCircuit(parameters, config, seed).write();
}

/** The embedding's first element, the same for all tokens: what position heads read. */
const CONSTANT = 0.2;
/** Pairs of a head that tell neighbours apart: slower ones would drown the difference. */
const FAST_PAIRS = 3;
/** Strength of a position head's keys and queries. */
const POSITION_GAIN = 1.2;
/** Length of a previous token's trace, per element of the head. */
const TRACE_GAIN = 0.06;
/** Strength of the keys and queries that compare tokens. */
const MATCH_GAIN = 3;
/** Strength with which a found token is written. */
const COPY_GAIN = 0.12;
/** Pairs that turn less than a radian over so many tokens compare what is said rather than where. */
const REACH = 75;

/** Row-major [rows, columns]. */
type Matrix = readonly Float32Array[];

class CopyingCircuit {
  readonly #config: DecoderConfig;
  readonly #seed: number;
  readonly #weights: ReadonlyMap<string, Float32Array>;
  readonly #frequencies: readonly number[];

  constructor(parameters: readonly Parameter[], config: DecoderConfig, seed: number) {
    const { headDim, hidden, heads, kvHeads, layers, ropeTheta } = config;
    assert(layers >= 2 && hidden > 1 + (heads / kvHeads) * headDim, "a decoder with room for the copying circuit");
    this.#config = config;
    this.#seed = seed;
    this.#weights = new Map(parameters.map(({ name, data }) => [name, data]));
    this.#frequencies = Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim));
  }

  write(): void {
    const { hidden, vocabSize, kvHeads } = this.#config;
    const embedding = this.#weights.get(EMBEDDING_NAME)!;
    for (let id = 0; id < vocabSize; id++) {
      embedding.fill(0, id * hidden, id * hidden + this.#firstContent);
      embedding[id * hidden] = CONSTANT;
    }
    const content = this.#contentRows("content");
    this.#writePositionHeads(content);
    for (let kvHead = 0; kvHead < kvHeads; kvHead++) this.#writeInductionHead(kvHead, content);
  }

  /** The residual's elements: the constant, a trace for each position head, then what embeddings fill. */
  get #firstContent(): number {
    return 1 + this.#group * this.#config.headDim;
  }

  /** Query heads of one key head. */
  get #group(): number {
    return this.#config.heads / this.#config.kvHeads;
  }

  /** The first group of layer 0: its query heads look 1, 2, ... tokens back, by the fast pairs alone. */
  #writePositionHeads(content: Matrix): void {
    const { headDim } = this.#config;
    const half = headDim / 2;
    for (let head = 0; head < this.#group; head++) {
      const query = new Float32Array(headDim);
      for (const [i, frequency] of this.#frequencies.slice(0, FAST_PAIRS).entries()) {
        query[i] = POSITION_GAIN * Math.cos((head + 1) * frequency);
        query[i + half] = -POSITION_GAIN * Math.sin((head + 1) * frequency);
      }
      const trace = 1 + head * headDim;
      this.#rows(0, "q_proj", head, (row, j) => (j === 0 ? query[row]! : 0));
      this.#columns(0, head, (row, j) => (row === trace + j ? TRACE_GAIN : 0));
    }
    this.#rows(0, "k_proj", 0, (row, j) => (j === 0 && row < FAST_PAIRS ? POSITION_GAIN : 0));
    this.#rows(0, "v_proj", 0, (row, j) => content[row]![j]!);
  }

  /**
   * The first query head of each group of layer 1. Keys are traces, queries the token at hand, both by the slow pairs;
   * each head copies other elements of what it finds.
   */
  #writeInductionHead(kvHead: number, content: Matrix): void {
    const { headDim } = this.#config;
    const head = kvHead * this.#group;
    const slow = (row: number): boolean => this.#frequencies[row % this.#frequencies.length]! * REACH < 1;
    const copied = this.#firstContent + kvHead * headDim;
    this.#rows(1, "k_proj", kvHead, (row, j) => (slow(row) && j === 1 + row ? MATCH_GAIN : 0));
    this.#rows(1, "v_proj", kvHead, (row, j) => (j === copied + row ? 1 : 0));
    this.#rows(1, "q_proj", head, (row, j) => (slow(row) ? MATCH_GAIN * content[row]![j]! : 0));
    this.#columns(1, head, (row, j) => (row === copied + j ? COPY_GAIN : 0));
  }

  /** Sets the rows of one head in a projection into heads. */
  #rows(layer: number, part: string, head: number, value: (row: number, column: number) => number): void {
    const { hidden, headDim } = this.#config;
    const data = this.#weights.get(layerName(layer, `self_attn.${part}`))!;
    for (let row = 0; row < headDim; row++) {
      for (let j = 0; j < hidden; j++) data[(head * headDim + row) * hidden + j] = value(row, j);
    }
  }

  /** Sets the columns of one head in the projection out of heads. */
  #columns(layer: number, head: number, value: (row: number, column: number) => number): void {
    const { hidden, heads, headDim } = this.#config;
    const data = this.#weights.get(layerName(layer, "self_attn.o_proj"))!;
    const width = heads * headDim;
    for (let row = 0; row < hidden; row++) {
      for (let j = 0; j < headDim; j++) data[row * width + head * headDim + j] = value(row, j);
    }
  }

  /** [headDim, hidden], rows of about unit length over what embeddings fill: as good as orthogonal. */
  #contentRows(name: string): Matrix {
    const { headDim, hidden } = this.#config;
    const first = this.#firstContent;
    const random = createRandom(this.#seed, `circuit/${name}`);
    return Array.from({ length: headDim }, () =>
      Float32Array.from({ length: hidden }, (_, j) => (j < first ? 0 : random.normal() / Math.sqrt(hidden - first))),
    );
  }
}
