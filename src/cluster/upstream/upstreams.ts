/**
 * All other servers that a router was told of: looks at their models, serves each name once however many of them have it, and
 * takes away what none has any more.
 *
 *   await using upstreams = new Upstreams({ addresses: [parseUpstream("http://gpu:8000")], onModel: (engine) => server.add(engine) });
 */
import { createRandom, type Clock, type RandomStream } from "../../core/index.ts";
import { FLEET_VIEW_LIMITS, type FleetInstanceView, type FleetRequestView } from "../../protocol/index.ts";
import { liveClock, type Engine } from "../../runtime/index.ts";
import { BEST_EFFORT, type Slo } from "../../sched/index.ts";
import { RouterStats } from "../fleet/router-stats.ts";
import { DEFAULT_ROUTER, Router } from "../routing/router.ts";
import type { UpstreamAddress } from "./address.ts";
import type { HealthOptions } from "./health.ts";
import type { UpstreamTimeouts } from "./http.ts";
import { UpstreamEngine, type UpstreamHost, type UpstreamPlace } from "./upstream-engine.ts";
import { UpstreamServer } from "./upstream-server.ts";

/** Which servers, and how. */
export interface UpstreamsOptions {
  readonly addresses: readonly UpstreamAddress[];
  /** One of ROUTER_NAMES; "kv-aware" when absent. */
  readonly router?: string;
  readonly timeouts?: UpstreamTimeouts;
  readonly health?: HealthOptions;
  /** Objective of requests that bring none; best effort when absent. */
  readonly defaultSlo?: Slo;
  /** Most open requests of a model; 10 000 when absent. */
  readonly maxOpen?: number;
  readonly onModel?: (engine: Engine) => void;
  readonly onModelGone?: (name: string) => void;
  /** Placements are told here; of its own when absent. */
  readonly stats?: RouterStats;
  readonly clock?: Clock;
  readonly random?: RandomStream;
}

const TICK_MS = 100;

/** See the head of this file. Ended by `stop`. */
export class Upstreams implements UpstreamHost, AsyncDisposable {
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly stats: RouterStats;
  readonly defaultSlo: Slo;
  readonly maxOpen: number;
  readonly #options: UpstreamsOptions;
  readonly #servers: readonly UpstreamServer[];
  readonly #engines = new Map<string, UpstreamEngine>();
  readonly #timer: NodeJS.Timeout;
  #router: Router;
  #stopped: Promise<void> | null = null;

  /** @throws PunctualError invalid_request for a router that there is not. */
  constructor(options: UpstreamsOptions) {
    const { addresses, clock = liveClock, timeouts, health } = options;
    this.#options = options;
    this.clock = clock;
    this.random = options.random ?? createRandom(`${clock.nowMs()}`, "upstreams");
    this.stats = options.stats ?? new RouterStats();
    this.defaultSlo = options.defaultSlo ?? BEST_EFFORT;
    this.maxOpen = options.maxOpen ?? 10_000;
    this.#router = new Router(options.router ?? DEFAULT_ROUTER, this.random.fork("routing"));
    this.#servers = addresses.map((address, index) => {
      return new UpstreamServer({
        address,
        index,
        clock,
        onLook: () => this.#looked(),
        ...(timeouts === undefined ? {} : { timeouts }),
        ...(health === undefined ? {} : { health }),
      });
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
    setImmediate(() => {
      this.#looked(); // models that were named are known at once
      this.#tick();
    });
  }

  /** Every model, in order of appearance. */
  get engines(): readonly UpstreamEngine[] {
    return [...this.#engines.values()];
  }

  /** Every server has been looked at once. */
  async looked(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.look()));
  }

  router(): Router {
    return this.#router;
  }

  /** Errors: `invalid_request` for a router that there is not. */
  setRouter(name: string): void {
    if (name !== this.#router.name) this.#router = new Router(name, this.random.fork("routing"));
  }

  places(name: string): readonly UpstreamPlace[] {
    return this.#servers.flatMap((server) => {
      return offered(server).flatMap(([called, model]) => (called === name ? [{ server, model }] : []));
    });
  }

  /** For a console. */
  instanceViews(): FleetInstanceView[] {
    const nowMs = this.clock.nowMs();
    return this.#servers.flatMap((server) =>
      offered(server).map(([name]): FleetInstanceView => {
        const address = server.address.base;
        return {
          id: `${address}#${name}`.slice(0, FLEET_VIEW_LIMITS.idCharacters),
          model: name,
          host: "upstream",
          role: "any",
          state: server.health.usable(nowMs) ? "serving" : server.models.length === 0 ? "starting" : "silent",
          address: address.slice(0, FLEET_VIEW_LIMITS.addressCharacters),
          usedPages: null,
          totalPages: null,
          pageTokens: null,
          running: server.open,
          waiting: 0,
          batch: null,
          tokensPerSecond: null,
          heartbeatAgeMs: null,
        };
      }),
    );
  }

  /** For a console. */
  requestViews(): FleetRequestView[] {
    const nowMs = this.clock.nowMs();
    return this.engines.flatMap(({ name, open }) =>
      Array.from(open, (answer): FleetRequestView => answer.view(name, nowMs)),
    );
  }

  /** Open requests may finish for `graceMs` (0 when absent); then connections are closed. */
  stop({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(graceMs: number): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.engines.map((engine) => engine.stop({ graceMs })));
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #tick(): void {
    const nowMs = this.clock.nowMs();
    if (this.#stopped === null) for (const server of this.#servers) server.lookIfDue(nowMs);
  }

  /** Names may have come or gone. */
  #looked(): void {
    if (this.#stopped !== null) return;
    const names = new Set(this.#servers.flatMap((server) => offered(server).map(([name]) => name)));
    for (const name of names) {
      if (this.#engines.has(name)) continue;
      const engine = new UpstreamEngine(this, name);
      this.#engines.set(name, engine);
      this.#options.onModel?.(engine);
    }
    for (const [name, engine] of this.#engines) {
      if (names.has(name) || engine.open.size > 0) continue;
      this.#engines.delete(name);
      this.#options.onModelGone?.(name);
    }
  }
}

/** What a server serves here, [what it is called, its own name]. */
function offered({ address, models }: UpstreamServer): (readonly [name: string, model: string])[] {
  const { model, name } = address;
  if (model !== null) return [[name ?? model, model]];
  return models.map(({ id }) => [id, id] as const);
}
