/**
 * Tools on the wire: what a client declares, which of them it lets the model call, and the calls in an answer.
 * Only functions; OpenAI's custom and built-in tools are refused by name.
 */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { functionName } from "./messages.ts";

const jsonObject = z.record(z.string(), z.unknown());

/** A declared tool. `parameters` is a JSON schema of an object; absent: no arguments. */
export const toolSchema = z.object({
  type: z.string().superRefine((type, context) => {
    if (type === "function") return;
    context.addIssue({ code: "custom", message: "only 'function' is supported.", params: { unsupported: true } });
  }),
  function: z.object({
    name: functionName,
    description: z.string().max(LIMITS.textCharacters).nullish(),
    parameters: jsonObject.nullish(),
    strict: z.boolean().nullish(),
  }),
});
/** A declared tool. */
export type Tool = z.infer<typeof toolSchema>;

/** Declared tools, with distinct names. */
export const toolsSchema = z
  .array(toolSchema)
  .max(LIMITS.tools)
  .superRefine((tools, context) => {
    const seen = new Set<string>();
    for (const [i, tool] of tools.entries()) {
      const { name } = tool.function;
      if (seen.has(name)) {
        context.addIssue({ code: "custom", path: [i, "function", "name"], message: `'${name}' is declared twice` });
      }
      seen.add(name);
    }
  });

/** Which tools may be called: never, when the model likes, or at least once; `names` null stands for all. */
export interface ToolChoice {
  readonly mode: "none" | "auto" | "required";
  readonly names: readonly string[] | null;
}

const named = z.object({ type: z.literal("function"), function: z.object({ name: functionName }) });
const allowed = z.object({
  type: z.literal("allowed_tools"),
  allowed_tools: z.object({ mode: z.enum(["auto", "required"]), tools: z.array(named).min(1).max(LIMITS.tools) }),
});

/** A word, one function, or some of the functions; comes out as a ToolChoice. */
export const toolChoiceSchema = z
  .union([z.enum(["none", "auto", "required"]), named, allowed], {
    error: "expected 'none', 'auto', 'required', a function by its name, or 'allowed_tools'",
  })
  .transform((choice): ToolChoice => {
    if (typeof choice === "string") return { mode: choice, names: null };
    if (choice.type === "function") return { mode: "required", names: [choice.function.name] };
    const { mode, tools } = choice.allowed_tools;
    return { mode, names: tools.map((tool) => tool.function.name) };
  });

interface Choosing {
  readonly tools?: readonly Tool[] | null | undefined;
  readonly tool_choice?: ToolChoice | null | undefined;
}

/** Null when the choice fits the declared tools, else what does not. */
export function choiceProblem({ tools, tool_choice: choice }: Choosing): string | null {
  if (choice === null || choice === undefined) return null;
  const declared = new Set((tools ?? []).map((tool) => tool.function.name));
  if (choice.mode === "required" && declared.size === 0) return "expected 'tools' to declare what may be called";
  const unknown = choice.names?.find((name) => !declared.has(name));
  return unknown === undefined ? null : `'${unknown}' is not among 'tools'`;
}

/** A call of an answer. */
export const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
/** A call of an answer; `arguments` is JSON text, cut short when the answer was. */
export type ToolCall = z.infer<typeof toolCallSchema>;

/** A piece of a call: id, type and name once and first, then pieces of the arguments. `index` always. */
export const toolCallDeltaSchema = z.object({
  index: z.number().int(),
  id: z.string().optional(),
  type: z.literal("function").optional(),
  function: z.object({ name: z.string().optional(), arguments: z.string() }),
});
/** A piece of a call in a stream. */
export type ToolCallDelta = z.infer<typeof toolCallDeltaSchema>;
