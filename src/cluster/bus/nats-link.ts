/** What the parts of the NATS bus share: the connection as directories and work need it, and the client's errors in our words. */
import type { NatsConnection } from "@nats-io/transport-node";
import { fail, PunctualError, type ErrorCode } from "../../core/index.ts";
import type { Bus } from "./types.ts";

/** A connection, as directories and work need it. */
export interface NatsLink extends Pick<Bus, "status" | "maxMessageBytes" | "onStatus"> {
  readonly connection: NatsConnection;
  /** @throws PunctualError unavailable while it is lost */
  checkReachable(): void;
  /** Called before the connection is closed on purpose; answers the undo. */
  onClose(close: () => void): () => void;
}

/** The codes of JetStream's own errors that say something to a caller. */
const API_CODES: Readonly<Record<number, ErrorCode>> = {
  10047: "out_of_space", // storage resources exceeded
  10023: "out_of_space", // insufficient resources
  10028: "out_of_memory",
  10077: "queue_full", // maximum messages or bytes of a stream
};

/** The text of an error and of those behind it. */
function textOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause === undefined || depth > 3) return error.message;
  const inner = textOf(cause, depth + 1);
  return error.message === "" || inner.includes(error.message) ? inner : `${error.message}: ${inner}`;
}

function isNamed(error: unknown, name: string): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === name || isNamed(error.cause, name);
}

/** The number of JetStream's own error; null for others. */
export function apiCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || error.name !== "JetStreamApiError") return null;
  return "code" in error && typeof error.code === "number" ? error.code : null;
}

/** Whether what was asked for is not there (any more): a broker that forgets over a restart. */
export function isGone(error: unknown): boolean {
  const code = apiCodeOf(error);
  return (
    code === 10059 ||
    code === 10014 ||
    isNamed(error, "NoRespondersError") ||
    isNamed(error, "JetStreamNotEnabled") || // the client's word for a stream that nobody has
    isNamed(error, "StreamNotFoundError") ||
    isNamed(error, "ConsumerNotFoundError") ||
    /stream not found|consumer not found/.test(textOf(error))
  );
}

/** @throws PunctualError unsupported for a server without JetStream */
export function checkJetStream({ connection }: NatsLink): void {
  if (connection.info?.jetstream === true) return;
  fail("unsupported", "The NATS server keeps nothing: it has to be started with -js.", { param: "bus" });
}

/** Throws an error of the client as one of ours. */
export function toFailure(error: unknown, what: string): never {
  if (error instanceof PunctualError) throw error;
  throw new PunctualError(codeOf(error), `${what}: ${textOf(error)}`, { cause: error });
}

function codeOf(error: unknown): ErrorCode {
  const apiCode = apiCodeOf(error);
  if (apiCode !== null) return API_CODES[apiCode] ?? "unavailable";
  if (isNamed(error, "TimeoutError")) return "request_timeout";
  if (isNamed(error, "AuthorizationError") || isNamed(error, "UserAuthenticationExpiredError")) return "unauthorized";
  if (isNamed(error, "PermissionViolationError")) return "unauthorized";
  return "unavailable";
}
