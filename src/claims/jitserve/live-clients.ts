/**
 * Clients of a live engine that play a trace: single requests at their times, tasks stage by stage with thinking between,
 * the rest of a task left when one of its requests has no whole answer. Judged as the simulator judges: tokens on their
 * pace line for latency, all or nothing for deadlines and tasks.
 */
import { present, PunctualError, type Clock } from "../../core/index.ts";
import type { Engine, GenerateRequest } from "../../runtime/index.ts";
import { goodTokens, sloOutcome, tokenInTime, type Slo } from "../../sched/index.ts";
import type { TraceRequest } from "../../workload/index.ts";

/** How a request, or a whole task, went. */
export interface ServedUnit {
  readonly tokens: number;
  readonly goodTokens: number;
  /** Null without an objective. */
  readonly attained: boolean | null;
}

/** All of a run; `seconds` from its start to its last end. */
export interface Served {
  readonly requests: readonly ServedUnit[];
  readonly seconds: number;
}

/** What may end a request without an answer, as clients of an overloaded server see it. */
const TURNED_AWAY: readonly string[] = ["queue_full", "deadline_expired", "deadline_unattainable"];

interface Answer {
  readonly tokenMs: readonly number[];
  readonly complete: boolean;
  readonly endMs: number;
}

/** Plays the whole trace and waits for every end. @param questionOf what to ask, by the number of the request. */
export async function serveTrace(
  engine: Engine,
  requests: readonly TraceRequest[],
  questionOf: (id: number) => GenerateRequest,
  clock: Clock,
): Promise<Served> {
  const questions = new Map(requests.map(({ id }) => [id, questionOf(id)]));
  const startMs = clock.nowMs();
  const tasks = new Map<number, TraceRequest[]>();
  const running: Promise<ServedUnit>[] = [];
  const ask = (id: number, slo: Slo, arrivalMs: number, task?: GenerateRequest["task"]): Promise<Answer> =>
    answerOf(engine, { ...present(questions.get(id), "a question"), slo, arrivalMs, ...(task ? { task } : {}) }, clock);
  for (const request of requests) {
    if (request.task === undefined) continue;
    const known = tasks.get(request.task.id);
    if (known === undefined) tasks.set(request.task.id, [request]);
    else known.push(request);
  }
  const begun = new Set<number>();
  for (const request of requests) {
    const { id, arrivalMs, task } = request;
    if (task !== undefined && begun.has(task.id)) continue;
    await sleepUntil(startMs + arrivalMs, clock);
    const atMs = startMs + arrivalMs;
    const slo = present(request.slo, "an objective");
    if (task === undefined) {
      running.push(ask(id, slo, atMs).then((answer) => judge(slo, atMs, answer)));
    } else {
      begun.add(task.id);
      running.push(playTask(present(tasks.get(task.id), "a task"), atMs, ask, clock));
    }
  }
  const units = await Promise.all(running);
  return { requests: units, seconds: (clock.nowMs() - startMs) / 1000 };
}

/** A task from its first stage to its last; a stage begins when all of its `after` have ended and it has thought. */
async function playTask(
  requests: readonly TraceRequest[],
  startMs: number,
  ask: (id: number, slo: Slo, arrivalMs: number, task: GenerateRequest["task"]) => Promise<Answer>,
  clock: Clock,
): Promise<ServedUnit> {
  const slo = present(requests[0]?.slo, "an objective");
  const deadlineMs = present(slo.deadlineMs, "a deadline");
  const ends = new Map<number, Promise<boolean>>();
  let tokens = 0;
  let lastMs = startMs;
  const play = async ({ id, task }: TraceRequest): Promise<boolean> => {
    const { after, thinkMs, stage } = present(task, "a place in a task");
    const before = await Promise.all(after.map((other) => present(ends.get(other), "an earlier request")));
    if (!before.every(Boolean)) return false;
    const atMs = after.length === 0 ? startMs : clock.nowMs() + thinkMs;
    await sleepUntil(atMs, clock);
    const left = Math.max(SMALLEST_MS, deadlineMs - (atMs - startMs));
    const answer = await ask(id, { ...slo, deadlineMs: left }, atMs, { id: `${startMs} ${task!.id}`, stage });
    tokens += answer.tokenMs.length;
    lastMs = Math.max(lastMs, answer.endMs);
    return answer.complete;
  };
  for (const request of requests) ends.set(request.id, play(request));
  const well = (await Promise.all(ends.values())).every(Boolean);
  const attained = well && lastMs - startMs <= deadlineMs;
  return { tokens, goodTokens: attained ? tokens : 0, attained };
}

const SMALLEST_MS = 1e-3;

function judge(slo: Slo, arrivalMs: number, { tokenMs, complete, endMs }: Answer): ServedUnit {
  const tokens = tokenMs.length;
  const firstMs = tokenMs[0] ?? null;
  const { attained } = sloOutcome(slo, arrivalMs, firstMs, tokenMs.at(-1) ?? endMs, tokens, complete);
  const inTime = tokenMs.filter((ms, i) => tokenInTime(slo, arrivalMs, firstMs!, i, ms)).length;
  return { tokens, goodTokens: goodTokens(slo, attained, tokens, inTime), attained };
}

async function answerOf(engine: Engine, request: GenerateRequest, clock: Clock): Promise<Answer> {
  const tokenMs: number[] = [];
  try {
    for await (const event of engine.submit(request)) if (event.kind === "token") tokenMs.push(event.atMs);
    return { tokenMs, complete: true, endMs: tokenMs.at(-1) ?? clock.nowMs() };
  } catch (error) {
    if (!(error instanceof PunctualError) || !TURNED_AWAY.includes(error.code)) throw error;
    return { tokenMs, complete: false, endMs: clock.nowMs() };
  }
}

async function sleepUntil(atMs: number, clock: Clock): Promise<void> {
  const waitMs = atMs - clock.nowMs();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
}
