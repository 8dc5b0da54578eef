/** What to do about a failed answer, in a sentence. Pure; the failure itself is told in the server's own words. */
import { formatMs } from "../../lib/format.ts";
import type { AnswerError } from "./types.ts";

/** What failed, in a few words, and what helps. `retryInMs`: when another try makes sense; null when none does by itself. */
export interface Advice {
  readonly title: string;
  readonly advice: string;
  readonly retryInMs: number | null;
}

const ADVICE: Readonly<Record<string, readonly [title: string, advice: string]>> = {
  context_length_exceeded: [
    "The conversation is too long for this model.",
    "Start a new conversation, edit an earlier message, shorten the system prompt, or choose a model with a larger context.",
  ],
  queue_full: [
    "The server's queue is full.",
    "It refuses rather than letting requests wait without end. Try again shortly.",
  ],
  rate_limit_exceeded: ["This key's limit is used up.", "Wait for the limit to fill up again, or use another key."],
  deadline_unattainable: [
    "The deadline cannot be kept, so the server refused at once.",
    "Give it more time, ask for fewer tokens, or choose “finish late” instead of “refuse”.",
  ],
  deadline_expired: [
    "The deadline passed while the request was waiting.",
    "Nothing was computed for it. Give it more time, or try when the server is less busy.",
  ],
  shutting_down: ["The server is stopping.", "It takes no new requests. The page reconnects when it is back."],
  engine_failed: ["The engine is not there.", "It is being started or restarted. Try again in a moment."],
  out_of_memory: ["There is no memory for this model.", "Unload another one on the Models page, then try again."],
  unauthorized: ["The server asks for a key.", "Send again to be asked for it."],
  model_not_found: ["This model is no longer served.", "Choose another one above the conversation."],
  request_timeout: ["The request took longer than the server allows.", "Ask for fewer tokens."],
  payload_too_large: ["The request is too large.", "Start a new conversation, or shorten what you paste."],
  unsupported_parameter: [
    "The server does not know one of the settings.",
    "The message says which one; change it in the settings.",
  ],
  policy_fixed: [
    "This model's scheduling policy cannot be switched.",
    "Compare two models instead, or end the comparison.",
  ],
  unexpected: ["The answer could not be made.", "Try again. If it stays so, reload the page."],
  invalid_request: [
    "The server refused the request as it is.",
    "The message says what it expected; change it and send again.",
  ],
  unreachable: ["The server cannot be reached.", "The page reconnects by itself. Then try again."],
  cancelled: ["The request was cancelled.", "Try again."],
};

/** Advice for an error of the server, or of the way to it. */
export function adviceOn(error: AnswerError): Advice {
  const known = ADVICE[error.code];
  const isBusy = error.status === 429 || error.status === 503;
  const [title, advice] =
    known ??
    (isBusy ? ADVICE["queue_full"]! : ["The server failed to answer.", "Try again; the server's log has more."]);
  const wait =
    error.retryAfterMs === null || !isBusy ? "" : ` The server asks to wait ${formatMs(error.retryAfterMs)}.`;
  const canRetry = isBusy || error.code === "unreachable" || error.code === "request_timeout" || error.status >= 500;
  return { title, advice: advice + wait, retryInMs: canRetry ? (error.retryAfterMs ?? 0) : null };
}
