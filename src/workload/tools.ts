/**
 * Traces from traces: another rate, a part, a sample, other arrivals, lengths within limits, objectives, several in
 * one. Each gives a new trace whose ids are 0, 1, … in order of arrival and leaves the given one as it is.
 */
import { assert, fail, type RandomStream } from "../core/index.ts";
import { arrivalSchedule, type ArrivalProcess } from "./arrivals.ts";
import { withinLimits, type LengthLimits } from "./shapes.ts";
import type { Trace, TraceRequest, TraceSlo } from "./types.ts";

/** The same requests arriving `factor` times as fast; thinking and cancelling keep their own time. */
export function scaleRate(trace: Trace, factor: number): Trace {
  assert(factor > 0 && factor < Infinity, "a rate is scaled by a positive factor");
  return withRequests(
    trace,
    trace.requests.map((request) => ({ ...request, arrivalMs: request.arrivalMs / factor })),
  );
}

/** The arrivals in [fromMs, toMs), from 0, at most `count` of them; tasks and hash ids stay, broken tasks go. */
export function cutTrace(
  trace: Trace,
  { fromMs = 0, toMs = Infinity, count = Infinity }: { fromMs?: number; toMs?: number; count?: number },
): Trace {
  const within = trace.requests.filter(({ arrivalMs }) => arrivalMs >= fromMs && arrivalMs < toMs);
  return whole(trace, within.slice(0, Math.min(count, within.length)), fromMs);
}

/** `count` requests drawn with replacement, arriving by a process; a session or task is not kept together. */
export function resampleTrace(trace: Trace, count: number, process: ArrivalProcess, random: RandomStream): Trace {
  if (trace.requests.length === 0) return fail("invalid_request", `${trace.name}: nothing to sample from`);
  const times = arrivalSchedule(process, count, random.fork("arrivals"));
  const draws = random.fork("requests");
  const requests = Array.from(times, (arrivalMs, id): TraceRequest => {
    const { session: _session, task: _task, ...request } = draws.pick(trace.requests);
    return { ...request, id, arrivalMs };
  });
  return { ...trace, requests };
}

/** The same requests in the same order, arriving by a process; the calls of a task keep arriving together. */
export function withArrivals(trace: Trace, process: ArrivalProcess, random: RandomStream): Trace {
  const units = trace.requests.map(({ task }) => task?.id);
  const isNewUnit = units.map((task, i) => i === 0 || task === undefined || task !== units[i - 1]);
  const times = arrivalSchedule(process, isNewUnit.filter(Boolean).length, random);
  let unit = -1;
  const requests = trace.requests.map((request, i) => {
    if (isNewUnit[i]!) unit += 1;
    return { ...request, arrivalMs: times[unit]! };
  });
  return withRequests(trace, requests);
}

/**
 * Spreads requests that share a timestamp evenly until the next one: traces with coarse clocks (Mooncake's step is
 * 3 s) would otherwise arrive in heaps that never were.
 */
export function spreadTies(trace: Trace): Trace {
  const { requests } = trace;
  const spread: TraceRequest[] = [];
  let stepMs = 0;
  for (let i = 0; i < requests.length;) {
    let end = i + 1;
    while (end < requests.length && requests[end]!.arrivalMs === requests[i]!.arrivalMs) end += 1;
    // The last heap has no next one: it takes the step of the heap before it.
    if (end < requests.length) stepMs = requests[end]!.arrivalMs - requests[i]!.arrivalMs;
    for (let j = i; j < end; j++) {
      const request = requests[j]!;
      spread.push({ ...request, arrivalMs: request.arrivalMs + (stepMs * (j - i)) / (end - i) });
    }
    i = end;
  }
  return withRequests(trace, spread);
}

/** Lengths multiplied and then kept within limits; hash ids are dropped where the prompt no longer fits them. */
export function scaleLengths(
  trace: Trace,
  { prompt = 1, output = 1, ...limits }: { prompt?: number; output?: number } & LengthLimits,
): Trace {
  const requests = trace.requests.map((request): TraceRequest => {
    const { hashIds, text: _text, promptIds: _ids, ...rest } = request;
    const lengths = withinLimits(
      Math.round(request.promptTokens * prompt),
      Math.round(request.outputTokens * output),
      limits,
    );
    if (lengths.promptTokens === request.promptTokens) return { ...request, ...lengths };
    const blocks = Math.ceil(lengths.promptTokens / Math.max(1, trace.blockTokens));
    const kept = hashIds === undefined || blocks > hashIds.length ? {} : { hashIds: hashIds.slice(0, blocks) };
    return { ...rest, ...lengths, ...kept };
  });
  return { ...trace, requests };
}

/** The same requests with an objective each; null leaves a request as it is. */
export function withSlo(trace: Trace, sloOf: (request: TraceRequest) => TraceSlo | null): Trace {
  const requests = trace.requests.map((request) => {
    const slo = sloOf(request);
    return slo === null ? request : { ...request, slo };
  });
  return { ...trace, requests };
}

/** Several traces at once, in order of arrival. Sessions, tasks and hash ids of different traces stay different. */
export function mergeTraces(name: string, traces: readonly Trace[]): Trace {
  const blockTokens = Math.max(0, ...traces.map((trace) => trace.blockTokens));
  if (traces.some((trace) => trace.blockTokens !== 0 && trace.blockTokens !== blockTokens)) {
    return fail("invalid_request", `${name}: traces of different block sizes cannot be merged`);
  }
  const hashes = { count: 0 };
  const all = traces.flatMap((trace, place) => {
    const hashOf = denseIds(hashes);
    return trace.requests.map((request) => ({
      request: apart(request, place, traces.length, hashOf),
      place,
      id: request.id,
    }));
  });
  all.sort((a, b) => a.request.arrivalMs - b.request.arrivalMs || a.place - b.place || a.id - b.id);
  const requests = all.map(({ request }) => request);
  return withRequests({ name, source: traces.map(({ source }) => source).join("+"), blockTokens }, requests);
}

/** One trace after the other, each starting where the one before it ends (its last arrival, or `lengthMs`). */
export function concatenateTraces(
  name: string,
  parts: readonly { readonly trace: Trace; readonly lengthMs?: number }[],
): Trace {
  let startMs = 0;
  const shifted = parts.map(({ trace, lengthMs }) => {
    const offsetMs = startMs;
    startMs += lengthMs ?? trace.requests.at(-1)?.arrivalMs ?? 0;
    const requests = trace.requests.map((request) => ({ ...request, arrivalMs: request.arrivalMs + offsetMs }));
    return { ...trace, requests };
  });
  return mergeTraces(name, shifted);
}

/** Ids made different from those of the other `count - 1` traces. */
function apart(request: TraceRequest, place: number, count: number, hashOf: (id: number) => number): TraceRequest {
  const other = (id: number): number => id * count + place;
  const { hashIds, session, task } = request;
  return {
    ...request,
    id: other(request.id),
    ...(hashIds === undefined ? {} : { hashIds: hashIds.map(hashOf) }),
    ...(session === undefined ? {} : { session: other(session) }),
    ...(task === undefined ? {} : { task: { ...task, id: other(task.id), after: task.after.map(other) } }),
  };
}

/** New numbers for the ids of one trace, going on after those of the traces before it. */
function denseIds(hashes: { count: number }): (id: number) => number {
  const known = new Map<number, number>();
  return (id) => {
    let dense = known.get(id);
    if (dense === undefined) {
      dense = hashes.count;
      hashes.count += 1;
      known.set(id, dense);
    }
    return dense;
  };
}

/** Without tasks that have lost a call, and counted from `originMs`. */
function whole(trace: Trace, requests: readonly TraceRequest[], originMs: number): Trace {
  const calls = (list: readonly TraceRequest[]): Map<number, number> => {
    const counts = new Map<number, number>();
    for (const { task } of list) if (task !== undefined) counts.set(task.id, (counts.get(task.id) ?? 0) + 1);
    return counts;
  };
  const before = calls(trace.requests);
  const now = calls(requests);
  const kept = requests.filter(({ task }) => task === undefined || before.get(task.id) === now.get(task.id));
  return withRequests(
    trace,
    kept.map((request) => ({ ...request, arrivalMs: request.arrivalMs - originMs })),
  );
}

/** The requests under ids 0, 1, … in their order, references of tasks included. */
function withRequests(head: Omit<Trace, "requests">, requests: readonly TraceRequest[]): Trace {
  const ids = new Map(requests.map((request, id) => [request.id, id]));
  const numbered = requests.map((request, id): TraceRequest => {
    const { task } = request;
    if (task === undefined) return { ...request, id };
    return { ...request, id, task: { ...task, after: task.after.map((other) => ids.get(other)!) } };
  });
  const { name, source, blockTokens } = head;
  return { name, source, blockTokens, requests: numbered };
}
