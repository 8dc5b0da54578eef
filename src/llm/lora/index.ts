/** Low-rank adapters: read and written in PEFT's layout, computed side by side in one step, or merged into the weights. */
export {
  ADAPTER_CONFIG_FILE,
  LORA_PARTS,
  LORA_TARGETS,
  loraShape,
  loraWeightName,
  RANK_MAX,
  readAdapter,
  writeAdapter,
  type LoraAdapter,
  type LoraModule,
  type LoraTarget,
  type TrainedAdapter,
} from "./adapter.ts";
export { LoraBank, LORA_GOING_MASK, LORA_MASK, loraInputs, type LoraLimits } from "./bank.ts";
export { loraTargetOf, mergedWeight, mergedWeights, withLoraInputs } from "./graph.ts";
export { boundaryTargets, StepLora, type AdaptedRow } from "./step-lora.ts";
