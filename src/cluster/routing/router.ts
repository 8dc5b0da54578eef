/**
 * Who gets a new request, live: the dispatchers of sched/fleet, which the simulator drives too, over what is known of
 * instances now. Beside them only what a live fleet has and a simulated one has not: instances that are silent, refuse or
 * were tried already, and a guess at what their caches hold.
 */
import { fail, type RandomStream } from "../../core/index.ts";
import {
  createDispatch,
  DISPATCH_NAMES,
  type Dispatch,
  type FleetRequest,
  type InstanceLoad,
} from "../../sched/index.ts";

/** Names of routers; "least-load" is INFaaS's: the smallest share of memory in use and asked for. */
export const ROUTER_NAMES: readonly string[] = [
  "kv-aware",
  "llumnix",
  "deadline-aware",
  "least-load",
  ...DISPATCH_NAMES.filter((name) => !["kv-aware", "llumnix", "deadline-aware", "infaas"].includes(name)),
];

/** What routes when nothing else is said. */
export const DEFAULT_ROUTER = "kv-aware";

/** Where a request goes, or why it goes nowhere. */
export type Route =
  | { readonly kind: "to"; readonly load: InstanceLoad }
  /** Nobody takes anything at the moment. */
  | { readonly kind: "nobody" }
  /** Its prompt is longer than every cache. */
  | { readonly kind: "too-long" }
  /** No instance can keep what was promised, and it would rather be refused. */
  | { readonly kind: "refused"; readonly reason: string; readonly retryAfterMs: number };

/** A router by name. One object serves one router: it remembers what it has sent. */
export class Router {
  readonly name: string;
  readonly #dispatch: Dispatch;
  readonly #random: RandomStream;

  /** @throws PunctualError invalid_request for a name that is not in ROUTER_NAMES. */
  constructor(name: string, random: RandomStream) {
    this.name = checkRouter(name);
    this.#dispatch = createDispatch(name === "least-load" ? "infaas" : name);
    this.#random = random;
  }

  /** @param candidates those that may take something new */
  route(request: FleetRequest, candidates: readonly InstanceLoad[], nowMs: number): Route {
    if (candidates.length === 0) return { kind: "nobody" };
    const refusal = this.#dispatch.refusal?.(request, candidates, nowMs) ?? null;
    if (refusal !== null) return { kind: "refused", ...refusal };
    const load = this.#dispatch.choose(request, candidates, nowMs, this.#random);
    return load === null ? { kind: "too-long" } : { kind: "to", load };
  }
}

/** @throws PunctualError invalid_request naming those there are. */
export function checkRouter(name: string): string {
  if (ROUTER_NAMES.includes(name)) return name;
  return fail("invalid_request", `router: expected one of ${ROUTER_NAMES.join(", ")}, got "${name}"`, {
    param: "router",
  });
}
