/** Requests as a server of OpenAI's interface takes them, with vLLM's fields and ours where they are asked for. */
import type { RandomStream } from "../core/index.ts";
import type { TraceRequest } from "../workload/index.ts";
import { promptOf, type PromptForm } from "./prompts.ts";
import type { EndpointKind, WireRequest } from "./types.ts";

/** How objectives are sent. */
export type SloForm = "body" | "headers" | "none";

/** What every request of a run has in common. */
export interface WireOptions {
  readonly endpoint: EndpointKind;
  readonly model: string;
  readonly form: PromptForm;
  readonly blockTokens: number;
  /** Ask for exactly the tokens of the trace: `ignore_eos` and `min_tokens`. */
  readonly ignoreEos: boolean;
  /** Ask for a running count in every chunk. */
  readonly runningUsage: boolean;
  readonly sloForm: SloForm;
  /** Sampling parameters and whatever else; these win over everything above. */
  readonly extraBody: Readonly<Record<string, unknown>>;
  /** Names requests; each is sent as `x-request-id`. */
  readonly idPrefix: string;
}

/** A request as it is sent. */
export function wireRequest(request: TraceRequest, options: WireOptions, random: RandomStream): WireRequest {
  const { endpoint, model, form, blockTokens, ignoreEos, runningUsage, sloForm, extraBody, idPrefix } = options;
  const prompt = promptOf(request, blockTokens, form, random);
  const asked =
    endpoint === "chat"
      ? { messages: [{ role: "user", content: prompt }], max_completion_tokens: request.outputTokens }
      : { prompt, max_tokens: request.outputTokens };
  const exact = ignoreEos ? { ignore_eos: true, min_tokens: request.outputTokens } : {};
  const usage = { include_usage: true, ...(runningUsage ? { continuous_usage_stats: true } : {}) };
  const priority = request.priority === undefined ? {} : { priority: request.priority };
  const slo = sloForm === "body" ? sloBody(request) : {};
  const body = { model, ...asked, stream: true, stream_options: usage, ...exact, ...priority, ...slo, ...extraBody };
  return {
    body: JSON.stringify(body),
    headers: {
      "x-request-id": `${idPrefix}${request.id}`,
      ...(sloForm === "headers" ? sloHeaders(request) : {}),
      ...(sloForm === "none" || request.task === undefined ? {} : taskHeaders(request, idPrefix)),
    },
  };
}

function sloBody({ slo }: TraceRequest): object {
  if (slo === undefined) return {};
  const { class: kind, ttftMs, tpotMs, deadlineMs, onMiss } = slo;
  return { slo: { class: kind, ttft_ms: ttftMs, tpot_ms: tpotMs, deadline_ms: deadlineMs, on_miss: onMiss } };
}

function sloHeaders({ slo }: TraceRequest): Record<string, string> {
  if (slo === undefined) return {};
  const { class: kind, ttftMs, tpotMs, deadlineMs, onMiss } = slo;
  return {
    "x-slo-class": kind,
    ...(ttftMs === undefined ? {} : { "x-slo-ttft-ms": String(ttftMs) }),
    ...(tpotMs === undefined ? {} : { "x-slo-tpot-ms": String(tpotMs) }),
    ...(deadlineMs === undefined ? {} : { "x-slo-deadline-ms": String(deadlineMs) }),
    "x-slo-on-miss": onMiss,
  };
}

function taskHeaders({ task }: TraceRequest, idPrefix: string): Record<string, string> {
  return { "x-task-id": `${idPrefix}${task!.id}`, "x-task-stage": String(task!.stage) };
}
