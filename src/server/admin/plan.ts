/**
 * POST /admin/plan, /admin/simulate and /admin/traces: planning by simulation, told while it goes on. The work is done
 * behind a port, in another thread; here are bodies, events and the end of a job whose client went away.
 */
import { fail, toErrorRecord } from "../../core/index.ts";
import {
  parsePlanRequest,
  parseWorldRequest,
  PLAN_LIMITS,
  type PlanChoices,
  type PlanEvent,
  type PlanRequest,
  type TraceCard,
  type WorldEvent,
  type WorldRequest,
} from "../../protocol/index.ts";
import { readBody, readJson } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { SSE_HEADERS, sseData, sseStream } from "../sse.ts";

/**
 * Plans and simulates, one job at a time; further ones wait in a short queue. What is wrong with a request is thrown before
 * anything is told; what goes wrong later is an event of kind "error". A job ends within a second of its signal.
 */
export interface PlanService {
  choices(): Promise<PlanChoices>;
  /** Reads and keeps a trace. @throws PunctualError invalid_file, queue_full, cancelled. */
  addTrace(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<TraceCard>;
  /** @throws PunctualError invalid_request, not_found, queue_full. */
  run(job: PlanningJob, signal: AbortSignal): Promise<AsyncIterable<PlanEvent | WorldEvent>>;
}

/** What a server asks to be done. */
export type PlanningJob =
  | { readonly kind: "plan"; readonly request: PlanRequest }
  | { readonly kind: "world"; readonly request: WorldRequest };

/** Plans; answers events. */
export function answerPlan(context: ServerContext, service: PlanService, incoming: Request): Promise<Response> {
  return answerJob(context, service, incoming, (body) => ({ kind: "plan", request: parsePlanRequest(body) }));
}

/** Simulates one world; answers events. */
export function answerSimulate(context: ServerContext, service: PlanService, incoming: Request): Promise<Response> {
  return answerJob(context, service, incoming, (body) => ({ kind: "world", request: parseWorldRequest(body) }));
}

/** Keeps a trace whose bytes are the body and whose name is in the query. */
export async function answerTrace(context: ServerContext, service: PlanService, incoming: Request): Promise<Response> {
  const open = context.requests.open(incoming.signal);
  try {
    const name = traceName(new URL(incoming.url).searchParams.get("name"));
    const bytes = await readBody(incoming, PLAN_LIMITS.traceBytes);
    return Response.json(await service.addTrace(name, bytes, open.signal));
  } finally {
    open.done();
  }
}

async function answerJob(
  context: ServerContext,
  service: PlanService,
  incoming: Request,
  jobOf: (body: unknown) => PlanningJob,
): Promise<Response> {
  const open = context.requests.open(incoming.signal);
  try {
    const job = jobOf(await readJson(incoming, context.bodyLimitBytes));
    const events = await service.run(job, open.signal);
    return new Response(
      sseStream(
        told(events, () => open.done()),
        () => open.abort(),
      ),
      { headers: SSE_HEADERS },
    );
  } catch (error) {
    open.done();
    throw error;
  }
}

async function* told(events: AsyncIterable<PlanEvent | WorldEvent>, done: () => void): AsyncGenerator<string, void> {
  try {
    for await (const event of events) yield sseData(event);
  } catch (error) {
    const { code, message, param } = toErrorRecord(error);
    yield sseData({ kind: "error", code, message, param } satisfies PlanEvent);
  } finally {
    done();
  }
}

const MOST_NAME = 200;

/** The last part of a path, without what no file name has. */
function traceName(text: string | null): string {
  const name = (text ?? "").split(/[/\\]/).at(-1)!.trim();
  const isPlain = name !== "" && name.length <= MOST_NAME && !/[\p{Cc}\p{Cf}]/u.test(name);
  return isPlain
    ? name
    : fail("invalid_request", `Expected the query to say name=FILE, at most ${MOST_NAME} characters.`, {
        param: "name",
      });
}
