/** The document says every route and no other, holds together as OpenAPI 3.1, and the server answers as it says. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FleetDouble } from "../../../test/support/fleet-double.ts";
import { readEvents } from "../../../test/support/sse.ts";
import { createPaperIndex } from "../../cli/papers.ts";
import { createPlanJobs, type PlanJobs } from "../../cli/plan-service.ts";
import { ERROR_CODES } from "../../core/index.ts";
import { builtInModelDir } from "../../llm/index.ts";
import { ModelPool } from "../../runtime/index.ts";
import { createServer, type PunctualServer } from "../index.ts";
import { plainKey } from "../security/keys.ts";
import { openApiDocument } from "./document.ts";
import { OPERATIONS, TAGS } from "./operations.ts";

interface Media {
  readonly schema?: Record<string, unknown>;
  readonly example?: unknown;
}
interface Answer {
  readonly description: string;
  readonly content: Record<string, Media>;
}
interface OperationObject {
  readonly operationId: string;
  readonly tags: string[];
  readonly parameters?: { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, Answer>;
  readonly security?: unknown[];
}
interface Document {
  readonly paths: Record<string, Record<string, OperationObject>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

const documentOf = (asksForKeys = false): Document =>
  JSON.parse(JSON.stringify(openApiDocument({ version: "1.2.3", asksForKeys }))) as Document;
const document = documentOf();

/** The structure of OpenAPI 3.1 as far as this document uses it; what it does not know it refuses. */
const STRUCTURE = {
  type: "object",
  required: ["openapi", "info", "paths", "components", "tags", "security", "servers", "jsonSchemaDialect"],
  additionalProperties: false,
  properties: {
    openapi: { const: "3.1.0" },
    jsonSchemaDialect: { const: "https://json-schema.org/draft/2020-12/schema" },
    info: {
      type: "object",
      required: ["title", "version"],
      additionalProperties: false,
      properties: { title: { type: "string" }, version: { type: "string" }, description: { type: "string" } },
    },
    servers: { type: "array", items: { type: "object", required: ["url"] } },
    tags: { type: "array", items: { type: "object", required: ["name", "description"] } },
    security: { $ref: "#/$defs/security" },
    components: {
      type: "object",
      required: ["schemas", "securitySchemes"],
      additionalProperties: false,
      properties: {
        schemas: { type: "object", propertyNames: { pattern: "^[A-Za-z0-9._-]+$" } },
        securitySchemes: {
          type: "object",
          additionalProperties: {
            oneOf: [
              { properties: { type: { const: "http" }, scheme: { type: "string" } }, required: ["type", "scheme"] },
              {
                properties: { type: { const: "apiKey" }, in: { enum: ["header", "query", "cookie"] } },
                required: ["type", "in", "name"],
              },
            ],
          },
        },
      },
    },
    paths: {
      type: "object",
      propertyNames: { pattern: "^/" },
      additionalProperties: {
        type: "object",
        propertyNames: { enum: ["get", "post", "delete"] },
        additionalProperties: { $ref: "#/$defs/operation" },
      },
    },
  },
  $defs: {
    security: { type: "array", items: { type: "object", additionalProperties: { type: "array" } } },
    media: {
      type: "object",
      additionalProperties: {
        type: "object",
        additionalProperties: false,
        properties: { schema: { type: ["object", "boolean"] }, example: true },
      },
    },
    operation: {
      type: "object",
      required: ["operationId", "tags", "summary", "responses"],
      additionalProperties: false,
      properties: {
        operationId: { type: "string" },
        tags: { type: "array", minItems: 1, items: { enum: Object.keys(TAGS) } },
        summary: { type: "string", minLength: 1 },
        description: { type: "string", minLength: 1 },
        parameters: {
          type: "array",
          items: {
            type: "object",
            required: ["name", "in", "schema"],
            properties: { in: { enum: ["path", "query", "header"] } },
            if: { properties: { in: { const: "path" } } },
            // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's word
            then: { required: ["required"], properties: { required: { const: true } } },
          },
        },
        requestBody: {
          type: "object",
          required: ["content"],
          additionalProperties: false,
          properties: { required: { const: true }, content: { $ref: "#/$defs/media" } },
        },
        responses: {
          type: "object",
          required: ["200", "500"],
          propertyNames: { pattern: "^[2-5]\\d\\d$" },
          additionalProperties: {
            type: "object",
            required: ["description", "content"],
            additionalProperties: false,
            properties: {
              description: { type: "string" },
              headers: { type: "object" },
              content: { $ref: "#/$defs/media" },
            },
          },
        },
        security: { $ref: "#/$defs/security" },
      },
    },
  },
};

/** Validators of schemas of the document. */
function validators(): (schema: unknown) => ValidateFunction {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema({ $id: "doc", ...document });
  const absolute = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(absolute);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        key === "$ref" && typeof item === "string" ? `doc${item}` : absolute(item),
      ]),
    );
  };
  return (schema) => ajv.compile(absolute(schema) as Record<string, unknown>);
}
const validator = validators();

function check(schema: unknown, value: unknown): void {
  const validate = validator(schema);
  if (!validate(value)) throw new Error(JSON.stringify(validate.errors, null, 1));
}

/** Every schema that stands somewhere in the document. */
function* schemasIn(value: unknown, path = ""): Generator<readonly [string, Record<string, unknown>]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (key === "schema" || path.endsWith("/schemas")) yield [`${path}/${key}`, item as Record<string, unknown>];
    else yield* schemasIn(item, `${path}/${key}`);
  }
}

describe("the document", () => {
  test("has the structure of OpenAPI 3.1", () => {
    const validate = new Ajv2020({ strict: false, allErrors: true }).compile(STRUCTURE);
    for (const asksForKeys of [false, true]) {
      validate(documentOf(asksForKeys));
      expect(validate.errors).toBe(null);
    }
  });

  test("has schemas that compile, and references that lead somewhere", () => {
    const all = [...schemasIn(document)];
    expect(all.length).toBeGreaterThan(100);
    for (const [path, schema] of all) {
      expect(() => validator(schema), path).not.toThrow();
      for (const [, name] of JSON.stringify(schema).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
        expect(Object.keys(document.components.schemas)).toContain(name);
      }
    }
  });

  test("has every operation once, with the parameters of its path", () => {
    const ids = Object.values(OPERATIONS).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, item] of Object.entries(document.paths)) {
      for (const { parameters = [] } of Object.values(item)) {
        const inPath = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => `{${name}}`);
        expect(path.match(/\{\w+\}/g) ?? []).toEqual(inPath);
      }
    }
  });

  test("tells what a text may be, where the validating schema begins with anything", () => {
    const { messages } = document.components.schemas["ChatRequest"]!["properties"] as Record<string, unknown>;
    check(messages, [{ role: "user", content: "hi" }]);
    check(messages, [{ role: "user", content: [{ type: "text", text: "hi" }] }]);
    expect(() => check(messages, [{ role: "user", content: 3 }])).toThrow();
    expect(() => check(messages, [])).toThrow();
    check({ $ref: "#/components/schemas/ResponseRequest" }, { model: "m", input: "hi" });
    expect(() => check({ $ref: "#/components/schemas/ResponseRequest" }, { model: "m", input: 3 })).toThrow();
  });

  test("says where a key is needed", () => {
    const keyed = documentOf(true);
    expect(keyed.paths["/health"]!["get"]!.security).toEqual([]);
    expect(keyed.paths["/health"]!["get"]!.responses["401"]).toBe(undefined);
    expect(keyed.paths["/admin/live"]!["get"]!.security).toBe(undefined);
    expect(keyed.paths["/admin/live"]!["get"]!.responses["401"]!.description).toContain("unauthorized");
    expect((keyed as unknown as { security: unknown }).security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    expect((document as unknown as { security: unknown }).security).toEqual([]);
  });
});

describe("the server", () => {
  let pool: ModelPool;
  let planning: PlanJobs;
  let server: PunctualServer;
  let url: string;

  beforeAll(async () => {
    const model = { model: { dir: builtInModelDir("small") }, name: "punctual-small", kvPages: 128, budgetTokens: 64 };
    pool = await ModelPool.create([model]);
    planning = createPlanJobs();
    const pull = (): Promise<never> => Promise.reject(new Error("nothing is pulled in this test"));
    server = createServer({
      engines: pool.engines,
      pool,
      pull,
      planning,
      papers: createPaperIndex(),
      fleet: new FleetDouble(),
    });
    ({ url } = await server.listen({ port: 0 }));
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await planning.close();
    await pool.stop({ graceMs: 0 });
  });

  test("has the routes of the document, and no other", async () => {
    const routes = server.app.routes.filter(({ method, path }) => method !== "ALL" && path !== "/*");
    const walked = new Set(routes.map(({ method, path }) => `${method} ${path}`));
    expect([...walked].toSorted()).toEqual(Object.keys(OPERATIONS).toSorted());
    const served = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
    expect(Object.keys(served.paths).toSorted()).toEqual(Object.keys(document.paths).toSorted());
  });

  test("guards every operation that the document does not call open", async () => {
    await using guarded = createServer({ engines: [], keys: [plainKey("a-key-of-some-length", "a")] });
    for (const [route, { open }] of Object.entries(OPERATIONS)) {
      const [method, path] = route.split(" ") as [string, string];
      const { status } = await guarded.app.request(path.replaceAll(/:\w+/g, "x"), { method });
      expect([route, status === 401]).toEqual([route, open !== true]);
    }
  });

  /** What this model cannot do, and what cannot be done to a response that has ended. */
  const REFUSED: Readonly<Record<string, number>> = {
    "POST /admin/fleet/scaling": 404,
    "POST /v1/embeddings": 400,
    "POST /v1/load_lora_adapter": 400,
    "POST /v1/unload_lora_adapter": 404,
    "POST /v1/responses/{id}/cancel": 400,
  };

  /** Ids that a path needs. */
  async function idsFor(path: string): Promise<string> {
    if (path.startsWith("/v1/responses/{id}")) {
      const body = JSON.stringify({ model: "punctual-small", input: "hello", max_output_tokens: 2 });
      const kept = await fetch(`${url}/v1/responses`, { method: "POST", body });
      return ((await kept.json()) as { id: string }).id;
    }
    if (path.startsWith("/admin/requests")) {
      const body = JSON.stringify({ model: "punctual-small", prompt: "hello", max_tokens: 2 });
      await (
        await fetch(`${url}/v1/completions`, { method: "POST", body, headers: { "x-request-id": "traced" } })
      ).json();
      return "traced";
    }
    return path.startsWith("/admin/fleet") ? "instance-a" : "punctual-small";
  }

  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, path, operation] as const),
  );

  test.each(all)("answers %s as it says", async (route, path, operation) => {
    const method = route.split(" ")[0]!;
    const media = Object.entries(operation.requestBody?.content ?? {})[0];
    const [type, { schema, example }] = media ?? ["", {}];
    if (schema !== undefined) check(schema, example);
    const id = path.includes("{id}") ? encodeURIComponent(await idsFor(path)) : "";
    const asset = path.includes("{file}") ? /assets\/[\w.-]+/.exec(await (await fetch(url)).text()) : null;
    const target = path.replace("{id}", id).replace("assets/{file}", asset?.[0] ?? "assets/none.js");
    const response = await fetch(url + target + (path === "/admin/traces" ? "?name=t.csv" : ""), {
      method,
      ...(example === undefined ? {} : { body: typeof example === "string" ? example : JSON.stringify(example) }),
      ...(type === "" ? {} : { headers: { "content-type": type } }),
    });
    if (response.status !== (REFUSED[route] ?? 200)) {
      throw new Error(`${route} answered ${response.status}: ${await response.text()}`);
    }
    const answer = operation.responses[String(response.status)]!;
    const contentType = response.headers.get("content-type")!.split(";")[0]!;
    const content = answer.content[contentType] ?? answer.content["*/*"];
    expect(content, contentType).not.toBe(undefined);
    if (contentType === "application/json") {
      const body: unknown = await response.json();
      check(content!.schema, path === "/openapi.json" ? "" : body);
      if (response.status >= 400)
        expect(answer.description).toContain((body as { error: { code: string } }).error.code);
      return;
    }
    if (contentType !== "text/event-stream") return void (await response.text());
    const events = await firstEvents(response, path.endsWith("/live") ? 2 : 1000);
    expect(events.length).toBeGreaterThan(0);
    for (const event of events) check(content!.schema!["contentSchema"], event);
    if (/plan|simulate/.test(path)) expect(events.at(-1)).toMatchObject({ kind: "done" });
  });

  async function firstEvents(response: Response, most: number): Promise<unknown[]> {
    const events: unknown[] = [];
    for await (const { data } of readEvents(response.body)) {
      if (data !== "[DONE]") events.push(JSON.parse(data));
      if (events.length === most) break;
    }
    return events;
  }

  const streamed = all.filter(([, , { responses }]) => {
    const content = responses["200"]!.content;
    return "application/json" in content && "text/event-stream" in content;
  });

  test.each(streamed)("streams %s as it says", async (_route, path, operation) => {
    const example = operation.requestBody!.content["application/json"]!.example as object;
    const body = JSON.stringify({ ...example, stream: true });
    const response = await fetch(url + path, { method: "POST", body });
    const { schema } = operation.responses["200"]!.content["text/event-stream"]!;
    const events = await firstEvents(response, 1000);
    expect(events.length).toBeGreaterThan(3);
    for (const event of events) check(schema!["contentSchema"], event);
  });

  test("errors are as it says", async () => {
    for (const [path, schema] of [
      ["/v1/chat/completions", "ErrorBody"],
      ["/v1/messages", "AnthropicError"],
    ] as const) {
      const response = await fetch(url + path, { method: "POST", body: "{}" });
      expect(response.status).toBe(400);
      check({ $ref: `#/components/schemas/${schema}` }, await response.json());
    }
    for (const { errors = [] } of Object.values(OPERATIONS)) {
      for (const code of errors) expect(Object.keys(ERROR_CODES)).toContain(code);
    }
  });
});
