/**
 * Claim `structured-output`: keeping eight streams within JSON schemas costs at most a twentieth of a decoding step, and every text
 * of generated schemas parses and validates. Beside our automaton stands @mlc-ai/web-xgrammar on the same vocabulary, schemas
 * and tokens, and ajv judges the texts of both; they run in processes of their own from the folder rivals/ (rival.ts).
 */
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { firstCases, firstLines, keywordsLine, masksLine, memoryLine } from "./structured-output/grammar-lines.ts";
import { ourMemory } from "./structured-output/head-to-head.ts";
import { requireXgrammar, WebXgrammar, type Rival } from "./structured-output/rival.ts";
import { SIZES, type Run } from "./structured-output/run.ts";
import { stepLines } from "./structured-output/step-lines.ts";
import { validityLines } from "./structured-output/validity-lines.ts";
import { byteVocabulary, madeVocabulary } from "./structured-output/vocabulary.ts";

/** Measures against any rival: the claim's own, or a stand-in under test. */
export async function measureStructuredOutput(context: ClaimContext, open: () => Rival): Promise<Measured[]> {
  const size = SIZES[context.mode];
  const vocabulary = madeVocabulary(size.vocabSize, context.seed);
  const ourBytes = ourMemory(firstCases(context.seed), vocabulary);
  const rival = open();
  const small = open();
  try {
    await rival.load(vocabulary);
    await small.load(byteVocabulary());
    const run: Run = { context, size, vocabulary, rival };
    const steps = await stepLines(run);
    const { bytes } = await rival.memory(); // with the eight schemas in it
    return [
      ...steps,
      ...(await validityLines(run, small)),
      ...(await firstLines(run)),
      await masksLine(run),
      memoryLine(ourBytes, bytes),
      await keywordsLine(small),
    ];
  } finally {
    await rival.close();
    await small.close();
  }
}

export const structuredOutput: Claim = {
  id: "structured-output",
  name: "structured-output",
  headline:
    "Grammars on all of eight streams cost at most 5 % of a decoding step, and every text of generated schemas parses and validates.",
  baseline: "the same steps without grammars; @mlc-ai/web-xgrammar on the same vocabulary, schemas and tokens",
  source: "our own; the split of tokens by whether a mask depends on the context is XGrammar's (Dong et al. 2024)",
  targets:
    "at hidden 1024 × 8 layers, 32k pieces and 8 streams: what grammars add to a step, greedy and at temperature 1, and whole masks of all streams, at most 5 % of the step each; all generated schemas give texts that parse and validate; no keyword lets an invalid text through",
  needsRivals: true,
  measure(context) {
    requireXgrammar();
    return measureStructuredOutput(context, () => new WebXgrammar());
  },
};
