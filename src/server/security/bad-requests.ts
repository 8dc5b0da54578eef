/**
 * What is not HTTP, or HTTP beyond the limits of the parser, never reaches the application: it is answered here, in the
 * same form as every other error, and the connection ends.
 */
import { STATUS_CODES, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ErrorBody } from "../../protocol/index.ts";

type Answer = readonly [status: number, code: string, message: string];

const ANSWERS: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: [431, "invalid_request", "The request headers are too large."],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "payload_too_large", "The chunk extensions are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "request_timeout", "The request took too long to arrive."],
};
const MALFORMED: Answer = [400, "invalid_request", "The request is not well-formed HTTP."];

/** Answers what the HTTP parser refuses, behind the answers that are still under way on that connection. */
export function answerBadRequests(server: Server): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Who reset the connection reads nothing any more.
    if (error.code === "ECONNRESET") socket.destroy(error);
    else endWith(badRequestText(ANSWERS[error.code ?? ""] ?? MALFORMED), socket);
  });
}

/** Node keeps the response that a connection is writing here. */
interface WithResponse {
  readonly _httpMessage?: ServerResponse | null;
}

function endWith(text: string, socket: Duplex): void {
  const response = (socket as WithResponse)._httpMessage ?? null;
  if (!socket.writable || (response?.headersSent === true && !response.req.complete)) socket.destroy();
  else if (response === null || !response.req.complete) endSoon(text, socket);
  else response.once("finish", () => endWith(text, socket)); // its request was a good one
}

/** How long a client may take to close its side once it was told. */
const LINGER_MS = 500;

/** Cutting the connection at once could lose the answer; leaving it to the client would let it hold its place for ever. */
function endSoon(text: string, socket: Duplex): void {
  socket.end(text);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}

function badRequestText([status, code, message]: Answer): string {
  const type = status === 408 ? "timeout_error" : "invalid_request_error";
  const body: ErrorBody = { error: { message, type, param: null, code } };
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(text)}`,
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${text}`;
}
