/** A request's life as spans, recorded by the SDK's own exporter in memory; and none without an SDK. */
import { propagation, SpanStatusCode, trace, type TextMapPropagator } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import type { RequestSummary } from "../runtime/index.ts";
import { RequestTracer } from "./tracing.ts";

const exporter = new InMemorySpanExporter();
const SECRET = "zebra-orchid";
let served: TestServer;

/** Enough of W3C's trace context for a test. */
const propagator: TextMapPropagator = {
  inject: () => undefined,
  extract: (context, carrier, getter) => {
    const value = getter.get(carrier, "traceparent");
    const [, traceId, spanId] = typeof value === "string" ? value.split("-") : [];
    if (traceId === undefined || spanId === undefined) return context;
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: 1, isRemote: true });
  },
  fields: () => ["traceparent"],
};

beforeAll(async () => {
  served = await startTestServer(ENDLESS);
});
afterAll(() => served.stop());
afterAll(() => {
  trace.disable();
  propagation.disable();
});
afterEach(() => exporter.reset());

function record(): void {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  propagation.setGlobalPropagator(propagator);
}
const post = (body: object, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> =>
  fetch(`${served.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "tiny", prompt: SECRET, temperature: 0, ignore_eos: true, ...body }),
    ...(signal === undefined ? {} : { signal }),
  });
const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

/** The request's span and its children, when the request's span, which comes last, has arrived. */
async function spansOf(name: string): Promise<{ request: ReadableSpan; children: ReadableSpan[] }> {
  const find = () => exporter.getFinishedSpans().find((span) => span.name === name);
  await until(() => find() !== undefined);
  const request = find()!;
  const id = request.spanContext().spanId;
  return { request, children: exporter.getFinishedSpans().filter((span) => span.parentSpanContext?.spanId === id) };
}

// First, because a tracer that has met an SDK keeps it.
describe("without an SDK", () => {
  test("there is no trace, so nothing is computed for one", async () => {
    const about = { route: "/v1/completions", method: "POST", requestId: "r", arrivalMs: 0, header: () => undefined };
    expect(new RequestTracer(0).start(about)).toBeNull();
    await (await post({ max_tokens: 2 })).text();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});

describe("traces", () => {
  beforeAll(record);

  test.each([false, true])("a request is queue, prefill and decode, end to end (stream: %s)", async (stream) => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    const before = new Date().getTime();
    await (await post({ max_tokens: 5, stream, seed: 3 }, { traceparent, "x-request-id": "r-1" })).text();
    const { request, children } = await spansOf("text_completion tiny");
    expect(request.spanContext().traceId).toBe(traceId);
    expect(request.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(request.attributes).toMatchObject({
      "gen_ai.operation.name": "text_completion",
      "gen_ai.provider.name": "punctual",
      "gen_ai.request.model": "tiny",
      "gen_ai.request.max_tokens": 5,
      "gen_ai.request.temperature": 0,
      "gen_ai.request.seed": 3,
      "gen_ai.request.choice.count": 1,
      "gen_ai.response.finish_reasons": ["length"],
      "gen_ai.usage.input_tokens": SECRET.length,
      "gen_ai.usage.output_tokens": 5,
      "http.route": "/v1/completions",
      "http.response.status_code": 200,
      "punctual.request.id": "r-1",
    });
    expect(children.map(({ name }) => name)).toEqual(["queue", "prefill", "decode"]);
    const [queue, prefill, decode] = children as [ReadableSpan, ReadableSpan, ReadableSpan];
    expect(ms(queue.endTime)).toBeCloseTo(ms(prefill.startTime), 3);
    expect(ms(prefill.endTime)).toBeCloseTo(ms(decode.startTime), 3);
    expect(ms(queue.startTime)).toBeCloseTo(ms(request.startTime), 3);
    expect(ms(decode.endTime)).toBeLessThanOrEqual(ms(request.endTime) + 0.01);
    expect(Math.abs(ms(request.startTime) - before)).toBeLessThan(60_000);
    expect(request.status.code).toBe(SpanStatusCode.UNSET);
  });

  test("each of several answers has its phases", async () => {
    await (await post({ max_tokens: 2, n: 2 })).text();
    const { request, children } = await spansOf("text_completion tiny");
    const indices = children.map((span) => span.attributes["punctual.choice.index"]);
    for (const index of [0, 1]) expect(indices.filter((other) => other === index)).toHaveLength(3);
    expect(request.attributes["gen_ai.usage.output_tokens"]).toBe(4);
  });

  test("a refusal is an error with its code and has no phases", async () => {
    await (await post({ model: "none" })).text();
    const { request, children } = await spansOf("text_completion");
    expect(request.attributes).toMatchObject({ "error.type": "model_not_found", "http.response.status_code": 404 });
    expect(request.status.code).toBe(SpanStatusCode.ERROR);
    expect(children).toEqual([]);
  });

  test("a client that leaves ends its spans", async () => {
    const leaving = new AbortController();
    const response = await post({ max_tokens: ENDLESS_TOKENS, stream: true }, {}, leaving.signal);
    await response.body!.getReader().read();
    leaving.abort();
    const { request, children } = await spansOf("text_completion tiny");
    expect(request.attributes["gen_ai.response.finish_reasons"]).toEqual(["abort"]);
    expect(children.map(({ name }) => name)).toEqual(["queue", "prefill", "decode"]);
  });

  test("no text of anybody is among them", async () => {
    await (await post({ max_tokens: 4, stop: ["\u0007secret-stop"] })).text();
    const { request, children } = await spansOf("text_completion tiny");
    const all = JSON.stringify(
      [request, ...children].map(({ name, attributes, events }) => [name, attributes, events]),
    );
    expect(all).not.toContain(SECRET);
    expect(all).not.toContain("secret-stop");
  });

  test("a request that never ran has a queue only, and says how it ended", () => {
    const about = { route: "/v1/responses", method: "POST", requestId: "r", arrivalMs: 10, header: () => undefined };
    const life = new RequestTracer(0).start(about)!;
    const choice = life.submitted("m", { promptTokens: [1], maxTokens: 1 });
    const summary: RequestSummary = {
      end: "expired",
      arrivalMs: 10,
      scheduledMs: null,
      firstTokenMs: null,
      lastTokenMs: null,
      endMs: 30,
      promptTokens: 1,
      cachedTokens: 0,
      completionTokens: 0,
      cause: null,
      error: "deadline_expired",
      outcome: null,
    };
    life.generated(choice, summary);
    life.end(31, 503, null);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name)).toEqual(["queue", "chat m"]);
    expect(spans.map(({ attributes }) => attributes["error.type"])).toEqual(["expired", "expired"]);
  });
});
