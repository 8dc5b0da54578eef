/** A server over running engines: an application, a socket, and an orderly end of both. */
import { createServer as createHttpServer, type Server } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { assert, fail, PunctualError, type Clock } from "../core/index.ts";
import { LIMITS, type FleetViewSource } from "../protocol/index.ts";
import { liveClock, type Engine, type ModelPool } from "../runtime/index.ts";
import { FleetDesk } from "./admin/fleet.ts";
import type { PaperIndex } from "./admin/papers.ts";
import type { PlanService } from "./admin/plan.ts";
import { LiveHub } from "./admin/live-hub.ts";
import type { ModelPull } from "./admin/models.ts";
import { packageVersion } from "./admin/status.ts";
import { createApp, warmEngine, type ServerApp } from "./app.ts";
import { ConsoleFiles } from "./console/files.ts";
import { OpenRequests, SILENT_LOG, type ServerLog } from "./context.ts";
import { HttpMetrics } from "./metrics.ts";
import { DEFAULT_TIERS, type TierObjectives } from "./objective.ts";
import type { AppContext } from "./scope.ts";
import { Callers } from "./security/callers.ts";
import type { ApiKey } from "./security/keys.ts";
import { answerBadRequests } from "./security/bad-requests.ts";
import { TaskBook } from "./tasks.ts";
import { RequestTracer } from "./tracing.ts";

/** What a server serves, and its limits. */
export interface ServerOptions {
  /** Running engines, each served under its name, names distinct. They stay the caller's to stop. */
  readonly engines: readonly Engine[];
  /** Names of models that `add` will bring: until then the server is not ready and answers 503 for them. */
  readonly expected?: readonly string[];
  /** Most tokens of prompt and answer together, where the model itself allows more. */
  readonly contextTokens?: number;
  /** Largest request body, bytes; 4 MiB when absent. */
  readonly bodyLimitBytes?: number;
  /** How long a client may take to send its headers, milliseconds; 30 000 when absent. */
  readonly headersTimeoutMs?: number;
  /** How long a client may take to send its whole request, milliseconds; 120 000 when absent. */
  readonly bodyTimeoutMs?: number;
  /** How long an answer may take from the request's arrival, milliseconds; as long as it takes when absent. */
  readonly requestTimeoutMs?: number;
  /** Who may ask. Empty or absent: everybody, and then only this machine can reach the server (see `insecure`). */
  readonly keys?: readonly ApiKey[];
  /** What the service tiers promise; DEFAULT_TIERS when absent. */
  readonly tiers?: TierObjectives;
  /** Origins whose pages may call this server, or "*"; none when absent. */
  readonly corsOrigins?: readonly string[];
  /** What /admin/plan, /admin/simulate and /admin/traces do; they are not there when absent. It stays the caller's to close. */
  readonly planning?: PlanService;
  /** The pool that its models are of: its models can be loaded and unloaded. It stays the caller's to stop. */
  readonly pool?: ModelPool;
  /** Brings a model of a hub, which is then added to the pool and served; nothing can be pulled when absent. */
  readonly pull?: ModelPull;
  /** Why a model that is not here may still come, or any model when none is named; null, and when absent: it will not. */
  readonly pending?: (model: string | null) => string | null;
  /** The fleet whose endpoint this server is; /admin/fleet says that there is none when absent. It stays the caller's to stop. */
  readonly fleet?: FleetViewSource;
  /** Where the console's files are; those of the package when absent. */
  readonly consoleDir?: string;
  /** What /admin/papers says; it is not there when absent. */
  readonly papers?: PaperIndex;
  /** Silent when absent. Never sees prompts or answers. */
  readonly log?: ServerLog;
  /** The clock of the engines; `liveClock` when absent. */
  readonly clock?: Clock;
}

/** Where to listen. */
export interface ListenOptions {
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** 0: any free port. 8080 when absent. */
  readonly port?: number;
  /** Needed to listen beyond this machine when nobody is asked for a key. */
  readonly insecure?: boolean;
}

/** Where a server listens. */
export interface Listening {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/** A server: an application, sockets, and an orderly end. */
export interface PunctualServer extends AsyncDisposable {
  /** For tests and for mounting in another server: `app.request()`, `app.fetch`. */
  readonly app: ServerApp;
  /** Serves one more engine from now on. It stays the caller's to stop. */
  add(engine: Engine): void;
  /** Serves that model no more: new requests for it are refused, those under way go on. */
  remove(name: string): void;
  /** Errors: `insecure_address` for a host beyond this machine, `address_in_use`. */
  listen(options?: ListenOptions): Promise<Listening>;
  /**
   * Stops accepting, waits up to `graceMs` (default 10 s) for answers under way, then ends what is left
   * with a typed error. The engines go on.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/** How long ended answers may take to reach their readers before their connections are cut. */
const FLUSH_MS = 500;

/** A server of OpenAI's API over engines. Nothing listens until `listen`. */
export function createServer(options: ServerOptions): PunctualServer {
  const engines = new Map(options.engines.map((engine) => [engine.info.name, engine]));
  assert(engines.size === options.engines.length, "engines of one server have distinct names");
  const expected = new Set(options.expected?.filter((name) => !engines.has(name)));
  const context = appContext(options, engines, expected, (engine) => add(engine));
  for (const engine of engines.values()) {
    warmEngine(engine);
    context.live.add(engine);
  }
  const add = (engine: Engine): void => {
    const { name } = engine.info;
    assert(!engines.has(name), "engines of one server have distinct names");
    warmEngine(engine);
    engines.set(name, engine);
    expected.delete(name);
    context.live.add(engine);
  };
  const app = createApp(context);
  const sockets = new Set<Server>();
  let closing: Promise<void> | null = null;
  const close: PunctualServer["close"] = ({ graceMs = 10_000 } = {}) => {
    context.live.close(); // its feeds would not end by themselves
    context.fleet.close();
    return (closing ??= closeAll(context.requests, sockets, graceMs));
  };
  return {
    app,
    add,
    remove: (name) => {
      engines.delete(name);
      expected.delete(name);
      context.live.remove(name);
    },
    listen: async (where = {}) => {
      const server = httpServer(app, options);
      const listening = await listenOn(server, where, context.callers !== null);
      sockets.add(server);
      return listening;
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

function appContext(
  options: ServerOptions,
  engines: ReadonlyMap<string, Engine>,
  expected: ReadonlySet<string>,
  serve: (engine: Engine) => void,
): AppContext {
  const clock = options.clock ?? liveClock;
  // `created` is calendar time, which no monotonic clock has: read once, and counted on from there.
  const unixOriginMs = new Date().getTime() - clock.nowMs();
  const { keys = [] } = options;
  return {
    engines,
    expected,
    pending: options.pending ?? (() => null),
    clock,
    unixOriginMs,
    contextTokens: options.contextTokens ?? Infinity,
    bodyLimitBytes: options.bodyLimitBytes ?? LIMITS.bodyBytes,
    tiers: options.tiers ?? DEFAULT_TIERS,
    tasks: new TaskBook(),
    models: { pool: options.pool ?? null, pull: options.pull ?? null, serve },
    console: new ConsoleFiles(options.consoleDir),
    live: new LiveHub({ clock, unixOriginMs, serverVersion: packageVersion() }),
    fleet: new FleetDesk(options.fleet ?? null, clock),
    log: options.log ?? SILENT_LOG,
    http: new HttpMetrics(),
    requests: new OpenRequests(),
    callers: keys.length === 0 ? null : new Callers(keys, clock),
    corsOrigins: options.corsOrigins ?? [],
    requestTimeoutMs: options.requestTimeoutMs ?? null,
    tracer: new RequestTracer(unixOriginMs),
    version: packageVersion(),
    planning: options.planning ?? null,
    papers: options.papers ?? null,
  };
}

function httpServer(app: ServerApp, options: ServerOptions): Server {
  const { headersTimeoutMs = 30_000, bodyTimeoutMs = 120_000 } = options;
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const limits = {
    headersTimeout: Math.min(headersTimeoutMs, bodyTimeoutMs),
    requestTimeout: bodyTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, Math.max(10, headersTimeoutMs / 2)),
  };
  const server = createHttpServer(limits, (request, response) => {
    void listener(request, response); // answers its own failures
  });
  server.keepAliveTimeout = 65_000; // longer than common load balancers keep a connection idle
  answerBadRequests(server);
  return server;
}

async function listenOn(server: Server, options: ListenOptions, asksForKeys: boolean): Promise<Listening> {
  const { host = "127.0.0.1", port = 8080, insecure = false } = options;
  if (!insecure && !asksForKeys && !isLoopback(host)) {
    fail(
      "insecure_address",
      `Expected a loopback host, got '${host}': beyond this machine the server wants API keys, or 'insecure'.`,
      { param: "host" },
    );
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return { url: `http://${shown}:${bound.port}`, host, port: bound.port };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code !== "EADDRINUSE" && error.code !== "EACCES" && error.code !== "EADDRNOTAVAIL") return error;
  const why = error.code === "EADDRINUSE" ? "is in use" : "cannot be listened on";
  return new PunctualError("address_in_use", `${host}:${port} ${why}; choose another port or host.`, { cause: error });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

async function closeAll(requests: OpenRequests, sockets: ReadonlySet<Server>, graceMs: number): Promise<void> {
  const closed = [...sockets].map(
    (server) => new Promise<void>((resolve) => server.close(() => resolve())), // idle connections end at once
  );
  const drained = requests.drain();
  if (!(await within(drained, graceMs))) {
    requests.abortAll();
    await within(drained, FLUSH_MS);
  }
  if (!(await within(Promise.all(closed), FLUSH_MS))) for (const server of sockets) server.closeAllConnections();
  await Promise.all(closed);
}

/** Whether it settled in that time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
