import { expect, it } from "vitest";
import { wireRequestSchema } from "../../protocol/index.ts";
import type { GenerateRequest } from "../../runtime/index.ts";
import { toGenerateRequest } from "../host/wire-events.ts";
import { toWireRequest } from "./from-wire.ts";

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
