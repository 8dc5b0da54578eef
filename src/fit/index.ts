/**
 * fit: what is trained onto a finished model, which stays as it is. Draft heads, so that a model can guess its own next
 * tokens.
 *
 *   const source = worldExamples(tokenizer);
 *   await fitHeads({ name, config, weights, endTokens }, source, headsPlan(), { outDir, clock: liveClock, threads: 2 });
 */
export { ownAnswers, type AnswerOptions } from "./answers.ts";
export {
  describeTexts,
  EXAMPLE_LIMITS,
  readExample,
  textExamples,
  worldExamples,
  type Example,
  type ExampleSource,
  type PromptedText,
  type TextCounts,
  type TextWriter,
} from "./examples.ts";
export { GraphTrainer, keptWeights, type GraphTrainerOptions, type StepFeeds } from "./graph-trainer.ts";
export { fitHeads, type FitOptions, type FittedHeads, type FittedModel } from "./heads/fit-heads.ts";
export { headsPlan, type HeadsPlan, type HeadsPlanOptions } from "./heads/plan.ts";
export type { HeldOutAcceptance } from "./heads/places.ts";
export { routedItems } from "./routed/examples.ts";
export {
  ROUTED_MODEL,
  ROUTED_ROUTES,
  ROUTED_SUMMARY,
  trainRouted,
  type RoutedOptions,
  type TrainedRouted,
} from "./routed/recipe.ts";
export { askRouted, type RoutedAnswer } from "./routed/score.ts";
export { ROUTED_TASKS, type RoutedItem, type RoutedSplit, type RoutedTask } from "./routed/tasks.ts";
export { fitRoutes, type FittedRoutes, type RoutesOptions } from "./routes/fit-routes.ts";
export { ROUTE_BASELINES, unifiedMask, type RouteBaseline } from "./routes/masks.ts";
export { routesPlan, type RoutesPlan, type RoutesPlanOptions } from "./routes/plan.ts";
export type { RouteScores, ScoredArm } from "./routes/scores.ts";
export { openModel, type OpenedModel } from "./model.ts";
export { MOST_TOKENS } from "./states.ts";
