/**
 * Workloads as data, and the traces they give: an arrival process, classes of requests with their lengths and
 * objectives, and for each class a shape: single calls, compound tasks (stages of calls with tool time between them,
 * JITServe's setting), or conversations whose prompts share growing prefixes (Mooncake's setting).
 *
 * Every class draws from streams of its own, so the same seed gives the same requests at another rate.
 */
import { assert, fail, type RandomStream } from "../core/index.ts";
import { arrivalTimes, type ArrivalProcess } from "./arrivals.ts";
import { compoundMaker } from "./compound.ts";
import { conversationMaker } from "./conversation.ts";
import { drawWhole } from "./distributions.ts";
import { PendingHeap } from "./pending.ts";
import {
  withinLimits,
  type CompoundShape,
  type ConversationShape,
  type LengthLimits,
  type PlannedRequest,
  type RequestBase,
  type SingleShape,
  type UnitMaker,
} from "./shapes.ts";
import type { Trace, TraceRequest, TraceSlo, TraceStream } from "./types.ts";

/** A kind of request within a workload. */
export interface RequestClass {
  readonly name: string;
  /** Its share of the arrivals, relative to the other classes. */
  readonly weight: number;
  readonly shape: SingleShape | CompoundShape | ConversationShape;
  readonly slo?: TraceSlo;
  readonly priority?: number;
}

/** A workload. It needs `count` or `durationMs`, or both. */
export interface Workload {
  readonly name: string;
  readonly arrivals: ArrivalProcess;
  readonly classes: readonly RequestClass[];
  /** Stop after so many requests; a task that has begun is finished. */
  readonly count?: number;
  /** Nothing arrives after that. */
  readonly durationMs?: number;
  /** Tokens per hash id of conversations; 512 when absent. */
  readonly blockTokens?: number;
  /** Longer prompts are shortened to this. */
  readonly maxPromptTokens?: number;
  /** Answers are shortened so that prompt and answer stay within this. */
  readonly maxTotalTokens?: number;
}

/** The trace of a workload, made while it is consumed; at the end of `count` or `durationMs`. */
export function generateStream(workload: Workload, random: RandomStream): TraceStream {
  checkWorkload(workload);
  const hasHashes = workload.classes.some(({ shape }) => shape.kind === "conversation");
  return {
    name: workload.name,
    source: "generator",
    blockTokens: hasHashes ? (workload.blockTokens ?? DEFAULT_BLOCK_TOKENS) : 0,
    requests: requestsOf(workload, random),
  };
}

/** The same in memory. */
export function generateTrace(workload: Workload, random: RandomStream): Trace {
  const stream = generateStream(workload, random);
  return { ...stream, requests: [...stream.requests] };
}

const DEFAULT_BLOCK_TOKENS = 512;

interface Due {
  readonly planned: readonly PlannedRequest[];
  readonly session: number;
}

function* requestsOf(workload: Workload, random: RandomStream): Generator<TraceRequest> {
  const makers = createMakers(workload, random);
  const choose = classChooser(workload.classes, random.fork("classes"));
  const pending = new PendingHeap<Due>();
  const { count = Infinity, durationMs = Infinity } = workload;
  let [id, tasks, unit] = [0, 0, 0];
  const emit = function* (atMs: number, { planned, session }: Due): Generator<TraceRequest> {
    const base = id;
    const isTask = planned[0]!.request.task !== undefined;
    for (const { request } of planned) {
      const { task, ...rest } = request;
      const withTask =
        task === undefined ? {} : { task: { id: tasks, ...task, after: task.after.map((place) => base + place) } };
      yield { id, arrivalMs: atMs, ...rest, ...(rest.hashIds === undefined ? {} : { session }), ...withTask };
      id += 1;
    }
    if (isTask) tasks += 1;
  };
  for (const arrivalMs of arrivalTimes(workload.arrivals, random.fork("arrivals"))) {
    while (pending.nextMs <= Math.min(arrivalMs, durationMs) && id < count) {
      yield* emit(pending.nextMs, pending.pop()!);
    }
    if (arrivalMs > durationMs || id >= count) return;
    const planned = makers[choose()]!(unit);
    const now = planned.filter(({ delayMs }) => delayMs === 0);
    for (const later of planned) {
      if (later.delayMs > 0) pending.push(arrivalMs + later.delayMs, { planned: [later], session: unit });
    }
    yield* emit(arrivalMs, { planned: now, session: unit });
    unit += 1;
  }
}

function createMakers(workload: Workload, random: RandomStream): UnitMaker[] {
  const hashes = { next: 0 };
  return workload.classes.map((one) => {
    const stream = random.fork(`class ${one.name}`);
    const base = {
      ...(one.slo === undefined ? {} : { slo: one.slo }),
      ...(one.priority === undefined ? {} : { priority: one.priority }),
    };
    switch (one.shape.kind) {
      case "single":
        return singleMaker(one.shape, base, workload, stream);
      case "compound":
        return compoundMaker(one.shape, base, workload, stream);
      case "conversation":
        return conversationMaker(
          one.shape,
          base,
          { ...workload, blockTokens: workload.blockTokens ?? DEFAULT_BLOCK_TOKENS, hashes },
          stream,
        );
      default:
        return one.shape satisfies never;
    }
  });
}

/** The place of a class, drawn by weight. */
function classChooser(classes: readonly RequestClass[], random: RandomStream): () => number {
  const total = classes.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let rest = random.uniform() * total;
    for (const [i, { weight }] of classes.entries()) {
      if (rest < weight) return i;
      rest -= weight;
    }
    return classes.length - 1;
  };
}

function singleMaker(shape: SingleShape, base: RequestBase, limits: LengthLimits, random: RandomStream): UnitMaker {
  return () => {
    const promptTokens = drawWhole(shape.prompt, random);
    const outputTokens = drawWhole(shape.output, random);
    return [{ delayMs: 0, request: { ...withinLimits(promptTokens, outputTokens, limits), ...base } }];
  };
}

function checkWorkload(workload: Workload): void {
  const { name, classes, count, durationMs } = workload;
  if (count === undefined && durationMs === undefined) {
    fail("invalid_request", `workload ${name}: expected count or durationMs, got neither`, { param: "count" });
  }
  if (workload.arrivals.kind === "all-at-once" && count === undefined) {
    fail("invalid_request", `workload ${name}: everything at once needs a count`, { param: "count" });
  }
  if (classes.length === 0 || !classes.every(({ weight }) => weight > 0 && weight < Infinity)) {
    fail("invalid_request", `workload ${name}: expected classes of weight above 0`, { param: "classes" });
  }
  assert(new Set(classes.map((one) => one.name)).size === classes.length, "classes of a workload have different names");
}
