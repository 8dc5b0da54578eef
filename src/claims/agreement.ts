/**
 * Claim `agreement`: files that others read give what they give others. Random weights of each family go to disk as
 * safetensors and as GGUF; llama.cpp, through node-llama-cpp's controlled evaluation, and our engine read the same GGUF
 * file and evaluate the same tokens in chunks of their own. Correctness only; nothing here is timed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMBEDDING_NAME, type WeightSource } from "../llm/index.ts";
import { compareLogits, GREEDY_GAP, type Difference } from "./agreement/compare.ts";
import { families, familyWeights, type Family } from "./agreement/families.ts";
import { writeFolder, writeGguf } from "./agreement/files.ts";
import type { GgufStorage } from "./agreement/gguf-file.ts";
import { ourLogits, randomSequences, rechunked, type TokenSequence } from "./agreement/ours.ts";
import { nodeLlamaCpp, requireRivals, type Rival, type RivalAnswer } from "./agreement/rival.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { exact } from "./statistics.ts";

const TARGET_DIFFERENCE = 1e-3;
const TARGET_FORMATS = 1e-6;
/** What llama.cpp computes in other arithmetic than ours: it rounds activations to the precision of the weights. */
const ROUNDED: readonly GgufStorage[] = ["F16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0"];
/** A table is only looked up, so llama.cpp widens it to F32 as we do; BF16 and F16 too. */
const TABLES: readonly GgufStorage[] = ["F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0"];

const LARGE = { scale: { layers: 4, ffn: 768, vocabSize: 4096 }, rounded: ROUNDED, tables: TABLES } as const;
const SIZES = {
  full: { ...LARGE, sequences: 12, length: 160, few: 3 },
  quick: { ...LARGE, sequences: 4, length: 64, few: 1 },
  smoke: {
    scale: { layers: 2, ffn: 256, vocabSize: 512 },
    rounded: ["Q8_0"],
    tables: ["Q6_K"],
    sequences: 2,
    length: 16,
    few: 1,
  },
} as const;

/** One file on both sides. */
interface Evaluated {
  readonly ours: Float32Array;
  readonly theirs: RivalAnswer;
}

/** The files of one family and both sides' evaluation of them. */
class FamilyRun {
  readonly #context: ClaimContext;
  readonly #rival: Rival;
  readonly #family: Family;
  readonly #folder: string;
  readonly #weights: WeightSource;
  readonly #sequences: readonly TokenSequence[];

  constructor(context: ClaimContext, rival: Rival, family: Family, folder: string) {
    this.#context = context;
    this.#rival = rival;
    this.#family = family;
    this.#folder = folder;
    this.#weights = familyWeights(family.config, context.seed);
    const { sequences, length } = SIZES[context.mode];
    const { vocabSize } = family.config;
    this.#sequences = randomSequences({ sequences, length, vocabSize }, context.seed);
  }

  /** The lines of the family, `tables` with those of the embedding table in every format. */
  async lines(tables: boolean): Promise<Measured[]> {
    const { name } = this.#family;
    this.#context.progress(`${name}: F32 on both sides`);
    const [plain] = await this.#evaluate(["F32"], this.#sequences);
    const folder = await writeFolder(join(this.#folder, "safetensors"), this.#family, this.#weights);
    const fromFolder = await ourLogits(folder, rechunked(this.#sequences, this.#context.seed));
    return [
      ...this.#plainLines(this.#difference(plain!)),
      this.#formatsLine(compareLogits(fromFolder, plain!.ours, this.#family.config.vocabSize)),
      await this.#roundedLine(plain!),
      ...(tables ? [await this.#tablesLine()] : []),
    ];
  }

  #difference({ ours, theirs }: Evaluated): Difference {
    return compareLogits(ours, theirs.logits, this.#family.config.vocabSize, theirs.greedy);
  }

  /** Both sides on files with all matrices, or the embedding table alone, in each of the formats. */
  async #evaluate(
    formats: readonly GgufStorage[],
    sequences: readonly TokenSequence[],
    tableOnly = false,
  ): Promise<Evaluated[]> {
    const vocab = this.#family.config.vocabSize;
    const paths: string[] = [];
    for (const format of formats) {
      const typeOf = (name: string): GgufStorage => (!tableOnly || name === EMBEDDING_NAME ? format : "F32");
      paths.push(await writeGguf(join(this.#folder, `${format}.gguf`), this.#family, this.#weights, typeOf));
    }
    const theirs = await this.#rival(
      paths.map((path) => ({ path, vocab, sequences: rechunked(sequences, this.#context.seed + 1) })),
      this.#folder,
    );
    const all: Evaluated[] = [];
    for (const [i, path] of paths.entries()) all.push({ ours: await ourLogits(path, sequences), theirs: theirs[i]! });
    return all;
  }

  #plainLines(found: Difference): Measured[] {
    const { name, inexact } = this.#family;
    const under = found.rows - found.clear;
    return [
      exact(
        {
          kind: "live",
          metric: `${name}: largest difference of a log-probability`,
          unit: "nats",
          better: "lower",
          note: `GGUF F32, ${found.rows} tokens, whole distributions (${found.values} log-probabilities), mean ${found.mean.toExponential(1)}${inexact === undefined ? "" : `; ${inexact}`}`,
        },
        found.largest,
        inexact === undefined ? TARGET_DIFFERENCE : null,
        found.rows,
      ),
      exact(
        {
          kind: "live",
          metric: `${name}: greedy tokens as llama.cpp chooses them`,
          unit: "of 1",
          better: "higher",
          note: `${found.clear} tokens whose best two are more than ${GREEDY_GAP} apart; ${((100 * under) / found.rows).toFixed(1)} % are closer; among all ${found.equal} of ${found.rows} are equal`,
        },
        found.clearAndEqual / Math.max(1, found.clear),
        1,
        found.clear,
      ),
    ];
  }

  #formatsLine(found: Difference): Measured {
    return exact(
      {
        kind: "live",
        metric: `${this.#family.name}: safetensors against GGUF of the same weights`,
        unit: "nats",
        better: "lower",
        note: "both F32 in our engine, in different chunks and batches; 0 is bit for bit",
      },
      found.largest,
      TARGET_FORMATS,
      found.rows,
    );
  }

  async #roundedLine(plain: Evaluated): Promise<Measured> {
    const { name, config } = this.#family;
    const { rounded, few: count } = SIZES[this.#context.mode];
    this.#context.progress(`${name}: ${rounded.join(", ")}`);
    const few = this.#sequences.slice(0, count);
    const rows = few.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const exactRows = plain.ours.subarray(0, rows * config.vocabSize);
    const curve = [];
    let worst = 0;
    for (const [i, one] of (await this.#evaluate(rounded, few)).entries()) {
      const found = this.#difference(one);
      const cost = compareLogits(one.ours, exactRows, config.vocabSize);
      worst = Math.max(worst, found.mean);
      curve.push({
        format: rounded[i]!,
        "mean difference": found.mean,
        "largest difference": found.largest,
        "greedy tokens equal": found.equal / found.rows,
        "mean change by the format itself": cost.mean,
      });
    }
    return exact(
      {
        kind: "live",
        metric: `${name}: rounded matrices, mean difference of a log-probability`,
        unit: "nats",
        better: "lower",
        note: `the worst of ${rounded.join(", ")}; we widen such weights and compute in f32, llama.cpp rounds activations to as few bits as the weights have`,
        curve,
      },
      worst,
      null,
      rows,
    );
  }

  async #tablesLine(): Promise<Measured> {
    const { name } = this.#family;
    const { tables, few: count } = SIZES[this.#context.mode];
    this.#context.progress(`${name}: the embedding table as ${tables.join(", ")}`);
    const few = this.#sequences.slice(0, count);
    const found = (await this.#evaluate(tables, few, true)).map((one) => this.#difference(one));
    return exact(
      {
        kind: "live",
        metric: `${name}: block formats widened as llama.cpp widens them`,
        unit: "nats",
        better: "lower",
        note: "largest difference of a log-probability when the embedding table alone is in the format: it is looked up, so both sides compute in f32",
        curve: found.map(({ largest }, i) => ({ format: tables[i]!, "largest difference": largest })),
      },
      Math.max(...found.map(({ largest }) => largest)),
      TARGET_DIFFERENCE,
      found.reduce((sum, { rows }) => sum + rows, 0),
    );
  }
}

/** Measures against any rival: the claim's own, or a stand-in under test. */
export async function measureAgreement(context: ClaimContext, rival: Rival): Promise<Measured[]> {
  const lines: Measured[] = [];
  for (const [i, family] of families(SIZES[context.mode].scale).entries()) {
    const folder = await mkdtemp(join(tmpdir(), "punctual-agreement-"));
    try {
      lines.push(...(await new FamilyRun(context, rival, family, folder).lines(i === 0)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return lines;
}

export const agreement: Claim = {
  id: "agreement",
  name: "agreement",
  headline: "A model's file means to us what it means to llama.cpp.",
  baseline: "node-llama-cpp on the same GGUF file and tokens: keys and values in F32, flash attention off, CPU only",
  source: "our own; random weights of each family, written as safetensors and GGUF",
  targets:
    "log-probabilities within 1e-3 over whole distributions; greedy tokens equal where the best two are more than 1e-2 apart; safetensors and GGUF of the same weights within 1e-6; every block format widened as llama.cpp widens it",
  needsRivals: true,
  measure(context) {
    requireRivals();
    return measureAgreement(context, nodeLlamaCpp);
  },
};
