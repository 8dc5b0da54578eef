/** From the chunks of a stream to an answer. Pure: an answer and a chunk give the next answer. */
import type { ChatChunk, ToolCall, ToolCallDelta } from "@protocol";
import type { Answer } from "./types.ts";

/** The answer with what this chunk adds. */
export function withChunk(answer: Answer, chunk: ChatChunk): Answer {
  const choice = chunk.choices[0];
  const usage = chunk.usage ?? answer.usage;
  if (choice === undefined) return { ...answer, usage };
  const { content, reasoning_content: reasoning, tool_calls: calls } = choice.delta;
  return {
    ...answer,
    state: "streaming",
    content: answer.content + (content ?? ""),
    reasoning: answer.reasoning + (reasoning ?? ""),
    calls: calls === undefined ? answer.calls : calls.reduce(withCall, answer.calls),
    finishReason: choice.finish_reason ?? answer.finishReason,
    usage,
  };
}

/** True when the chunk carries something to read, and so marks a moment on the timeline. */
export function isVisible(chunk: ChatChunk): boolean {
  const delta = chunk.choices[0]?.delta;
  if (delta === undefined) return false;
  return (delta.content ?? "") !== "" || (delta.reasoning_content ?? "") !== "" || delta.tool_calls !== undefined;
}

function withCall(calls: readonly ToolCall[], delta: ToolCallDelta): readonly ToolCall[] {
  const before = calls[delta.index];
  const call: ToolCall = {
    id: delta.id ?? before?.id ?? "",
    type: "function",
    function: {
      name: delta.function?.name ?? before?.function.name ?? "",
      arguments: (before?.function.arguments ?? "") + (delta.function?.arguments ?? ""),
    },
  };
  return before === undefined ? [...calls, call] : calls.with(delta.index, call);
}
