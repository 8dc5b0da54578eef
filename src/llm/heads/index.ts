/** Draft heads: a small recurrent cell over a model's own states that drafts tokens, stored beside the model. */
export { checkHeadsConfig, checkHeadsFit, HEADS, headsParameterSpecs, type HeadsConfig } from "./config.ts";
export { draftGraph, type DraftGraphForm, type DraftGraphParts } from "./draft-graph.ts";
export { HEADS_RUN_PLACES, HeadsDrafter, type HeadsDrafterOptions } from "./drafter.ts";
export {
  hasHeads,
  HEADS_FILE,
  HEADS_WEIGHTS_FILE,
  weightsFingerprint,
  readHeads,
  writeHeads,
  type HeadsNotes,
  type StoredHeads,
} from "./file.ts";
export { headsTrainingGraph, type HeadsTrainingShape } from "./training-graph.ts";
