/**
 * The measured prompt and token times of Splitwise's simulator (Mutinifni/splitwise-sim, data/perf_model.csv): one row
 * per run with model, hardware, tensor parallelism, prompt size, batch size, tokens generated, and the milliseconds of
 * the prompt and of a token. Each combination of model, hardware and parallelism becomes a fitted cost model: a
 * prompt phase of batch * prompt tokens, and token phases with that batch and a context that grows to prompt + tokens.
 */
import { fail, median } from "../../core/index.ts";
import type { CostModel, StepShape } from "../types.ts";
import { fitCost, fittedCost, type Fit, type StepPoint } from "./fitted.ts";
import { heldOutError } from "./held-out.ts";

/** One row of the file. */
export interface SplitwiseRow {
  readonly model: string;
  readonly hardware: string;
  readonly tensorParallel: number;
  readonly promptTokens: number;
  readonly batch: number;
  readonly outputTokens: number;
  readonly promptMs: number;
  readonly tokenMs: number;
}

/** One model on one kind of hardware, its two phases fitted apart. */
export interface SplitwiseModel {
  readonly model: string;
  readonly hardware: string;
  readonly tensorParallel: number;
  readonly cost: CostModel;
  readonly prefill: Fit;
  readonly decode: Fit;
  /** On sizes that a fit has not seen; null where there are too few. A fit for each eighth of the sizes. */
  heldOut(): { readonly prefill: number | null; readonly decode: number | null };
}

const COLUMNS = {
  model: "model",
  hardware: "hardware",
  tensorParallel: "tensor_parallel",
  promptTokens: "prompt_size",
  batch: "batch_size",
  outputTokens: "token_size",
  promptMs: "prompt_time",
  tokenMs: "token_time",
} as const;
const PROMPT_FIT = { keepSum: false } as const;
const TOKEN_FIT = { linear: true, keepSum: false } as const;
const MAX_ROWS = 100_000;
const MAX_NAME_CHARACTERS = 100;

/** @throws PunctualError invalid_file naming line and column. */
export function readSplitwise(text: string): SplitwiseRow[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/, MAX_ROWS + 2);
  if (lines.length > MAX_ROWS + 1) fail("invalid_file", `perf model: expected at most ${MAX_ROWS} rows`);
  const head = lines[0]!.split(",");
  const places = Object.fromEntries(
    Object.entries(COLUMNS).map(([field, column]) => {
      const place = head.indexOf(column);
      return [field, place >= 0 ? place : refuse(1, column, "a column of that name", lines[0]!)];
    }),
  ) as Record<keyof typeof COLUMNS, number>;
  return lines.slice(1).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const cells = line.split(",");
    const text_ = (field: "model" | "hardware"): string => {
      const value = cells[places[field]] ?? "";
      const fits = value.length > 0 && value.length <= MAX_NAME_CHARACTERS;
      return fits ? value : refuse(i + 2, COLUMNS[field], "a name", value);
    };
    const number = (field: Exclude<keyof typeof COLUMNS, "model" | "hardware">): number => {
      const cell = cells[places[field]] ?? "";
      const value = cell.trim() === "" ? Number.NaN : Number(cell);
      return value > 0 && value < 1e12 ? value : refuse(i + 2, COLUMNS[field], "a number above 0", cell);
    };
    return [
      {
        model: text_("model"),
        hardware: text_("hardware"),
        tensorParallel: number("tensorParallel"),
        promptTokens: number("promptTokens"),
        batch: number("batch"),
        outputTokens: number("outputTokens"),
        promptMs: number("promptMs"),
        tokenMs: number("tokenMs"),
      },
    ];
  });
}

/** Every combination of model, hardware and parallelism in the rows, in order of appearance. */
export function splitwiseModels(rows: readonly SplitwiseRow[]): SplitwiseModel[] {
  const groups = new Map<string, SplitwiseRow[]>();
  for (const row of rows) {
    const key = `${row.model} ${row.hardware} ${row.tensorParallel}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return Array.from(groups.values(), fitGroup);
}

/**
 * Without runs that cannot have computed what they say: a larger batch of the same prompts that took less time (the
 * batch of 64 on two devices, which does not fit their memory).
 */
export function plausible(rows: readonly SplitwiseRow[]): SplitwiseRow[] {
  const typicalMs = (promptTokens: number, batch: number): number =>
    median(rows.filter((row) => row.promptTokens === promptTokens && row.batch === batch).map((row) => row.promptMs));
  return rows.filter(({ promptTokens, batch }) => {
    const smaller = rows.filter((row) => row.promptTokens === promptTokens && row.batch < batch);
    const ownMs = typicalMs(promptTokens, batch);
    return smaller.every((row) => typicalMs(promptTokens, row.batch) <= ownMs);
  });
}

/** A step that mixes phases pays the larger constant and the rest of both, as in a phase table. */
function fitGroup(all: readonly SplitwiseRow[]): SplitwiseModel {
  const { model, hardware, tensorParallel } = all[0]!;
  const rows = plausible(all);
  const [promptPoints, tokenPoints] = [rows.map(promptPoint), rows.map(tokenPoint)];
  const prefill = fitCost(promptPoints, PROMPT_FIT);
  const decode = fitCost(tokenPoints, TOKEN_FIT);
  const heldOut = (): ReturnType<SplitwiseModel["heldOut"]> => ({
    prefill: heldOutError(promptPoints, PROMPT_FIT),
    decode: heldOutError(tokenPoints, TOKEN_FIT),
  });
  const prompts = fittedCost("prompts", prefill.form);
  const answers = fittedCost("tokens", decode.form);
  const [constantMs = 0] = decode.form.baseMs;
  const name = `splitwise ${model} ${hardware} tp${tensorParallel}`;
  const stepMs = (shape: StepShape): number => {
    const { prefillTokens, decodes } = shape;
    const promptMs = prefillTokens === 0 ? 0 : prompts.stepMs({ ...shape, tokens: prefillTokens, decodeContext: 0 });
    if (decodes === 0) return promptMs;
    const tokenMs = answers.stepMs({ ...shape, tokens: decodes, prefillSquares: 0 });
    return prefillTokens === 0 ? tokenMs : Math.max(promptMs, constantMs) + tokenMs - constantMs;
  };
  return { model, hardware, tensorParallel, cost: { name, stepMs }, prefill, decode, heldOut };
}

/** Rows count as prompts do in a table: they add nothing of their own. */
export function promptPoint({ batch, promptTokens, promptMs }: SplitwiseRow): StepPoint {
  const tokens = batch * promptTokens;
  const squares = batch * promptTokens * promptTokens;
  const none = { decodes: 0, decodeContext: 0 };
  return {
    tokens,
    rows: 0,
    prefillTokens: tokens,
    prefillSquares: squares,
    prefillContext: tokens,
    ...none,
    stepMs: promptMs,
  };
}

/** The token time is a mean over the answer: its context is that of the middle. */
export function tokenPoint({ batch, promptTokens, outputTokens, tokenMs }: SplitwiseRow): StepPoint {
  const context = batch * (promptTokens + outputTokens / 2);
  const none = { prefillTokens: 0, prefillSquares: 0, prefillContext: 0 };
  return { tokens: batch, rows: 0, ...none, decodes: batch, decodeContext: context, stepMs: tokenMs };
}

function refuse(line: number, column: string, expected: string, got: string): never {
  return fail("invalid_file", `perf model line ${line}: ${column}: expected ${expected}, got "${got.slice(0, 60)}"`, {
    param: column,
  });
}
