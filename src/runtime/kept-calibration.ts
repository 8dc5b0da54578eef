/**
 * What steps cost, kept between starts. A calibration takes half a second, most of a start; what it finds hangs on the shape of
 * the model, the options and the machine. So it is kept beside the packed weights, and a start measures two sizes of step only: when
 * they still cost what is kept, so does everything else; when they do not (another load, another version), all is measured anew.
 * It can be lost at any time: then it is measured.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../core/index.ts";
import { machineKey } from "../graph/index.ts";
import type { KvPages, StepExecutor } from "../llm/index.ts";
import type { StepCost } from "../sched/index.ts";
import { calibrate, measureSizes, type CalibrationPlan } from "./calibrate.ts";
import type { Calibration } from "./types.ts";

const FOLDER = ".steps";
/** Steps whose times differ by less than this factor cost the same: what a quick look can tell. */
const SAME_WITHIN = 1.3;
const LONGEST_FILE = 100_000;

/** Where the calibration of a kind of engine is kept. */
export interface CalibrationFile {
  readonly path: string;
}

/** @param facts all that costs hang on, as plain data */
export function calibrationFile(weightCacheDir: string, facts: object): CalibrationFile {
  return { path: join(weightCacheDir, FOLDER, `${machineKey(JSON.stringify(facts))}.json`) };
}

/** As `calibrate`, but from the file where that still holds. */
export async function calibrateOnce(
  executor: Pick<StepExecutor, "step">,
  pages: KvPages,
  clock: Clock,
  cost: StepCost,
  plan: CalibrationPlan,
  file: CalibrationFile | null,
): Promise<Calibration> {
  if (file === null) return calibrate(executor, pages, clock, cost, plan);
  const startMs = clock.nowMs();
  const kept = await readKept(file);
  if (kept !== null && (await stillHolds(kept, executor, pages, clock, plan))) {
    for (const { tokens, stepMs } of kept.points) cost.observe(tokens, stepMs);
    return { ...kept, tookMs: clock.nowMs() - startMs };
  }
  const found = await calibrate(executor, pages, clock, cost, plan);
  await keep(file, found);
  return found;
}

/** Looks at the smallest step and at one in the middle: what is fixed about a step, and what grows. */
async function stillHolds(
  { points }: Calibration,
  executor: Pick<StepExecutor, "step">,
  pages: KvPages,
  clock: Clock,
  plan: CalibrationPlan,
): Promise<boolean> {
  const looked = [points[0]!, points[points.length >> 1]!];
  const sizes = looked.map(({ tokens }) => tokens);
  if (sizes.some((tokens) => tokens > Math.min(plan.maxTokens, pages.pages * pages.pageTokens))) return false;
  const now = await measureSizes(executor, pages, clock, plan, sizes);
  return now.every(({ stepMs }, i) => {
    const change = stepMs / looked[i]!.stepMs;
    return change < SAME_WITHIN && change > 1 / SAME_WITHIN;
  });
}

async function readKept({ path }: CalibrationFile): Promise<Calibration | null> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > LONGEST_FILE) return null;
    const value: unknown = JSON.parse(text);
    return isCalibration(value) ? value : null;
  } catch {
    return null; // missing, unreadable or no JSON: whatever it is, it is measured again
  }
}

function isCalibration(value: unknown): value is Calibration {
  if (typeof value !== "object" || value === null) return false;
  const { budgetTokens, points, kneeTokens, targetStepMs } = value as Partial<Record<keyof Calibration, unknown>>;
  const isCount = (count: unknown): count is number =>
    typeof count === "number" && Number.isInteger(count) && count > 0;
  const isTime = (ms: unknown): ms is number => typeof ms === "number" && ms > 0 && Number.isFinite(ms);
  const isPoint = (point: unknown): boolean => {
    const { tokens, stepMs } = (point ?? {}) as { readonly tokens?: unknown; readonly stepMs?: unknown };
    return isCount(tokens) && isTime(stepMs);
  };
  return (
    isCount(budgetTokens) &&
    isTime(targetStepMs) &&
    (kneeTokens === null || isTime(kneeTokens)) &&
    Array.isArray(points) &&
    points.length > 0 &&
    points.every(isPoint)
  );
}

/** Whole or not at all. Where it cannot be kept, it is measured every time. */
async function keep({ path }: CalibrationFile, calibration: Calibration): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const written = `${path}.${process.pid}`;
    await writeFile(written, JSON.stringify(calibration));
    await rename(written, path);
  } catch {
    // a cache that cannot be written to serves as well
  }
}
