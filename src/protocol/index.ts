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
  contentBlockSchema,
  messageBodySchema,
  messageRequestSchema,
  parseMessageRequest,
  parseTokenCountRequest,
  toAnthropicError,
  type AnthropicError,
  type AnthropicMessage,
  type ContentBlock,
  type MessageBody,
  type MessageRequest,
  type MessageUsage,
  type StopReason,
  type TokenCountRequest,
} from "./anthropic.ts";
export {
  chatChunkSchema,
  chatCompletionSchema,
  chatRequestSchema,
  parseChatRequest,
  type ChatChunk,
  type ChatCompletion,
  type ChatDelta,
  type ChatRequest,
  type ChatTokenLogprob,
  type ReasoningEffort,
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
export { constraintFields, outputConstraint, type NamedConstraint, type OutputConstraint } from "./constraints.ts";
export {
  CONSOLE_LIMITS,
  adminModelSchema,
  adminModelsSchema,
  liveEventSchema,
  modelChangeSchema,
  policyAnswerSchema,
  policyRequestSchema,
  pullEventSchema,
  pullRequestSchema,
  requestRowSchema,
  requestTraceSchema,
  stepRecordSchema,
  type AdminModel,
  type AdminModels,
  type FamilyPoint,
  type HeldOutScore,
  type Interruption,
  type LiveEvent,
  type LiveModel,
  type ModelChange,
  type Percentiles,
  type PolicyAnswer,
  type PolicyRequest,
  type PromptChunk,
  type PullEvent,
  type PullRequest,
  type RequestClass,
  type RequestRow,
  type RequestState,
  type RequestTargets,
  type RequestTraceBody,
  type SampleEvent,
  type StepRecord,
} from "./console.ts";
export {
  embeddingListSchema,
  embeddingRequestSchema,
  parseEmbeddingRequest,
  type EmbeddingList,
  type EmbeddingRequest,
} from "./embeddings.ts";
export { errorBodySchema, toWireError, type ErrorBody, type WireError } from "./errors.ts";
export { decodeJson, jsonDepth } from "./json.ts";
export { LIMITS } from "./limits.ts";
export { contentSchema, functionName, messagesSchema, type ChatMessage, type PastCall } from "./messages.ts";
export {
  outputItemSchema,
  parseResponseRequest,
  responseRequestSchema,
  responseSchema,
  type InputItem,
  type ItemPart,
  type OutputItem,
  type ResponseBody,
  type ResponseEvent,
  type ResponseRequest,
  type ResponseUsage,
} from "./responses.ts";
export { readSlo, sloReportSchema, sloRequestSchema, type AskedSlo, type SloReport, type SloRequest } from "./slo.ts";
export {
  detokenizeAnswerSchema,
  parseDetokenizeRequest,
  parseTokenizeRequest,
  tokenizeAnswerSchema,
  type DetokenizeAnswer,
  type DetokenizeRequest,
  type TokenizeAnswer,
  type TokenizeRequest,
} from "./tokenize.ts";
export {
  choiceProblem,
  toolCallDeltaSchema,
  toolCallSchema,
  toolChoiceSchema,
  toolSchema,
  toolsSchema,
  type Tool,
  type ToolCall,
  type ToolCallDelta,
  type ToolChoice,
} from "./tools.ts";
