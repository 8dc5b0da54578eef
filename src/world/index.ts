/**
 * The synthetic world that built-in models are trained on and measured in: a household and a shop.
 *
 *     const random = createRandom(1, "world");
 *     const item = generateItem("arithmetic", "test", random);
 *     grade(item, { text: "The answer is 33." }); // { correct: false, reason: "expected 47, got 33" }
 */
export { ENTITIES, WITHHELD_NUMBERS, type Entities, type EntityKind } from "./entities.ts";
export {
  DEFAULT_WEIGHTS,
  generateItem,
  generateMixture,
  MULTI_TURN_SHARE,
  multiTurnItem,
  type MixtureWeights,
} from "./generate.ts";
export { grade, interval95, normalise } from "./grade.ts";
export { NOT_MENTIONED } from "./reading/index.ts";
export { REFUSAL_PREFIX, REFUSALS, TOPICS } from "./refusal.ts";
export { evaluate, steps, type Expression, type Operation } from "./steps.ts";
export { withTail } from "./tails.ts";
export { TOOLS, writeCall, type Tool, type ToolParameter } from "./tools.ts";
export {
  SKILLS,
  type Expectation,
  type Grade,
  type Reply,
  type Skill,
  type Split,
  type ToolCall,
  type Turn,
  type WorldItem,
} from "./types.ts";
