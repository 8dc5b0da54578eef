import fc from "fast-check";
import { expect, test } from "vitest";
import { idsOf, sourceOf, vocabularyOf } from "../../test/support/grammar.ts";
import { createRandom } from "../core/index.ts";
import { bestOfRow } from "./candidates.ts";
import { compileGrammar, type GrammarSpec } from "./grammar/index.ts";
import { Sampler, samplingStream } from "./sampler.ts";
import type { SamplingOptions, TopScores } from "./types.ts";

const SEED = 97;
const pieces = ['{"', '":', '",', '"}', "true", "abc", "zz", "0.5", '"a"'].map((text) =>
  new TextEncoder().encode(text),
);
const source = sourceOf(pieces);
const vocabSize = source.vocabSize + 5;

function topOf(row: Float32Array, k: number, inverseTemperature: number): TopScores {
  const { ids, logits } = bestOfRow(row, k);
  const best = logits[0]! * inverseTemperature;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit * inverseTemperature - best);
  const logSumExp = Math.fround(best + Math.log(sum));
  return { kind: "top", ids, logits, logSumExp, inverseTemperature, vocabSize: row.length };
}

const SPECS: readonly GrammarSpec[] = [
  { kind: "json_object" },
  { kind: "regex", pattern: "[a-z]{1,12} (?:true|false)+" },
  { kind: "choice", choices: ["abc", "abd", "zzz"] },
  {
    kind: "json_schema",
    schema: { type: "object", properties: { abc: { type: "string", maxLength: 20 } }, required: ["abc"] },
    strict: true,
  },
];

const samplings: fc.Arbitrary<SamplingOptions> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.4, 1, 1.6),
    topK: fc.constantFrom(0, 1, 6, 90),
    topP: fc.constantFrom(0.4, 0.95, 1),
    minP: fc.constantFrom(0, 0.05),
    presencePenalty: fc.constantFrom(0, 0, 0.6),
    logprobs: fc.constantFrom(0, 2),
  },
  { requiredKeys: [] },
);

test("best tokens and whole rows choose the same allowed token; greedy is the best allowed one", () => {
  let decided = 0;
  let chosen = 0;
  fc.assert(
    fc.property(
      samplings,
      fc.constantFrom(...SPECS),
      fc.constantFrom(0.3, 2, 6),
      fc.integer(),
      (sampling, spec, spread, seed) => {
        const options = { sampling, vocabSize, endTokens: [1] };
        const short = new Sampler({ ...options, random: samplingStream(seed) });
        const whole = new Sampler({ ...options, random: samplingStream(seed) });
        const states = [
          compileGrammar(spec, vocabularyOf(source)).start(),
          compileGrammar(spec, vocabularyOf(source)).start(),
        ] as const;
        const random = createRandom(seed, "rows");
        for (let i = 0; i < 12 && !states[0].complete; i++) {
          const row = Float32Array.from({ length: vocabSize }, () => random.normal() * spread);
          const { row: wantsRow, inverseTemperature } = short.wants(states[0]);
          const top = wantsRow ? null : short.sample(topOf(row, 64, inverseTemperature!), states[0]);
          if (top !== null) decided += 1;
          chosen += 1;
          const token = top ?? short.sample({ kind: "row", logits: row }, states[0])!;
          const expected = whole.sample({ kind: "row", logits: row }, states[1])!;
          expect(token.id).toBe(expected.id);
          expect(token.logprobs === null).toBe(expected.logprobs === null);
          const allowed = idsOf(states[1].bits());
          expect(allowed).toContain(token.id);
          if (sampling.temperature === 0 && (sampling.presencePenalty ?? 0) === 0) {
            const best = allowed.toSorted((a, b) => row[b]! - row[a]! || a - b)[0];
            expect(token.id).toBe(best);
          }
          for (const state of states) expect(state.accept(token.id)).toBe(true);
          if (token.id === 1) break;
        }
      },
    ),
    { seed: SEED, numRuns: 250 },
  );
  expect(decided).toBeGreaterThan(chosen / 10);
});

test("the only token that is left needs no scores", () => {
  const state = compileGrammar({ kind: "choice", choices: ["q~"] }, vocabularyOf(source)).start();
  state.bits();
  const sampler = new Sampler({ sampling: { temperature: 0 }, random: samplingStream(1), vocabSize });
  expect(sampler.wants(state).row).toBe(false);
  const row = Float32Array.from({ length: vocabSize }, (_, id) => -id);
  expect(sampler.sample(topOf(row, 8, 1), state)!.id).toBe("q".charCodeAt(0) + 2);
});
