/**
 * A request's life as OpenTelemetry spans: one for the request, and for each of its generations `queue`, `prefill` and
 * `decode` with the moments that the engine measured. Attributes follow the semantic conventions for generative AI;
 * no prompt, answer or stop string is ever among them. Written against the API package only: without an SDK in the
 * process no span records, so none is kept and nothing more is computed.
 */
import {
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import type { GenerateRequest, RequestEnd, RequestSummary } from "../runtime/index.ts";

/** What is known of a request before its body is read. */
export interface TracedRequest {
  readonly route: string;
  readonly method: string;
  readonly requestId: string;
  readonly arrivalMs: number;
  readonly header: (name: string) => string | undefined;
}

/** `gen_ai.operation.name` by route; conversations are "chat" in every dialect. */
const OPERATIONS: Readonly<Record<string, string>> = {
  "/v1/completions": "text_completion",
  "/v1/embeddings": "embeddings",
};

const FAILED: ReadonlySet<RequestEnd> = new Set<RequestEnd>(["error", "expired", "rejected"]);

/** Starts the traces of one server. */
export class RequestTracer {
  readonly #tracer: Tracer;
  readonly #unixOriginMs: number;

  /** @param unixOriginMs Unix milliseconds at zero of the clock that requests are measured with. */
  constructor(unixOriginMs: number) {
    this.#tracer = trace.getTracer("punctual");
    this.#unixOriginMs = unixOriginMs;
  }

  /** Null when nobody records. Continues the caller's trace when the process has a propagator. */
  start(request: TracedRequest): RequestTrace | null {
    const parent = propagation.extract(ROOT_CONTEXT, request.header, {
      get: (header, name) => header(name),
      keys: () => [],
    });
    const operation = OPERATIONS[request.route] ?? "chat";
    const startTime = this.#unixOriginMs + request.arrivalMs;
    const span = this.#tracer.startSpan(operation, { kind: SpanKind.SERVER, startTime }, parent);
    if (!span.isRecording()) return null;
    span.setAttributes({
      "http.request.method": request.method,
      "http.route": request.route,
      "gen_ai.operation.name": operation,
      "gen_ai.provider.name": "punctual",
      "punctual.request.id": request.requestId,
    });
    return new RequestTrace(this.#tracer, span, trace.setSpan(parent, span), this.#unixOriginMs, operation);
  }
}

/** The spans of one request. `end` comes last, when every generation has ended. */
export class RequestTrace {
  readonly #tracer: Tracer;
  readonly #span: Span;
  readonly #context: Context;
  readonly #unixOriginMs: number;
  readonly #operation: string;
  readonly #reasons: string[] = [];
  #inputTokens = 0;
  #cachedTokens = 0;
  #outputTokens = 0;
  #choices = 0;

  constructor(tracer: Tracer, span: Span, context: Context, unixOriginMs: number, operation: string) {
    this.#tracer = tracer;
    this.#span = span;
    this.#context = context;
    this.#unixOriginMs = unixOriginMs;
    this.#operation = operation;
  }

  /** A generation was handed to the engine of that model. Answers its number. */
  submitted(model: string, request: GenerateRequest): number {
    const choice = this.#choices++;
    if (choice === 0) {
      this.#span.updateName(`${this.#operation} ${model}`);
      this.#span.setAttributes({ "gen_ai.request.model": model, "gen_ai.response.model": model });
      this.#span.setAttributes(requestAttributes(request));
    }
    return choice;
  }

  /** A generation has ended: its phases become spans. */
  generated(choice: number, summary: RequestSummary): void {
    const { arrivalMs, scheduledMs, firstTokenMs, lastTokenMs, endMs, end } = summary;
    this.#inputTokens += summary.promptTokens;
    this.#cachedTokens += summary.cachedTokens;
    this.#outputTokens += summary.completionTokens;
    this.#reasons[choice] = end;
    const failed = FAILED.has(end) ? end : null;
    this.#phase("queue", choice, arrivalMs, scheduledMs ?? endMs, scheduledMs === null ? failed : null);
    if (scheduledMs === null) return;
    this.#phase("prefill", choice, scheduledMs, firstTokenMs ?? endMs, firstTokenMs === null ? failed : null, {
      "gen_ai.usage.input_tokens": summary.promptTokens,
      "gen_ai.usage.cache_read.input_tokens": summary.cachedTokens,
    });
    if (firstTokenMs === null) return;
    this.#phase("decode", choice, firstTokenMs, lastTokenMs ?? endMs, failed, {
      "gen_ai.usage.output_tokens": summary.completionTokens,
      ...(summary.drafts === undefined
        ? {}
        : {
            "punctual.drafts.accepted_tokens": summary.drafts.acceptedTokens,
            "punctual.drafts.rejected_tokens": summary.drafts.rejectedTokens,
          }),
      ...(summary.route === undefined ? {} : { "punctual.layers.skipped": summary.route.skipped.length }),
    });
  }

  /** @param failure the code of the error that was answered. */
  end(endMs: number, status: number, failure: string | null): void {
    this.#span.setAttribute("http.response.status_code", status);
    if (this.#choices > 0) {
      this.#span.setAttributes({
        "gen_ai.request.choice.count": this.#choices,
        "gen_ai.response.finish_reasons": this.#reasons,
        "gen_ai.usage.input_tokens": this.#inputTokens,
        "gen_ai.usage.cache_read.input_tokens": this.#cachedTokens,
        "gen_ai.usage.output_tokens": this.#outputTokens,
      });
    }
    const error = failure ?? this.#reasons.find((reason) => FAILED.has(reason as RequestEnd));
    if (error !== undefined) {
      this.#span.setAttribute("error.type", error);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end(this.#unixOriginMs + endMs);
  }

  #phase(
    name: string,
    choice: number,
    startMs: number,
    endMs: number,
    failed: string | null,
    attributes: Attributes = {},
  ): void {
    const startTime = this.#unixOriginMs + startMs;
    const span = this.#tracer.startSpan(name, { startTime, attributes }, this.#context);
    span.setAttribute("punctual.choice.index", choice);
    if (failed !== null) {
      span.setAttribute("error.type", failed);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end(this.#unixOriginMs + endMs);
  }
}

function requestAttributes({ maxTokens, sampling = {} }: GenerateRequest): Attributes {
  const given: Readonly<Record<string, number | undefined>> = {
    "gen_ai.request.max_tokens": maxTokens,
    "gen_ai.request.temperature": sampling.temperature,
    "gen_ai.request.top_p": sampling.topP,
    "gen_ai.request.top_k": sampling.topK,
    "gen_ai.request.seed": sampling.seed,
    "gen_ai.request.frequency_penalty": sampling.frequencyPenalty,
    "gen_ai.request.presence_penalty": sampling.presencePenalty,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
