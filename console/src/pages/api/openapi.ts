/**
 * Reading an OpenAPI 3.1 document as this page needs it: operations in groups, and schemas as a tree of plain rows.
 * The document comes from the same server, but nothing of it is trusted to be well formed: what is not understood is
 * left out, references that loop end where they began, and depth is bounded. Not a validator.
 */

/** A JSON value that has not been looked at. */
export type Json = unknown;

/** One parameter of an operation. */
export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly isRequired: boolean;
  readonly description: string;
  readonly schema: Json;
}

/** One answer of an operation. */
export interface Answer {
  readonly status: string;
  readonly description: string;
  /** One for each form it may take; of streams, the schema is that of each event's data. */
  readonly media: readonly { readonly type: string; readonly schema: Json }[];
}

/** What an operation takes. */
export interface Body {
  readonly isRequired: boolean;
  readonly mediaType: string;
  readonly schema: Json;
  readonly example: Json;
}

/** A method on a path. */
export interface Operation {
  /** Unique in the document: "POST /v1/models". */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly group: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly body: Body | null;
  readonly answers: readonly Answer[];
  /** False when the document says that no key is needed. */
  readonly needsKey: boolean;
}

/** Operations under one heading, in the document's order. */
export interface Group {
  readonly name: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}

/** What the page shows of a document. */
export interface Api {
  readonly title: string;
  readonly version: string;
  readonly groups: readonly Group[];
  /** Whether any route needs a key. */
  readonly asksForKeys: boolean;
  readonly document: Json;
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** The form that the page writes and reads by itself. */
export const JSON_TYPE = "application/json";
export const STREAM_TYPE = "text/event-stream";

/** True when an operation answers in one piece or as a stream, as its body's `stream` says. */
export function canStream(operation: Operation): boolean {
  const types = operation.answers.flatMap(({ media }) => media.map(({ type }) => type));
  return operation.body?.mediaType === JSON_TYPE && types.includes(JSON_TYPE) && types.includes(STREAM_TYPE);
}

/** References are followed so many times in a row, then given up. */
const MOST_HOPS = 16;

/** Reads a document; what is not a document has no groups. */
export function readApi(document: Json): Api {
  const info = record(record(document)["info"]);
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries(record(record(document)["paths"]))) {
    for (const method of METHODS) {
      const found = record(item)[method];
      if (isRecord(found)) operations.push(operationOf(document, path, method, record(item), found));
    }
  }
  return {
    title: text(info["title"]),
    version: text(info["version"]),
    groups: grouped(document, operations),
    asksForKeys: operations.some(({ needsKey }) => needsKey),
    document,
  };
}

/** Operations whose method, path, summary or group holds every word of a search. */
export function searchApi(groups: readonly Group[], query: string): Group[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return groups.flatMap((group): Group[] => {
    const operations = group.operations.filter((one) => {
      const haystack = `${one.id} ${one.summary} ${one.group}`.toLowerCase();
      return words.every((word) => haystack.includes(word));
    });
    return operations.length === 0 ? [] : [{ ...group, operations }];
  });
}

/** Follows `$ref` within the document; null when it leads nowhere. */
export function resolve(document: Json, schema: Json): Json {
  let current = schema;
  for (let hop = 0; hop < MOST_HOPS; hop += 1) {
    const reference = record(current)["$ref"];
    if (typeof reference !== "string") return current;
    current = follow(document, current, reference);
  }
  return null;
}

/** The last word of a reference: the name of what it points at. */
export function referenceName(schema: Json): string | null {
  const reference = record(schema)["$ref"];
  return typeof reference === "string" ? (reference.split("/").at(-1) ?? null) : null;
}

function follow(document: Json, from: Json, reference: string): Json {
  if (!reference.startsWith("#/")) return null;
  let node: Json = document;
  for (const part of reference.slice(2).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    node = Array.isArray(node) ? node[Number(key)] : Object.hasOwn(record(node), key) ? record(node)[key] : null;
  }
  if (!isRecord(node)) return null;
  // What stands beside a reference (a description of this use) wins over what it points at.
  const { $ref: _, ...beside } = record(from);
  return Object.keys(beside).length === 0 ? node : { ...node, ...beside };
}

function operationOf(
  document: Json,
  path: string,
  method: string,
  item: Record<string, Json>,
  operation: Record<string, Json>,
): Operation {
  const tags = list(operation["tags"]);
  const security = operation["security"] ?? record(document)["security"];
  return {
    id: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    group: typeof tags[0] === "string" ? tags[0] : groupOf(path),
    summary: text(operation["summary"]),
    description: text(operation["description"]),
    parameters: [...list(item["parameters"]), ...list(operation["parameters"])].flatMap((one) =>
      parameterOf(resolve(document, one)),
    ),
    body: bodyOf(resolve(document, operation["requestBody"])),
    answers: Object.entries(record(operation["responses"])).map(([status, answer]) =>
      answerOf(status, resolve(document, answer)),
    ),
    needsKey: list(security).some((one) => Object.keys(record(one)).length > 0),
  };
}

function parameterOf(parameter: Json): Parameter[] {
  const { name, in: place, required, description, schema } = record(parameter);
  if (typeof name !== "string" || (place !== "path" && place !== "query" && place !== "header")) return [];
  return [{ name, in: place, isRequired: required === true, description: text(description), schema: schema ?? {} }];
}

/** The body in JSON when it may be, else in the first form that is named. */
function bodyOf(body: Json): Body | null {
  if (!isRecord(body)) return null;
  const content = record(body["content"]);
  const mediaType = Object.hasOwn(content, JSON_TYPE) ? JSON_TYPE : Object.keys(content)[0];
  if (mediaType === undefined) return null;
  const media = record(content[mediaType]);
  const examples = Object.values(record(media["examples"]));
  const example = media["example"] ?? record(examples[0])["value"];
  return { isRequired: body["required"] === true, mediaType, schema: media["schema"] ?? {}, example };
}

function answerOf(status: string, answer: Json): Answer {
  const media = Object.entries(record(record(answer)["content"])).map(([type, one]) => {
    const schema = record(one)["schema"];
    return { type, schema: record(schema)["contentSchema"] ?? schema };
  });
  return { status, description: text(record(answer)["description"]), media };
}

/** Groups in the order of the document's tags, then in that of their first operation. */
function grouped(document: Json, operations: readonly Operation[]): Group[] {
  const described = new Map<string, string>();
  for (const tag of list(record(document)["tags"])) {
    const { name, description } = record(tag);
    if (typeof name === "string") described.set(name, text(description));
  }
  const names = new Set([...described.keys(), ...operations.map(({ group }) => group)]);
  return [...names].flatMap((name): Group[] => {
    const own = operations.filter(({ group }) => group === name);
    return own.length === 0 ? [] : [{ name, description: described.get(name) ?? "", operations: own }];
  });
}

function groupOf(path: string): string {
  const [first, second] = path.split("/").filter(Boolean);
  if (first === undefined) return "pages";
  return first === "v1" && second !== undefined ? second : first;
}

/** An object, or an empty one in place of anything else. */
export function record(value: Json): Record<string, Json> {
  return isRecord(value) ? value : {};
}

/** True for objects that are not arrays. */
export function isRecord(value: Json): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An array, or an empty one in place of anything else. */
export function list(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function text(value: Json): string {
  return typeof value === "string" ? value : "";
}
