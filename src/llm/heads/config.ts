/**
 * The shape of draft heads, and their weights by name: a small recurrent cell that carries a decoder's last state on, token by
 * token, and reads the tokens that follow off it with the decoder's own head. They are stored beside the decoder and are
 * of no use without it: its embeddings and its head are not stored again. No code that computes.
 *
 *   state behind the scores ─▶ cell ─▶ head ─▶ d1      the token said last, d1, d2, … come in one by one
 *                               │ ▲
 *                               ▼ │ embedding of the token
 *                             state ─▶ cell ─▶ head ─▶ d2 …
 *
 * As the recurrent drafters of Wertheimer et al. 2024 (MLP speculators) and Cheng et al. 2024 do; Medusa's heads (Cai et
 * al. 2024) guess each place without knowing what was guessed before it, and get less right for more weights.
 */
import { fail } from "../../core/index.ts";
import type { DecoderConfig, ParameterSpec } from "../config.ts";

/** The shape of heads. */
export interface HeadsConfig {
  /** Width of the decoder's states. */
  readonly hidden: number;
  /** Inner width of the cell. */
  readonly width: number;
  /** Tokens of the decoder. */
  readonly vocabSize: number;
  /** Of those, how many the heads can draft: all, or the most frequent ones of their training data. */
  readonly draftedTokens: number;
  /** Places of a draft that they were trained for; beyond it they get less right. */
  readonly trainedDepth: number;
  readonly normEps: number;
}

const SIZES = ["hidden", "width", "vocabSize", "draftedTokens", "trainedDepth"] as const;

/** The same config when heads can have it; otherwise `invalid_file` naming the field. */
export function checkHeadsConfig(config: HeadsConfig): HeadsConfig {
  for (const field of SIZES) {
    const value = config[field];
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 24) {
      fail("invalid_file", `heads: ${field} must be a positive integer, got ${value}`, { param: field });
    }
  }
  if (config.draftedTokens > config.vocabSize) {
    fail("invalid_file", `heads: ${config.draftedTokens} of ${config.vocabSize} tokens cannot be drafted`, {
      param: "draftedTokens",
    });
  }
  if (!(config.normEps > 0)) fail("invalid_file", "heads: normEps must be positive", { param: "normEps" });
  return config;
}

/** Throws `invalid_file` for heads of a decoder of another shape. */
export function checkHeadsFit(heads: HeadsConfig, decoder: DecoderConfig): void {
  for (const field of ["hidden", "vocabSize"] as const) {
    if (heads[field] === decoder[field]) continue;
    fail(
      "invalid_file",
      `heads: ${field} is ${heads[field]}, the model's ${decoder[field]}: they are another model's`,
      {
        param: field,
      },
    );
  }
}

/** Names of the weights. */
export const HEADS = {
  stateNorm: "state_norm.weight",
  tokenNorm: "token_norm.weight",
  mix: "mix_proj.weight",
  gate: "gate_proj.weight",
  up: "up_proj.weight",
  down: "down_proj.weight",
  outNorm: "norm.weight",
} as const;

/** Every weight in file order. */
export function headsParameterSpecs({ hidden, width }: Pick<HeadsConfig, "hidden" | "width">): ParameterSpec[] {
  return [
    { name: HEADS.stateNorm, dims: [hidden] },
    { name: HEADS.tokenNorm, dims: [hidden] },
    { name: HEADS.mix, dims: [hidden, 2 * hidden] },
    { name: HEADS.gate, dims: [width, 2 * hidden] },
    { name: HEADS.up, dims: [width, 2 * hidden] },
    { name: HEADS.down, dims: [hidden, width] },
    { name: HEADS.outNorm, dims: [hidden] },
  ];
}
