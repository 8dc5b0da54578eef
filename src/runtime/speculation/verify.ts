/**
 * Which of a sequence's drafted tokens are said, and what comes after them: the model has scored all of them in one row.
 *
 *   row      last known   d1   d2   d3        computed in one step
 *   scores       s0       s1   s2   s3        of the token that follows each
 *   said         d1       d2   x              x is not d3: s3 is of no use, and d3's keys and values are given back
 *
 * Each token is chosen from its scores just as without drafts, by the same draw, with penalties, grammar, marks and limits
 * as the tokens before it have left them; a draft only says that the scores behind it count as well. So the text is the same,
 * bit by bit. Drafts that were drawn from a distribution are checked by rejection instead (llm/drafts/rejection.ts): the
 * text is another, its distribution the same.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { rejectionSample, samplingStream, type Draft, type SampledToken, type TokenScores } from "../../llm/index.ts";
import type { RecordedStage } from "../../workload/index.ts";
import type { LiveSequence, TakenToken } from "../sequence.ts";

/** What a check came to. */
export interface Verified {
  /** Tokens that the sequence has taken, in order: accepted ones and one more, or fewer when the answer ended. */
  readonly taken: readonly TakenToken[];
  /** Leading tokens of the draft that were said. */
  readonly accepted: number;
  /** Of the draft, those that a token was held against. */
  readonly judged: number;
  /** What ended it instead of the next token; the sequence's own fault. */
  readonly failure: { readonly error: unknown; readonly stage: RecordedStage } | null;
}

/**
 * Takes what the scores say.
 * @param scores one per token of the row
 * @param wholeRow all logits behind the token of that number, where the best do not decide
 */
export async function verify(
  sequence: LiveSequence,
  draft: Draft,
  scores: readonly TokenScores[],
  wholeRow: (index: number) => Promise<TokenScores>,
): Promise<Verified> {
  const { tokens } = draft;
  assert(scores.length === tokens.length + 1, "every token of the row is scored");
  const taken: TakenToken[] = [];
  let accepted = 0;
  for (let at = 0; at < scores.length; at++) {
    let said: SampledToken;
    try {
      said = sequence.forced() ?? (await choose(sequence, draft, at, scores[at]!, wholeRow));
    } catch (error) {
      return { taken, accepted, judged: accepted, failure: { error, stage: "sample" } };
    }
    try {
      taken.push(sequence.take(said));
    } catch (error) {
      return { taken, accepted, judged: accepted, failure: { error, stage: "accept" } };
    }
    if (at === tokens.length) break;
    if (said.id !== tokens[at]) return { taken, accepted, judged: accepted + 1, failure: null };
    accepted += 1;
    if (taken.at(-1)!.cause !== null) break;
  }
  return { taken, accepted, judged: accepted, failure: null };
}

async function choose(
  sequence: LiveSequence,
  { tokens, proposals }: Draft,
  at: number,
  scores: TokenScores,
  wholeRow: (index: number) => Promise<TokenScores>,
): Promise<SampledToken> {
  const proposal = at < tokens.length ? (proposals?.[at] ?? null) : null;
  if (proposal !== null) {
    const row = scores.kind === "row" ? scores : await wholeRow(at);
    assert(row.kind === "row", "a whole row was asked for");
    return sequence.choose(
      rejectionSample(sequence.distribution(row), proposal, tokens[at]!, checkStream(sequence)),
      row,
    );
  }
  const said = sequence.sample(scores) ?? sequence.sample(await wholeRow(at));
  assert(said !== null, "a whole row always decides");
  return said;
}

/** The stream that its next token is checked with: apart from the draws of tokens and of drafts. */
function checkStream({ spec, generated }: LiveSequence): RandomStream {
  return samplingStream(spec.sampling.seed ?? spec.seq)
    .fork("checks")
    .fork(String(generated));
}
