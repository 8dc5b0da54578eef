/** Claim `agreement`, our side: any checkpoint through its loader and the executor, exactly as evaluated. */
import { createRandom, type RandomStream } from "../../core/index.ts";
import { fromHuggingFaceConfig, openCheckpoint, StepExecutor, type StepRow } from "../../llm/index.ts";

const PAGE_TOKENS = 16;
const MAX_ROWS = 256;

/** Tokens, and the lengths of the parts in which they are evaluated. */
export interface TokenSequence {
  readonly tokens: readonly number[];
  readonly chunks: readonly number[];
}

/** Random tokens in random chunks, 1 up to the whole; the last sequence goes token by token. */
export function randomSequences(
  sizes: { readonly sequences: number; readonly length: number; readonly vocabSize: number },
  seed: number,
): TokenSequence[] {
  const random = createRandom(seed, "agreement");
  return Array.from({ length: sizes.sequences }, (_, i) => {
    const length = random.int(Math.ceil(sizes.length / 2), sizes.length);
    const tokens = Array.from({ length }, () => random.int(0, sizes.vocabSize - 1));
    return { tokens, chunks: i === sizes.sequences - 1 ? tokens.map(() => 1) : chunksOf(length, random) };
  });
}

/** The same tokens in other chunks. */
export function rechunked(sequences: readonly TokenSequence[], seed: number): TokenSequence[] {
  const random = createRandom(seed, "agreement-chunks");
  return sequences.map(({ tokens }) => ({ tokens, chunks: chunksOf(tokens.length, random) }));
}

function chunksOf(length: number, random: RandomStream): number[] {
  const chunks: number[] = [];
  for (let left = length; left > 0; left -= chunks.at(-1)!) {
    // Powers of two as bounds, so that short chunks and long ones both occur.
    chunks.push(random.int(1, Math.min(left, 2 ** random.int(0, 6))));
  }
  return chunks;
}

/** Logits [tokens of all sequences, vocab], sequences one after another; each step advances all that fit, in one batch. */
export async function ourLogits(path: string, sequences: readonly TokenSequence[]): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(path);
  try {
    const config = fromHuggingFaceConfig(checkpoint.config);
    let pages = 0;
    const running = sequences.map(({ tokens, chunks }) => {
      const own = Int32Array.from({ length: Math.ceil(tokens.length / PAGE_TOKENS) }, () => pages++);
      return { tokens, chunks: [...chunks], pages: own, done: 0, rows: [] as Float32Array[] };
    });
    await using executor = await StepExecutor.create({
      config,
      weights: checkpoint.weights,
      weightsFormat: "f32",
      threads: 1,
      kv: { format: "f32", pages, pageTokens: PAGE_TOKENS },
      maxRows: MAX_ROWS,
      attention: { ortRowThreshold: Infinity },
    });
    for (;;) {
      let rows = 0;
      const batch = running.filter(({ chunks }) => chunks.length > 0 && (rows += chunks[0]!) <= MAX_ROWS);
      if (batch.length === 0) break;
      const { scores } = await executor.step(
        batch.map(({ tokens, done, chunks, pages: own }): StepRow => {
          const part = tokens.slice(done, done + chunks[0]!);
          return { tokens: part, startPosition: done, pages: own, wantLogits: "all", scores: { row: true } };
        }),
      );
      for (const [i, entry] of batch.entries()) {
        entry.rows.push(...scores[i]!.map(({ logits }) => logits));
        entry.done += entry.chunks.shift()!;
      }
    }
    return joined(
      running.flatMap(({ rows }) => rows),
      config.vocabSize,
    );
  } finally {
    await checkpoint.close();
  }
}

function joined(rows: readonly Float32Array[], width: number): Float32Array {
  const all = new Float32Array(rows.length * width);
  for (const [row, logits] of rows.entries()) all.set(logits, row * width);
  return all;
}
