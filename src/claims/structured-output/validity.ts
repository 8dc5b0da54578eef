/**
 * Claim `structured-output`: one text of each schema through the whole engine: worker, scheduler, sampler, text. Its weights are
 * random but for a habit: closing quotes, brackets and end tokens are likely, so that texts end. (A constant in dimension 0 of every
 * embedding, which the head of those tokens reads.) Everything else is noise, and what is sampled is whatever the grammar leaves of it.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  EMBEDDING_NAME,
  HEAD_NAME,
  randomWeights,
  Tokenizer,
  SPECIAL_TOKENS,
  writeTokenizer,
  type DecoderConfig,
  type SamplingOptions,
  type WeightSource,
} from "../../llm/index.ts";
import { collect, Engine } from "../../runtime/index.ts";
import { writeFolder } from "../agreement/files.ts";
import type { GeneratedSchema } from "./schemas.ts";
import type { MadeVocabulary } from "./vocabulary.ts";

const STREAMS = 8;
const PROMPT_TOKENS = 8;
/** Logit of closing tokens: about a dozen of them then take three quarters of the probability. */
const HABIT = 10;
/** More for the plain quote, which alone closes a string. */
const QUOTE = 12;
/** The constant that carries it, large beside what layers add, so that the last norm leaves it near 1. */
const CARRIER = 4;

const CONFIG: Omit<DecoderConfig, "vocabSize"> = {
  hidden: 64,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 32,
  ffn: 128,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 4096,
};

/** Requests take turns with these. */
const SAMPLINGS: readonly SamplingOptions[] = [
  { temperature: 1 },
  { temperature: 0, frequencyPenalty: 0.5 }, // without, greedy noise goes down a recursive schema for ever
  { temperature: 1, topP: 0.9 },
  { temperature: 0.7, topK: 40 },
  { temperature: 1.5, minP: 0.02 },
  { temperature: 1, repetitionPenalty: 1.05 },
];

/** What came of each schema: its text, or null when it did not end within `maxTokens`. */
export async function textsOfEngine(
  schemas: readonly GeneratedSchema[],
  vocabulary: MadeVocabulary,
  options: { readonly seed: number; readonly maxTokens: number },
): Promise<(string | null)[]> {
  const folder = await mkdtemp(join(tmpdir(), "punctual-structured-"));
  try {
    await writeModel(folder, vocabulary, options.seed);
    await using engine = await Engine.start({ model: { dir: folder }, threads: 1, maxRunning: STREAMS });
    return await Promise.all(
      schemas.map(async ({ schema, strict }, i) => {
        const { text, finish } = await collect(
          engine.submit({
            promptTokens: Array.from(
              { length: PROMPT_TOKENS },
              (_, at) => SPECIAL_TOKENS.length + ((i * 31 + at * 7) % 256),
            ),
            maxTokens: options.maxTokens,
            sampling: { ...SAMPLINGS[i % SAMPLINGS.length], seed: options.seed + i },
            grammar: { kind: "json_schema", schema, strict },
            thinkingBudget: 0,
          }),
        );
        return finish.cause === "end" ? text : null;
      }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeModel(folder: string, vocabulary: MadeVocabulary, seed: number): Promise<void> {
  const { pieces, vocabSize } = vocabulary;
  const config = { ...CONFIG, vocabSize };
  await writeFolder(folder, { config }, habitual(config, vocabulary, seed));
  const specials = new Map(SPECIAL_TOKENS.map((name, id) => [name, id]));
  await writeFile(
    join(folder, "tokenizer.json"),
    writeTokenizer(new Tokenizer({ pieces, merges: [], specials, stages: [] })),
  );
}

function habitual(config: DecoderConfig, { pieces, endToken }: MadeVocabulary, seed: number): WeightSource {
  const noise = randomWeights(config, seed);
  const habit = (id: number): number => {
    if (id === endToken) return HABIT;
    const text = id < SPECIAL_TOKENS.length ? "" : Buffer.from(pieces[id]!).toString("latin1");
    if (text === '"') return QUOTE;
    return /^["\]}]+$/.test(text) ? HABIT : 0;
  };
  return {
    get(name, dims) {
      const values = noise.get(name, dims);
      if (name !== EMBEDDING_NAME && name !== HEAD_NAME) return values;
      const isHead = name === HEAD_NAME;
      for (let id = 0; id < config.vocabSize; id++) {
        values[id * config.hidden] = (isHead ? habit(id) / config.hidden : CARRIER) * Math.sqrt(config.hidden);
      }
      return values;
    },
  };
}
