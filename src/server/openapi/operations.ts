/**
 * Every operation of the server as a table row: what it is, what it takes, what it answers, what it refuses with. The
 * schemas are those that validate; document.ts makes the OpenAPI document of this table, and a test holds the table
 * against the routes.
 */
import type { z } from "zod";
import type { ErrorCode } from "../../core/index.ts";
import * as protocol from "../../protocol/index.ts";

/** Headings of the document. */
export const TAGS = {
  OpenAI: "Chat, completions, embeddings and responses in OpenAI's form; every OpenAI client works.",
  Anthropic: "The same in Anthropic's form.",
  Models: "What is served, loading, unloading and pulling.",
  Operation: "Whether the server is well, and what it counts.",
  Live: "What the server is doing now, and what became of a request.",
  Fleet: "Many instances behind this endpoint: where requests are, how they move, who places them.",
  Planning: "Fleets by simulation, and what was measured of each paper.",
  Tokens: "Text to tokens and back, in vLLM's form.",
  Console: "The page that this document is shown in.",
} as const;

/** A parameter of the query or a header. */
export interface Parameter {
  readonly in: "query" | "header";
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** What a successful answer holds: JSON, text of a type, or events whose data is JSON. */
export type Content =
  | { readonly kind: "json"; readonly schema: z.ZodType }
  | { readonly kind: "text"; readonly type: string }
  | { readonly kind: "events"; readonly schema: z.ZodType }
  | { readonly kind: "json-or-events"; readonly schema: z.ZodType; readonly event: z.ZodType };

/** One operation. */
export interface Operation {
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Absent: it takes no body. "bytes": any bytes. */
  readonly body?: { readonly schema: z.ZodType | "bytes"; readonly example: unknown };
  readonly answer: Content;
  /** Beside those that every operation may answer. */
  readonly errors?: readonly ErrorCode[];
  /** Needs no key. */
  readonly open?: true;
}

const JSON_OF = (schema: z.ZodType): Content => ({ kind: "json", schema });
const query = (description: string, schema: Parameter["schema"]): Parameter => ({ in: "query", description, schema });
const header = (description: string, schema: Parameter["schema"]): Parameter => ({ in: "header", description, schema });
const MS = { type: "number", exclusiveMinimum: 0 };

/** For clients that cannot add a field to the body; the body wins, field by field. */
const OBJECTIVE: Readonly<Record<string, Parameter>> = {
  "x-request-id": header("Kept as the request's id, and told back.", { type: "string", pattern: "^[\\w.:-]{1,128}$" }),
  "x-slo-class": header("As slo.class of the body.", { enum: ["latency", "deadline", "compound", "best-effort"] }),
  "x-slo-ttft-ms": header("As slo.ttft_ms of the body.", MS),
  "x-slo-tpot-ms": header("As slo.tpot_ms of the body.", MS),
  "x-slo-deadline-ms": header("As slo.deadline_ms of the body; x-deadline-ms is the same.", MS),
  "x-slo-on-miss": header("As slo.on_miss of the body.", { enum: ["finish", "cut", "reject"] }),
  "x-task-id": header("As slo.task_id of the body.", { type: "string", maxLength: 128 }),
  "x-task-stage": header("As slo.task_stage of the body.", { type: "integer", minimum: 0 }),
};

const BODY_ERRORS: readonly ErrorCode[] = ["invalid_request", "payload_too_large"];
const GENERATION_ERRORS: readonly ErrorCode[] = [
  ...BODY_ERRORS,
  "unsupported_parameter",
  "context_length_exceeded",
  "model_not_found",
  "queue_full",
  "rate_limit_exceeded",
  "request_timeout",
  "deadline_unattainable",
  "deadline_expired",
  "shutting_down",
  "engine_failed",
  "upstream_failed",
];

/** Of what only a server that has the model's vocabulary can tell. */
const TOKEN_ERRORS: readonly ErrorCode[] = ["model_not_found", "unsupported", "upstream_failed", "rate_limit_exceeded"];

const MODEL = "punctual-small";
const QUESTION = [{ role: "user", content: "What is 12 plus 7?" }];

const OPENAI: Readonly<Record<string, Operation>> = {
  "POST /v1/chat/completions": {
    id: "createChatCompletion",
    tag: "OpenAI",
    summary: "Answer a conversation",
    description:
      'Streams chunks when `stream` is true, ended by "[DONE]". `slo` is the objective; `usage.slo` says what became of it.',
    parameters: OBJECTIVE,
    body: {
      schema: protocol.chatRequestSchema,
      example: { model: MODEL, messages: QUESTION, max_tokens: 32, slo: { ttft_ms: 500, tpot_ms: 100 } },
    },
    answer: { kind: "json-or-events", schema: protocol.chatCompletionSchema, event: protocol.chatChunkSchema },
    errors: GENERATION_ERRORS,
  },
  "POST /v1/completions": {
    id: "createCompletion",
    tag: "OpenAI",
    summary: "Continue a text",
    parameters: OBJECTIVE,
    body: { schema: protocol.completionRequestSchema, example: { model: MODEL, prompt: "hello", max_tokens: 8 } },
    answer: { kind: "json-or-events", schema: protocol.completionSchema, event: protocol.completionChunkSchema },
    errors: GENERATION_ERRORS,
  },
  "POST /v1/embeddings": {
    id: "createEmbeddings",
    tag: "OpenAI",
    summary: "Texts to vectors",
    description: "Of models that embed; the others refuse.",
    parameters: OBJECTIVE,
    body: { schema: protocol.embeddingRequestSchema, example: { model: MODEL, input: ["hello"] } },
    answer: JSON_OF(protocol.embeddingListSchema),
    errors: [...GENERATION_ERRORS, "unsupported"],
  },
  "POST /v1/responses": {
    id: "createResponse",
    tag: "OpenAI",
    summary: "Answer in the form of the Responses interface",
    description: "Streams events when `stream` is true; goes on without the client when `background` is.",
    parameters: OBJECTIVE,
    body: {
      schema: protocol.responseRequestSchema,
      example: { model: MODEL, input: "What is 12 plus 7?", max_output_tokens: 32 },
    },
    answer: { kind: "json-or-events", schema: protocol.responseSchema, event: protocol.responseEventSchema },
    errors: [...GENERATION_ERRORS, "not_found"],
  },
  "POST /v1/responses/input_tokens": {
    id: "countResponseTokens",
    tag: "OpenAI",
    summary: "How many tokens a request would put before the model",
    body: { schema: protocol.responseRequestSchema, example: { model: MODEL, input: "What is 12 plus 7?" } },
    answer: JSON_OF(protocol.inputTokensSchema),
    errors: [...BODY_ERRORS, ...TOKEN_ERRORS, "unsupported_parameter", "not_found"],
  },
  "GET /v1/responses/:id": {
    id: "readResponse",
    tag: "OpenAI",
    summary: "A response that was kept",
    answer: JSON_OF(protocol.responseSchema),
    errors: ["not_found", "unsupported_parameter"],
  },
  "DELETE /v1/responses/:id": {
    id: "deleteResponse",
    tag: "OpenAI",
    summary: "Forget a response; one that is running is cancelled",
    answer: JSON_OF(protocol.responseDeletedSchema),
    errors: ["not_found"],
  },
  "POST /v1/responses/:id/cancel": {
    id: "cancelResponse",
    tag: "OpenAI",
    summary: "Cancel a response that is running",
    answer: JSON_OF(protocol.responseSchema),
    errors: ["not_found", "invalid_request"],
  },
  "GET /v1/responses/:id/input_items": {
    id: "listInputItems",
    tag: "OpenAI",
    summary: "What a response was given",
    parameters: {
      order: query("Newest first unless asc.", { enum: ["asc", "desc"], default: "desc" }),
      limit: query("At most so many.", { type: "integer", minimum: 1, maximum: 100, default: 20 }),
      after: query("Only those after the item of this id.", { type: "string" }),
    },
    answer: JSON_OF(protocol.inputItemListSchema),
    errors: ["not_found", "invalid_request"],
  },
};

const ANTHROPIC: Readonly<Record<string, Operation>> = {
  "POST /v1/messages": {
    id: "createMessage",
    tag: "Anthropic",
    summary: "Answer a conversation in Anthropic's form",
    description: "Streams events, each with a name of its own, when `stream` is true.",
    parameters: OBJECTIVE,
    body: { schema: protocol.messageRequestSchema, example: { model: MODEL, messages: QUESTION, max_tokens: 32 } },
    answer: { kind: "json-or-events", schema: protocol.messageBodySchema, event: protocol.messageEventSchema },
    errors: GENERATION_ERRORS,
  },
  "POST /v1/messages/count_tokens": {
    id: "countMessageTokens",
    tag: "Anthropic",
    summary: "How many tokens a request would put before the model",
    body: { schema: protocol.tokenCountRequestSchema, example: { model: MODEL, messages: QUESTION } },
    answer: JSON_OF(protocol.tokenCountSchema),
    errors: [...BODY_ERRORS, ...TOKEN_ERRORS, "unsupported_parameter"],
  },
};

const MODELS: Readonly<Record<string, Operation>> = {
  "GET /v1/models": {
    id: "listModels",
    tag: "Models",
    summary: "Models that can be asked",
    answer: JSON_OF(protocol.modelListSchema),
  },
  "GET /v1/models/:id": {
    id: "readModel",
    tag: "Models",
    summary: "One model",
    answer: JSON_OF(protocol.modelSchema),
    errors: ["model_not_found", "engine_failed"],
  },
  "POST /v1/load_lora_adapter": {
    id: "loadAdapter",
    tag: "Models",
    summary: "Loads an adapter, which is then asked by its name as a model",
    description: "In vLLM's form. Of models that were started with --enable-lora.",
    body: {
      schema: protocol.loadAdapterRequestSchema,
      example: { lora_name: "sql", lora_path: "/adapters/sql" },
    },
    answer: { kind: "text", type: "text/plain" },
    errors: [...BODY_ERRORS, "unsupported", "model_not_found", "invalid_file", "engine_failed"],
  },
  "POST /v1/unload_lora_adapter": {
    id: "unloadAdapter",
    tag: "Models",
    summary: "Takes no more requests for an adapter; those under way keep it",
    body: { schema: protocol.unloadAdapterRequestSchema, example: { lora_name: "sql" } },
    answer: { kind: "text", type: "text/plain" },
    errors: [...BODY_ERRORS, "model_not_found", "engine_failed"],
  },
  "GET /admin/models": {
    id: "describeModels",
    tag: "Models",
    summary: "Models with their cards, scores, memory and state, and the family on a plot",
    answer: JSON_OF(protocol.adminModelsSchema),
  },
  "POST /admin/models/:id/load": {
    id: "loadModel",
    tag: "Models",
    summary: "Load a model, and answer when it is loaded",
    answer: JSON_OF(protocol.modelChangeSchema),
    errors: ["unsupported", "model_not_found", "engine_failed", "shutting_down"],
  },
  "POST /admin/models/:id/unload": {
    id: "unloadModel",
    tag: "Models",
    summary: "Unload a model after its open requests, and answer when it is",
    answer: JSON_OF(protocol.modelChangeSchema),
    errors: ["unsupported", "model_not_found"],
  },
  "POST /admin/models/:id/policy": {
    id: "switchPolicy",
    tag: "Models",
    summary: "Have another policy decide from the next step on",
    description: "Requests under way go on, and what is said does not change.",
    body: { schema: protocol.policyRequestSchema, example: { policy: "edf" } },
    answer: JSON_OF(protocol.policyAnswerSchema),
    errors: [...BODY_ERRORS, "model_not_found", "policy_fixed", "shutting_down"],
  },
  "POST /admin/models/pull": {
    id: "pullModel",
    tag: "Models",
    summary: "Bring a model from a hub and serve it",
    description: "Closing the connection ends it; what has come is kept for the next try.",
    body: { schema: protocol.pullRequestSchema, example: { source: "hf:HuggingFaceTB/SmolLM2-135M-Instruct" } },
    answer: { kind: "events", schema: protocol.pullEventSchema },
    errors: [...BODY_ERRORS, "unsupported", "queue_full", "shutting_down"],
  },
};

const OPERATION: Readonly<Record<string, Operation>> = {
  "GET /health": {
    id: "health",
    tag: "Operation",
    summary: "Whether every model is ready",
    description: "503 with the same body when one is not; a load balancer needs only the status.",
    answer: JSON_OF(protocol.healthSchema),
    open: true,
  },
  "GET /ready": {
    id: "ready",
    tag: "Operation",
    summary: "The same as /health",
    answer: JSON_OF(protocol.healthSchema),
    open: true,
  },
  "GET /version": {
    id: "version",
    tag: "Operation",
    summary: "The server's version",
    answer: JSON_OF(protocol.versionSchema),
    open: true,
  },
  "GET /metrics": {
    id: "metrics",
    tag: "Operation",
    summary: "Counters and histograms in Prometheus' text form",
    answer: { kind: "text", type: "text/plain" },
  },
};

const LIVE: Readonly<Record<string, Operation>> = {
  "GET /admin/live": {
    id: "live",
    tag: "Live",
    summary: "Everything as it happens: samples, steps, requests, switches",
    parameters: {
      model: query("Only of this model.", { type: "string" }),
      "Last-Event-ID": header("The last id of an earlier connection: requests known from it are not told again.", {
        type: "string",
      }),
    },
    answer: { kind: "events", schema: protocol.liveEventSchema },
    errors: ["model_not_found", "queue_full", "shutting_down"],
  },
  "GET /admin/requests/:id": {
    id: "readTrace",
    tag: "Live",
    summary: "The life of one request: queue, prompt pieces, every token, interruptions, outcome",
    description: `By its x-request-id. The last ${protocol.CONSOLE_LIMITS.traces} that ended are remembered, without text.`,
    answer: JSON_OF(protocol.requestTraceSchema),
    errors: ["not_found"],
  },
};

const FLEET: Readonly<Record<string, Operation>> = {
  "GET /admin/fleet": {
    id: "readFleet",
    tag: "Fleet",
    summary: "Instances, requests, moves and routers of the fleet, or that there is none",
    answer: JSON_OF(protocol.fleetAnswerSchema),
  },
  "GET /admin/fleet/live": {
    id: "followFleet",
    tag: "Fleet",
    summary: "The same whenever it has changed, four times a second at most",
    description: "Each event stands for itself. Ends after one event when there is no fleet.",
    answer: { kind: "events", schema: protocol.fleetAnswerSchema },
    errors: ["queue_full", "shutting_down"],
  },
  "POST /admin/fleet/instances/:id/drain": {
    id: "drainInstance",
    tag: "Fleet",
    summary: "Have an instance take nothing new, and leave when what it has is done or has moved away",
    answer: JSON_OF(protocol.fleetDrainAnswerSchema),
    errors: ["not_found", "unsupported"],
  },
  "POST /admin/fleet/moves": {
    id: "moveRequest",
    tag: "Fleet",
    summary: "Begin to move an open request to another instance while it is answered",
    body: { schema: protocol.fleetMoveRequestSchema, example: { request: "request-1", to: "instance-b" } },
    answer: JSON_OF(protocol.fleetMoveAnswerSchema),
    errors: [...BODY_ERRORS, "not_found", "unsupported"],
  },
  "POST /admin/fleet/router": {
    id: "switchRouter",
    tag: "Fleet",
    summary: "Have another router place requests from the next one on",
    body: { schema: protocol.fleetRouterRequestSchema, example: { router: "least-load" } },
    answer: JSON_OF(protocol.fleetRouterAnswerSchema),
    errors: [...BODY_ERRORS, "not_found"],
  },
  "POST /admin/fleet/scaling": {
    id: "switchScaling",
    tag: "Fleet",
    summary: "Stop starting and draining instances by load, or begin again",
    description:
      "Of the router that is asked, until it ends. Starts and drains under way come to their end; what dies meanwhile is not replaced.",
    body: { schema: protocol.fleetScalingRequestSchema, example: { enabled: false } },
    answer: JSON_OF(protocol.fleetScalingAnswerSchema),
    errors: [...BODY_ERRORS, "not_found"],
  },
};

const TOKENS: Readonly<Record<string, Operation>> = {
  "POST /tokenize": {
    id: "tokenize",
    tag: "Tokens",
    summary: "A text or a conversation to token ids",
    body: { schema: protocol.tokenizeRequestSchema, example: { model: MODEL, prompt: "hello" } },
    answer: JSON_OF(protocol.tokenizeAnswerSchema),
    errors: [...BODY_ERRORS, ...TOKEN_ERRORS, "unsupported_parameter"],
  },
  "POST /detokenize": {
    id: "detokenize",
    tag: "Tokens",
    summary: "Token ids to text",
    body: { schema: protocol.detokenizeRequestSchema, example: { model: MODEL, tokens: [300, 301] } },
    answer: JSON_OF(protocol.detokenizeAnswerSchema),
    errors: [...BODY_ERRORS, ...TOKEN_ERRORS],
  },
};

const TRACE = [
  "TIMESTAMP,ContextTokens,GeneratedTokens",
  "2023-11-16 18:17:03.9799600,374,44",
  "2023-11-16 18:17:04.0319600,396,109",
  "",
].join("\n");
const WORKLOAD = { kind: "generate", spec: "azure-code,max-total=2048" };

const PLANNING: Readonly<Record<string, Operation>> = {
  "GET /admin/papers": {
    id: "listPapers",
    tag: "Planning",
    summary: "The papers behind the product, each with what was measured of it",
    answer: JSON_OF(protocol.papersSchema),
    errors: ["not_found"],
  },
  "GET /admin/plan": {
    id: "planChoices",
    tag: "Planning",
    summary: "What can be planned with",
    answer: JSON_OF(protocol.planChoicesSchema),
    errors: ["not_found"],
  },
  "POST /admin/plan": {
    id: "plan",
    tag: "Planning",
    summary: "The cheapest placement that attains an objective, found by simulation",
    description: "One job at a time; a few wait. Closing the connection ends it.",
    body: {
      schema: protocol.planRequestSchema,
      example: {
        workload: WORKLOAD,
        rate: 3,
        limit: 24,
        slo: { ttftMs: 1000, tpotMs: 60 },
        attain: 0.9,
        gpus: [1, 2],
        prices: [{ gpu: "a100", pricePerHour: 2 }],
        model: "opt-13b",
        maxStages: 1,
      },
    },
    answer: { kind: "events", schema: protocol.planEventSchema },
    errors: [...BODY_ERRORS, "not_found", "queue_full", "shutting_down"],
  },
  "POST /admin/simulate": {
    id: "simulate",
    tag: "Planning",
    summary: "One world in virtual time",
    body: {
      schema: protocol.worldRequestSchema,
      example: { workload: WORKLOAD, rate: 3, limit: 24, cost: "opt-13b" },
    },
    answer: { kind: "events", schema: protocol.worldEventSchema },
    errors: [...BODY_ERRORS, "not_found", "queue_full", "shutting_down"],
  },
  "POST /admin/traces": {
    id: "addTrace",
    tag: "Planning",
    summary: "Keep a trace to plan with",
    parameters: { name: query("The file's name.", { type: "string", maxLength: 200 }) },
    body: { schema: "bytes", example: TRACE },
    answer: JSON_OF(protocol.traceCardSchema),
    errors: ["invalid_request", "invalid_file", "payload_too_large", "not_found", "queue_full", "shutting_down"],
  },
};

const CONSOLE: Readonly<Record<string, Operation>> = {
  "GET /": {
    id: "console",
    tag: "Console",
    summary: "The console",
    answer: { kind: "text", type: "text/html" },
    open: true,
  },
  "GET /assets/:file": {
    id: "asset",
    tag: "Console",
    summary: "A file of the console",
    answer: { kind: "text", type: "*/*" },
    errors: ["not_found"],
    open: true,
  },
  "GET /openapi.json": {
    id: "openapi",
    tag: "Console",
    summary: "This document",
    answer: { kind: "text", type: "application/json" },
    open: true,
  },
};

/** Every operation by method and route. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...OPENAI,
  ...ANTHROPIC,
  ...MODELS,
  ...OPERATION,
  ...LIVE,
  ...FLEET,
  ...PLANNING,
  ...TOKENS,
  ...CONSOLE,
};
