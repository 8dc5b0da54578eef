/** The heads' network over symbolic tensors, written once for drafting and for training; see config.ts for what it is. */
import { add, concat, rmsNorm, type Tensor } from "../../graph/index.ts";
import { gatedFeedForward } from "../../nn/index.ts";
import type { ParameterSource } from "../decoder.ts";
import { HEADS, type HeadsConfig } from "./config.ts";

/** state [rows, hidden] and the embedding [rows, hidden] of the token that follows it -> the state behind that token. */
export function headsCell(config: HeadsConfig, params: ParameterSource, state: Tensor, embedded: Tensor): Tensor {
  const { hidden, width, normEps } = config;
  const norm = (x: Tensor, name: string): Tensor => rmsNorm(x, params.get(name, [hidden]), normEps);
  const both = concat([norm(state, HEADS.stateNorm), norm(embedded, HEADS.tokenNorm)], 1); // [rows, 2 * hidden]
  const mixed = params.linear(both, HEADS.mix, 2 * hidden, hidden);
  const fed = gatedFeedForward(both, {
    gate: (x) => params.linear(x, HEADS.gate, 2 * hidden, width),
    up: (x) => params.linear(x, HEADS.up, 2 * hidden, width),
    down: (x) => params.linear(x, HEADS.down, width, hidden),
  });
  return add(mixed, fed);
}

/** A state as the decoder's head reads it. */
export function headsRead(config: HeadsConfig, params: ParameterSource, state: Tensor): Tensor {
  return rmsNorm(state, params.get(HEADS.outNorm, [config.hidden]), config.normEps);
}
