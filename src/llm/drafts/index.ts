/** Drafts: guesses at the next tokens that a model checks several of in one step, who makes them, and how many pay. */
export { AcceptanceRate, FIRST_ACCEPTANCE, NEUTRAL_ACCEPTANCE, type AcceptancePrior } from "./acceptance.ts";
export { draftLengths, type DraftCandidate, type DraftCosts, type DraftStep } from "./draft-length.ts";
export { DraftModel, type DraftModelOptions } from "./draft-model.ts";
export { NgramDrafter, type NgramOptions } from "./ngram.ts";
export { PredictionDrafter } from "./prediction.ts";
export { drawFrom, rejectionSample, residual } from "./rejection.ts";
export {
  DRAFT_SOURCES,
  type Draft,
  type Drafter,
  type DraftRequest,
  type DraftSource,
  type DraftSubject,
  type Proposal,
} from "./types.ts";
