/**
 * What a request's tools come to: which are told to the model, which it may call, and, where a call is demanded,
 * the grammar that leaves it no other way.
 */
import { fail } from "../../core/index.ts";
import {
  outputConstraint,
  type ChatRequest,
  type NamedConstraint,
  type OutputConstraint,
  type Tool,
} from "../../protocol/index.ts";

/** A request's tools, decided. */
export interface ToolPlan {
  /** For the prompt; empty when none are declared or none may be called. */
  readonly declared: readonly Tool[];
  /** Names that may be called; null when the request declares no tools. */
  readonly callable: ReadonlySet<string> | null;
  readonly parallel: boolean;
  /** The answer is one call and nothing else; null: the model decides. */
  readonly forced: NamedConstraint | null;
}

/**
 * The tools of a chat request.
 * Errors: `unsupported_parameter` where an answer would have to keep to a format and may be a call as well.
 */
export function toolPlan(request: ChatRequest): ToolPlan {
  const tools = request.tools ?? [];
  const parallel = request.parallel_tool_calls ?? true;
  if (tools.length === 0) return { declared: [], callable: null, parallel, forced: null };
  const { mode, names } = request.tool_choice ?? { mode: "auto", names: null };
  if (mode === "none") return { declared: [], callable: new Set(), parallel, forced: null };
  const chosen = tools.filter((tool) => names === null || names.includes(tool.function.name));
  const constraint = outputConstraint(request);
  if (mode === "auto" && constraint !== null) {
    fail(
      "unsupported_parameter",
      `Unsupported parameter '${constraint.param}': an answer that may be a tool call cannot be held to a format; set tool_choice to 'none' or 'required'.`,
      { param: constraint.param },
    );
  }
  const forced = mode === "required" ? { param: "tools", constraint: callConstraint(chosen) } : null;
  return { declared: tools, callable: new Set(chosen.map((tool) => tool.function.name)), parallel, forced };
}

/** JSON of one call of one of the tools: its name, then arguments by its schema. */
function callConstraint(tools: readonly Tool[]): OutputConstraint {
  const parameters = tools.map((tool) => tool.function.parameters ?? { type: "object", additionalProperties: false });
  const calls = tools.map((tool, i) => ({
    type: "object",
    properties: { name: { const: tool.function.name }, arguments: { $ref: `#/$defs/${defName(i)}` } },
    required: ["name", "arguments"],
    additionalProperties: false,
  }));
  const $defs: Record<string, unknown> = {};
  for (const [i, schema] of parameters.entries()) {
    // A schema's references start at its own root, which is a definition now.
    Object.assign($defs, { [defName(i)]: movedReferences(schema, `#/$defs/${defName(i)}`) });
  }
  const schema = calls.length === 1 ? { ...calls[0], $defs } : { anyOf: calls, $defs };
  // Arguments that no schema names are no use to a function; `strict: false` asks for them.
  return { kind: "json_schema", schema, strict: tools.every((tool) => tool.function.strict !== false) };
}

const defName = (index: number): string => `tool${index}`;

/** The same schema with every local reference behind `root`. The depth of a request's JSON bounds the recursion. */
function movedReferences(value: unknown, root: string): unknown {
  if (Array.isArray(value)) return value.map((item) => movedReferences(item, root));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]): [string, unknown] => {
      const isLocal = key === "$ref" && typeof item === "string" && item.startsWith("#");
      return [key, isLocal ? `${root}${item.slice(1)}` : movedReferences(item, root)];
    }),
  );
}
