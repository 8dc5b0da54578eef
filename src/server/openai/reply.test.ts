/** Calls read while they are written, whatever pieces they come in. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FinishEvent, GenerateEvent, Section, TokenEvent } from "../../runtime/index.ts";
import { CallReader } from "./call-reader.ts";
import { ReplyReader, type ReplyOptions, type ReplyPart } from "./reply.ts";
import { TextCalls } from "./text-calls.ts";

/** A text cut at random places. */
const cuts = (text: string): fc.Arbitrary<string[]> =>
  fc.array(fc.nat(text.length), { maxLength: 12 }).map((places) => {
    const ends = [...new Set([...places, text.length])].toSorted((a, b) => a - b);
    return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
  });

function read(pieces: readonly string[]): { names: string[]; given: string; reader: CallReader } {
  const reader = new CallReader();
  const told = [...pieces.map((piece) => reader.push(piece)), reader.end()];
  const names = told.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const first = told.findIndex((piece) => piece.name !== undefined);
  if (first >= 0) expect(told.slice(0, first).every((piece) => piece.arguments === "")).toBe(true);
  return { names, given: told.map((piece) => piece.arguments).join(""), reader };
}

describe("a call, piece by piece", () => {
  test("any call in any pieces gives its name once and its arguments as they were written", () => {
    const call = fc.record({
      name: fc.stringMatching(/^[\w-]{1,12}$/),
      given: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }),
      spaced: fc.boolean(),
      swapped: fc.boolean(),
    });
    const cases = call.chain(({ name, given, spaced, swapped }) => {
      const fields = swapped ? { arguments: given, name } : { name, arguments: given };
      const text = JSON.stringify(fields, null, spaced ? 1 : undefined);
      return fc.record({ name: fc.constant(name), given: fc.constant(given), pieces: cuts(text) });
    });
    fc.assert(
      fc.property(cases, ({ name, given, pieces }) => {
        const result = read(pieces);
        expect(result.names).toEqual([name]);
        expect(JSON.parse(result.given)).toEqual(JSON.parse(JSON.stringify(given)));
        expect(result.reader.complete).toBe(true);
      }),
      { seed: 31, numRuns: 300 },
    );
  });

  test.each([
    ['{"name":"f"}', "f", "{}"],
    ['{"name":"f","parameters":{"a":1}}', "f", '{"a":1}'],
    ['{"name":"f","arguments":"{\\"a\\":1}"}', "f", '{"a":1}'],
    ['{"name":"f","arguments":null}', "f", "{}"],
    ['\n{"id":7,"name":"f","arguments":{}} \n', "f", "{}"],
  ])("reads %j", (text, name, given) => {
    expect(read([text])).toMatchObject({ names: [name], given });
    expect(read(Array.from(text))).toMatchObject({ names: [name], given });
  });

  test.each(["hello", "[]", "{}", '{"arguments":{}}', '{"name":3,"arguments":{}}', '{"name":"f" "x"}'])(
    "%j is no call, or half of one",
    (text) => expect(read([text]).reader.complete).toBe(false),
  );

  test("never throws, whatever it reads", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom(...Array.from('{}[]":,\\ na1')) })), (pieces) => {
        expect(read(pieces).names.length).toBeLessThanOrEqual(1);
      }),
      { seed: 32, numRuns: 300 },
    );
  });
});

describe("marks in text", () => {
  test("are found across any pieces, and nothing else is lost", () => {
    const text = 'so <tool_call>\n{"a":"<"}</tool_call><tool_call>x</tool_call> </tool_cal';
    fc.assert(
      fc.property(cuts(text), (pieces) => {
        const scanner = new TextCalls();
        const found = pieces.flatMap((piece) => scanner.push(piece));
        const outside = found.filter((piece) => !piece.inCall).map((piece) => piece.text);
        const inside = found.filter((piece) => piece.inCall).map((piece) => piece.text + (piece.closes ? "|" : ""));
        expect(outside.join("") + scanner.end()).toBe("so  </tool_cal");
        expect(inside.join("")).toBe('\n{"a":"<"}|x|');
      }),
      { seed: 33, numRuns: 200 },
    );
  });
});

describe("a reply with declared tools", () => {
  const usage = {
    promptTokens: 1,
    completionTokens: 1,
    cachedTokens: 0,
    reasoningTokens: 0,
    slo: { attained: true, ttft_ms: 1, tpot_ms: null, e2e_ms: 1, slack_ms: null },
  };
  const token = (section: Section, text: string, mark?: "open" | "close"): TokenEvent => {
    return { kind: "token", id: 1, index: 0, text, section, atMs: 0, ...(mark === undefined ? {} : { mark }) };
  };
  const finish = (section: Section = "text", text = ""): FinishEvent => {
    return { kind: "finish", reason: "stop", cause: "end", text, section, usage, atMs: 0 };
  };
  const marked = (text: string): GenerateEvent[] => [
    token("call", "", "open"),
    ...Array.from(text, (char) => token("call", char)),
    token("call", "", "close"),
  ];
  const parts = (events: readonly GenerateEvent[], options: Partial<ReplyOptions> = {}): ReplyPart[] => {
    let ids = 0;
    const newCallId = (): string => `call_${ids++}`;
    const reader = new ReplyReader({
      callable: new Set(["f", "g"]),
      parallel: true,
      forced: false,
      newCallId,
      ...options,
    });
    const joined: ReplyPart[] = [];
    for (const part of events.flatMap((event) => reader.push(event))) {
      const last = joined.at(-1);
      if (last === undefined || part.kind === "call" || last.kind === "call" || last.kind !== part.kind)
        joined.push(part);
      else joined[joined.length - 1] = { ...last, text: last.text + part.text };
    }
    return joined;
  };
  const call = (name: string, given = "{}"): string => `{"name":"${name}","arguments":${given}}`;
  const both: ReplyPart[] = [
    { kind: "call", index: 0, id: "call_0", name: "f" },
    { kind: "arguments", index: 0, text: '{"a":1}' },
    { kind: "call", index: 1, id: "call_1", name: "g" },
    { kind: "arguments", index: 1, text: "{}" },
  ];

  test("numbers calls, whether marked by tokens or in text, and drops the blank lines around them", () => {
    const byTokens = [token("text", "\n"), ...marked(call("f", '{"a":1}')), ...marked(call("g")), finish()];
    expect(parts(byTokens)).toEqual(both);
    const text = `\n<tool_call>\n${call("f", '{"a":1}')}\n</tool_call>\n<tool_call>${call("g")}</tool_call>\n`;
    expect(parts([...Array.from(text, (char) => token("text", char)), finish()])).toEqual(both);
  });

  test("keeps thinking and words beside calls", () => {
    const events = [
      token("thinking", "hm"),
      token("text", "I look. "),
      ...marked(call("f", '{"a":1}')),
      finish("text", "Done."),
    ];
    expect(parts(events).map((part) => ("text" in part ? part.text : part.name))).toEqual([
      "hm",
      "I look. ",
      "f",
      '{"a":1}',
      "Done.",
    ]);
  });

  test("without parallel calls only the first counts", () => {
    const events = [...marked(call("f", '{"a":1}')), ...marked(call("g")), finish()];
    expect(parts(events, { parallel: false })).toEqual(both.slice(0, 2));
  });

  test("what is not declared, or no call at all, stays text", () => {
    expect(parts([...marked(call("h")), finish()])).toEqual([{ kind: "content", text: call("h") }]);
    expect(parts([...marked("lights"), finish()])).toEqual([{ kind: "content", text: "lights" }]);
    expect(parts([...marked(call("f")), finish()], { callable: new Set() })).toEqual([
      { kind: "content", text: call("f") },
    ]);
  });

  test("a forced call is the whole text; one cut short keeps what there is", () => {
    const text = call("f", '{"a":1}');
    expect(parts([token("text", text), finish()], { forced: true })).toEqual(both.slice(0, 2));
    expect(parts([token("call", text), finish("call")], { forced: true })).toEqual(both.slice(0, 2));
    const cut = parts([token("call", text.slice(0, -3)), finish("call")], { forced: true });
    expect(cut).toEqual([both[0], { kind: "arguments", index: 0, text: '{"a":' }]);
  });

  test("space before text is text", () => {
    expect(parts([token("text", "\n"), token("text", " hi"), token("text", " "), finish()])).toEqual([
      { kind: "content", text: "\n hi " },
    ]);
  });
});
