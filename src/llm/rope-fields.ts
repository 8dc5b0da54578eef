/**
 * Rotary positions in config.json: `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters`, which
 * holds both, once or for each type of layer. What the fields mean for the angles is in rope.ts.
 */
import type { DecoderConfig, RopeScaling } from "./config.ts";
import type { JsonFields } from "./json-fields.ts";
import { yarnAttentionFactor } from "./rope.ts";

type Rope = Pick<DecoderConfig, "ropeTheta" | "ropeScaling" | "maxPositions">;

/** Theta, scaling and the positions that they carry a model to; `positions` is max_position_embeddings. */
export function readRope(fields: JsonFields, defaultTheta: number, positions: number): Rope {
  const parameters = fields.optionalObject("rope_parameters");
  const global = parameters?.optionalObject("full_attention") ?? parameters;
  const theta = (global ?? fields).number("rope_theta", fields.number("rope_theta", defaultTheta));
  const scaling = global ?? fields.optionalObject("rope_scaling");
  const ropeScaling = scaling === undefined ? undefined : readScaling(scaling, positions);
  if (ropeScaling === undefined) return { ropeTheta: theta, maxPositions: positions };
  return { ropeTheta: theta, ropeScaling, maxPositions: reach(ropeScaling, positions) };
}

/**
 * Qwen's advice for long texts is to add yarn and leave max_position_embeddings as it is: the model then
 * reaches `factor` times its original positions. Files of other scalings state their reach themselves.
 */
function reach(scaling: RopeScaling, positions: number): number {
  if (scaling.type !== "yarn") return positions;
  return Math.max(positions, Math.floor(scaling.originalMaxPositions * scaling.factor));
}

function readScaling(fields: JsonFields, positions: number): RopeScaling | undefined {
  const name = fields.has("rope_type") ? "rope_type" : "type";
  fields.expectOneOf("partial_rotary_factor", [1]);
  switch (fields.raw(name) ?? "default") {
    case "default":
      return undefined;
    case "linear":
      return { type: "linear", factor: fields.number("factor") };
    case "llama3":
      return {
        type: "llama3",
        factor: fields.number("factor"),
        lowFrequencyFactor: fields.number("low_freq_factor"),
        highFrequencyFactor: fields.number("high_freq_factor"),
        originalMaxPositions: fields.number("original_max_position_embeddings"),
      };
    case "yarn":
      return readYarn(fields, positions);
    default:
      return fields.refuseValue(name);
  }
}

function readYarn(fields: JsonFields, positions: number): RopeScaling {
  const factor = fields.number("factor");
  const [part, whole] = [fields.optionalNumber("mscale"), fields.optionalNumber("mscale_all_dim")];
  // Zero stands for absent here too.
  const isRatio = part !== null && whole !== null && part !== 0 && whole !== 0;
  const usual = isRatio
    ? yarnAttentionFactor(factor, part) / yarnAttentionFactor(factor, whole)
    : yarnAttentionFactor(factor);
  return {
    type: "yarn",
    factor,
    originalMaxPositions: fields.number("original_max_position_embeddings", positions),
    betaFast: fields.number("beta_fast", 32),
    betaSlow: fields.number("beta_slow", 1),
    attentionFactor: fields.number("attention_factor", usual),
    truncate: fields.flag("truncate", true),
  };
}

/** The value of `rope_scaling`. */
export function writeRopeScaling(scaling: RopeScaling): Record<string, unknown> {
  const { type, factor } = scaling;
  switch (type) {
    case "linear":
      return { rope_type: type, factor };
    case "llama3":
      return {
        rope_type: type,
        factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      };
    case "yarn":
      return {
        rope_type: type,
        factor,
        original_max_position_embeddings: scaling.originalMaxPositions,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        attention_factor: scaling.attentionFactor,
        ...(scaling.truncate ? {} : { truncate: false }),
      };
  }
}
