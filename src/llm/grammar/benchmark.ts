/**
 * What masking costs a decoding step: several texts are grown side by side by random allowed tokens, as a step does it, and the time
 * of filters and moves is taken per text and step. For claims; it decides nothing.
 */
import { assert, median, quantile, type Clock, type RandomStream } from "../../core/index.ts";
import { Sampler } from "../sampler.ts";
import type { TopScores } from "../types.ts";
import { compileGrammar } from "./grammar.ts";
import type { GrammarSpec, GrammarState } from "./types.ts";
import type { GrammarVocabulary } from "./vocabulary.ts";

/** Times per step over all streams, milliseconds; the first steps, which meet every state anew, are in. */
export interface MaskingCost {
  readonly steps: number;
  readonly meanMs: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  /** Steps whose best tokens did not suffice, as a share of all choices. */
  readonly rowShare: number;
}

/** What to measure. */
export interface MaskingLoad {
  /** The vocabulary a second time: finds allowed tokens without warming what is measured. */
  readonly oracle: GrammarVocabulary;
  readonly specs: readonly GrammarSpec[];
  readonly streams: number;
  readonly steps: number;
  readonly clock: Clock;
  readonly random: RandomStream;
}

const CANDIDATES = 64;

/**
 * Greedy decoding over random scores with one allowed token among the best, as a trained model's would have it. Only the
 * grammar's own work is timed: `count`, `allows` through the sampler, `accept`. Texts that are complete start again.
 */
export function measureMasking(vocabulary: GrammarVocabulary, load: MaskingLoad): MaskingCost {
  const { specs, streams, steps, clock, random } = load;
  const start = (of: GrammarVocabulary, stream: number): GrammarState =>
    compileGrammar(specs[stream % specs.length]!, of).start();
  const states = Array.from({ length: streams }, (_, i) => start(vocabulary, i));
  const oracles = Array.from({ length: streams }, (_, i) => start(load.oracle, i));
  const times: number[] = [];
  const chosen = new Int32Array(streams);
  let rows = 0;
  for (let step = 0; step < steps; step++) {
    const scores = oracles.map((state) => plausibleScores(state, vocabulary, random));
    const startMs = clock.nowMs();
    for (const [i, state] of states.entries()) {
      const sampler = new Sampler({ sampling: { temperature: 0 }, random, vocabSize: vocabulary.vocabSize });
      rows += sampler.wants(state).row ? 1 : 0;
      const token = sampler.sample(scores[i]!, state);
      assert(token !== null, "one of the best tokens is allowed");
      chosen[i] = token.id;
      assert(state.accept(token.id), "a sampled token is allowed");
    }
    times.push(clock.nowMs() - startMs);
    for (const [i, state] of states.entries()) {
      assert(oracles[i]!.accept(chosen[i]!), "both vocabularies agree");
      if (!state.complete && !vocabulary.endTokens.includes(chosen[i]!)) continue;
      states[i] = start(vocabulary, i);
      oracles[i] = start(load.oracle, i);
    }
  }
  const meanMs = times.reduce((sum, time) => sum + time, 0) / times.length;
  return { steps, meanMs, medianMs: median(times), p99Ms: quantile(times, 0.99), rowShare: rows / (steps * streams) };
}

/** Best tokens of a made-up distribution: random ids, and an allowed one at a random place among the first. */
function plausibleScores(state: GrammarState, vocabulary: GrammarVocabulary, random: RandomStream): TopScores {
  const { vocabSize } = vocabulary;
  const ids = new Set<number>();
  while (ids.size < Math.min(CANDIDATES, vocabSize >> 1)) ids.add(random.int(0, vocabSize - 1));
  const list = [...ids];
  const allowed = allowedToken(state, vocabulary, random);
  if (!ids.has(allowed)) list[random.int(0, 3)] = allowed;
  const logits = Float32Array.from(list, (_, i) => 10 - i * 0.1);
  return { kind: "top", ids: Int32Array.from(list), logits, logSumExp: 11, inverseTemperature: 1, vocabSize };
}

/** A random text token that the state allows, found without building its mask: that is what is timed. */
function allowedToken(state: GrammarState, vocabulary: GrammarVocabulary, random: RandomStream): number {
  const start = random.int(0, vocabulary.vocabSize - 1);
  for (let i = 0; i < vocabulary.vocabSize; i++) {
    const id = (start + i) % vocabulary.vocabSize;
    if (state.allows(id)) return id;
  }
  return vocabulary.endTokens[0]!;
}
