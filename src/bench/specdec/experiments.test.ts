import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDraftingDouble, type Account, type DraftingDouble } from "../../../test/support/drafting-double.ts";
import { startDouble } from "../../../test/support/openai-double.ts";
import { createRandom } from "../../core/index.ts";
import { acceptanceReport, type AnswerSteps } from "./acceptance.ts";
import { measureCell, type Session } from "./cell.ts";
import { runExperiment, type ExperimentName, type ExperimentOptions, type ExperimentReport } from "./experiments.ts";
import { generateCategory } from "./generate.ts";
import { STANDING_SERVERS } from "./matrix.ts";
import { csvOf, experimentRecord, toJson } from "./record.ts";
import { experimentTable } from "./report.ts";
import { tokenSource, WORD_COUNTS } from "./token-source.ts";
import type { Arm, DraftLength, Question } from "./types.ts";
import { ngramProposer } from "./vocabulary.ts";

let double: DraftingDouble;
beforeEach(async () => {
  double = await startDraftingDouble();
});
afterEach(() => double.stop());

const session = (more: Partial<Session> = {}): Session => ({
  request: {
    outputTokens: 40,
    ignoreEos: false,
    temperature: 0,
    seed: 0,
    runningUsage: true,
    extraBody: {},
    idPrefix: "t-",
  },
  timeoutMs: 20_000,
  warmups: 0,
  metricsPath: "/metrics",
  memory: new Map(),
  timing: {
    clock: { nowMs: () => performance.now() },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      }),
  },
  ...more,
});
const arm = (draftLength: DraftLength, more: Partial<Arm> = {}): Arm => ({
  name: `DL ${draftLength}`,
  drafter: null,
  draftLength,
  target: { url: double.url, endpoint: "chat", headers: {} },
  model: "drafting",
  body: typeof draftLength === "number" ? { speculation: { tokens: draftLength } } : {},
  ...more,
});
const question = (id: string, ...turns: string[]): Question => ({
  id,
  category: "c",
  subCategory: null,
  turns,
  source: null,
  difficulty: null,
});
const questions = Array.from({ length: 6 }, (_, i) => question(`q${i}`, `question number ${i}`));
const asked = questions.map((one) => ({ question: one }));
const key = { group: "all", concurrency: 2, round: 0 };

/** What the double really did for those questions. */
const truth = (draftLength: number, outputTokens = 40): AnswerSteps[] =>
  questions.map(({ turns }) => {
    const { lengths, words } = double.steps({
      messages: [{ content: turns[0] }],
      max_completion_tokens: outputTokens,
      speculation: { tokens: draftLength },
    });
    const tokens = words.length;
    return {
      source: "chunks",
      tokens,
      accepted: tokens - lengths.length,
      drafted: null,
      lengths,
      histogram: null,
      isCut: outputTokens < double.answerTokens,
    };
  });

describe("acceptance, however a server tells it", () => {
  test.each<[Account, string]>([
    ["response metrics", "response metrics"],
    ["usage", "usage"],
    ["timings", "timings"],
    ["chunks", "chunks"],
  ])("%s", async (account, source) => {
    double.accounts.clear();
    double.accounts.add(account);
    const cell = await measureCell(session(), arm(3), asked, key);
    const exact = acceptanceReport(truth(3), "chunks", 3);
    expect(cell).toMatchObject({ completed: 6, failed: 0, acceptance: { source, accepted: exact.accepted } });
    expect(cell.acceptance!.length!.mean).toBeCloseTo(exact.length!.mean, 10);
    expect(cell.acceptance!.lengthOverSteps).toBeCloseTo(exact.lengthOverSteps, 10);
    if (account === "response metrics" || account === "chunks") {
      expect(cell.acceptance!.lengthHistogram).toEqual(exact.lengthHistogram);
      expect(cell.acceptance!.conditional).toEqual(exact.conditional);
    } else expect(cell.acceptance!.conditional).toBeNull();
    expect(cell.warnings.some((text) => text.includes("merged"))).toBe(false);
    // Where chunks are steps, both accounts agree.
    for (const { length } of cell.crossChecks) expect(length).toBeCloseTo(exact.length!.mean, 10);
    expect(cell.warnings.some((text) => text.includes("chunks"))).toBe(account === "chunks");
  });

  test("an answer without a draft may leave the account out", async () => {
    double.accounts.clear();
    double.accounts.add("response metrics");
    double.sparse = true; // as our own server: no metrics where nothing was drafted, zeros in usage
    const cell = await measureCell(session(), arm(3), [...asked, { question: question("one", "brief") }], key);
    expect(cell.acceptance).toMatchObject({ source: "response metrics", answers: 7 });
    expect(cell.acceptance!.lengthHistogram).not.toBeNull();
  });

  test("counters of the server, by difference: over drafts, and said so", async () => {
    double.accounts.clear();
    double.accounts.add("counters");
    await measureCell(session(), arm(3), asked, key); // what was before does not count
    const { acceptance, warnings } = await measureCell(session(), arm(3), asked, key);
    const exact = acceptanceReport(truth(3), "chunks", 3);
    expect(acceptance).toMatchObject({ source: "server counters", length: null, accepted: exact.accepted });
    expect(acceptance!.verificationLength).toBeCloseTo(exact.verificationLength!, 10);
    const verified = truth(3).flatMap(({ lengths }) => lengths!.slice(1));
    const reached = verified.filter((length) => length >= 2).length;
    expect(acceptance!.joint![0]).toBeCloseTo(reached / verified.length);
    expect(warnings.join()).toContain("over drafts and not over answers");
  });

  test("others on the same server are noticed", async () => {
    double.accounts.clear();
    double.accounts.add("counters");
    const other = measureCell(session({ metricsPath: null }), arm(3), [...asked, ...asked, ...asked], {
      ...key,
      concurrency: 1,
    });
    const { warnings } = await measureCell(session(), arm(3), asked, { ...key, concurrency: 1 });
    await other;
    expect(warnings.join()).toContain("others used it meanwhile");
  });

  test("zeros are no account; without drafts every step is one token", async () => {
    double.accounts.clear();
    const served = await measureCell(session(), arm("as served"), asked, key);
    expect(served.acceptance).toMatchObject({ source: "chunks", accepted: 0 });
    const plain = await measureCell(session(), arm(0), asked, key);
    expect(plain.acceptance).toMatchObject({ source: "no speculation", length: { mean: 1 }, lengthOverSteps: 1 });
  });

  test("steps that are merged on their way give themselves away", async () => {
    double.accounts.clear();
    double.merge = 3;
    const { warnings } = await measureCell(session(), arm(1), asked, key);
    expect(warnings.join()).toContain("steps are merged on their way");
    // An account of the server's own is not fooled.
    double.accounts.add("usage");
    const told = await measureCell(session(), arm(1), asked, key);
    expect(told.acceptance!.length!.mean).toBeCloseTo(acceptanceReport(truth(1), "chunks", 1).length!.mean, 10);
    expect(told.crossChecks.find(({ source }) => source === "chunks")!.length).toBeGreaterThan(2);
  });

  test("answers at their token limit: the cut step is left out", async () => {
    double.accounts.clear();
    const { acceptance } = await measureCell(
      session({ request: { ...session().request, outputTokens: 11 } }),
      arm(3),
      asked,
      key,
    );
    expect(acceptance!.cutSteps).toBe(6);
    expect(acceptance!.length!.mean).toBeCloseTo(acceptanceReport(truth(3, 11), "chunks", 3).length!.mean, 10);
  });

  test("without any counts nothing is claimed", async () => {
    const silent = await startDouble(() => ({ usage: "none", chunks: [2, 2, 1] }));
    const target = { url: silent.url, endpoint: "chat", headers: {} } as const;
    const cell = await measureCell(session(), arm("as served", { target }), asked, key);
    await silent.stop();
    expect(cell).toMatchObject({ completed: 6, acceptance: null, timing: { stepMs: null } });
    expect(cell.warnings.join()).toContain("acceptance is not known");
  });
});

describe("conversations", () => {
  test("later turns see the answers of the arm that ran first, whichever arm", async () => {
    double.isLossy = true;
    const memory = new Map<string, string>();
    const talk = [{ question: question("t", "first", "second", "third") }];
    await measureCell(session({ memory }), arm(0), talk, key);
    await measureCell(session({ memory }), arm(4), talk, key);
    const bodies = double.bodies.map(({ messages }) => messages as { role: string; content: string }[]);
    expect(bodies.map((messages) => messages.map(({ role }) => role[0]).join(""))).toEqual([
      "u",
      "uau",
      "uauau",
      "u",
      "uau",
      "uauau",
    ]);
    expect(bodies[5]).toEqual(bodies[2]);
  });

  test("warm-up is asked and does not count; at most so many at once; equal bodies but for the arm's", async () => {
    const cell = await measureCell(session({ warmups: 2 }), arm(2), asked, key);
    expect(cell.turns).toHaveLength(6);
    expect(double.bodies).toHaveLength(8);
    expect(double.bodies[0]).toMatchObject({
      model: "drafting",
      temperature: 0,
      stream: true,
      speculation: { tokens: 2 },
    });
    expect(double.bodies[0]).not.toHaveProperty("ignore_eos");
  });

  test("a server that is not there is failures, not an exception", async () => {
    const away = arm(1, { target: { url: "http://127.0.0.1:9", endpoint: "chat", headers: {} } });
    const cell = await measureCell(session(), away, asked.slice(0, 2), key);
    expect(cell).toMatchObject({
      completed: 0,
      failed: 2,
      acceptance: null,
      failures: [{ kind: "connection", count: 2 }],
    });
  });
});

describe("experiments", () => {
  const options = async (more: Partial<ExperimentOptions> = {}): Promise<ExperimentOptions> => ({
    questions: ["coding", "qa", "summarization"].flatMap((name) => generateCategory(name, 5, createRandom(1, name))),
    perCategory: 2,
    arms: [arm(0), arm(3)],
    concurrencies: [2],
    rounds: 1,
    order: "interleaved",
    host: STANDING_SERVERS,
    session: session(),
    tokens: await tokenSource({ url: double.url, headers: {} }, "drafting", true),
    random: createRandom(2),
    inputLengths: [60],
    perBucket: 2,
    asTokenIds: false,
    throughputQuestions: null,
    vocabulary: { sizes: [8, 64], draftLength: 3, hook: null, proposer: ngramProposer() },
    ...more,
  });
  const run = async <K extends ExperimentName>(name: K, more: Partial<ExperimentOptions> = {}) => {
    const report = await runExperiment(name, await options(more));
    // Whatever an experiment finds, it can be printed and written.
    expect(experimentTable(report).length).toBeGreaterThan(20);
    expect(() => JSON.parse(toJson(experimentRecord(report))) as unknown).not.toThrow();
    expect(csvOf([report]).split("\n")).toHaveLength(report.cells.length + 2);
    return report as Extract<ExperimentReport, { kind: K }>;
  };

  test("qualitative: AL by category, means over categories, identical answers", async () => {
    const report = await run("qualitative", { rounds: 2 });
    expect(report.cells).toHaveLength(3 * 2 * 2);
    expect(report.selection).toHaveLength(3);
    const drafting = report.summaries.filter(({ draftLength }) => draftLength === 3);
    for (const { acceptanceLength, identity, speedup, rounds, conditional } of drafting) {
      expect(acceptanceLength).toBeGreaterThan(1.5);
      expect(identity!.same).toBe(identity!.compared);
      expect(speedup!.count).toBe(2);
      expect(rounds).toBe(2);
      expect(conditional).toBeNull();
    }
    const overall = report.overall.find(({ arm: name }) => name === "DL 3")!;
    const mean = drafting.reduce((sum, one) => sum + one.acceptanceLength!, 0) / 3;
    expect(overall.acceptanceLength).toBeCloseTo(mean, 10);
    expect(overall.proxySpeedup).toBeGreaterThan(0);
  });

  test("a server that says something else with drafts is found out", async () => {
    double.isLossy = true;
    const report = await run("qualitative", { questions: questions, perCategory: 6 });
    const { identity } = report.summaries.find(({ draftLength }) => draftLength === 3)!;
    expect(identity).toMatchObject({ compared: 6, same: 0, firstDifference: { question: expect.any(String) } });
    expect(experimentTable(report)).toContain("6 of 6 DIFFER");
  });

  test("throughput: prompts of their length at three levels of entropy, answers of exactly the asked length", async () => {
    const report = await run("throughput", { asTokenIds: true });
    expect(report.summaries.map(({ group }) => group).filter((_, i) => i % 2 === 0)).toEqual([
      "60 low_entropy",
      "60 mixed",
      "60 high_entropy",
    ]);
    for (const body of double.bodies) {
      expect(body).toMatchObject({ ignore_eos: true, min_tokens: 40, max_tokens: 40 });
      expect((body["prompt"] as number[]).length).toBeLessThanOrEqual(60);
      expect((body["prompt"] as number[]).length).toBeGreaterThan(50);
    }
    for (const { timing } of report.cells) expect(timing.outputTokens).toMatchObject({ min: 40, max: 40 });
  });

  test("pareto: every length at every concurrency, with a front and crossovers", async () => {
    const report = await run("pareto", {
      arms: [arm(0), arm(1), arm(3), arm("auto", { body: { speculation: { tokens: 2 } } })],
      concurrencies: [1, 4],
    });
    expect(report.pareto.points).toHaveLength(8);
    expect(report.pareto.points.some(({ isOnFront }) => isOnFront)).toBe(true);
    expect(report.pareto.crossovers.map(({ arm: name }) => name)).toEqual(["DL 1", "DL 3", "DL auto"]);
    expect(report.pareto.crossovers.every(({ crossover }) => crossover.kind !== "not measured")).toBe(true);
    expect(report.pareto.adaptive[0]!.shares.map(({ concurrency }) => concurrency)).toEqual([1, 4]);
  });

  test("random tokens: noise of the same lengths, of tokens that real prompts have", async () => {
    const report = await run("random-tokens");
    expect(report.promptsAs).toBe("token ids");
    const prompts = double.bodies.map(({ prompt }) => prompt as number[]);
    const [real, noise] = [prompts.slice(0, 6), prompts.slice(12, 18)];
    expect(noise.every((ids) => !real.some((other) => other.join() === ids.join()))).toBe(true);
    const lengths = (list: readonly number[][]) => list.map((ids) => ids.length).toSorted((a, b) => a - b);
    expect(lengths(noise)).toEqual(lengths(real));
    const known = new Set(real.flat());
    expect(noise.flat().filter((id) => !known.has(id)).length).toBeLessThan(noise.flat().length / 2);
    expect(report.rows.map(({ arm: name }) => name)).toEqual(["DL 0", "DL 3"]);
    expect(Number.isFinite(report.meanInflation)).toBe(true);
    // Where a server does not tokenise, words stand for tokens and the report says so.
    expect((await run("random-tokens", { tokens: WORD_COUNTS })).promptsAs).toBe("words");
  });

  test("diversity: two drafters on diverse and on like prompts; one alone is not compared", async () => {
    const two = [arm(0), arm(2), arm(5)];
    const report = await run("diversity", { arms: two });
    expect(report.bias!.diverse.gap!.mean).toBeLessThan(0);
    expect(report.similarity["alike"]!).toBeGreaterThan(report.similarity["diverse"]!);
    const alone = await run("diversity");
    expect(alone.bias).toBeNull();
    expect(alone.note).toContain("two drafting arms");
  });

  test("vocabulary: pruned by the server, replayed, or said to be out of reach", async () => {
    const hook = { drafter: "double", body: (allowed: readonly number[]) => ({ speculation: { tokens: 3, allowed } }) };
    const vocabulary = { sizes: [4, 400], draftLength: 3, hook, proposer: ngramProposer() };
    const pruned = (await run("vocabulary", { vocabulary })).vocabulary;
    if (pruned.kind !== "server") throw new Error("expected the server to prune");
    const changes = pruned.overall.map(({ change }) => change);
    expect(changes[0]).toBeLessThan(changes[1]!);
    expect(changes[0]).toBeLessThan(-0.1);
    expect(pruned.overall[0]!.missing).toBeGreaterThan(0.5);

    const replayed = (await run("vocabulary")).vocabulary;
    expect(replayed).toMatchObject({
      kind: "replay",
      drafter: "n-gram lookup 1..3",
      note: expect.stringContaining("replayed"),
    });
    const closed = (await run("vocabulary", { vocabulary: { ...vocabulary, hook: null, proposer: null } })).vocabulary;
    expect(closed).toEqual({ kind: "not measurable", reason: expect.stringContaining("inside the server") });
    const mute = (await run("vocabulary", { tokens: WORD_COUNTS })).vocabulary;
    expect(mute).toMatchObject({ kind: "not measurable", reason: expect.stringContaining("/tokenize") });
  });

  test("arms take turns; servers that cannot stand together are opened once each, in a row", async () => {
    const order: string[] = [];
    const open: string[] = [];
    const host = {
      open: (one: Arm) => {
        if (!open.includes(one.name)) open.push(one.name);
        order.push(one.name);
        return Promise.resolve(one);
      },
      release: (one: Arm) => {
        open.splice(open.indexOf(one.name), 1);
        return Promise.resolve();
      },
    };
    await run("qualitative", { questions, perCategory: 6, rounds: 4, host });
    expect(order).toEqual(["DL 0", "DL 3", "DL 3", "DL 0", "DL 0", "DL 3", "DL 3", "DL 0"]);
    order.length = 0;
    await run("pareto", { questions, rounds: 2, concurrencies: [1, 2], host, order: "arm by arm" });
    expect(order).toEqual([...Array.from({ length: 4 }, () => "DL 0"), ...Array.from({ length: 4 }, () => "DL 3")]);
    expect(open).toEqual([]);
  });

  test("stopping ends a matrix with what there is", async () => {
    const stop = new AbortController();
    const report = await run("qualitative", {
      session: session({ signal: stop.signal }),
      onCell: () => stop.abort(),
    });
    expect(report.cells).toHaveLength(1);
  });
});
