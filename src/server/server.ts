/** A server over running engines: an application, a socket, and an orderly end of both. */
import { createServer as createHttpServer, type Server } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { assert, fail, PunctualError, type Clock } from "../core/index.ts";
import { LIMITS } from "../protocol/index.ts";
import { liveClock, type Engine } from "../runtime/index.ts";
import { createApp, type ServerApp } from "./app.ts";
import { OpenRequests, SILENT_LOG, type ServerContext, type ServerLog } from "./context.ts";
import { HttpMetrics } from "./metrics.ts";

/** What a server serves, and its limits. */
export interface ServerOptions {
  /** Running engines, each served under its name; at least one, names distinct. They stay the caller's to stop. */
  readonly engines: readonly Engine[];
  /** Most tokens of prompt and answer together, where the model itself allows more. */
  readonly contextTokens?: number;
  /** Largest request body, bytes; 4 MiB when absent. */
  readonly bodyLimitBytes?: number;
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
  /** Needed to listen beyond this machine, because nobody is asked for a key. */
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
  const clock = options.clock ?? liveClock;
  const engines = new Map(options.engines.map((engine) => [engine.info.name, engine]));
  assert(engines.size >= 1, "a server has at least one engine");
  assert(engines.size === options.engines.length, "engines of one server have distinct names");
  const context: ServerContext = {
    engines,
    clock,
    // `created` is calendar time, which no monotonic clock has: read once, and counted on from there.
    unixOriginMs: new Date().getTime() - clock.nowMs(),
    contextTokens: options.contextTokens ?? Infinity,
    bodyLimitBytes: options.bodyLimitBytes ?? LIMITS.bodyBytes,
    log: options.log ?? SILENT_LOG,
    http: new HttpMetrics(),
    requests: new OpenRequests(),
  };
  const app = createApp(context);
  const sockets = new Set<Server>();
  let closing: Promise<void> | null = null;
  const close: PunctualServer["close"] = ({ graceMs = 10_000 } = {}) =>
    (closing ??= closeAll(context.requests, sockets, graceMs));
  return {
    app,
    listen: async (where = {}) => {
      const server = httpServer(app);
      const listening = await listenOn(server, where);
      sockets.add(server);
      return listening;
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

function httpServer(app: ServerApp): Server {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createHttpServer((request, response) => {
    void listener(request, response); // answers its own failures
  });
  server.keepAliveTimeout = 65_000; // longer than common load balancers keep a connection idle
  return server;
}

async function listenOn(server: Server, options: ListenOptions): Promise<Listening> {
  const { host = "127.0.0.1", port = 8080, insecure = false } = options;
  if (!insecure && !isLoopback(host)) {
    fail(
      "insecure_address",
      `Expected a loopback host without 'insecure', got '${host}': requests carry no keys yet.`,
      {
        param: "host",
      },
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
