/** The routes of the server as a Hono application: no socket here, `app.request()` answers as the network would. */
import { randomUUID } from "node:crypto";
import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { fail } from "../core/index.ts";
import { toAnthropicError, toWireError } from "../protocol/index.ts";
import type { Engine } from "../runtime/index.ts";
import { answerMessages, countMessageTokens } from "./anthropic/messages.ts";
import type { SeenModels } from "./admin/fleet.ts";
import { answerPapers } from "./admin/papers.ts";
import { answerPlan, answerSimulate, answerTrace, type PlanService } from "./admin/plan.ts";
import { answerLive, answerRequest } from "./admin/live.ts";
import { loadAdapter, unloadAdapter } from "./admin/adapters.ts";
import { answerModels, changeModel, changePolicy } from "./admin/models.ts";
import { Pulls } from "./admin/pull.ts";
import { health, modelList, modelObject } from "./admin/status.ts";
import { detokenize, tokenize } from "./admin/tokenize.ts";
import { findEngine, unixSeconds, type ServerContext } from "./context.ts";
import { renderMetrics } from "./metrics.ts";
import { openApiDocument } from "./openapi/document.ts";
import { chatEndpoint } from "./openai/chat.ts";
import { completionEndpoint } from "./openai/completions.ts";
import { answerEmbeddings } from "./openai/embeddings.ts";
import { answerGeneration, warmUp, type IncomingGeneration } from "./openai/endpoint.ts";
import { countInputTokens, createResponse, type ResponsesContext } from "./responses/create.ts";
import { cancelResponse, deleteResponse, listInputItems, readResponse } from "./responses/stored.ts";
import { ResponseStore } from "./responses/store.ts";
import { RequestScope, type AppContext } from "./scope.ts";

interface AppEnv {
  Variables: {
    requestId: string;
    arrivalMs: number;
    /** The pattern that matched; "other" for unknown paths. */
    route: string;
    /** Absent when no route matched or its key was refused. */
    scope?: RequestScope;
    /** Code of the error that was answered. */
    failure?: string;
  };
}

/** The server's Hono application type. */
export type ServerApp = Hono<AppEnv>;

type Method = "GET" | "POST" | "DELETE";

/** A handler sees what its caller may use, as a context of its own. */
type RouteHandler = (c: Context<AppEnv>, context: ServerContext) => Response | Promise<Response>;

/** A client's own request id is kept when it is a plain word. */
const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** Answered without a key: what load balancers and visitors ask, which tells nothing about use. */
const OPEN_ROUTES: ReadonlySet<string> = new Set([
  "/",
  "/assets/:file",
  "/health",
  "/ready",
  "/version",
  "/openapi.json",
]);

/** What a page of another origin may read beside the body. */
const EXPOSED_HEADERS = [
  "x-request-id",
  "retry-after",
  "retry-after-ms",
  ...["limit", "remaining", "reset"].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
];

/** Routes over a context. Every path answers every method: the wrong ones with 405, unknown paths with 404. */
export function createApp(app: AppContext): ServerApp {
  const hono: ServerApp = new Hono<AppEnv>();
  observeRequests(hono, app);
  if (app.corsOrigins.length > 0) {
    const origin = app.corsOrigins.includes("*") ? "*" : [...app.corsOrigins];
    hono.use(cors({ origin, allowMethods: ["GET", "POST", "DELETE"], exposeHeaders: EXPOSED_HEADERS, maxAge: 600 }));
  }
  const routes = (path: string, handlers: Partial<Record<Method, RouteHandler>>): void => {
    const methods = Object.keys(handlers) as Method[];
    for (const method of methods) {
      hono.on(method, path, (c) => {
        c.set("route", path);
        const scope = enter(c, app);
        c.set("scope", scope);
        return handlers[method]!(c, scope.context);
      });
    }
    hono.all(path, (c) => {
      c.set("route", path);
      c.header("allow", methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", "));
      return fail("method_not_allowed", `${c.req.method} is not allowed on ${path}; use ${methods.join(" or ")}.`);
    });
  };
  const route = (method: Method, path: string, handler: RouteHandler): void => routes(path, { [method]: handler });
  const created = unixSeconds(app);
  const status = (c: Context<AppEnv>): Response => {
    const [body, code] = health(app, app.requests.draining);
    if (code === 503) c.header("retry-after", "1");
    return c.json(body, code);
  };

  route("GET", "/", (c) => app.console.page(c.req.raw));
  route("GET", "/assets/:file", (c) => app.console.asset(c.req.raw, c.req.param("file")!));
  route("GET", "/health", status);
  route("GET", "/ready", status);
  route("GET", "/version", (c) => c.json({ version: app.version }));
  route("GET", "/metrics", (c) => metrics(c, app));
  route("GET", "/v1/models", (c, context) => c.json(modelList(context, created)));
  route("GET", "/v1/models/:id", (c, context) => {
    const id = c.req.param("id")!;
    return c.json(modelObject(context, findEngine(context, id), id, created));
  });
  route("POST", "/v1/load_lora_adapter", (c, context) => loadAdapter(context, c.req.raw));
  route("POST", "/v1/unload_lora_adapter", (c, context) => unloadAdapter(context, c.req.raw));
  route("POST", "/v1/chat/completions", (c, context) => answerGeneration(context, chatEndpoint, incoming(c)));
  route("POST", "/v1/completions", (c, context) => answerGeneration(context, completionEndpoint, incoming(c)));
  route("POST", "/v1/embeddings", (c, context) => answerEmbeddings(context, incoming(c)));
  route("POST", "/v1/messages", (c, context) => answerMessages(context, incoming(c)));
  route("POST", "/v1/messages/count_tokens", (c, context) => countMessageTokens(context, incoming(c)));
  route("POST", "/tokenize", (c, context) => tokenize(context, c.req.raw));
  route("POST", "/detokenize", (c, context) => detokenize(context, c.req.raw));
  responseRoutes(route, routes, new ResponseStore(app.clock));
  planningRoutes(route, routes, app);

  adminRoutes(route, app);
  fleetRoutes(route, app);

  hono.notFound((c) => errorResponse(c, app, notFound(c)));
  hono.onError((error, c) => errorResponse(c, app, error));
  return hono;
}

/** /v1/responses and what was kept of them; a caller sees its own. */
function responseRoutes(
  route: (method: Method, path: string, handler: RouteHandler) => void,
  routes: (path: string, handlers: Partial<Record<Method, RouteHandler>>) => void,
  store: ResponseStore,
): void {
  const seen = (c: Context<AppEnv>, context: ServerContext): ResponsesContext => {
    return { context, store, owner: c.get("scope")?.owner ?? null };
  };
  const idOf = (c: Context<AppEnv>): string => c.req.param("id")!;
  const query = (c: Context<AppEnv>): URLSearchParams => new URL(c.req.url).searchParams;
  route("POST", "/v1/responses", (c, context) => createResponse(seen(c, context), incoming(c)));
  route("POST", "/v1/responses/input_tokens", (c, context) => countInputTokens(seen(c, context), incoming(c)));
  routes("/v1/responses/:id", {
    GET: (c, context) => readResponse(seen(c, context), idOf(c), query(c)),
    DELETE: (c, context) => deleteResponse(seen(c, context), idOf(c)),
  });
  route("POST", "/v1/responses/:id/cancel", (c, context) => cancelResponse(seen(c, context), idOf(c)));
  route("GET", "/v1/responses/:id/input_items", (c, context) => listInputItems(seen(c, context), idOf(c), query(c)));
}

/** What was measured, and planning; not found where the server was given neither. */
function planningRoutes(
  route: (method: Method, path: string, handler: RouteHandler) => void,
  routes: (path: string, handlers: Partial<Record<Method, RouteHandler>>) => void,
  { papers, planning }: AppContext,
): void {
  const plans = (): PlanService => planning ?? fail("not_found", "This server does not plan.");
  route("GET", "/admin/papers", () => answerPapers(papers ?? fail("not_found", "This server has no papers.")));
  routes("/admin/plan", {
    GET: async () => Response.json(await plans().choices()),
    POST: (c, context) => answerPlan(context, plans(), c.req.raw),
  });
  route("POST", "/admin/simulate", (c, context) => answerSimulate(context, plans(), c.req.raw));
  route("POST", "/admin/traces", (c, context) => answerTrace(context, plans(), c.req.raw));
}

/** What the server is doing. Behind a key where keys are set, as every route that is not open. */
function adminRoutes(
  route: (method: Method, path: string, handler: RouteHandler) => void,
  { live, models, requests, version, callers }: AppContext,
): void {
  const idOf = (c: Context<AppEnv>): string => c.req.param("id")!;
  const pulls = new Pulls(models, requests);
  const document = JSON.stringify(openApiDocument({ version, asksForKeys: callers !== null }));
  route("GET", "/openapi.json", (c) => {
    c.header("content-type", "application/json");
    c.header("cache-control", "no-cache");
    return c.body(document);
  });
  route("GET", "/admin/live", (c, context) => answerLive(context, live, c.req.raw));
  route("GET", "/admin/requests/:id", (c, context) => answerRequest(context, live, idOf(c)));
  route("GET", "/admin/models", (_c, context) => answerModels(context, models));
  route("POST", "/admin/models/pull", (c, context) => pulls.answer(context, c.req.raw));
  route("POST", "/admin/models/:id/load", (c, context) => changeModel(context, models, idOf(c), "load"));
  route("POST", "/admin/models/:id/unload", (c, context) => changeModel(context, models, idOf(c), "unload"));
  route("POST", "/admin/models/:id/policy", (c, context) => changePolicy(context, live, idOf(c), c.req.raw));
}

/** The fleet behind this server, and what can be done to it. */
function fleetRoutes(
  route: (method: Method, path: string, handler: RouteHandler) => void,
  { fleet }: AppContext,
): void {
  const seen = (c: Context<AppEnv>): SeenModels => c.get("scope")?.models ?? null;
  route("GET", "/admin/fleet", (c) => fleet.answer(seen(c)));
  route("GET", "/admin/fleet/live", (c) => fleet.live(c.req.raw, seen(c)));
  route("POST", "/admin/fleet/instances/:id/drain", (c, context) => fleet.drain(context, c.req.param("id")!, seen(c)));
  route("POST", "/admin/fleet/moves", (c, context) => fleet.move(context, c.req.raw, seen(c)));
  route("POST", "/admin/fleet/router", (c, context) => fleet.changeRouter(context, c.req.raw));
  route("POST", "/admin/fleet/scaling", (c, context) => fleet.changeScaling(context, c.req.raw, seen(c)));
}

/** Does once what the first request for that model would otherwise pay for. */
export function warmEngine(engine: Engine): void {
  if (engine.proxy !== undefined) return; // there is nothing of it here
  warmUp(engine, chatEndpoint, { messages: [{ role: "user", content: "hello" }] });
  warmUp(engine, completionEndpoint, { prompt: "hello" });
}

/** Who asks, and what that lets them see. Errors: `unauthorized`. */
function enter(c: Context<AppEnv>, app: AppContext): RequestScope {
  const header = (name: string): string | undefined => c.req.header(name);
  const route = c.get("route");
  const caller = app.callers === null || OPEN_ROUTES.has(route) ? null : app.callers.identify(header);
  const { method } = c.req;
  const requestId = c.get("requestId");
  return new RequestScope(app, caller, { route, method, requestId, arrivalMs: c.get("arrivalMs"), header });
}

/** Stamps arrival and id before anything else, counts and logs after everything else. */
function observeRequests(hono: ServerApp, context: AppContext): void {
  hono.use(async (c, next) => {
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
    const failure = c.get("failure") ?? null;
    for (const [name, value] of c.get("scope")?.finished(c.res.status, failure) ?? []) c.res.headers.set(name, value);
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

/** Paths whose clients read errors in Anthropic's form. */
const ANTHROPIC_PATH = /^\/v1\/messages(\/|$)/;

function errorResponse(c: Context<AppEnv>, context: AppContext, error: unknown): Response {
  const wire = toWireError(error);
  const { status, headers, body } = wire;
  if (body.error.code !== null) c.set("failure", body.error.code);
  if (status === 401) c.header("www-authenticate", 'Bearer realm="punctual"');
  if (status === 500) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.log.error({ requestId: c.get("requestId"), route: c.get("route"), detail }, "request failed");
  }
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  c.header("content-type", "application/json");
  const requestId = c.get("requestId");
  const told = ANTHROPIC_PATH.test(c.req.path) ? toAnthropicError(wire, requestId) : body;
  return c.body(JSON.stringify(told), status as ContentfulStatusCode);
}

function metrics(c: Context<AppEnv>, context: AppContext): Response {
  c.header("content-type", "text/plain; version=0.0.4; charset=utf-8");
  return c.body(renderMetrics([...context.engines.values()], context.http, context.fleet.view));
}
