/**
 * The vocabulary of workloads as plain data: what arrived when, how long it was, what it asked for. A trace says
 * nothing about how it was served; whoever replays it (a load generator, a simulator) decides that.
 *
 * Units: milliseconds from the start of the trace, tokens, blocks of `blockTokens` tokens.
 */

/** The fields of an objective, in the words of the scheduler. Milliseconds count from arrival. */
export interface TraceSlo {
  readonly class: "latency" | "deadline" | "compound" | "best-effort";
  readonly ttftMs?: number;
  readonly tpotMs?: number;
  /** For class "compound" the deadline of the whole task, counted from the arrival of its first requests. */
  readonly deadlineMs?: number;
  readonly onMiss: "finish" | "cut" | "reject";
}

/** The place of a request in a compound task: a graph of model calls with thinking or tool time between them. */
export interface TraceTask {
  readonly id: number;
  /** 0 for requests that wait for nothing, else one above the highest stage waited for. */
  readonly stage: number;
  /** Ids of requests of the same task that must have finished; empty at stage 0. */
  readonly after: readonly number[];
  /** Thinking or tool time between the last of `after` finishing and this request being sent, milliseconds. */
  readonly thinkMs: number;
}

/** By how many of a model's layers an answer goes; its prompt goes through all of them. */
export interface TraceRoute {
  readonly layers: number;
  /** 1 to `layers`. */
  readonly kept: number;
}

/** One request of a trace. */
export interface TraceRequest {
  /** Unique within the trace, at least 0. */
  readonly id: number;
  /**
   * Milliseconds from the start of the trace, never descending within it. A request whose task waits for others is
   * listed with the arrival of its task: it is really sent when they have finished and `thinkMs` has passed.
   */
  readonly arrivalMs: number;
  /** At least 1. */
  readonly promptTokens: number;
  /** What the answer really had or is made to have, at least 1. Only oracles may look at it before the answer ends. */
  readonly outputTokens: number;
  /**
   * Blocks of the prompt from its start, one id per `blockTokens` tokens; a last id may stand for a partial block, and
   * what no id covers is shared with nobody. Equal ids stand for equal tokens.
   */
  readonly hashIds?: readonly number[];
  /** Requests of one session come from one user's conversation. */
  readonly session?: number;
  readonly task?: TraceTask;
  readonly slo?: TraceSlo;
  /** Higher is more urgent; 0 when absent. */
  readonly priority?: number;
  /** The client gave up this long after arrival, milliseconds. */
  readonly cancelAfterMs?: number;
  /** The prompt itself, where the source has it. */
  readonly text?: string;
  /** The prompt's token ids, where a recording kept them; `promptTokens` of them. */
  readonly promptIds?: readonly number[];
  /** Name of the low-rank adapter that it is computed with; none when absent. */
  readonly adapter?: string;
  /** Of requests that might leave layers out; absent: all layers. */
  readonly route?: TraceRoute;
}

/** What is true of a whole trace. */
export interface TraceHead {
  readonly name: string;
  /** Where it came from: a format ("azure", "mooncake", …) or the generator and its seed, for reports. */
  readonly source: string;
  /** Tokens per entry of `hashIds`; 0 when no request has any. */
  readonly blockTokens: number;
}

/** A trace held in memory, in order of arrival; ties in order of id. */
export interface Trace extends TraceHead {
  readonly requests: readonly TraceRequest[];
}

/** A trace that is made or read while it is consumed, once, so that a million requests need no memory. */
export interface TraceStream extends TraceHead {
  readonly requests: Iterable<TraceRequest>;
}
