/** What the world's items are: turns, what is expected of the reply, and how a reply looks to a grader. */

/** What an item asks for; each has its own generator. */
export type Skill = "arithmetic" | "word-problem" | "tool-call" | "reading" | "greeting" | "help" | "refusal";

/** All skills. Their order is part of what a seed means: mixtures draw by walking this list. */
export const SKILLS: readonly Skill[] = [
  "arithmetic",
  "word-problem",
  "tool-call",
  "reading",
  "greeting",
  "help",
  "refusal",
];

/**
 * train: training frames, training entities, numbers outside the withheld bands.
 * validation: names of its own; frames of its own for commands, training's elsewhere and then only questions that training
 *   never asks (a fixed 1/32 by hash of the text); greetings and help, which have few texts, share theirs with training.
 * test: held-out frames and held-out entities everywhere; arithmetic and word problems have a withheld number each.
 */
export type Split = "train" | "test" | "validation";

/** A call as a model makes it. Graders compare its text, so the order of arguments counts: that of the tool. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

/** One message. What an assistant shows of its steps, its call, and a given text stand apart from the text. */
export interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly text: string;
  /** Visible steps of an assistant turn. */
  readonly thinking?: string;
  readonly call?: ToolCall;
  /** Given text (catalogue, order, policy) of a user or system turn. */
  readonly context?: string;
}

/** What makes a reply right: one number and no other, exactly this call, an accepted phrase, or a refusal. */
export type Expectation =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "call"; readonly call: ToolCall }
  /** The text holds one of `accepted` and none of `rejected` (values of the same sort that are wrong). */
  | { readonly kind: "text"; readonly accepted: readonly string[]; readonly rejected: readonly string[] }
  | { readonly kind: "refusal" };

/** One example of a skill: a conversation with its reference answer, and how to grade another answer in its place. */
export interface WorldItem {
  readonly skill: Skill;
  /** Finer than the skill: the operation, the tool, the kind of question. */
  readonly kind: string;
  /** Ends with the assistant turn that is asked for. */
  readonly turns: readonly Turn[];
  readonly expect: Expectation;
  /** The frame behind the last user turn. */
  readonly template: string;
}

/** A model's answer, taken apart for the grader, which looks at text and call but not at thinking. */
export interface Reply {
  readonly text: string;
  readonly thinking?: string;
  readonly call?: ToolCall;
}

/** A verdict; a wrong reply comes with the reason, for people. */
export interface Grade {
  readonly correct: boolean;
  readonly reason?: string;
}
