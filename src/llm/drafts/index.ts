/** Drafts: guesses at the next tokens that a model checks several of in one step, who makes them, and how many pay. */
export { AcceptanceBelief, AcceptancePopulation, FIRST_ACCEPTANCE } from "./acceptance.ts";
export {
  DraftController,
  type DraftChoice,
  type DraftControllerOptions,
  type DraftDemand,
  type DraftOption,
  type DraftRound,
} from "./draft-controller.ts";
export {
  draftLengths,
  type DraftCandidate,
  type DraftCosts,
  type DraftLengths,
  type DraftStep,
} from "./draft-length.ts";
export { DraftModel, type DraftModelOptions } from "./draft-model.ts";
export { NgramDrafter, type NgramOptions } from "./ngram.ts";
export { PredictionDrafter } from "./prediction.ts";
export { drawFrom, rejectionSample, residual } from "./rejection.ts";
export { StepTimes } from "./step-times.ts";
export {
  DRAFT_SOURCES,
  type Draft,
  type Drafter,
  type DraftRequest,
  type DraftSource,
  type DraftSubject,
  type Proposal,
} from "./types.ts";
