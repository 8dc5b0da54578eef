/**
 * GET /admin/fleet and its feed, and what a person can do to a fleet: drain an instance, move a request, change the
 * router, switch scaling by load off and on. The fleet itself is behind a port; a server without one says that it is alone.
 *
 * Readers pull: each gets the latest view when it asks, at most every `FLEET_VIEW_LIMITS.changeMs`, and nothing is kept for
 * one that does not.
 */
import { fail, type Clock } from "../../core/index.ts";
import {
  FLEET_VIEW_LIMITS,
  parseFleetMoveRequest,
  parseFleetRouterRequest,
  parseFleetScalingRequest,
  type FleetAnswer,
  type FleetView,
  type FleetViewSource,
} from "../../protocol/index.ts";
import { readJson } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { SSE_HEADERS, sseData, sseStream } from "../sse.ts";

/** Which models a caller may see; null: all. */
export type SeenModels = ReadonlySet<string> | null;

interface Snapshot {
  readonly view: FleetView;
  readonly takenMs: number;
  /** Everything in it that is not a clock running on; views of equal signature are told rarely. */
  readonly signature: string;
}

interface Reader {
  closed: boolean;
  wake: (() => void) | null;
}

const NO_STORE = { headers: { "cache-control": "no-store" } };
const ALONE: FleetAnswer = { kind: "alone" };

/** See the head of this file. */
export class FleetDesk {
  readonly #source: FleetViewSource | null;
  readonly #clock: Clock;
  readonly #readers = new Set<Reader>();
  #last: Snapshot | null = null;
  #closed = false;

  /** @param source null: this server is alone. */
  constructor(source: FleetViewSource | null, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The fleet now, or a moment ago; null for a server that is alone. */
  get view(): FleetView | null {
    return this.#source === null ? null : this.#look(this.#source).view;
  }

  /** GET /admin/fleet. */
  answer(seen: SeenModels): Response {
    return Response.json(this.#source === null ? ALONE : seenOf(this.#look(this.#source).view, seen), NO_STORE);
  }

  /** GET /admin/fleet/live: views while they change; of a server that is alone, one word. Errors: `queue_full`, `shutting_down`. */
  live(incoming: Request, seen: SeenModels): Response {
    // Nobody would ever read it, or end it.
    if (incoming.method === "HEAD") return new Response(null, { headers: SSE_HEADERS });
    const reader = this.#open();
    const views = this.#source === null ? this.#alone(reader) : this.#follow(this.#source, reader, seen);
    return new Response(
      sseStream(views, () => this.#leave(reader)),
      { headers: SSE_HEADERS },
    );
  }

  /** POST /admin/fleet/instances/{id}/drain. Errors: `not_found`, `unsupported`. */
  async drain(context: ServerContext, id: string, seen: SeenModels): Promise<Response> {
    const source = this.#needed();
    const { instances } = seenOf(source.view(), seen);
    if (!instances.some((instance) => instance.id === id)) fail("not_found", `There is no instance '${id}'.`);
    const drained = await source.drain(id);
    context.log.info({ instance: id }, "instance drains");
    return Response.json(drained, NO_STORE);
  }

  /** POST /admin/fleet/moves. Errors: `invalid_request`, `not_found`, `unsupported`. */
  async move(context: ServerContext, incoming: Request, seen: SeenModels): Promise<Response> {
    const source = this.#needed();
    const { request, to } = parseFleetMoveRequest(await readJson(incoming, context.bodyLimitBytes));
    const { requests, instances } = seenOf(source.view(), seen);
    if (!requests.some(({ id }) => id === request)) fail("not_found", `There is no open request '${request}'.`);
    if (!instances.some(({ id }) => id === to)) fail("not_found", `There is no instance '${to}'.`, { param: "to" });
    const begun = await source.move(request, to);
    context.log.info({ ...begun }, "move asked for");
    return Response.json(begun, NO_STORE);
  }

  /** POST /admin/fleet/router. Errors: `invalid_request`, `not_found`. */
  async changeRouter(context: ServerContext, incoming: Request): Promise<Response> {
    const source = this.#needed();
    const { router } = parseFleetRouterRequest(await readJson(incoming, context.bodyLimitBytes));
    const changed = source.setRouter(router);
    context.log.info({ ...changed }, "router changed");
    return Response.json(changed, NO_STORE);
  }

  /** POST /admin/fleet/scaling. Errors: `invalid_request`, `not_found` where nobody scales, or other models. */
  async changeScaling(context: ServerContext, incoming: Request, seen: SeenModels): Promise<Response> {
    const source = this.#needed();
    const { enabled } = parseFleetScalingRequest(await readJson(incoming, context.bodyLimitBytes));
    if (seenOf(source.view(), seen).scaling === undefined) {
      fail("not_found", "This router starts and stops no instances: it has no --scale.");
    }
    const changed = source.setScaling(enabled);
    context.log.info({ ...changed }, "scaling switched");
    return Response.json(changed, NO_STORE);
  }

  /** Ends every feed; what reads from now on is refused. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) this.#leave(reader);
  }

  #needed(): FleetViewSource {
    return this.#source ?? fail("not_found", "This server has no fleet: it was started without --bus and --upstream.");
  }

  #look(source: FleetViewSource): Snapshot {
    const nowMs = this.#clock.nowMs();
    if (this.#last !== null && nowMs - this.#last.takenMs < FLEET_VIEW_LIMITS.changeMs) return this.#last;
    const view = source.view();
    this.#last = { view, takenMs: nowMs, signature: signatureOf(view) };
    return this.#last;
  }

  #open(): Reader {
    if (this.#closed) fail("shutting_down", "The server is shutting down.");
    if (this.#readers.size >= FLEET_VIEW_LIMITS.feeds) {
      fail("queue_full", `${FLEET_VIEW_LIMITS.feeds} readers follow the fleet already.`, { retryAfterMs: 5000 });
    }
    const reader: Reader = { closed: false, wake: null };
    this.#readers.add(reader);
    return reader;
  }

  #leave(reader: Reader): void {
    reader.closed = true;
    this.#readers.delete(reader);
    reader.wake?.();
  }

  async *#alone(reader: Reader): AsyncGenerator<string, void> {
    try {
      yield sseData(ALONE);
    } finally {
      this.#leave(reader);
    }
  }

  async *#follow(source: FleetViewSource, reader: Reader, seen: SeenModels): AsyncGenerator<string, void> {
    let told = "";
    let toldMs = -Infinity;
    try {
      while (!reader.closed) {
        const { view, signature } = this.#look(source);
        const nowMs = this.#clock.nowMs();
        if (signature !== told || nowMs - toldMs >= FLEET_VIEW_LIMITS.idleMs) {
          [told, toldMs] = [signature, nowMs];
          yield sseData(seenOf(view, seen));
        }
        await pause(reader);
      }
    } finally {
      this.#leave(reader);
    }
  }
}

/** Until the next view may be taken, or the reader is closed. */
async function pause(reader: Reader): Promise<void> {
  if (reader.closed) return;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    reader.wake = resolve;
    timer = setTimeout(resolve, FLEET_VIEW_LIMITS.changeMs);
    timer.unref(); // the sockets keep the process alive, not this
  });
  clearTimeout(timer);
  reader.wake = null;
}

/** The part of a view that a caller may see. Sums are of the whole fleet: they tell nothing about a request. */
function seenOf(view: FleetView, seen: SeenModels): FleetView {
  if (seen === null) return view;
  const sees = ({ model }: { readonly model: string }): boolean => seen.has(model);
  const { scaling, ...rest } = view;
  const isOfTheirs = scaling !== undefined && scaling.model !== null && seen.has(scaling.model);
  return {
    ...rest,
    ...(isOfTheirs ? { scaling } : {}),
    instances: view.instances.filter(sees),
    requests: view.requests.filter(sees),
    moves: view.moves.filter(sees),
    endedMoves: view.endedMoves.filter(sees),
  };
}

function signatureOf(view: FleetView): string {
  return JSON.stringify(view, (key, value: unknown) => (/ageMs$/i.test(key) || key === "upMs" ? undefined : value));
}
