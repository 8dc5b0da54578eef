/**
 * Claim 29-live: what a reader notices of a migration. A sequence of some length decodes alone and is moved to another engine
 * in the middle, live, by a blocking copy, or by computing it again there; the ways take turns. The gap is the time between
 * the last token of the one and the first of the other, as its reader sees them, in mean decode steps of the same answer before. Tokens are
 * compared with those of an engine that nobody disturbs.
 */
import { assert, createRandom, fail, median, PunctualError } from "../../core/index.ts";
import { measureGap, type MigrationMode, type MoveReport } from "../../cluster/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import type { Engine, EngineOptions, GenerateEvent, GenerateRequest } from "../../runtime/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute, compare, exact } from "../statistics.ts";
import { startLiveFleet, type LiveFleet } from "./live-fleet.ts";

/** How much is measured. */
export interface GapSize {
  readonly model: DecoderConfig;
  readonly modelName: string;
  /** How its weights are stored; as they are when absent. */
  readonly weights?: EngineOptions["weights"];
  /** Of a step; measured by each engine when absent. Prompts only: a sequence that decodes alone is far below it. */
  readonly budgetTokens?: number;
  /** Tokens before the move, ascending. */
  readonly lengths: readonly number[];
  readonly rounds: number;
  /** Tokens that are left when the move is asked for: a small model is through 200 of them before it has begun. */
  readonly tokensAfter: number;
  /** Computing a long prompt again on a model of many weights takes longer than all else here. */
  readonly modes: readonly Mode[];
}

/** The ways to move a sequence. */
export const MODES = ["live", "blocking", "recompute"] as const satisfies readonly MigrationMode[];
type Mode = (typeof MODES)[number];

const FIRST_ID = 32;
/** Tokens that are awaited before the move: their pace is the step. */
const BEFORE = 32;
const GAP_STEPS = 2;
const ATTEMPTS = 4;
/** How much longer the gap of the longest sequence may be than that of the shortest. */
const FLAT = 1.5;

/** One move. */
export interface Moved {
  readonly mode: Mode;
  readonly length: number;
  readonly gapMs: number;
  readonly gapSteps: number;
  readonly isRight: boolean;
}

function drawRequest({ model, tokensAfter }: GapSize, length: number, seed: string): GenerateRequest {
  const random = createRandom(seed, "prompt");
  return {
    promptTokens: Array.from({ length: length - BEFORE }, () => random.int(FIRST_ID, model.vocabSize - 1)),
    maxTokens: BEFORE + tokensAfter,
    ignoreEos: true,
    sampling: { temperature: 1, seed: random.uint32() },
  };
}

async function tokensOf(engine: Engine, request: GenerateRequest): Promise<readonly number[]> {
  const tokens: number[] = [];
  for await (const event of engine.submit(request)) if (event.kind === "token") tokens.push(event.id);
  return tokens;
}

interface MovedOnce {
  readonly gapMs: number;
  readonly gapSteps: number;
  readonly tokens: readonly number[];
}

/** Null when the answer was over before it had moved. @throws PunctualError engine_failed when it stayed where it was. */
async function tryMove(
  live: LiveFleet,
  request: GenerateRequest,
  mode: Mode,
  { clock }: ClaimContext,
): Promise<MovedOnce | null> {
  const tokens: number[] = [];
  const times: number[] = [];
  async function* noted(): AsyncGenerator<GenerateEvent, void> {
    for await (const event of live.engine.submit(request)) {
      if (event.kind === "token") {
        tokens.push(event.id);
        times.push(clock.nowMs());
      }
      yield event;
    }
  }
  const measuring = measureGap({ stream: noted(), afterTokens: BEFORE, move: () => moveTheOnly(live, mode) });
  const measured = await measuring.catch((error: unknown) => {
    if (error instanceof PunctualError && error.code === "not_found") return null;
    throw error;
  });
  if (measured === null) return null;
  const { report, gapMs } = measured;
  if (gapMs === null) {
    const { stayReason } = report;
    return stayReason === null || stayReason === "ended"
      ? null
      : fail("engine_failed", `it stayed (${mode}): ${stayReason}`);
  }
  // The first steps after the prompt are not at their pace yet. Tokens may come several at a time: a mean, not a median.
  const [from, to] = [BEFORE / 4, BEFORE - 1];
  const stepMs = (times[to]! - times[from]!) / (to - from);
  assert(stepMs > 0, "steps take time");
  return { gapMs, gapSteps: gapMs / stepMs, tokens };
}

/** A machine that is busy with something else may take as long to begin a move as an answer of few short steps has left. */
async function moveOnce(
  live: LiveFleet,
  request: GenerateRequest,
  mode: Mode,
  context: ClaimContext,
): Promise<MovedOnce> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const moved = await tryMove(live, request, mode, context);
    if (moved !== null) return moved;
  }
  return fail("engine_failed", `${ATTEMPTS} answers were over before they had moved (${mode})`);
}

async function moveTheOnly({ instances }: LiveFleet, mode: Mode): Promise<MoveReport> {
  const from = instances.find(({ host }) => host.port.requests().length > 0);
  const to = instances.find((one) => one !== from);
  const [request] = from?.host.port.requests() ?? [];
  if (from === undefined || to === undefined || request === undefined) return fail("not_found", "nothing runs");
  const { done } = await from.migration.move(request.requestId, to.host.id, { mode });
  return done;
}

/** Every move, in all modes and at all lengths. */
export async function measureMoves(size: GapSize, context: ClaimContext): Promise<readonly Moved[]> {
  const longest = size.lengths.at(-1)!;
  const pageTokens = 16;
  await using live = await startLiveFleet(2, {
    model: { random: size.model, seed: context.seed },
    name: size.modelName,
    ...(size.weights === undefined ? {} : { weights: size.weights }),
    ...(size.budgetTokens === undefined ? {} : { budgetTokens: size.budgetTokens }),
    threads: 1,
    pageTokens,
    prefixCache: false, // a second copy of the same prompt would make computing again free
    exact: true,
    kvPages: 2 * Math.ceil((longest + BEFORE + size.tokensAfter) / pageTokens),
  });
  const moved: Moved[] = [];
  for (let round = -1; round < size.rounds; round++) {
    for (const length of round < 0 ? size.lengths.slice(0, 1) : size.lengths) {
      context.progress(`29-live: ${size.modelName}, ${length} tokens, round ${round + 1} of ${size.rounds}`);
      const request = drawRequest(size, length, `${context.seed} ${round} ${length}`);
      const right = await tokensOf(live.instances[0]!.engine, request);
      for (let turn = 0; turn < size.modes.length; turn++) {
        const mode = size.modes[(turn + Math.max(0, round)) % size.modes.length]!;
        const { tokens, ...one } = await moveOnce(live, request, mode, context);
        // The first round warms up.
        if (round >= 0) moved.push({ ...one, mode, length, isRight: tokens.join() === right.join() });
      }
    }
  }
  return moved;
}

const isLive = ({ mode }: Moved): boolean => mode === "live";
const stepMsOf = ({ gapMs, gapSteps }: Moved): number => gapMs / gapSteps;
/** How much longer the gap is than the step that would have been there anyway. */
const addedMsOf = (one: Moved): number => one.gapMs - stepMsOf(one);
const medianOf = (of: readonly Moved[], value: (one: Moved) => number): number => round(median(of.map(value)));

function noteOf({ modelName, lengths }: GapSize): string {
  return `${modelName}, a sequence alone, ${lengths.join(", ")} tokens; two engines of one thread, pages over TCP`;
}

/**
 * The gap with a model of more weights: what a move costs beside a decode step grows less than the step does, so in
 * steps it is shorter.
 */
export function largerModelLines(size: GapSize, moved: readonly Moved[]): readonly Measured[] {
  const live = moved.filter(isLive);
  const curve = size.lengths.map((length) => {
    const here = live.filter((one) => one.length === length);
    return {
      tokens: length,
      live_ms: medianOf(here, ({ gapMs }) => gapMs),
      step_ms: medianOf(here, stepMsOf),
      live_steps: medianOf(here, ({ gapSteps }) => gapSteps),
    };
  });
  const text = { better: "lower", kind: "live", note: noteOf(size) } as const;
  return [
    absolute(
      { ...text, metric: `gap at a live migration, ${size.modelName}`, unit: "decode steps", curve },
      live.map(({ gapSteps }) => gapSteps),
      GAP_STEPS,
    ),
    exact(
      { ...text, metric: `answers that a move has changed, ${size.modelName}`, unit: "answers" },
      moved.filter(({ isRight }) => !isRight).length,
      0,
      moved.length,
    ),
  ];
}

/**
 * What a move adds to the step that it falls on, model by model: hops between threads, messages and pages, which do not know
 * how long a step is. Two steps are kept to from that step length on. No target: it is what the other lines are made of.
 */
export function addedLine(models: readonly { readonly size: GapSize; readonly moved: readonly Moved[] }[]): Measured {
  const curve = models.map(({ size, moved }) => {
    const live = moved.filter(isLive);
    return {
      model: size.modelName,
      step_ms: medianOf(live, stepMsOf),
      added_ms: medianOf(live, addedMsOf),
      live_steps: medianOf(live, ({ gapSteps }) => gapSteps),
    };
  });
  const text = { metric: "a live move adds to a decode step", unit: "ms", better: "lower", kind: "live" } as const;
  const note = `all lengths, models with steps of ${curve.map(({ step_ms, model }) => `${step_ms} ms (${model})`).join(", ")}; a gap of two steps or less needs a step of no less than is added`;
  return absolute(
    { ...text, note, curve },
    models.flatMap(({ moved }) => moved.filter(isLive).map(addedMsOf)),
    null,
  );
}

/** The lines. */
export function gapLines(size: GapSize, moved: readonly Moved[]): readonly Measured[] {
  const of = (mode: Mode, length: number): readonly Moved[] =>
    moved.filter((one) => one.mode === mode && one.length === length);
  const gaps = (mode: Mode, length: number): number[] => of(mode, length).map(({ gapMs }) => gapMs);
  const [shortest, longest] = [size.lengths[0]!, size.lengths.at(-1)!];
  const curve = size.lengths.map((length) => ({
    tokens: length,
    ...Object.fromEntries(MODES.map((mode) => [`${mode}_ms`, round(median(gaps(mode, length)))])),
    step_ms: medianOf(of("live", length), stepMsOf),
    live_steps: medianOf(of("live", length), ({ gapSteps }) => gapSteps),
  }));
  const text = { unit: "ms", better: "lower", kind: "live", note: noteOf(size) } as const;
  const live = moved.filter(isLive).map(({ gapSteps }) => gapSteps);
  const growth = gaps("live", longest).map((ms, i) => ms / gaps("live", shortest)[i]!);
  return [
    absolute({ ...text, metric: "gap at a live migration", unit: "decode steps", curve }, live, GAP_STEPS),
    absolute({ ...text, metric: `gap at ${longest} tokens against ${shortest}, live`, unit: "times" }, growth, FLAT),
    compare(
      { ...text, metric: `gap at ${longest} tokens, against computing again` },
      gaps("live", longest),
      gaps("recompute", longest),
      null,
    ),
    compare(
      { ...text, metric: `gap at ${longest} tokens, against a blocking copy` },
      gaps("live", longest),
      gaps("blocking", longest),
      null,
    ),
    exact(
      { ...text, metric: "answers that a move has changed", unit: "answers" },
      moved.filter(({ isRight }) => !isRight).length,
      0,
      moved.length,
    ),
  ];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
