/** Chat chunks of other servers as replies: the forms that are met with, and that anything else ends in a typed way. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PunctualError } from "../../core/index.ts";
import type { JsonObject } from "../../runtime/index.ts";
import { ForeignReply } from "./foreign-reply.ts";
import type { ReplyPart } from "./reply.ts";

const delta = (fields: object, more: object = {}): JsonObject => ({ choices: [{ index: 0, delta: fields, ...more }] });

function read(...chunks: readonly JsonObject[]): ReplyPart[] {
  const reply = new ForeignReply();
  return chunks.flatMap((chunk) => [...reply.push(chunk).parts]);
}

const call = (index: number | undefined, id: string | undefined, name: string | undefined, text: string): object => ({
  tool_calls: [{ index, id, type: "function", function: { name, arguments: text } }],
});

test("text, thinking under either name, a refusal; a role alone shows nothing", () => {
  expect(read(delta({ role: "assistant", content: "" }), delta({ reasoning: "hm" }), delta({ content: "hi" }))).toEqual(
    [
      { kind: "reasoning", text: "hm" },
      { kind: "content", text: "hi" },
    ],
  );
  expect(read(delta({ reasoning_content: "a", reasoning: "a" }), delta({ refusal: "no" }))).toEqual([
    { kind: "reasoning", text: "a" },
    { kind: "content", text: "no" },
  ]);
  expect(read({ choices: [] }, { choices: [{ index: 1, delta: { content: "another choice" } }] })).toEqual([]);
});

test("calls in pieces, by number; calls that come whole, numbered or not", () => {
  const wanted = [
    { kind: "call", index: 0, id: "a", name: "on" },
    { kind: "arguments", index: 0, text: '{"x":1}' },
    { kind: "call", index: 1, id: "b", name: "off" },
    { kind: "arguments", index: 1, text: "{}" },
  ];
  const joined = (parts: readonly ReplyPart[]): ReplyPart[] =>
    parts.reduce<ReplyPart[]>((sum, part) => {
      const last = sum.at(-1);
      if (part.kind !== "arguments" || last?.kind !== "arguments") return [...sum, part];
      return [...sum.slice(0, -1), { ...last, text: last.text + part.text }];
    }, []);
  const pieces = read(
    delta(call(0, "a", "on", "")),
    delta(call(0, undefined, undefined, '{"x"')),
    delta(call(0, "a", "on", ":1}")), // some repeat themselves
    delta(call(1, "b", "off", "{}")),
  );
  expect(joined(pieces)).toEqual(wanted);
  const whole = (numbered: boolean): object => {
    const first = call(numbered ? 0 : undefined, "a", "on", '{"x":1}') as { tool_calls: object[] };
    const second = call(numbered ? 0 : undefined, "b", "off", "{}") as { tool_calls: object[] };
    return { tool_calls: [...first.tool_calls, ...second.tool_calls] };
  };
  expect(read(delta(whole(false)))).toEqual(wanted);
  expect(read(delta(whole(true)))).toEqual(wanted);
  const [unnamed] = read(delta(call(0, undefined, "on", "{}")));
  expect(unnamed).toMatchObject({ kind: "call", id: expect.stringMatching(/^call_\w{32}$/) as string });
  expect(() => read(delta(call(0, "a", undefined, "{}")))).toThrow("no call that is under way");
  expect(() =>
    read(delta(call(0, "a", "on", "{")), delta(call(1, "b", "off", "{")), delta(call(0, "a", undefined, "}"))),
  ).toThrow(PunctualError);
});

test("how it ended, which stop it was, and its counts", () => {
  const slo = { attained: true, ttft_ms: 1, tpot_ms: 1, e2e_ms: 1, slack_ms: null };
  const usage = { promptTokens: 3, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0, slo };
  const ended = (more: object): unknown => {
    const reply = new ForeignReply();
    reply.push(delta({}, more));
    return reply.end(usage);
  };
  expect(ended({ finish_reason: "length" })).toEqual({ reason: "length", usage });
  expect(ended({ finish_reason: "tool_calls" })).toEqual({ reason: "stop", usage });
  expect(ended({ finish_reason: "stop", stop_reason: "END" })).toEqual({ reason: "stop", usage, stop: "END" });
  expect(ended({ finish_reason: "stop", stop_reason: 128_009 })).toEqual({ reason: "stop", usage });
  expect(() => new ForeignReply().end(null)).toThrow("without counts");
});

test("whatever comes, it is read or refused in a typed way, and arguments follow their call", () => {
  const scalar = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.integer({ min: -1, max: 2 }),
    fc.constant(null),
    fc.boolean(),
  );
  const called = fc.record({ name: scalar, arguments: scalar }, { requiredKeys: [] });
  const calls = fc.array(
    fc.oneof(
      scalar,
      fc.record({ index: scalar, id: scalar, function: fc.oneof(scalar, called) }, { requiredKeys: [] }),
    ),
    { maxLength: 3 },
  );
  const shown = fc.record(
    { content: scalar, reasoning: scalar, tool_calls: fc.oneof(scalar, calls) },
    { requiredKeys: [] },
  );
  const choice = fc.record(
    { index: scalar, delta: fc.oneof(scalar, shown), finish_reason: scalar, logprobs: fc.oneof(scalar, fc.object()) },
    { requiredKeys: [] },
  );
  const chunk = fc.record({ choices: fc.oneof(scalar, fc.array(fc.oneof(scalar, choice), { maxLength: 2 })) });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
      const reply = new ForeignReply();
      let announced = -1;
      try {
        for (const one of chunks) {
          for (const part of reply.push(one).parts) {
            if (part.kind === "call") expect(part.index).toBe((announced += 1));
            if (part.kind === "arguments") expect(part.index).toBe(announced);
          }
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PunctualError);
      }
    }),
    { seed: 91, numRuns: 400 },
  );
});
