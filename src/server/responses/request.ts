/** A Responses request in the words of a chat request, which the chat endpoint's core then prepares. */
import { parseChatRequest, type ChatRequest, type ResponseRequest } from "../../protocol/index.ts";
import { inWordsOf, type FieldNames } from "../renamed.ts";
import { chatMessages, type StoredItem } from "./items.ts";

/** Chat's fields as this interface calls them. */
export const RESPONSE_FIELDS: FieldNames = [
  ["messages", "input"],
  ["max_completion_tokens", "max_output_tokens"],
  ["response_format", "text.format"],
  ["reasoning_effort", "reasoning.effort"],
];

/** Fields of the same name and meaning; among them vLLM's and ours, which a Responses request may bring as well. */
const SAME = [
  "model",
  "temperature",
  "top_p",
  "stream",
  "service_tier",
  "parallel_tool_calls",
  "stop",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "min_tokens",
  "ignore_eos",
  "top_k",
  "min_p",
  "repetition_penalty",
  "guided_json",
  "guided_regex",
  "guided_choice",
  "structured_outputs",
  "chat_template_kwargs",
  "slo",
  "thinking_budget",
  "compute",
  "lossy_context",
] as const;

/** Whether log-probabilities are to be told with the text. */
export function wantsLogprobs(request: ResponseRequest): boolean {
  return (request.include ?? []).includes("message.output_text.logprobs") || (request.top_logprobs ?? 0) > 0;
}

/** Errors: `invalid_request`, `unsupported_parameter`, in the words of the Responses interface. */
export function chatRequestOf(request: ResponseRequest, conversation: readonly StoredItem[]): ChatRequest {
  const same = Object.fromEntries(SAME.map((field) => [field, (request as Readonly<Record<string, unknown>>)[field]]));
  const body = {
    ...same,
    messages: chatMessages(request.instructions, conversation),
    max_completion_tokens: request.max_output_tokens,
    tools: request.tools?.map(({ type, ...declared }) => ({ type, function: declared })),
    tool_choice: toolChoice(request.tool_choice),
    response_format: responseFormat(request),
    verbosity: request.text?.verbosity,
    reasoning_effort: request.reasoning?.effort,
    ...(wantsLogprobs(request) ? { logprobs: true, top_logprobs: request.top_logprobs ?? 0 } : {}),
  };
  return inWordsOf(RESPONSE_FIELDS, () => parseChatRequest(body));
}

function toolChoice(choice: ResponseRequest["tool_choice"]): unknown {
  if (typeof choice !== "object" || choice === null) return choice;
  const named = ({ name }: { readonly name: string }): object => ({ type: "function", function: { name } });
  if (choice.type === "function") return named(choice);
  return { type: "allowed_tools", allowed_tools: { mode: choice.mode, tools: choice.tools.map(named) } };
}

function responseFormat(request: ResponseRequest): unknown {
  const format = request.text?.format;
  if (format?.type !== "json_schema") return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}
