/**
 * GET /openapi.json: the table of operations as an OpenAPI 3.1 document. JSON schemas are made by zod of the schemas that
 * validate; those with names stand once, in `components`.
 *
 * OpenAPI 3.1 has no word for events: a stream is text whose `contentSchema` (JSON Schema 2020-12) is that of each
 * event's data.
 */
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../../core/index.ts";
import * as protocol from "../../protocol/index.ts";
import { OPERATIONS, TAGS, type Content, type Operation } from "./operations.ts";

type Json = Readonly<Record<string, unknown>>;

/** What every operation may answer. */
const COMMON_ERRORS: readonly ErrorCode[] = ["internal"];
const ANTHROPIC_ROUTE = /^\w+ \/v1\/messages/;
const SUFFIX = /Schema$/;

/** What the document says of the server. */
export interface DocumentOptions {
  readonly version: string;
  /** Whether operations that are not open need a key. */
  readonly asksForKeys: boolean;
}

/** The document. */
export function openApiDocument({ version, asksForKeys }: DocumentOptions): Json {
  const schemas = namedSchemas();
  const paths: Record<string, Record<string, Json>> = {};
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method, path] = route.split(" ") as [string, string];
    const item = (paths[path.replaceAll(/:(\w+)/g, "{$1}")] ??= {});
    item[method.toLowerCase()] = operationObject(route, operation, schemas.names, asksForKeys);
  }
  return {
    openapi: "3.1.0",
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    info: {
      title: "Punctual",
      version,
      description: "Language models with a deadline on every request. Errors have OpenAI's form, with a `code`.",
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: schemas.components,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A key that the server was given." },
        apiKey: {
          type: "apiKey",
          in: "header",
          name: "x-api-key",
          description: "The same, as Anthropic's clients send it.",
        },
      },
    },
    security: asksForKeys ? SECURED : [],
  };
}

const SECURED = [{ bearer: [] }, { apiKey: [] }];

function operationObject(
  route: string,
  operation: Operation,
  names: ReadonlyMap<z.ZodType, string>,
  asksForKeys: boolean,
): Json {
  const { id, tag, summary, description, body, open } = operation;
  const parameters = [
    ...Array.from(route.matchAll(/:(\w+)/g), ([, name]) => {
      return { name, in: "path", required: true, schema: { type: "string" } };
    }),
    ...Object.entries(operation.parameters ?? {}).map(([name, parameter]) => ({ name, ...parameter })),
  ];
  const needsKey = asksForKeys && open !== true;
  const errors = [...COMMON_ERRORS, ...(operation.errors ?? []), ...(needsKey ? (["unauthorized"] as const) : [])];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: bodyObject(body, names) }),
    responses: { "200": answerObject(operation.answer, names), ...errorObjects(route, errors, names) },
    ...(open === true ? { security: [] } : {}),
  };
}

function bodyObject({ schema, example }: NonNullable<Operation["body"]>, names: ReadonlyMap<z.ZodType, string>): Json {
  if (schema === "bytes") return { required: true, content: { "application/octet-stream": { example } } };
  return { required: true, content: { "application/json": { schema: reference(schema, names), example } } };
}

function answerObject(answer: Content, names: ReadonlyMap<z.ZodType, string>): Json {
  const json = (schema: z.ZodType): Json => ({ "application/json": { schema: reference(schema, names) } });
  const events = (schema: z.ZodType): Json => ({
    "text/event-stream": {
      schema: {
        type: "string",
        description: "Server-sent events; `data` of each is JSON of `contentSchema`.",
        contentMediaType: "application/json",
        contentSchema: reference(schema, names),
      },
    },
  });
  switch (answer.kind) {
    case "json":
      return { description: "The answer.", content: json(answer.schema) };
    case "text":
      return { description: "The answer.", content: { [answer.type]: { schema: { type: "string" } } } };
    case "events":
      return { description: "A stream of server-sent events.", content: events(answer.schema) };
    case "json-or-events":
      return {
        description: "The answer; a stream of server-sent events when `stream` is true.",
        content: { ...json(answer.schema), ...events(answer.event) },
      };
    default:
      answer satisfies never;
      return {};
  }
}

/** One response per status, naming its codes. */
function errorObjects(route: string, codes: readonly ErrorCode[], names: ReadonlyMap<z.ZodType, string>): Json {
  const schema = ANTHROPIC_ROUTE.test(route) ? protocol.anthropicErrorSchema : protocol.errorBodySchema;
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERROR_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const sorted = [...byStatus].toSorted(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, own]) => [
      String(status),
      {
        description: own.map((code) => `\`${code}\``).join(", "),
        ...(status === 429 || status === 503 ? { headers: RETRY_HEADERS } : {}),
        content: { "application/json": { schema: reference(schema, names) } },
      },
    ]),
  );
}

const RETRY_HEADERS = {
  "retry-after": { description: "Seconds until trying again may help.", schema: { type: "integer" } },
  "retry-after-ms": { description: "The same in milliseconds.", schema: { type: "integer" } },
};

function reference(schema: z.ZodType, names: ReadonlyMap<z.ZodType, string>): Json {
  const name = names.get(schema);
  return name === undefined ? schemaOf(schema) : { $ref: `#/components/schemas/${name}` };
}

/** Schemas by the name they are exported under: "chatRequestSchema" is ChatRequest. */
function namedSchemas(): { readonly names: ReadonlyMap<z.ZodType, string>; readonly components: Json } {
  const names = new Map<z.ZodType, string>();
  for (const [key, value] of Object.entries(protocol)) {
    if (!SUFFIX.test(key) || !(value instanceof z.ZodType)) continue;
    names.set(value, key.charAt(0).toUpperCase() + key.slice(1).replace(SUFFIX, ""));
  }
  const components: Record<string, Json> = {};
  for (const [schema, name] of names) components[name] = schemaOf(schema, names);
  return { names, components };
}

/** JSON Schema of what is sent: before transforms, defaults not filled in. Named schemas inside are referred to. */
function schemaOf(schema: z.ZodType, names: ReadonlyMap<z.ZodType, string> = new Map()): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const inner = zodSchema as unknown as z.ZodType;
      const name = inner === schema ? undefined : names.get(inner);
      if (name !== undefined) replace(jsonSchema, { $ref: `#/components/schemas/${name}` });
      else if (inner instanceof z.ZodPipe) replace(jsonSchema, telling(inner, names));
    },
  });
  return rest;
}

/**
 * Of a pipe that begins with checks of anything ("refuse images by name, then expect text"), what it goes on to expect:
 * its beginning tells nothing.
 */
function telling(pipe: z.ZodPipe, names: ReadonlyMap<z.ZodType, string>): Json {
  const parts = flattened(pipe);
  const first = parts.find((part) => !(part instanceof z.ZodUnknown) && !(part instanceof z.ZodTransform));
  return first === undefined ? {} : schemaOf(first, names);
}

function flattened(schema: z.ZodType): z.ZodType[] {
  if (!(schema instanceof z.ZodPipe)) return [schema];
  return [...flattened(schema.in as z.ZodType), ...flattened(schema.out as z.ZodType)];
}

function replace(target: Record<string, unknown>, by: Json): void {
  for (const key of Object.keys(target)) delete target[key];
  Object.assign(target, by);
}
