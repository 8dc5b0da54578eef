/**
 * The messages of a conversation as OpenAI's clients send them: text, or text parts that are joined, tool calls in
 * an assistant's message, and tools' answers to them.
 */
import { z } from "zod";
import { LIMITS } from "./limits.ts";

const text = z.string().max(LIMITS.textCharacters);
const textPart = z.object({ type: z.literal("text"), text });

/** A message's content: a string, or text parts that are joined. Other kinds of part are refused by name. */
export const contentSchema = z
  .unknown()
  .superRefine((content, context) => {
    if (!Array.isArray(content)) return;
    const other = content.findIndex((part: unknown) => !isTextPart(part));
    if (other === -1) return;
    context.addIssue({
      code: "custom",
      path: [other, "type"],
      message: "only parts of type 'text' are supported.",
      params: { unsupported: true },
    });
  })
  .pipe(
    z.union([text, z.array(textPart).min(1).max(LIMITS.partsPerMessage)], {
      error: `expected a string of at most ${LIMITS.textCharacters} characters or an array of text parts`,
    }),
  )
  .transform((content) => (typeof content === "string" ? content : content.map((part) => part.text).join("")));

function isTextPart(part: unknown): boolean {
  if (typeof part !== "object" || part === null) return true; // a malformed part is the next schema's to report
  const type: unknown = (part as { type?: unknown }).type;
  return type === undefined || type === "text";
}

interface IssueContext {
  addIssue(issue: { code: "custom"; message: string; params: object; path?: PropertyKey[] }): void;
}

const unsupportedWhenPresent = (message: string) =>
  z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
      context.addIssue({ code: "custom", message, params: { unsupported: true } });
    })
    .optional();

const messageName = z.string().max(LIMITS.nameCharacters).nullish();

/** Names of functions, by OpenAI's rule. */
export const functionName = z.string().regex(/^[\w-]{1,64}$/, {
  error: "expected a name of at most 64 letters, digits, '_' and '-'",
});

/** The arguments of an earlier call: JSON text of an object, "" for none. */
const argumentsSchema = z
  .string()
  .max(LIMITS.textCharacters)
  .refine((value) => value.trim() === "" || isObjectText(value), { error: "expected the JSON text of an object" });

function isObjectText(value: string): boolean {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false; // the refinement says what was expected
  }
}

const pastCallSchema = z.object({
  id: z.string().max(LIMITS.nameCharacters),
  type: z.literal("function", { error: "expected 'function'" }).default("function"),
  function: z.object({ name: z.string().min(1).max(LIMITS.nameCharacters), arguments: argumentsSchema.default("") }),
});
/** A call that an assistant's message carries, as the client got it. */
export type PastCall = z.infer<typeof pastCallSchema>;

const messageSchema = z.discriminatedUnion(
  "role",
  [
    z.object({ role: z.enum(["system", "developer", "user"]), content: contentSchema, name: messageName }),
    z.object({
      role: z.literal("assistant"),
      content: z.preprocess((content) => content ?? "", contentSchema),
      name: messageName,
      /** What the server told as `reasoning_content`; layouts that drop old thinking ignore it. */
      reasoning_content: text.nullish(),
      tool_calls: z.array(pastCallSchema).max(LIMITS.callsPerMessage).nullish(),
      function_call: unsupportedWhenPresent("use 'tool_calls'."),
    }),
    z.object({
      role: z.literal("tool"),
      content: contentSchema,
      tool_call_id: z.string().max(LIMITS.nameCharacters),
      name: messageName,
    }),
    // Known and out of date: typed, so that the refusal can say what to use instead.
    z.object({ role: z.literal("function").superRefine(refuseFunction), content: z.string().default("") }),
  ],
  { error: "expected a message with role 'system', 'developer', 'user', 'assistant' or 'tool'" },
);

function refuseFunction(_role: string, context: IssueContext): void {
  context.addIssue({ code: "custom", message: "use role 'tool'.", params: { unsupported: true } });
}

/** A conversation of at least one message; contents come out as text. */
export const messagesSchema = z.array(messageSchema).min(1).max(LIMITS.messages);
/** One message of a conversation; `content` is text. */
export type ChatMessage = z.infer<typeof messageSchema>;
