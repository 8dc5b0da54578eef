/**
 * Planning for the console: what a server asks of it, over a queue of worker threads (plan-queue.ts). Traces are kept in
 * memory that threads share, the oldest given up for a new one.
 */
import { randomUUID } from "node:crypto";
import { fail, fromErrorRecord } from "../core/index.ts";
import { PLAN_LIMITS, type PlanChoices, type PlanEvent, type TraceCard, type WorldEvent } from "../protocol/index.ts";
import type { PlanService } from "../server/index.ts";
import type { PlanJob, TraceBytes } from "./plan-job.ts";
import { JobQueue, type JobEvent } from "./plan-queue.ts";

/** The service, and what only its owner needs. */
export interface PlanJobs extends PlanService, AsyncDisposable {
  /** Threads that are alive. */
  readonly workers: number;
  readonly waiting: number;
  /** Ends everything; resolves when no thread is left. */
  close(): Promise<void>;
}

/** Bounds that tests make smaller. */
export interface PlanJobsOptions {
  /** PLAN_LIMITS.jobMs when absent. */
  readonly jobMs?: number;
}

/** Nothing is loaded and no thread started before somebody asks. */
export function createPlanJobs(options: PlanJobsOptions = {}): PlanJobs {
  const traces = new TraceShelf();
  const queue = new JobQueue(options.jobMs ?? PLAN_LIMITS.jobMs);
  return {
    get workers() {
      return queue.workers;
    },
    get waiting() {
      return queue.waiting;
    },
    choices: () => choicesOf(traces.cards),
    addTrace: async (name, bytes, signal) => {
      const trace: TraceBytes = { id: randomUUID(), name, bytes: shared(bytes) };
      await check({ kind: "inspect", trace });
      for await (const event of queue.add({ kind: "inspect", trace }, signal)) {
        if (event.kind === "failed") throw fromErrorRecord(event.error);
        if (event.kind !== "card") continue;
        traces.add(trace, event.card);
        return event.card;
      }
      return fail("cancelled", "The client went away before its trace was read.");
    },
    run: async (asked, signal) => {
      const job: PlanJob = { ...asked, trace: traces.find(asked.request.workload) };
      await check(job);
      return told(queue.add(job, signal));
    },
    close: () => queue.close(),
    [Symbol.asyncDispose]: () => queue.close(),
  };
}

async function check(job: PlanJob): Promise<void> {
  const { checkJob } = await import("./plan-job.ts");
  await checkJob(job);
}

/** As it goes over the wire. */
async function* told(events: AsyncIterable<JobEvent>): AsyncGenerator<PlanEvent | WorldEvent, void> {
  for await (const event of events) {
    if (event.kind === "card") continue;
    if (event.kind !== "failed") yield event;
    else {
      const { code, message, param } = event.error;
      yield { kind: "error", code, message, param };
    }
  }
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

async function choicesOf(traces: readonly TraceCard[]): Promise<PlanChoices> {
  const [{ GPU_KINDS, PLAN_MODELS }, { DISPATCH_NAMES, POLICY_NAMES }, { TABLE_NAMES }, { PUBLISHED_WORKLOADS }] =
    await Promise.all([
      import("../plan/index.ts"),
      import("../sched/index.ts"),
      import("../sim/index.ts"),
      import("../workload/index.ts"),
    ]);
  const { traceBytes, requests, worldRequests, devices, instances } = PLAN_LIMITS;
  const published = Object.entries(PUBLISHED_WORKLOADS).map(([name, { source }]) => ({ name, about: source }));
  return {
    models: PLAN_MODELS,
    gpus: GPU_KINDS,
    generators: [
      ...published,
      { name: "three-class", about: "latency, deadline and compound requests in equal parts" },
      { name: "fixed", about: "one length: fixed,prompt=512,output=128" },
    ],
    policies: POLICY_NAMES,
    dispatches: DISPATCH_NAMES,
    costs: [...TABLE_NAMES, ...(await rooflineNames())],
    traces,
    limits: { traceBytes, requests, worldRequests, devices, instances },
  };
}

const PARALLEL: readonly number[] = [1, 2, 4, 8];
/** A cache smaller than this share of the weights serves nobody. */
const LEAST_CACHE = 0.1;

/** Each model on each kind of device, on as few as hold it. */
async function rooflineNames(): Promise<string[]> {
  const { GPUS, MODEL_SHAPES, createDeployment } = await import("../sim/index.ts");
  return MODEL_SHAPES.flatMap(({ name: model, parameters }) =>
    GPUS.flatMap(({ name: gpu, memoryBytes }) => {
      const parallel = PARALLEL.find((devices) => memoryBytes * devices * 0.9 > parameters * 2 * (1 + LEAST_CACHE));
      if (parallel === undefined) return [];
      const name = `roofline:${gpu}:${model}:tp${parallel}`;
      return createDeployment(name).deployment.kvTokens > 0 ? [name] : [];
    }),
  );
}

/** The traces that were brought, oldest first. */
class TraceShelf {
  readonly #kept = new Map<string, { readonly trace: TraceBytes; readonly card: TraceCard }>();

  get cards(): readonly TraceCard[] {
    return [...this.#kept.values()].map(({ card }) => card);
  }

  add(trace: TraceBytes, card: TraceCard): void {
    const sum = (): number => [...this.#kept.values()].reduce((bytes, one) => bytes + one.card.bytes, card.bytes);
    for (const id of this.#kept.keys()) {
      if (this.#kept.size < PLAN_LIMITS.traces && sum() <= PLAN_LIMITS.keptTraceBytes) break;
      this.#kept.delete(id);
    }
    this.#kept.set(trace.id, { trace, card });
  }

  /** Null for a generator. @throws PunctualError not_found. */
  find(workload: { readonly kind: string; readonly id?: string }): TraceBytes | null {
    if (workload.kind !== "trace") return null;
    const found = this.#kept.get(workload.id ?? "");
    const message = "This server does not have that trace any more; bring it again.";
    return found?.trace ?? fail("not_found", message, { param: "workload.id" });
  }
}
