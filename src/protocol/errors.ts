/** Errors as OpenAI's clients read them: `{ error: { message, type, param, code } }`, in a body or in a stream. */
import { z } from "zod";
import { ERROR_CODES, PunctualError, toErrorRecord, type ErrorRecord } from "../core/index.ts";

/** OpenAI's error object. */
export const errorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});
/** OpenAI's error object. */
export type ErrorBody = z.infer<typeof errorBodySchema>;

/** An error as it goes over the wire, with what the headers need. */
export interface WireError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** Without a better estimate, a refused client waits this long. */
const DEFAULT_RETRY_MS = 1000;

/**
 * Anything thrown, as status, headers and body. A failure that is not a PunctualError is a bug of ours:
 * its text stays in the log and the client reads a general sentence.
 */
export function toWireError(thrown: unknown): WireError {
  const record: ErrorRecord = toErrorRecord(thrown);
  const kind = ERROR_CODES[record.code];
  const ours = thrown instanceof PunctualError;
  const message = ours ? record.message : "The server failed to answer this request.";
  return {
    status: kind.status,
    headers: retryHeaders(kind.status, record.retryAfterMs, kind.retryable),
    body: { error: { message, type: kind.type, param: record.param, code: record.code } },
  };
}

/** Both spellings: whole seconds for HTTP, milliseconds for clients that can wait less than one. */
function retryHeaders(status: number, retryAfterMs: number | null, retryable: boolean): Record<string, string> {
  if (status !== 429 && status !== 503) return {};
  if (!retryable) return { "x-should-retry": "false" };
  const waitMs = Math.max(1, Math.ceil(retryAfterMs ?? DEFAULT_RETRY_MS));
  return { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))), "retry-after-ms": String(waitMs) };
}
