/** A Messages request in the words of a chat request, which the chat endpoint's core then prepares. */
import {
  parseChatRequest,
  type AnthropicMessage,
  type ChatRequest,
  type MessageRequest,
  type TokenCountRequest,
} from "../../protocol/index.ts";
import { inWordsOf, type FieldNames } from "../renamed.ts";

/** Chat's fields as this interface calls them. */
export const MESSAGE_FIELDS: FieldNames = [
  ["max_completion_tokens", "max_tokens"],
  ["stop", "stop_sequences"],
  ["response_format", "output_config.format"],
  ["reasoning_effort", "output_config.effort"],
  ["thinking_budget", "thinking.budget_tokens"],
];

/** Fields of the same name and meaning; among them vLLM's and ours, which a Messages request may bring as well. */
const SAME = [
  "model",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "seed",
  "min_p",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "logit_bias",
  "min_tokens",
  "ignore_eos",
  "slo",
  "compute",
  "lossy_context",
] as const;

/** Errors: `invalid_request`, `unsupported_parameter`, in the words of the Messages interface. */
export function chatRequestOf(request: MessageRequest | TokenCountRequest): ChatRequest {
  const fields = request as Readonly<Record<string, unknown>>;
  const format = request.output_config?.format;
  const body = {
    ...Object.fromEntries(SAME.map((field) => [field, fields[field]])),
    messages: [...systemMessage(request.system), ...request.messages.flatMap(chatMessages)],
    max_completion_tokens: fields["max_tokens"],
    stop: fields["stop_sequences"],
    service_tier: serviceTier(fields["service_tier"]),
    tools: request.tools?.map(({ name, description, input_schema: parameters, strict }) => {
      return { type: "function", function: { name, description, parameters, strict } };
    }),
    ...toolChoice(request.tool_choice),
    ...thinking(request),
    ...(format === null || format === undefined
      ? {}
      : {
          response_format: {
            type: "json_schema",
            json_schema: { name: "output", schema: format.schema, strict: true },
          },
        }),
  };
  return inWordsOf(MESSAGE_FIELDS, () => parseChatRequest(body));
}

type Text = string | readonly { readonly text: string }[];

function textOf(content: Text | null | undefined): string {
  if (content === null || content === undefined) return "";
  return typeof content === "string" ? content : content.map((block) => block.text).join("");
}

function systemMessage(system: TokenCountRequest["system"]): object[] {
  const content = textOf(system);
  return content === "" ? [] : [{ role: "system", content }];
}

/** The standard tier is the one without a promise of its own. */
function serviceTier(tier: unknown): unknown {
  return tier === "standard_only" ? "default" : tier;
}

/** One message here may be several there: results of tools are messages of their own, before the user's text. */
function chatMessages(message: AnthropicMessage): object[] {
  const { role, content } = message;
  if (typeof content === "string") return [{ role, content }];
  if (role === "system") return [{ role, content: textOf(content) }];
  if (role === "user") {
    const results = content.filter((block) => block.type === "tool_result");
    const texts = content.filter((block) => block.type === "text");
    return [
      ...results.map((block) => {
        return { role: "tool", tool_call_id: block.tool_use_id, content: resultText(block) };
      }),
      ...(texts.length === 0 && results.length > 0 ? [] : [{ role, content: textOf(texts) }]),
    ];
  }
  const calls = content.filter((block) => block.type === "tool_use");
  return [
    {
      role,
      content: textOf(content.filter((block) => block.type === "text")),
      reasoning_content: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(pastCall) }),
    },
  ];
}

/** A chat layout has no place for the fact that a tool failed: it is said in the text. */
function resultText(block: {
  readonly content?: Text | null | undefined;
  readonly is_error?: boolean | null | undefined;
}): string {
  const content = textOf(block.content);
  return block.is_error === true ? `Error: ${content}` : content;
}

function pastCall(block: { readonly id: string; readonly name: string; readonly input: object }): object {
  return { id: block.id, type: "function", function: { name: block.name, arguments: JSON.stringify(block.input) } };
}

function toolChoice(choice: TokenCountRequest["tool_choice"]): object {
  if (choice === null || choice === undefined) return {};
  if (choice.type === "none") return { tool_choice: "none" };
  const parallel = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {};
  if (choice.type === "tool") {
    return { tool_choice: { type: "function", function: { name: choice.name } }, ...parallel };
  }
  return { tool_choice: choice.type === "any" ? "required" : "auto", ...parallel };
}

/** Without a word about it, a model thinks as it was trained to. */
function thinking({ thinking: asked, output_config: config }: TokenCountRequest): object {
  const effort = config?.effort === null || config?.effort === undefined ? {} : { reasoning_effort: config.effort };
  if (asked?.type === "disabled") return { thinking_budget: 0 };
  return asked?.type === "enabled" ? { ...effort, thinking_budget: asked.budget_tokens } : effort;
}
