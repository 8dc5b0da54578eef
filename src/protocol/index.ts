/**
 * protocol: the wire types of the HTTP interface and the only place where a request body becomes typed.
 *
 *   const request = parseChatRequest(decodeJson(bytes));   // throws PunctualError with `param`
 *   const { status, headers, body } = toWireError(error);  // OpenAI's error object
 */
export {
  engineStateSchema,
  healthSchema,
  modelListSchema,
  modelSchema,
  type Health,
  type ModelList,
  type ModelObject,
} from "./admin.ts";
export {
  chatChunkSchema,
  chatCompletionSchema,
  chatRequestSchema,
  parseChatRequest,
  type ChatChunk,
  type ChatCompletion,
  type ChatDelta,
  type ChatMessage,
  type ChatRequest,
  type ChatTokenLogprob,
  type TokenLogprob,
} from "./chat.ts";
export { usageSchema, type FinishReason, type GenerationFields, type ServiceTier, type UsageBody } from "./common.ts";
export {
  completionChunkSchema,
  completionRequestSchema,
  completionSchema,
  parseCompletionRequest,
  type Completion,
  type CompletionChunk,
  type CompletionLogprobs,
  type CompletionRequest,
} from "./completions.ts";
export { errorBodySchema, toWireError, type ErrorBody, type WireError } from "./errors.ts";
export { decodeJson, jsonDepth } from "./json.ts";
export { LIMITS } from "./limits.ts";
export { readSlo, sloReportSchema, sloRequestSchema, type SloReport, type SloRequest } from "./slo.ts";
