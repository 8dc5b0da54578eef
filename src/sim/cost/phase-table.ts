/**
 * Costs with a form of their own for prompts and for decodes, as DistServe's simulator has them (LLMServe/DistServe,
 * `simdistserve`): straight lines fitted to an A100-80G.
 *
 *   prefill   A + B * tokens + C * squares          squares: sum of the lengths squared
 *   decode    A + B * context + C * batch           other lines from a batch of 95 up
 *
 * A step that mixes both pays the larger of the two constants and the rest of each: what is constant is reading the
 * weights, once. That last rule is ours; DistServe never mixes.
 */
import type { CostModel, StepShape } from "../types.ts";

type Line = readonly [a: number, b: number, c: number];

/** Coefficients of one model on its devices, milliseconds per unit. */
export interface PhaseTable {
  readonly prefill: Line;
  readonly decode: Line;
  /** Of batches of at least `largeBatch`. */
  readonly decodeLarge: Line;
  readonly largeBatch: number;
  /** What a scheduler adds: constant and per token; nothing when absent. */
  readonly overhead?: readonly [ms: number, msPerToken: number];
}

/** DistServe's own: 2 ms a step and 0.1 ms a thousand tokens. */
export const SCHEDULER_OVERHEAD: readonly [ms: number, msPerToken: number] = [2, 1e-4];

/** The cost model at the head of this file. */
export function phaseCost(name: string, table: PhaseTable): CostModel {
  const { prefill, decode, decodeLarge, largeBatch, overhead = [0, 0] } = table;
  return {
    name,
    stepMs: ({ tokens, prefillTokens, prefillSquares, decodes, decodeContext }: StepShape) => {
      const line = decodes >= largeBatch ? decodeLarge : decode;
      const constant = Math.max(prefillTokens > 0 ? prefill[0] : 0, decodes > 0 ? line[0] : 0);
      const prompts = prefill[1] * prefillTokens + prefill[2] * prefillSquares;
      const answers = line[1] * decodeContext + line[2] * decodes;
      return constant + prompts + answers + overhead[0] + overhead[1] * tokens;
    },
  };
}

/** A model of the tables below. */
export interface A100Entry extends PhaseTable {
  readonly model: string;
  readonly tensorParallel: number;
  readonly kvTokens: number;
  readonly kvBytesPerToken: number;
}

const OPT_13B = { model: "opt-13b", largeBatch: 95, kvBytesPerToken: 2 * 40 * 5120 * 2 } as const;
const OPT_66B = { model: "opt-66b", largeBatch: 95, kvBytesPerToken: 2 * 64 * 9216 * 2 } as const;

/** Fitted profiles of DistServe's authors on A100-80G. */
export const A100_TABLES: readonly A100Entry[] = [
  {
    ...OPT_13B,
    tensorParallel: 1,
    prefill: [18.1, 0.10191, 7.12e-6],
    decode: [19.93, 6.27e-4, 0.0385],
    decodeLarge: [7.17, 5.8e-4, 0.1583],
    kvTokens: 66_144,
  },
  {
    ...OPT_13B,
    tensorParallel: 2,
    prefill: [14.74, 0.06858, 2.45e-6],
    decode: [13.29, 3.41e-4, 0.063],
    decodeLarge: [10.64, 3.12e-4, 0.0856],
    kvTokens: 163_008,
  },
  {
    ...OPT_66B,
    tensorParallel: 2,
    prefill: [43.06, 0.27423, 2.25e-5],
    decode: [48.29, 9.42e-4, 0.1276],
    decodeLarge: [28.73, 4.74e-4, 0.2962],
    kvTokens: 11_600,
  },
  {
    ...OPT_66B,
    tensorParallel: 4,
    prefill: [29.44, 0.15135, 8.32e-6],
    decode: [30.76, 4.52e-4, 0.0633],
    decodeLarge: [27.47, 4.05e-4, 0.1248],
    kvTokens: 78_496,
  },
];
