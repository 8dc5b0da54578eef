/**
 * A quantile regression forest (Meinshausen 2006) over the last finished requests, renewed one tree at a
 * time: the log is a ring, and finishes make the oldest trees due to be grown anew from it. So there is never a long
 * pause for training, and the forest follows a changing load.
 *
 * A finish only goes into the log. What is due is grown when somebody settles it, between steps, or else before the next
 * finish or question, so that the forest is the same whether anybody settles or not. While requests keep coming a tree is
 * grown every few finishes; the rest is made up for in pauses.
 *
 * A prediction is the forest's whole distribution for a request: every length in the leaves it falls
 * into, weighted by mean over trees of 1 / leaf size.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { FEATURE_COUNT, FEATURE_LEVELS, type LengthFeatures } from "./features.ts";
import { lengthDistribution, type LengthDistribution } from "./length-distribution.ts";
import { LengthTree, MAX_GATHERED, TreeScratch, type LengthLog, type TreeShape } from "./length-tree.ts";

/** Sizes of a forest; what is absent has the default named beside it. */
export interface QuantileForestOptions {
  readonly random: RandomStream;
  /** 1 to 300; 100 when absent. */
  readonly trees?: number;
  /** Finished requests kept, at most 10,000; 2,000 when absent. */
  readonly logSize?: number;
  /** Finishes after which every tree has been renewed; 100 when absent. */
  readonly renewEvery?: number;
  /** Finishes before the first trees; 32 when absent. */
  readonly minLog?: number;
  /** Fewest requests of the growing half in a leaf; 5 when absent. */
  readonly minLeaf?: number;
}

/** A log so short is grown from at once: its trees are cheap, and soon out of date. */
const SHORT_LOG = 256;
/** Finishes per tree otherwise, while there is no pause. */
const FINISHES_PER_TREE = 4;
/** Trees that one pause makes up for, a few milliseconds. */
const TREES_PER_PAUSE = 8;

/** What a forest has learnt from: finished requests, the oldest first. */
export interface LoggedLength {
  readonly features: LengthFeatures;
  readonly tokens: number;
}

/** Longest answer a forest counts, tokens. */
const MAX_LENGTH = 2 ** 31;

/** The forest at the head of this file. The same observations under the same random stream give the same forest. */
export class QuantileForest {
  readonly #random: RandomStream;
  readonly #shape: TreeShape;
  readonly #renewEvery: number;
  readonly #minLog: number;
  readonly #logSize: number;
  readonly #features: Uint8Array;
  readonly #tokens: Float64Array;
  readonly #logTokens: Float64Array;
  readonly #trees: readonly LengthTree[];
  readonly #scratch: TreeScratch;
  readonly #gathered: Float64Array;
  readonly #weights: Float64Array;
  /** Finishes since the beginning; the next row of the ring is this modulo its size. */
  #seen = 0;
  #grown = false;
  /** The tree grown longest ago. */
  #oldest = 0;
  /** Trees to renew, a part of one carried over. */
  #due = 0;
  /** Of those, trees to be grown before anything else happens. */
  #now = 0;
  #sinceTree = 0;

  constructor(options: QuantileForestOptions) {
    const { trees = 100, logSize = 2000, renewEvery = 100, minLog = 32, minLeaf = 5 } = options;
    assert(trees >= 1 && trees <= 300, "a forest has 1 to 300 trees");
    assert(logSize >= 2 * minLeaf && logSize <= 10_000, "a log holds two leaves to 10,000 requests");
    assert(minLog >= 2 && minLog <= logSize, "the first trees wait for 2 requests to a full log");
    assert(renewEvery >= 1, "a forest is renewed over at least one finish");
    this.#random = options.random;
    this.#shape = { minLeaf, tried: Math.ceil(FEATURE_COUNT / 3), maxDepth: 16 };
    this.#renewEvery = renewEvery;
    this.#minLog = minLog;
    this.#logSize = logSize;
    this.#features = new Uint8Array(logSize * FEATURE_COUNT);
    this.#tokens = new Float64Array(logSize);
    this.#logTokens = new Float64Array(logSize);
    this.#trees = Array.from({ length: trees }, () => new LengthTree(logSize, minLeaf));
    this.#scratch = new TreeScratch(logSize);
    this.#gathered = new Float64Array(trees * MAX_GATHERED);
    this.#weights = new Float64Array(trees * MAX_GATHERED);
  }

  /** False until enough requests have finished: then nothing is known. */
  get ready(): boolean {
    return this.#grown;
  }

  /** Requests in the log. */
  get size(): number {
    return Math.min(this.#seen, this.#logSize);
  }

  /** Takes a finished request into the log. */
  observe(features: LengthFeatures, generatedTokens: number): void {
    assert(features.length === FEATURE_COUNT, `features are ${FEATURE_COUNT} levels`);
    this.settle();
    this.#enter(features, generatedTokens);
    if (this.size < this.#minLog) return;
    // A short log grows fast in proportion, so its trees are soon out of date.
    const turn = Math.min(this.#renewEvery, this.size / 2);
    this.#due = this.#grown ? Math.min(this.#trees.length, this.#due + this.#trees.length / turn) : this.#trees.length;
    this.#sinceTree += 1;
    if (!this.#grown || this.size < SHORT_LOG) this.#now = Math.floor(this.#due);
    else if (this.#sinceTree >= FINISHES_PER_TREE) this.#now = Math.min(1, Math.floor(this.#due));
    this.#grown = true;
  }

  /** Grows what is due now; about a millisecond for each tree of a full log. */
  settle(): void {
    for (; this.#now > 0; this.#now -= 1) this.#renew();
  }

  /** Makes up for trees that finishes have left due: in a pause. */
  catchUp(): void {
    this.settle();
    for (let i = 0; i < TREES_PER_PAUSE && this.#due >= 1; i++) this.#renew();
  }

  /** The log. */
  log(): LoggedLength[] {
    return Array.from({ length: this.size }, (_, i) => {
      const row = (this.#seen - this.size + i) % this.#logSize;
      const at = row * FEATURE_COUNT;
      return { features: this.#features.slice(at, at + FEATURE_COUNT), tokens: this.#tokens[row]! };
    });
  }

  /** Learns what another forest had in its log, the last of it where this one keeps less. Before the first finish. */
  restore(log: readonly LoggedLength[]): void {
    assert(this.#seen === 0, "a forest that has learnt nothing yet takes over a log");
    for (const { features, tokens } of log.slice(-this.#logSize)) this.#enter(features, tokens);
    if (this.size < this.#minLog) return;
    this.#grown = true;
    this.#due = this.#now = this.#trees.length;
    this.settle();
  }

  #enter(features: LengthFeatures, generatedTokens: number): void {
    const row = this.#seen % this.#logSize;
    const tokens = Math.min(MAX_LENGTH, Math.max(0, Math.round(generatedTokens)));
    for (let i = 0; i < FEATURE_COUNT; i++) {
      this.#features[row * FEATURE_COUNT + i] = Math.min(FEATURE_LEVELS - 1, features[i]!);
    }
    this.#tokens[row] = tokens;
    this.#logTokens[row] = Math.log2(1 + tokens);
    this.#seen += 1;
  }

  /** The lengths to expect of a request. The forest must be ready. */
  distribution(features: LengthFeatures): LengthDistribution {
    assert(this.#grown, "a forest predicts once it has grown");
    this.settle();
    let count = 0;
    for (const tree of this.#trees) count += tree.gather(features, this.#gathered, this.#weights, count);
    return lengthDistribution(this.#gathered, this.#weights, count);
  }

  /** The lengths in the log, whatever was asked. At least one request must have finished. */
  marginal(): LengthDistribution {
    return lengthDistribution(this.#tokens, new Float64Array(this.size).fill(1), this.size);
  }

  #renew(): void {
    this.#due -= 1;
    this.#sinceTree = 0;
    const log: LengthLog = {
      features: this.#features,
      tokens: this.#tokens,
      logTokens: this.#logTokens,
      size: this.size,
    };
    this.#trees[this.#oldest]!.grow(log, this.#shape, this.#random, this.#scratch);
    this.#oldest = (this.#oldest + 1) % this.#trees.length;
  }
}
