/** What a conversation is made of, as it is kept and exported. Times relative to a request's arrival are milliseconds. */
import type { FinishReason, SloRequest, ToolCall, UsageBody } from "@protocol";
import type { Timeline } from "../../timeline/timeline.ts";

/** What a request is promised: what the server gives, a tier, or an objective of its own. */
export type ObjectiveSetting =
  | { readonly kind: "default" }
  | { readonly kind: "tier"; readonly tier: "priority" | "scale" | "flex" }
  | {
      readonly kind: "own";
      readonly class: NonNullable<SloRequest["class"]>;
      readonly ttftMs: number | null;
      readonly tpotMs: number | null;
      readonly deadlineMs: number | null;
      readonly onMiss: NonNullable<SloRequest["on_miss"]>;
    };

/** How much the model may think. */
export type ThinkingSetting =
  | { readonly kind: "default" }
  | { readonly kind: "budget"; readonly tokens: number }
  | { readonly kind: "effort"; readonly effort: "none" | "minimal" | "low" | "medium" | "high" };

/** What the answer must look like. */
export type FormatSetting = "text" | "json_object" | "json_schema";

/** How a conversation's requests are made. Null stands for the server's default. */
export interface ChatSettings {
  readonly system: string;
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly maxTokens: number | null;
  readonly seed: number | null;
  readonly objective: ObjectiveSetting;
  readonly thinking: ThinkingSetting;
  /** JSON text of an array of tools; "" for none. */
  readonly tools: string;
  readonly toolChoice: "auto" | "required" | "none";
  readonly format: FormatSetting;
  /** JSON text of a schema. */
  readonly schema: string;
}

/** What stands beside the first answer. `company`: requests sent at the same time, so that a policy has something to decide. */
export type SideBySide =
  | { readonly kind: "off" }
  | { readonly kind: "models"; readonly other: string }
  | { readonly kind: "policies"; readonly first: string; readonly second: string; readonly company: number };

/** Why an answer failed. */
export interface AnswerError {
  readonly message: string;
  readonly code: string;
  readonly status: number;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
}

/** One answer of a model. */
export interface Answer {
  readonly model: string;
  /** The policy in force when it was asked; null when unknown. */
  readonly policy: string | null;
  readonly content: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCall[];
  readonly state: "waiting" | "streaming" | "done" | "stopped" | "failed";
  readonly finishReason: FinishReason | null;
  readonly usage: UsageBody | null;
  readonly requestId: string | null;
  readonly error: AnswerError | null;
  readonly timeline: Timeline | null;
}

/** Several tries of one answer; the one shown is the one that the conversation goes on with. */
export interface Column {
  readonly versions: readonly Answer[];
  readonly shown: number;
}

/** A turn of a conversation. An answer has two columns when it was asked side by side. */
export type Turn =
  | { readonly kind: "user"; readonly id: string; readonly text: string }
  | {
      readonly kind: "tool";
      readonly id: string;
      readonly column: number;
      readonly callId: string;
      readonly name: string;
      readonly text: string;
    }
  | { readonly kind: "answer"; readonly id: string; readonly columns: readonly Column[] };

/** A conversation as it is kept. */
export interface Conversation {
  readonly version: 1;
  readonly id: string;
  readonly title: string;
  readonly createdUnixMs: number;
  readonly updatedUnixMs: number;
  /** Null: the first model that is served. */
  readonly model: string | null;
  readonly settings: ChatSettings;
  readonly side: SideBySide;
  readonly turns: readonly Turn[];
}

/** What a new conversation begins with. */
export const DEFAULT_SETTINGS: ChatSettings = {
  system: "",
  temperature: 0,
  topP: null,
  maxTokens: null,
  seed: null,
  objective: { kind: "default" },
  thinking: { kind: "default" },
  tools: "",
  toolChoice: "auto",
  format: "text",
  schema: "",
};

/** An answer that has been asked for. */
export function emptyAnswer(model: string, policy: string | null): Answer {
  return {
    model,
    policy,
    content: "",
    reasoning: "",
    calls: [],
    state: "waiting",
    finishReason: null,
    usage: null,
    requestId: null,
    error: null,
    timeline: null,
  };
}

/** The try that is shown. */
export function shownAnswer(column: Column): Answer {
  return column.versions[column.shown]!;
}
