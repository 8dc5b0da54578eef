/** What the page sends: an operation and what was filled in become an address, headers and a body, or a curl command. */
import { isRecord, JSON_TYPE, type Operation } from "./openapi.ts";

/** What was filled in. Parameters by place and name: "path:id", "query:model", "header:x-slo-class". */
export interface FilledIn {
  readonly parameters: Readonly<Record<string, string>>;
  /** As typed; ignored without a body. */
  readonly body: string;
}

/** A request ready to go. `path` begins with a slash and has no origin. */
export interface ReadyRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Null without a body. */
  readonly body: string | null;
}

/** What still stands in the way of sending, in plain words; empty when nothing does. */
export function problemsOf(operation: Operation, filled: FilledIn): readonly string[] {
  const problems: string[] = [];
  for (const parameter of operation.parameters) {
    const value = filled.parameters[`${parameter.in}:${parameter.name}`] ?? "";
    if ((parameter.isRequired || parameter.in === "path") && value === "")
      problems.push(`${parameter.name} is missing.`);
  }
  const problem = operation.body === null ? null : bodyProblem(operation, filled.body);
  return problem === null ? problems : [...problems, problem];
}

/** The request as it will be sent: empty parameters are left out, names are encoded, the body is as typed. */
export function readyRequest(operation: Operation, filled: FilledIn): ReadyRequest {
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  let { path } = operation;
  for (const { in: place, name } of operation.parameters) {
    const value = filled.parameters[`${place}:${name}`] ?? "";
    if (value === "") continue;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query") query.append(name, value);
    else headers[name] = value;
  }
  const hasBody = operation.body !== null && filled.body.trim() !== "";
  if (hasBody) headers["content-type"] = operation.body!.mediaType;
  const search = query.toString();
  return {
    method: operation.method,
    path: search === "" ? path : `${path}?${search}`,
    headers,
    body: hasBody ? filled.body : null,
  };
}

/** The same as a command for a POSIX shell. A key is never written out: the command reads it from the environment. */
export function curlCommand(request: ReadyRequest, origin: string, withKey: boolean): string {
  const lines = [`curl -N ${shellQuoted(origin.replace(/\/$/, "") + request.path)}`];
  if (request.method === "HEAD") lines.push("--head");
  else if (request.method !== (request.body === null ? "GET" : "POST")) lines.push(`-X ${request.method}`);
  if (withKey) lines.push('-H "authorization: Bearer $PUNCTUAL_API_KEY"');
  for (const [name, value] of Object.entries(request.headers)) lines.push(`-H ${shellQuoted(`${name}: ${value}`)}`);
  if (request.body !== null) lines.push(`--data-binary ${shellQuoted(request.body)}`);
  return lines.join(" \\\n  ");
}

/** The example body with the name of a model that is there: its own when that is one, else the first. */
export function withModel(body: unknown, models: readonly string[]): unknown {
  const [first] = models;
  if (first === undefined || !isRecord(body) || !("model" in body)) return body;
  return models.some((name) => name === body["model"]) ? body : { ...body, model: first };
}

/** Whether a body asks for a stream; null when it is no JSON object. */
export function asksForStream(body: string): boolean | null {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value["stream"] === true : null;
  } catch {
    return null; // still being typed
  }
}

/** The body with `stream` set or without it; a body that is no JSON object stays as it is. */
export function withStream(body: string, isStream: boolean): string {
  if (asksForStream(body) === null) return body;
  const { stream: _, ...rest } = JSON.parse(body) as Record<string, unknown>;
  return JSON.stringify(isStream ? { ...rest, stream: true } : rest, null, 2);
}

function bodyProblem(operation: Operation, body: string): string | null {
  const { isRequired, mediaType } = operation.body!;
  if (body.trim() === "") return isRequired ? "The body is missing." : null;
  if (mediaType !== JSON_TYPE) return null;
  try {
    JSON.parse(body);
    return null;
  } catch (error) {
    return `The body is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
