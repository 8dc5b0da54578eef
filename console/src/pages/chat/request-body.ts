/** From a conversation and its settings to the body of POST /v1/chat/completions. Pure. */
import type { SloRequest } from "@protocol";
import { jsonErrorOffset } from "./json-place.ts";
import { shownAnswer, type ChatSettings, type ObjectiveSetting, type Turn } from "./types.ts";

/** A message as it goes over the wire. */
export type WireMessage =
  | { readonly role: "system" | "user"; readonly content: string }
  | {
      readonly role: "assistant";
      readonly content: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly unknown[];
    }
  | { readonly role: "tool"; readonly tool_call_id: string; readonly content: string };

/** A JSON text that was filled in: a value, nothing, or what is wrong with it. */
export type JsonReading = { readonly value: unknown } | { readonly problem: string } | null;

/** Reads JSON text; null when there is none. The problem says where. */
export function readJson(text: string): JsonReading {
  if (text.trim() === "") return null;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    const before = text.slice(0, jsonErrorOffset(text) ?? text.length).split("\n");
    const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
    return { problem: `This is not JSON: something is wrong at ${place}.` };
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The tools in a text, null for none. A list of bare functions is taken for tools, as many write it. */
export function readTools(text: string): { readonly tools: readonly unknown[] } | { readonly problem: string } | null {
  const read = readJson(text);
  if (read === null || "problem" in read) return read;
  const list = Array.isArray(read.value) ? (read.value as readonly unknown[]) : [read.value];
  if (list.length === 0) return null;
  const names = new Set<string>();
  const tools: unknown[] = [];
  for (const [i, entry] of list.entries()) {
    const place = list.length === 1 ? "The tool" : `Tool ${i + 1}`;
    if (!isObject(entry)) return { problem: `${place}: expected an object.` };
    const declared = isObject(entry["function"]) ? entry["function"] : entry;
    const { name, parameters } = declared;
    if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
      return { problem: `${place}: expected a "name" of letters, digits, "_" and "-".` };
    }
    if (names.has(name)) return { problem: `${place}: "${name}" is declared twice.` };
    if (parameters !== undefined && !isObject(parameters)) {
      return { problem: `${place}: expected "parameters" to be a JSON schema.` };
    }
    names.add(name);
    tools.push(declared === entry ? { type: "function", function: entry } : entry);
  }
  return { tools };
}

/** The schema in a text. */
export function readSchema(text: string): { readonly schema: unknown } | { readonly problem: string } | null {
  const read = readJson(text);
  if (read === null || "problem" in read) return read;
  if (isObject(read.value) || typeof read.value === "boolean") return { schema: read.value };
  return { problem: "Expected a JSON schema: an object." };
}

/** What is wrong with an objective, or null: the same rules as the server's, so that they are seen while typing. */
export function objectiveProblem(objective: ObjectiveSetting): string | null {
  if (objective.kind !== "own") return null;
  const { class: kind, ttftMs, tpotMs, deadlineMs, onMiss } = objective;
  if ((kind === "deadline" || kind === "compound") && deadlineMs === null) return "This class needs a deadline.";
  if (kind === "latency" && ttftMs === null && tpotMs === null) {
    return "The class latency needs a time to the first token or a time per token.";
  }
  if (onMiss === "cut" && deadlineMs === null) return "Cutting the answer needs a deadline to cut it at.";
  if (onMiss === "reject" && deadlineMs === null && ttftMs === null) {
    return "Refusing needs a deadline or a time to the first token.";
  }
  if (ttftMs !== null && deadlineMs !== null && ttftMs > deadlineMs)
    return "The first token is due after the deadline.";
  return null;
}

/** Everything that keeps these settings from being sent; empty when nothing does. */
export function settingsProblems(settings: ChatSettings): readonly string[] {
  const tools = readTools(settings.tools);
  const schema = readSchema(settings.schema);
  const problems: string[] = [];
  if (tools !== null && "problem" in tools) problems.push(`Tools: ${tools.problem}`);
  if (settings.toolChoice === "required" && tools === null)
    problems.push("Tools: none are declared, and one is demanded.");
  if (settings.format === "json_schema") {
    if (schema === null) problems.push("Schema: none is given.");
    else if ("problem" in schema) problems.push(`Schema: ${schema.problem}`);
  }
  const objective = objectiveProblem(settings.objective);
  if (objective !== null) problems.push(`Deadline: ${objective}`);
  return problems;
}

/** The conversation as one column of it went, as messages. A failed answer is left out; a stopped one stays as far as it came. */
export function wireMessages(system: string, turns: readonly Turn[], column: number): WireMessage[] {
  const messages: WireMessage[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
  for (const turn of turns) {
    if (turn.kind === "user") messages.push({ role: "user", content: turn.text });
    else if (turn.kind === "tool") {
      if (turn.column === column) messages.push({ role: "tool", tool_call_id: turn.callId, content: turn.text });
    } else {
      const answer = shownAnswer(turn.columns[column] ?? turn.columns[0]!);
      if (answer.content === "" && answer.calls.length === 0) continue;
      messages.push({
        role: "assistant",
        content: answer.content === "" ? null : answer.content,
        ...(answer.reasoning === "" ? {} : { reasoning_content: answer.reasoning }),
        ...(answer.calls.length === 0 ? {} : { tool_calls: answer.calls }),
      });
    }
  }
  return messages;
}

/** The fields of settings, without model, messages and streaming. Settings with problems are not for here. */
export function settingsFields(settings: ChatSettings): Record<string, unknown> {
  const { temperature, topP, maxTokens, seed, thinking, objective, format } = settings;
  const tools = readTools(settings.tools);
  const schema = readSchema(settings.schema);
  const fields: Record<string, unknown> = {};
  if (temperature !== null) fields["temperature"] = temperature;
  if (topP !== null) fields["top_p"] = topP;
  if (maxTokens !== null) fields["max_completion_tokens"] = maxTokens;
  if (seed !== null) fields["seed"] = seed;
  if (thinking.kind === "budget") fields["thinking_budget"] = thinking.tokens;
  if (thinking.kind === "effort") fields["reasoning_effort"] = thinking.effort;
  if (tools !== null && "tools" in tools) {
    fields["tools"] = tools.tools;
    if (settings.toolChoice !== "auto") fields["tool_choice"] = settings.toolChoice;
  }
  if (format === "json_object") fields["response_format"] = { type: "json_object" };
  if (format === "json_schema" && schema !== null && "schema" in schema) {
    fields["response_format"] = { type: "json_schema", json_schema: { name: "answer", schema: schema.schema } };
  }
  if (objective.kind === "tier") fields["service_tier"] = objective.tier;
  if (objective.kind === "own") fields["slo"] = sloOf(objective);
  return fields;
}

function sloOf(objective: Extract<ObjectiveSetting, { kind: "own" }>): SloRequest {
  const { class: kind, ttftMs, tpotMs, deadlineMs, onMiss } = objective;
  return {
    class: kind,
    ...(ttftMs === null ? {} : { ttft_ms: ttftMs }),
    ...(tpotMs === null ? {} : { tpot_ms: tpotMs }),
    ...(deadlineMs === null ? {} : { deadline_ms: deadlineMs }),
    on_miss: onMiss,
  };
}

/** The whole body of a streamed request. */
export function chatBody(
  model: string,
  settings: ChatSettings,
  turns: readonly Turn[],
  column: number,
): Record<string, unknown> {
  return {
    model,
    messages: wireMessages(settings.system, turns, column),
    ...settingsFields(settings),
    stream: true,
    stream_options: { include_usage: true },
  };
}
