/**
 * Load for live claims, in process: closed loops (so many clients, each with one request at a time) and open loops
 * (arrivals at their own times). Times are those of the steps that made the tokens, read off the events; nothing here
 * judges them. An HTTP client would take its share of the cores: see bench/ for that.
 */
import { PunctualError, type Clock } from "../core/index.ts";
import type { Engine, GenerateRequest, TokenStream } from "../runtime/index.ts";

/** How one request went; milliseconds of one clock. */
export interface RequestTimes {
  readonly arrivalMs: number;
  readonly promptTokens: number;
  /** When each token came. */
  readonly tokenMs: readonly number[];
  /** It ended by itself. */
  readonly done: boolean;
}

/** All requests of a run, and the part of it that counts. */
export interface LoadRun {
  readonly requests: readonly RequestTimes[];
  readonly fromMs: number;
  readonly toMs: number;
}

/** A closed loop. */
export interface ClosedLoopOptions {
  readonly clients: number;
  /** How long to measure at least, milliseconds, once every client has had a whole answer. */
  readonly windowMs: number;
  /** Whole answers to wait for, however long that takes; one per client when absent. */
  readonly leastAnswers?: number;
  readonly clock: Clock;
  /** The next request of a client; `first` is its first one. */
  request(client: number, first: boolean): GenerateRequest;
}

/** Clients that ask again as soon as they are answered. What is under way at the end is cancelled. */
export async function closedLoop(engine: Engine, options: ClosedLoopOptions): Promise<LoadRun> {
  const { clients, windowMs, leastAnswers = clients, clock } = options;
  const requests: RequestTimes[] = [];
  const over = new AbortController();
  let warm = 0;
  let answers = 0;
  let fromMs = Infinity;
  let toMs = Infinity;
  const onToken = (): void => {
    const nowMs = clock.nowMs();
    if (over.signal.aborted || answers < leastAnswers || nowMs < fromMs + windowMs) return;
    toMs = nowMs;
    over.abort();
  };
  const client = async (id: number): Promise<void> => {
    for (let first = true; !over.signal.aborted; first = false) {
      const request = { ...options.request(id, first), arrivalMs: clock.nowMs() };
      const times = await follow(engine.submit(request, { signal: over.signal }), request, onToken);
      requests.push(times);
      if (!times.done) continue;
      if (warm === clients) answers += 1;
      else if (first && (warm += 1) === clients) fromMs = clock.nowMs();
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  return { requests, fromMs, toMs };
}

/** A request of an open loop. */
export interface TimedRequest {
  /** From the start of the run. */
  readonly atMs: number;
  readonly request: GenerateRequest;
}

/** Sends every request at its time, whatever became of those before, and waits for all; the whole run counts. */
export async function openLoop(engine: Engine, arrivals: readonly TimedRequest[], clock: Clock): Promise<LoadRun> {
  const fromMs = clock.nowMs();
  const answers: Promise<RequestTimes>[] = [];
  for (const { atMs, request } of arrivals) {
    // Timers drop fractions and may fire early; nothing is sent before its time.
    const dueMs = fromMs + atMs;
    while (clock.nowMs() < dueMs) await sleep(Math.ceil(dueMs - clock.nowMs()));
    // Waiting behind a busy main thread is waiting too.
    const sent = { ...request, arrivalMs: dueMs };
    answers.push(follow(engine.submit(sent), sent));
  }
  const requests = await Promise.all(answers);
  return { requests, fromMs, toMs: clock.nowMs() };
}

/** Reads a stream to its end; one that was cancelled is not done. */
async function follow(
  stream: TokenStream,
  { arrivalMs, promptTokens }: GenerateRequest & { readonly arrivalMs: number },
  onToken?: () => void,
): Promise<RequestTimes> {
  const tokenMs: number[] = [];
  let done = false;
  try {
    for await (const event of stream) {
      if (event.kind === "token") {
        tokenMs.push(event.atMs);
        onToken?.();
      } else {
        done = true;
      }
    }
  } catch (error) {
    if (!(error instanceof PunctualError && error.code === "cancelled")) throw error;
  }
  return { arrivalMs, promptTokens: promptTokens.length, tokenMs, done };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
