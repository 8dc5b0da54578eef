/**
 * Conversations out of untrusted JSON: a file that was imported, or what the browser kept from an earlier version. What
 * fits is taken, what does not is replaced by its default, and a conversation without turns that can be read is refused.
 * Pure and bounded.
 */
import type { ToolCall, UsageBody } from "@protocol";
import type { Timeline } from "../../timeline/timeline.ts";
import {
  DEFAULT_SETTINGS,
  type Answer,
  type AnswerError,
  type ChatSettings,
  type Column,
  type Conversation,
  type ObjectiveSetting,
  type SideBySide,
  type ThinkingSetting,
  type Turn,
} from "./types.ts";

/** The bounds of what is read. */
const LIMITS = {
  conversations: 500,
  turns: 2000,
  versions: 16,
  calls: 128,
  characters: 2_000_000,
  tokens: 4096,
  spans: 1024,
  layers: 1024,
};

/** An exported file. */
export interface ConversationFile {
  readonly kind: "punctual-conversations";
  readonly version: 1;
  readonly conversations: readonly Conversation[];
}

/** The text of a file that `readConversationFile` reads. */
export function writeConversationFile(conversations: readonly Conversation[]): string {
  const file: ConversationFile = { kind: "punctual-conversations", version: 1, conversations };
  return JSON.stringify(file, null, 1);
}

/** The conversations of a file. @throws Error when it is no such file. */
export function readConversationFile(text: string): readonly Conversation[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("Expected a file of conversations that was exported here; this is not JSON.");
  }
  const file = fields(value);
  if (file["kind"] !== "punctual-conversations" || !Array.isArray(file["conversations"])) {
    throw new Error("Expected a file of conversations that was exported here.");
  }
  const list = (file["conversations"] as unknown[]).slice(0, LIMITS.conversations).map(readConversation);
  return list.filter((conversation) => conversation !== null);
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

const textOf = (value: unknown, fallback = ""): string =>
  typeof value === "string" ? value.slice(0, LIMITS.characters) : fallback;
const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
const listOf = (value: unknown, max: number): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]).slice(0, max) : [];

function oneOf<T extends string>(value: unknown, choices: readonly T[], fallback: T): T {
  return choices.find((choice) => choice === value) ?? fallback;
}

/** A conversation, or null when there is none in it. */
export function readConversation(value: unknown): Conversation | null {
  const { id, title, createdUnixMs, updatedUnixMs, model, settings, side, turns, version } = fields(value);
  if (version !== 1 || typeof id !== "string" || !/^[\w-]{1,64}$/.test(id) || !Array.isArray(turns)) return null;
  return {
    version: 1,
    id,
    title: textOf(title, "Conversation").slice(0, 200),
    createdUnixMs: numberOf(createdUnixMs) ?? 0,
    updatedUnixMs: numberOf(updatedUnixMs) ?? 0,
    model: typeof model === "string" ? model.slice(0, 256) : null,
    settings: readSettings(settings),
    side: readSide(side),
    turns: listOf(turns, LIMITS.turns)
      .map(readTurn)
      .filter((turn) => turn !== null),
  };
}

/** Settings, with defaults for what is missing. */
export function readSettings(value: unknown): ChatSettings {
  const given = fields(value);
  const number = (key: "temperature" | "topP" | "maxTokens" | "seed"): number | null =>
    key in given ? numberOf(given[key]) : DEFAULT_SETTINGS[key];
  return {
    system: textOf(given["system"]),
    temperature: number("temperature"),
    topP: number("topP"),
    maxTokens: number("maxTokens"),
    seed: number("seed"),
    objective: readObjective(given["objective"]),
    thinking: readThinking(given["thinking"]),
    tools: textOf(given["tools"]),
    toolChoice: oneOf(given["toolChoice"], ["auto", "required", "none"], "auto"),
    format: oneOf(given["format"], ["text", "json_object", "json_schema"], "text"),
    schema: textOf(given["schema"]),
  };
}

function readObjective(value: unknown): ObjectiveSetting {
  const given = fields(value);
  if (given["kind"] === "tier") {
    return { kind: "tier", tier: oneOf(given["tier"], ["priority", "scale", "flex"], "priority") };
  }
  if (given["kind"] !== "own") return { kind: "default" };
  return {
    kind: "own",
    class: oneOf(given["class"], ["latency", "deadline", "compound", "best-effort"], "best-effort"),
    ttftMs: numberOf(given["ttftMs"]),
    tpotMs: numberOf(given["tpotMs"]),
    deadlineMs: numberOf(given["deadlineMs"]),
    onMiss: oneOf(given["onMiss"], ["finish", "cut", "reject"], "finish"),
  };
}

function readThinking(value: unknown): ThinkingSetting {
  const given = fields(value);
  if (given["kind"] === "budget") return { kind: "budget", tokens: numberOf(given["tokens"]) ?? 0 };
  if (given["kind"] !== "effort") return { kind: "default" };
  return { kind: "effort", effort: oneOf(given["effort"], ["none", "minimal", "low", "medium", "high"], "medium") };
}

function readSide(value: unknown): SideBySide {
  const given = fields(value);
  if (given["kind"] === "models") return { kind: "models", other: textOf(given["other"]).slice(0, 256) };
  if (given["kind"] !== "policies") return { kind: "off" };
  const company = Math.min(32, Math.max(0, Math.round(numberOf(given["company"]) ?? 0)));
  return { kind: "policies", first: textOf(given["first"]), second: textOf(given["second"]), company };
}

function readTurn(value: unknown): Turn | null {
  const given = fields(value);
  const id = given["id"];
  if (typeof id !== "string") return null;
  if (given["kind"] === "user") return { kind: "user", id, text: textOf(given["text"]) };
  if (given["kind"] === "tool") {
    const column = given["column"] === 1 ? 1 : 0;
    return {
      kind: "tool",
      id,
      column,
      callId: textOf(given["callId"]),
      name: textOf(given["name"]),
      text: textOf(given["text"]),
    };
  }
  if (given["kind"] !== "answer") return null;
  const columns = listOf(given["columns"], 2)
    .map(readColumn)
    .filter((column) => column !== null);
  return columns.length === 0 ? null : { kind: "answer", id, columns };
}

function readColumn(value: unknown): Column | null {
  const given = fields(value);
  const versions = listOf(given["versions"], LIMITS.versions).map(readAnswer);
  if (versions.length === 0) return null;
  const shown = numberOf(given["shown"]) ?? 0;
  return { versions, shown: Number.isInteger(shown) && shown >= 0 && shown < versions.length ? shown : 0 };
}

const FINISH_REASONS = ["stop", "length", "tool_calls", "content_filter"] as const;

/** An answer that was still coming when it was kept is a stopped one. */
function readAnswer(value: unknown): Answer {
  const given = fields(value);
  const state = oneOf(given["state"], ["waiting", "streaming", "done", "stopped", "failed"], "stopped");
  return {
    model: textOf(given["model"]).slice(0, 256),
    policy: typeof given["policy"] === "string" ? given["policy"] : null,
    content: textOf(given["content"]),
    reasoning: textOf(given["reasoning"]),
    calls: listOf(given["calls"], LIMITS.calls).map(readCall),
    state: state === "waiting" || state === "streaming" ? "stopped" : state,
    finishReason: FINISH_REASONS.find((known) => known === given["finishReason"]) ?? null,
    usage: readUsage(given["usage"]),
    requestId: typeof given["requestId"] === "string" ? given["requestId"].slice(0, 200) : null,
    error: readError(given["error"]),
    timeline: readTimeline(given["timeline"]),
  };
}

function readCall(value: unknown): ToolCall {
  const given = fields(value);
  const call = fields(given["function"]);
  return {
    id: textOf(given["id"]).slice(0, 256),
    type: "function",
    function: { name: textOf(call["name"]).slice(0, 256), arguments: textOf(call["arguments"]) },
  };
}

function readError(value: unknown): AnswerError | null {
  const given = fields(value);
  if (typeof given["message"] !== "string") return null;
  return {
    message: textOf(given["message"]),
    code: textOf(given["code"]),
    status: numberOf(given["status"]) ?? 0,
    param: typeof given["param"] === "string" ? given["param"] : null,
    retryAfterMs: numberOf(given["retryAfterMs"]),
  };
}

function readUsage(value: unknown): UsageBody | null {
  const given = fields(value);
  const [prompt, completion] = [numberOf(given["prompt_tokens"]), numberOf(given["completion_tokens"])];
  if (prompt === null || completion === null) return null;
  const promptDetails = fields(given["prompt_tokens_details"]);
  const lossy = numberOf(promptDetails["lossy_tokens"]);
  const details = fields(given["completion_tokens_details"]);
  const slo = fields(given["slo"]);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: numberOf(promptDetails["cached_tokens"]) ?? 0,
      ...(lossy === null ? {} : { lossy_tokens: lossy }),
      audio_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: numberOf(details["reasoning_tokens"]) ?? 0,
      audio_tokens: 0,
      accepted_prediction_tokens: numberOf(details["accepted_prediction_tokens"]) ?? 0,
      rejected_prediction_tokens: numberOf(details["rejected_prediction_tokens"]) ?? 0,
    },
    ...(typeof slo["attained"] !== "boolean"
      ? {}
      : {
          slo: {
            attained: slo["attained"],
            ttft_ms: numberOf(slo["ttft_ms"]),
            tpot_ms: numberOf(slo["tpot_ms"]),
            e2e_ms: numberOf(slo["e2e_ms"]),
            slack_ms: numberOf(slo["slack_ms"]),
          },
        }),
  };
}

function readDrafted(value: unknown): Timeline["drafted"] {
  const given = fields(value);
  const [accepted, rejected] = [numberOf(given["accepted"]), numberOf(given["rejected"])];
  return accepted === null || rejected === null ? null : { accepted, rejected };
}

function readRoute(value: unknown): Timeline["route"] {
  const given = fields(value);
  const layers = numberOf(given["layers"]);
  if (layers === null || !(layers >= 1 && layers <= LIMITS.layers)) return null;
  return { layers, skipped: listOf(given["skipped"], LIMITS.layers).map((layer) => numberOf(layer) ?? 0) };
}

function readTimeline(value: unknown): Timeline | null {
  const given = fields(value);
  const source = given["source"];
  if (source !== "server" && source !== "client") return null;
  const at = (of: unknown): number => numberOf(of) ?? 0;
  const targets = fields(given["targets"]);
  const target = (key: "ttftMs" | "tpotMs" | "deadlineMs"): Partial<Timeline["targets"]> => {
    const ms = numberOf(targets[key]);
    return ms === null ? {} : { [key]: ms };
  };
  const states = ["waiting", "running", "finished", "cut", "rejected", "expired", "cancelled", "failed"] as const;
  const classes = ["latency", "deadline", "compound", "best-effort"] as const;
  return {
    source,
    queueEndMs: numberOf(given["queueEndMs"]),
    chunks: listOf(given["chunks"], LIMITS.spans)
      .map(fields)
      .map((chunk) => ({
        startMs: at(chunk["startMs"]),
        durationMs: at(chunk["durationMs"]),
        tokens: at(chunk["tokens"]),
      })),
    tokenMs: listOf(given["tokenMs"], LIMITS.tokens).map(at),
    omittedTokens: at(given["omittedTokens"]),
    drafts: listOf(given["drafts"], LIMITS.tokens)
      .map(fields)
      .map((draft) => ({
        atMs: at(draft["atMs"]),
        accepted: at(draft["accepted"]),
        rejected: at(draft["rejected"]),
      })),
    drafted: readDrafted(given["drafted"]),
    route: readRoute(given["route"]),
    interruptions: listOf(given["interruptions"], LIMITS.spans)
      .map(fields)
      .map((pause) => ({
        kind: oneOf(pause["kind"], ["preempted", "paused"], "preempted"),
        fromMs: at(pause["fromMs"]),
        toMs: at(pause["toMs"]),
      })),
    endMs: numberOf(given["endMs"]),
    promptTokens: numberOf(given["promptTokens"]),
    cachedTokens: at(given["cachedTokens"]),
    answerTokens: numberOf(given["answerTokens"]),
    class: classes.find((known) => known === given["class"]) ?? null,
    targets: {
      ...target("ttftMs"),
      ...target("tpotMs"),
      ...target("deadlineMs"),
      onMiss: oneOf<"finish" | "cut" | "reject">(targets["onMiss"], ["finish", "cut", "reject"], "finish"),
    },
    state: states.find((known) => known === given["state"]) ?? null,
    attained: typeof given["attained"] === "boolean" ? given["attained"] : null,
    slackMs: numberOf(given["slackMs"]),
  };
}
