/** Drawn drafts over many seeds: whoever drafts, answers are distributed as the model says, counted cell by cell. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomHeads } from "../../../test/support/heads.ts";
import {
  DraftModel,
  HeadsDrafter,
  KvPages,
  randomWeights,
  Sampler,
  samplingStream,
  type Drafter,
  type SamplingOptions,
} from "../../llm/index.ts";
import type { SequenceEvent, StepReport } from "../messages.ts";
import { createBench, createLoop, drain, spec, SPECULATED, tokensOf, type Bench } from "./loop.conformance.ts";

let target: Bench;
/** The target's twin, which drafts what it will say, and a stranger. */
let drafters: readonly Bench[];

beforeAll(async () => {
  target = await createBench(3, true);
  drafters = [await createBench(3), await createBench(4)];
});
afterAll(async () => {
  for (const { executor } of [target, ...drafters]) await executor.dispose();
});

const TOKENS = 4;
const CHOICES = 2;
const sampling: SamplingOptions = { temperature: 0.5, topK: CHOICES };
const prompt = spec(1).promptTokens;
const ANSWERS = 408;
const BATCH = 24;
/** Of chi-square with 15 degrees of freedom, passed once in a hundred thousand. */
const LIMIT = 49;

/** The probability of every answer, from whole rows. */
async function exactly(): Promise<Map<string, number>> {
  let answers = new Map<string, number>([["", 1]]);
  for (let i = 0; i < TOKENS; i++) {
    const longer = new Map<string, number>();
    for (const [text, share] of answers) {
      const said = text === "" ? [] : text.split(",").map(Number);
      const pages = Int32Array.from({ length: 4 }, (_, page) => page);
      const row = {
        tokens: [...prompt, ...said],
        startPosition: 0,
        pages,
        wantLogits: "last",
        scores: { row: true },
      } as const;
      const [own] = (await target.executor.step([row])).scores[0]!;
      if (own?.kind !== "row") return expect.unreachable();
      const sampler = new Sampler({ sampling, random: samplingStream(0), vocabSize: SPECULATED.vocabSize });
      for (const [id, p] of sampler.distribution(own.logits).entries()) {
        if (p > 0) longer.set([...said, id].join(), share * p);
      }
    }
    answers = longer;
  }
  return answers;
}

const drafterOf = (drafting: Bench): Drafter =>
  new DraftModel({
    executor: drafting.executor,
    pages: new KvPages({ pages: 48, pageTokens: 8 }),
    vocabSize: SPECULATED.vocabSize,
    endTokens: [],
    catchUpTokens: 200,
    clock: { nowMs: () => 0 },
  });

async function counted(
  drafter: Drafter,
  base: number,
): Promise<{ counts: Map<string, number>; accepted: number; drafted: number }> {
  const { loop } = createLoop(target, {
    drafters: () => [drafter],
    speculation: { drawn: true },
  });
  const events: SequenceEvent[] = [];
  const reports: StepReport[] = [];
  for (let i = 0; i < ANSWERS; i++) {
    loop.submit(spec(i, { promptTokens: prompt, maxTokens: TOKENS, sampling: { ...sampling, seed: base + i } }));
    if ((i + 1) % BATCH !== 0) continue; // a long queue would take longer than its answers
    const drained = await drain(loop);
    events.push(...drained.events);
    reports.push(...drained.reports);
  }
  const answers = new Map<number, number[]>();
  for (const event of events) {
    if (event.kind === "token") answers.set(event.seq, [...(answers.get(event.seq) ?? []), event.token.id]);
  }
  const counts = new Map<string, number>();
  for (const answer of answers.values()) counts.set(answer.join(), (counts.get(answer.join()) ?? 0) + 1);
  expect(tokensOf(events, 0)).toHaveLength(TOKENS);
  const checked = reports.flatMap(({ drafts = [] }) => drafts);
  return {
    counts,
    accepted: checked.reduce((sum, { acceptedTokens }) => sum + acceptedTokens, 0),
    drafted: checked.reduce((sum, { draftTokens }) => sum + draftTokens, 0),
  };
}

/** Of counts against probabilities, over all answers there can be. */
function chiSquareOf(counts: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const answer of counts.keys()) expect(expected.has(answer)).toBe(true);
  for (const [answer, share] of expected) sum += ((counts.get(answer) ?? 0) - share * ANSWERS) ** 2 / (share * ANSWERS);
  return sum;
}

test("answers to many seeds are distributed as without drafts, whether most drafts are taken or hardly any", async () => {
  const expected = await exactly();
  expect(expected.size).toBe(CHOICES ** TOKENS);
  const shares: number[] = [];
  for (const [i, drafting] of drafters.entries()) {
    const { counts, accepted, drafted } = await counted(drafterOf(drafting), 1 + i * ANSWERS);
    expect(chiSquareOf(counts, expected)).toBeLessThan(LIMIT);
    expect(drafted).toBeGreaterThan(ANSWERS);
    shares.push(accepted / drafted);
  }
  expect(shares[0]).toBeGreaterThan(2 * shares[1]!);
});

test("the same where heads draw, from few tokens, so that some are taken and most are not", async () => {
  const expected = await exactly();
  const said = new Set([...expected.keys()].flatMap((answer) => answer.split(",").map(Number)));
  const vocabulary = Int32Array.from(said);
  const heads = randomHeads(SPECULATED, 9);
  await using drafter = await HeadsDrafter.create({
    heads: { ...heads.config, draftedTokens: vocabulary.length },
    decoder: SPECULATED,
    weights: heads.weights,
    decoderWeights: randomWeights(SPECULATED, 3),
    vocabulary,
    format: "f32",
    threads: 1,
    endTokens: [],
    drawn: true,
    clock: { nowMs: () => 0 },
  });
  const { counts, accepted, drafted } = await counted(drafter, 5000);
  expect(chiSquareOf(counts, expected)).toBeLessThan(LIMIT);
  expect(drafted).toBeGreaterThan(ANSWERS);
  expect(accepted).toBeGreaterThan(5);
});
