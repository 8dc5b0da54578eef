import { expect, it } from "vitest";
import { wireFinishSchema, wireRequestSchema } from "../../protocol/index.ts";
import type { FinishEvent, GenerateRequest } from "../../runtime/index.ts";
import { toGenerateRequest, toWireEvent } from "../host/wire-events.ts";
import { fromWireEvent, toWireRequest } from "./from-wire.ts";

const plain: GenerateRequest = {
  promptTokens: [3, 4],
  maxTokens: 5,
  slo: { class: "latency", ttftMs: 200, onMiss: "finish" },
};

it("what a request allows of its context travels with it, and nothing is allowed that was not", () => {
  const arrived = (request: GenerateRequest): GenerateRequest => {
    const told: unknown = JSON.parse(JSON.stringify(toWireRequest(request, "r~1", 7)));
    return toGenerateRequest(wireRequestSchema.parse(told), 40);
  };
  expect(arrived({ ...plain, lossyContext: true })).toMatchObject({ ...plain, lossyContext: true, arrivalMs: 40 });
  expect(arrived({ ...plain, lossyContext: false }).lossyContext).toBe(false);
  expect("lossyContext" in arrived(plain)).toBe(false);
});

it("what was not exact of a context is told with its answer, and so is what is known to be", () => {
  const slo = { attained: true, ttft_ms: 1, tpot_ms: null, e2e_ms: 2, slack_ms: null };
  const finish = (lossy: object): FinishEvent => {
    const usage = { promptTokens: 80, completionTokens: 1, cachedTokens: 64, reasoningTokens: 0, slo, ...lossy };
    return { kind: "finish", reason: "stop", cause: "end", text: "", section: "text", usage, atMs: 50 };
  };
  for (const event of [finish({ lossyTokens: 48 }), finish({})]) {
    const told: unknown = JSON.parse(JSON.stringify(toWireEvent(event, 1, 40)));
    expect(fromWireEvent(wireFinishSchema.parse(told), 50)).toEqual(event);
  }
  const salted = { ...plain, cacheSalt: "s", exactPrefixTokens: 16 };
  const wire: unknown = JSON.parse(JSON.stringify(toWireRequest(salted, "r~1", 7)));
  expect(toGenerateRequest(wireRequestSchema.parse(wire), 40)).toMatchObject(salted);
});
