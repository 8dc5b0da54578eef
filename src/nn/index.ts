/**
 * nn: what networks are made of and trained with, over graph/ tensors.
 *
 *   const optimizer = new AdamW(parameters, { emaDecay: 0.999 });
 *   await runTraining(trainer, plan, { clock });          // a trainer computes steps: loss, gradients, update
 *   await writeFileAtomically("model.safetensors", encodeSafetensors(tensors));
 */
export { AdamW, DEFAULT_ADAMW, globalNorm, type AdamWOptions, type AdamWState, type Parameter } from "./adamw.ts";
export { causalPattern, groupedAttention, segmentMask, type GroupedAttentionOptions } from "./attention.ts";
export { loadCheckpoint, saveCheckpoint, writeFileAtomically, type RunCounters } from "./checkpoint.ts";
export {
  feedForward,
  gatedFeedForward,
  linear,
  transformerBlock,
  type Layer,
  type TransformerBlock,
} from "./layers.ts";
export { bfloat16ToFloat32, float32ToHalf, halfToFloat32 } from "./half.ts";
export { applyRotary, rotaryTables, type Rotary, type RotaryTables } from "./rotary.ts";
export {
  asFloat32,
  decodeSafetensors,
  encodeSafetensors,
  parseSafetensorsHeader,
  SafetensorsFile,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from "./safetensors.ts";
export { learningRate, type Schedule } from "./schedule.ts";
export {
  runTraining,
  type StepOutcome,
  type StepRecord,
  type Trainer,
  type TrainingPlan,
  type TrainingPorts,
  type TrainingProgress,
  type TrainingResult,
} from "./training-loop.ts";
