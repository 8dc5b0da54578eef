import { describe, expect, test } from "vitest";
import { errorOf, isAbort, readError, retryAfterOf } from "./api.ts";

const error = (code: string | null): string =>
  JSON.stringify({ error: { message: "no", type: "rate_limit_error", param: "n", code } });

describe("errors of answers", () => {
  test("are told in the server's words", async () => {
    const headers = { "retry-after": "2", "retry-after-ms": "1500", "x-request-id": "r" };
    expect(await errorOf(new Response(error("queue_full"), { status: 429, headers }))).toMatchObject({
      message: "no",
      status: 429,
      code: "queue_full",
      param: "n",
      retryAfterMs: 1500,
      requestId: "r",
    });
    expect(await errorOf(new Response(error(null), { status: 400 }))).toMatchObject({
      code: "rate_limit_error",
      retryAfterMs: null,
    });
  });

  test("of a proxy are told by their status", async () => {
    for (const body of ["<html>Bad gateway</html>", "", "null", '{"error":"text"}']) {
      expect(await errorOf(new Response(body, { status: 502 })), body).toMatchObject({
        status: 502,
        code: "http",
        message: expect.stringContaining("502"),
      });
    }
  });

  test("waits are read from either header, and dates are not waits", () => {
    expect(retryAfterOf(new Headers({ "retry-after": "3" }))).toBe(3000);
    expect(retryAfterOf(new Headers({ "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }))).toBeNull();
    expect(retryAfterOf(new Headers())).toBeNull();
  });
});

test("an error in a stream is found, a chunk is none", () => {
  expect(readError(error("engine_failed"))?.code).toBe("engine_failed");
  expect(readError('{"choices":[]}')).toBeNull();
  expect(readError("[DONE]")).toBeNull();
});

test("an abort is told from other failures", () => {
  const controller = new AbortController();
  controller.abort();
  expect(isAbort(controller.signal.reason)).toBe(true);
  expect(isAbort(new TypeError("Failed to fetch"))).toBe(false);
});
