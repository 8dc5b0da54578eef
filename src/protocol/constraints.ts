/**
 * What an answer must look like: OpenAI's `response_format` and vLLM's `guided_*` and `structured_outputs`. All
 * come out as one constraint, or none; asking for two is an error, because only one could be kept.
 */
import { z } from "zod";
import { fail } from "../core/index.ts";
import { LIMITS } from "./limits.ts";
import type { UnsupportedRules } from "./parse.ts";

/** A constraint on the text of an answer; the same plain data as llm's grammars take. */
export type OutputConstraint =
  | { readonly kind: "json_object" }
  | { readonly kind: "json_schema"; readonly schema: unknown; readonly strict?: boolean }
  | { readonly kind: "regex"; readonly pattern: string }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

const jsonSchema = z.union([z.record(z.string(), z.unknown()), z.boolean()], { error: "expected a JSON schema" });
const pattern = z.string().min(1).max(LIMITS.patternCharacters);
const choices = z.array(z.string().min(1).max(LIMITS.choiceCharacters)).min(1).max(LIMITS.guidedChoices);

/** vLLM takes a schema as JSON or as text of JSON. */
const schemaOrText = z
  .unknown()
  .transform((value, context): unknown => {
    if (typeof value !== "string") return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue({ code: "custom", message: "expected a JSON schema, or its JSON text" });
      return z.NEVER;
    }
  })
  .pipe(jsonSchema);

const responseFormatSchema = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("text") }),
    z.object({ type: z.literal("json_object") }),
    z.object({
      type: z.literal("json_schema"),
      json_schema: z.object({
        name: z.string().regex(/^[\w-]{1,64}$/, {
          error: "expected a name of at most 64 letters, digits, '_' and '-'",
        }),
        description: z.string().max(LIMITS.textCharacters).nullish(),
        schema: jsonSchema.nullish(),
        strict: z.boolean().nullish(),
      }),
    }),
  ],
  { error: "expected an object of type 'text', 'json_object' or 'json_schema'" },
);

const off = (field: string) =>
  z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || value === null || value === false) return;
      context.addIssue({ code: "custom", message: `'${field}' is not supported.`, params: { unsupported: true } });
    })
    .optional();

const structuredOutputsSchema = z.object({
  json: schemaOrText.nullish(),
  regex: pattern.nullish(),
  choice: choices.nullish(),
  json_object: z.boolean().nullish(),
  grammar: off("grammar"),
  structural_tag: off("structural_tag"),
  whitespace_pattern: off("whitespace_pattern"),
  disable_any_whitespace: off("disable_any_whitespace"),
  disable_additional_properties: off("disable_additional_properties"),
});

/** The fields that constrain an answer, of every endpoint that generates. */
export const constraintFields = {
  response_format: responseFormatSchema.nullish(),
  guided_json: schemaOrText.nullish(),
  guided_regex: pattern.nullish(),
  guided_choice: choices.nullish(),
  structured_outputs: structuredOutputsSchema.nullish(),
} as const;

/** vLLM's constraints that no automaton of ours keeps. */
export const UNSUPPORTED_CONSTRAINTS: UnsupportedRules = {
  guided_grammar: () => "context-free grammars are not supported; use 'guided_json' or 'guided_regex'.",
  guided_whitespace_pattern: () => "the whitespace of constrained JSON cannot be chosen.",
};

const fieldsSchema = z.object(constraintFields);
type ConstraintFields = z.infer<typeof fieldsSchema>;

/** A constraint and the field that asked for it, for errors about it. */
export interface NamedConstraint {
  readonly param: string;
  readonly constraint: OutputConstraint;
}

/** The one constraint of a request, or null. Errors: `invalid_request` naming the second of two. */
export function outputConstraint(fields: ConstraintFields): NamedConstraint | null {
  const asked: NamedConstraint[] = [];
  const add = (param: string, constraint: OutputConstraint): void => void asked.push({ param, constraint });
  const { response_format: format, structured_outputs: structured } = fields;
  if (format?.type === "json_object") add("response_format", { kind: "json_object" });
  if (format?.type === "json_schema") add("response_format", schemaConstraint(format.json_schema));
  if (isSet(fields.guided_json)) add("guided_json", { kind: "json_schema", schema: fields.guided_json });
  if (isSet(fields.guided_regex)) add("guided_regex", { kind: "regex", pattern: fields.guided_regex });
  if (isSet(fields.guided_choice)) add("guided_choice", { kind: "choice", choices: fields.guided_choice });
  if (isSet(structured)) {
    const { json, regex, choice, json_object: object } = structured;
    if (isSet(json)) add("structured_outputs.json", { kind: "json_schema", schema: json });
    if (isSet(regex)) add("structured_outputs.regex", { kind: "regex", pattern: regex });
    if (isSet(choice)) add("structured_outputs.choice", { kind: "choice", choices: choice });
    if (object === true) add("structured_outputs.json_object", { kind: "json_object" });
  }
  const [first, second] = asked;
  if (second === undefined) return first ?? null;
  return fail("invalid_request", `Invalid '${second.param}': expected one constraint, got '${first!.param}' as well.`, {
    param: second.param,
  });
}

function schemaConstraint(format: { schema?: unknown; strict?: boolean | null | undefined }): OutputConstraint {
  if (!isSet(format.schema)) return { kind: "json_object" };
  return { kind: "json_schema", schema: format.schema, ...(isSet(format.strict) ? { strict: format.strict } : {}) };
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}
