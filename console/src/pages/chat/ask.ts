/**
 * One answer asked for and followed to its end, the timeline included. It never throws: what goes wrong is part of the
 * answer.
 */
import type { ChatChunk, RequestTraceBody } from "@protocol";
import { ApiError, getJson, isAbort, readError, streamEvents } from "../../lib/api.ts";
import { nowMs } from "../../lib/clock.ts";
import { isVisible, withChunk } from "./answer.ts";
import { timelineOfPage, timelineOfTrace, type Timeline } from "../../timeline/timeline.ts";
import type { Answer, AnswerError } from "./types.ts";

/** What is asked. */
export interface Question {
  readonly body: Readonly<Record<string, unknown>>;
  /** The answer to begin with. */
  readonly answer: Answer;
  readonly signal: AbortSignal;
  /** Hears the answer as it grows, at most once per frame, and once at its end. */
  readonly onAnswer: (answer: Answer) => void;
}

/** Asks, and resolves to the answer with its timeline. */
export async function ask(question: Question): Promise<Answer> {
  const { body, signal, onAnswer } = question;
  const startMs = nowMs();
  const seenMs: number[] = [];
  let answer = question.answer;
  const page = (endMs: number | null): Timeline => timelineOfPage(seenMs, endMs, answer.usage);
  const pace = new FramePace(() => onAnswer({ ...answer, timeline: page(null) }));
  const onOpen = (response: Response): void => {
    answer = { ...answer, requestId: response.headers.get("x-request-id") };
  };
  try {
    for await (const { data } of streamEvents("v1/chat/completions", { body, signal }, onOpen)) {
      if (data === "[DONE]") break;
      const error = readError(data);
      if (error !== null)
        throw new ApiError(error.message, { status: 0, code: error.code ?? error.type, param: error.param });
      const chunk = JSON.parse(data) as ChatChunk;
      if (isVisible(chunk)) seenMs.push(nowMs() - startMs);
      answer = withChunk(answer, chunk);
      pace.request();
    }
    answer = { ...answer, state: "done" };
  } catch (error) {
    answer = failed(answer, error);
  } finally {
    pace.stop();
  }
  answer = { ...answer, timeline: page(nowMs() - startMs) };
  onAnswer(answer);
  const trace = answer.requestId === null ? null : await readTrace(answer.requestId);
  if (trace !== null) answer = { ...answer, timeline: timelineOfTrace(trace) };
  onAnswer(answer);
  return answer;
}

function failed(answer: Answer, error: unknown): Answer {
  if (isAbort(error)) return { ...answer, state: "stopped" };
  const requestId = error instanceof ApiError ? (error.requestId ?? answer.requestId) : answer.requestId;
  return { ...answer, state: "failed", error: toAnswerError(error), requestId };
}

/** Anything thrown, as part of an answer. */
export function toAnswerError(error: unknown): AnswerError {
  if (error instanceof ApiError) {
    const { message, code, status, param, retryAfterMs } = error;
    return { message, code, status, param, retryAfterMs };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, code: "unexpected", status: 0, param: null, retryAfterMs: null };
}

/** The engine's word may come a moment after the answer's end. */
const TRACE_TRIES = 4;
const TRACE_PAUSE_MS = 120;

/** The server's record of a request; null when it has none. */
async function readTrace(requestId: string): Promise<RequestTraceBody | null> {
  let trace: RequestTraceBody | null = null;
  for (let tries = 0; tries < TRACE_TRIES; tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, TRACE_PAUSE_MS));
    try {
      trace = await getJson<RequestTraceBody>(`admin/requests/${encodeURIComponent(requestId)}`);
      if (trace.outcome !== null || trace.endMs !== undefined) return trace;
    } catch {
      return trace; // refused, forgotten, or a server without traces: the page's own timeline stays
    }
  }
  return trace;
}

/** Calls at most once per frame; in a hidden page, which has no frames, ten times a second. */
class FramePace {
  private readonly run: () => void;
  private frame: number | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(run: () => void) {
    this.run = run;
  }

  request(): void {
    if (this.frame !== null || this.timer !== null) return;
    const fire = (): void => {
      this.frame = null;
      this.timer = null;
      this.run();
    };
    if (document.hidden) this.timer = setTimeout(fire, 100);
    else this.frame = requestAnimationFrame(fire);
  }

  stop(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    if (this.timer !== null) clearTimeout(this.timer);
    this.frame = null;
    this.timer = null;
  }
}
