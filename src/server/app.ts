/** The routes of the server as a Hono application: no socket here, `app.request()` answers as the network would. */
import { randomUUID } from "node:crypto";
import { Hono, type Context, type Handler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { fail } from "../core/index.ts";
import { toWireError, type Health, type ModelList, type ModelObject } from "../protocol/index.ts";
import type { Engine } from "../runtime/index.ts";
import { findEngine, unixSeconds, type ServerContext } from "./context.ts";
import { landingPage, LANDING_HEADERS } from "./landing.ts";
import { renderMetrics } from "./metrics.ts";
import { chatEndpoint } from "./openai/chat.ts";
import { completionEndpoint } from "./openai/completions.ts";
import { answerGeneration, warmUp, type IncomingGeneration } from "./openai/endpoint.ts";

interface AppEnv {
  Variables: { requestId: string; arrivalMs: number; route: string };
}

/** The server's Hono application type. */
export type ServerApp = Hono<AppEnv>;

/** A client's own request id is kept when it is a plain word. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Routes over a context. Every path answers every method: the wrong ones with 405, unknown paths with 404. */
export function createApp(context: ServerContext): ServerApp {
  const app: ServerApp = new Hono<AppEnv>();
  observeRequests(app, context);
  const route = (method: "GET" | "POST", path: string, handler: Handler<AppEnv>): void => {
    app.on(method, path, (c, next) => {
      c.set("route", path);
      return handler(c, next);
    });
    app.all(path, (c) => {
      c.set("route", path);
      c.header("allow", method === "GET" ? "GET, HEAD" : method);
      return fail("method_not_allowed", `${c.req.method} is not allowed on ${path}; use ${method}.`);
    });
  };
  const created = unixSeconds(context);
  for (const engine of context.engines.values()) {
    warmUp(engine, chatEndpoint, { messages: [{ role: "user", content: "hello" }] });
    warmUp(engine, completionEndpoint, { prompt: "hello" });
  }

  route("GET", "/", (c) =>
    c.html(landingPage([...context.engines.values()].map((engine) => engine.info)), 200, LANDING_HEADERS),
  );
  route("GET", "/health", (c) => c.json(...health(context)));
  route("GET", "/metrics", (c) => metrics(c, context));
  route("GET", "/v1/models", (c) => c.json(modelList(context, created)));
  route("GET", "/v1/models/:id", (c) => c.json(modelObject(context, findEngine(context, c.req.param("id")!), created)));
  route("POST", "/v1/chat/completions", (c) => answerGeneration(context, chatEndpoint, incoming(c)));
  route("POST", "/v1/completions", (c) => answerGeneration(context, completionEndpoint, incoming(c)));

  app.notFound((c) => errorResponse(c, context, notFound(c)));
  app.onError((error, c) => errorResponse(c, context, error));
  return app;
}

/** Stamps arrival and id before anything else, counts and logs after everything else. */
function observeRequests(app: ServerApp, context: ServerContext): void {
  app.use(async (c, next) => {
    const arrivalMs = context.clock.nowMs();
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
    c.set("arrivalMs", arrivalMs);
    c.set("requestId", requestId);
    c.set("route", "other");
    context.http.inFlight += 1;
    try {
      await next();
    } finally {
      context.http.inFlight -= 1;
    }
    c.res.headers.set("x-request-id", requestId);
    if (context.requests.draining) c.res.headers.set("connection", "close");
    const { method } = c.req;
    const route = c.get("route");
    context.http.finished(route, method, c.res.status);
    const ms = Math.round((context.clock.nowMs() - arrivalMs) * 10) / 10;
    context.log.info({ requestId, method, route, status: c.res.status, ms }, "request");
  });
}

function incoming(c: Context<AppEnv>): IncomingGeneration {
  return {
    request: c.req.raw,
    requestId: c.get("requestId"),
    arrivalMs: c.get("arrivalMs"),
    header: (name) => c.req.header(name),
  };
}

function notFound(c: Context<AppEnv>): unknown {
  try {
    return fail("not_found", `There is nothing at ${c.req.method} ${c.req.path}.`);
  } catch (error) {
    return error;
  }
}

function errorResponse(c: Context<AppEnv>, context: ServerContext, error: unknown): Response {
  const { status, headers, body } = toWireError(error);
  if (status === 500) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.log.error({ requestId: c.get("requestId"), route: c.get("route"), detail }, "request failed");
  }
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  c.header("content-type", "application/json");
  return c.body(JSON.stringify(body), status as ContentfulStatusCode);
}

function metrics(c: Context<AppEnv>, context: ServerContext): Response {
  const stats = [...context.engines.values()].map((engine) => engine.stats());
  c.header("content-type", "text/plain; version=0.0.4; charset=utf-8");
  return c.body(renderMetrics(stats, context.http));
}

/** Ready only when every model is: what routes requests here must be able to ask for any of them. */
function health(context: ServerContext): [Health, 200 | 503] {
  const states = [...context.engines.values()].map((engine) => engine.state);
  const models = Object.fromEntries([...context.engines].map(([name, engine]) => [name, engine.state]));
  const worst = (["stopped", "stopping", "restarting", "starting"] as const).find((state) => states.includes(state));
  const status = context.requests.draining ? "stopping" : (worst ?? "ready");
  return [{ status, models }, status === "ready" ? 200 : 503];
}

function modelList(context: ServerContext, created: number): ModelList {
  return { object: "list", data: [...context.engines.values()].map((engine) => modelObject(context, engine, created)) };
}

function modelObject(context: ServerContext, engine: Engine, created: number): ModelObject {
  const { name, contextTokens } = engine.info;
  return {
    id: name,
    object: "model",
    created,
    owned_by: "punctual",
    max_model_len: Math.min(contextTokens, context.contextTokens),
  };
}
