/**
 * One error class for every expected failure, with codes from one table.
 *
 * A code decides the HTTP status, the OpenAI error `type` and whether a retry can help, so a caller
 * never has to parse a message. A bug is not an error of this kind: see assert.ts.
 */

interface ErrorKind {
  /** HTTP status the server answers with. */
  readonly status: number;
  /** The `type` field of OpenAI's error object. */
  readonly type: string;
  /** True when the same request may succeed later. */
  readonly retryable: boolean;
}

const kind = (status: number, type: string, retryable: boolean): ErrorKind => ({ status, type, retryable });

/** Every code of the system. A new failure gets a row here, never a bare Error. */
export const ERROR_CODES = {
  // Requests
  invalid_request: kind(400, "invalid_request_error", false),
  unsupported_parameter: kind(400, "invalid_request_error", false),
  context_length_exceeded: kind(400, "invalid_request_error", false),
  unauthorized: kind(401, "authentication_error", false),
  not_found: kind(404, "invalid_request_error", false),
  model_not_found: kind(404, "invalid_request_error", false),
  method_not_allowed: kind(405, "invalid_request_error", false),
  policy_fixed: kind(409, "invalid_request_error", false),
  request_timeout: kind(408, "timeout_error", true),
  payload_too_large: kind(413, "invalid_request_error", false),
  queue_full: kind(429, "rate_limit_error", true),
  rate_limit_exceeded: kind(429, "rate_limit_error", true),
  // Deadlines
  deadline_unattainable: kind(503, "deadline_error", true),
  deadline_expired: kind(503, "deadline_error", true),
  // Life of the server
  cancelled: kind(499, "cancelled", false),
  shutting_down: kind(503, "unavailable_error", true),
  engine_failed: kind(503, "unavailable_error", true),
  /** Somebody else who is needed cannot be reached: a bus, an instance, an upstream. */
  unavailable: kind(503, "unavailable_error", true),
  /** A request went on in another engine; whoever moves requests joins the streams, so that clients never see it. */
  moved: kind(503, "unavailable_error", true),
  /** What was asked for cannot be done while something else is under way. */
  busy: kind(409, "unavailable_error", true),
  internal: kind(500, "server_error", false),
  upstream_failed: kind(502, "upstream_error", true),
  // Files, graphs and tensors
  invalid_file: kind(400, "invalid_file", false),
  invalid_graph: kind(400, "invalid_graph", false),
  shape_mismatch: kind(400, "shape_mismatch", false),
  unsupported: kind(400, "unsupported", false),
  // Environment
  missing_dependency: kind(500, "environment_error", false),
  address_in_use: kind(500, "environment_error", true),
  insecure_address: kind(500, "environment_error", false),
  out_of_memory: kind(503, "environment_error", true),
  out_of_space: kind(503, "environment_error", true),
  download_failed: kind(503, "environment_error", true),
  training_diverged: kind(500, "training_error", false),
} as const satisfies Record<string, ErrorKind>;

/** The name of a row of ERROR_CODES: what callers branch on instead of the message. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error carries besides code and message. `cause` stays in this thread: an ErrorRecord has no room for it. */
export interface ErrorOptions {
  /** The request field, tensor or file field at fault, when there is one. */
  readonly param?: string;
  readonly cause?: unknown;
  /** For Retry-After, milliseconds. */
  readonly retryAfterMs?: number;
}

/** An expected failure: what was expected and what came is in `message`, what to do about it in `code`. */
export class PunctualError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PunctualError";
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get type(): string {
    return ERROR_CODES[this.code].type;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** Throws a PunctualError; an expression of type never, so it can end a branch. */
export function fail(code: ErrorCode, message: string, options?: ErrorOptions): never {
  throw new PunctualError(code, message, options);
}

/** The plain-data form that crosses threads and processes. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
}

/** Anything thrown, as plain data; what is not ours becomes `internal`. */
export function toErrorRecord(thrown: unknown): ErrorRecord {
  if (thrown instanceof PunctualError) {
    const { code, message, param, retryAfterMs } = thrown;
    return { code, message, param, retryAfterMs };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "internal", message, param: null, retryAfterMs: null };
}

/** The error behind a record from another thread or process, with a stack of this side and without its cause. */
export function fromErrorRecord(record: ErrorRecord): PunctualError {
  return new PunctualError(record.code, record.message, {
    ...(record.param === null ? {} : { param: record.param }),
    ...(record.retryAfterMs === null ? {} : { retryAfterMs: record.retryAfterMs }),
  });
}
