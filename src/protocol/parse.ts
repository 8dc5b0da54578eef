/**
 * From `unknown` to a typed request. Fields nobody knows are ignored; fields that exist in the API but
 * that this server does not implement are refused by name, because silence would change the answer.
 */
import type { z } from "zod";
import { fail } from "../core/index.ts";

/** Says, for a field that is present and not null, why it cannot be honoured; null when it asks for nothing. */
export type UnsupportedRule = (value: unknown) => string | null;
export type UnsupportedRules = Readonly<Record<string, UnsupportedRule>>;

export function parseRequest<S extends z.ZodType>(
  schema: S,
  value: unknown,
  unsupported: UnsupportedRules = {},
): z.output<S> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail("invalid_request", `Expected the request body to be a JSON object, got ${describe(value)}.`);
  }
  refuseUnsupported(value as Readonly<Record<string, unknown>>, unsupported);
  const result = schema.safeParse(value);
  return result.success ? result.data : failWithIssue(result.error);
}

function refuseUnsupported(body: Readonly<Record<string, unknown>>, rules: UnsupportedRules): void {
  for (const [field, rule] of Object.entries(rules)) {
    if (!Object.hasOwn(body, field)) continue;
    const value = body[field];
    if (value === null || value === undefined) continue;
    const reason = rule(value);
    if (reason !== null) fail("unsupported_parameter", `Unsupported parameter '${field}': ${reason}`, { param: field });
  }
}

/** The first issue speaks for all: clients show one message. A schema may raise `unsupported` by custom issue. */
function failWithIssue(error: z.ZodError): never {
  const issue = error.issues[0]!;
  const param = formatPath(issue.path);
  const options = param === "" ? {} : { param };
  if (issue.code === "custom" && issue.params?.["unsupported"] === true) {
    fail("unsupported_parameter", `Unsupported parameter '${param}': ${issue.message}`, options);
  }
  const subject = param === "" ? "request" : `'${param}'`;
  fail("invalid_request", `Invalid ${subject}: ${issue.message}`, options);
}

/** `messages[0].content[2].type`, the way a person would write it. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
