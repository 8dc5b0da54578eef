/**
 * Compound tasks: a few recurring patterns of stages (as applications have them), each task one of them with lengths of
 * its own. The calls of a stage wait for all calls of the stage before it, then for thinking or tool time.
 */
import type { RandomStream } from "../core/index.ts";
import { draw, type Distribution } from "./distributions.ts";
import {
  withinLimits,
  type CompoundShape,
  type LengthLimits,
  type PlannedRequest,
  type RequestBase,
  type UnitMaker,
} from "./shapes.ts";

interface Pattern {
  /** Calls of each stage. */
  readonly widths: readonly number[];
  /** How long prompts and answers of each stage are, relative to the class's distributions. */
  readonly promptScales: readonly number[];
  readonly outputScales: readonly number[];
}

const SCALE: Distribution = { kind: "lognormal", mean: 1, cv: 0.5 };

function drawPattern(shape: CompoundShape, random: RandomStream): Pattern {
  const stages = Array.from({ length: random.int(...shape.stages) });
  return {
    widths: stages.map(() => random.int(...shape.width)),
    promptScales: stages.map(() => draw(SCALE, random)),
    outputScales: stages.map(() => draw(SCALE, random)),
  };
}

/** What a class of compound tasks makes of one arrival: all its calls, due at once and waiting for each other. */
export function compoundMaker(
  shape: CompoundShape,
  base: RequestBase,
  limits: LengthLimits,
  random: RandomStream,
): UnitMaker {
  const patternRandom = random.fork("patterns");
  const known = Array.from({ length: shape.patterns ?? 6 }, () => drawPattern(shape, patternRandom));
  return () => {
    const pattern = known.length === 0 ? drawPattern(shape, random) : random.pick(known);
    const stages = pattern.widths.length;
    const { slo } = base;
    const deadline = shape.deadlinePerStageMs;
    const sloOf =
      slo === undefined || deadline === undefined ? base : { ...base, slo: { ...slo, deadlineMs: deadline * stages } };
    const calls: PlannedRequest[] = [];
    let before: number[] = [];
    for (let stage = 0; stage < stages; stage++) {
      const first = calls.length;
      const carried = before.reduce((sum, place) => sum + calls[place]!.request.outputTokens, 0) * (shape.carry ?? 1);
      const thinkMs = stage === 0 ? 0 : Math.max(0, draw(shape.thinkMs, random));
      for (let i = 0; i < pattern.widths[stage]!; i++) {
        const prompt = Math.round(draw(shape.prompt, random) * pattern.promptScales[stage]! + carried);
        const output = Math.round(draw(shape.output, random) * pattern.outputScales[stage]!);
        const task = { stage, after: before, thinkMs };
        calls.push({ delayMs: 0, request: { ...withinLimits(prompt, output, limits), ...sloOf, task } });
      }
      before = Array.from({ length: calls.length - first }, (_, i) => first + i);
    }
    return calls;
  };
}
