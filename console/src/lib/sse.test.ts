import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readSse, SseParser, type SseEvent } from "./sse.ts";

function parse(pieces: readonly string[]): SseEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

const STREAM = [
  "\uFEFF: a comment\n\ndata: one\n\n",
  "event: step\r\nid: 7\r\ndata: two\r\ndata:  lines\r\n\r\n",
  "data\rdata:x\r\r",
  "id: bad\0id\nretry: 10\nevent: ghost\n\n",
  'data: {"a": 1}\n\ndata: never ended\n',
].join("");

describe("the event stream parser", () => {
  test("reads comments, fields, ids, line ends of all kinds, and drops what is not ended", () => {
    expect(parse([STREAM])).toEqual([
      { event: "message", data: "one", id: "" },
      { event: "step", data: "two\n lines", id: "7" },
      { event: "message", data: "\nx", id: "7" },
      { event: "message", data: '{"a": 1}', id: "7" },
    ]);
  });

  test("reads the same byte by byte", () => {
    expect(parse(STREAM.split(""))).toEqual(parse([STREAM]));
  });

  test("reads the same in any pieces", () => {
    const whole = parse([STREAM]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length }), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
        const pieces = at.slice(1).map((end, i) => STREAM.slice(at[i], end));
        expect(parse(pieces)).toEqual(whole);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test("reads what any writer of the format writes", () => {
    const line = fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, ""));
    fc.assert(
      fc.property(
        fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
        fc.constantFrom("\n", "\r", "\r\n"),
        (events, end) => {
          const text = events.map((lines) => lines.map((data) => `data: ${data}${end}`).join("") + end).join("");
          expect(parse(text.split("")).map(({ data }) => data)).toEqual(events.map((lines) => lines.join("\n")));
        },
      ),
      { seed: 2, numRuns: 200 },
    );
  });

  test("refuses an event without end", () => {
    const parser = new SseParser();
    const push = (): void => {
      for (let i = 0; i < 20; i++) parser.push("x".repeat(1024 * 1024));
    };
    expect(push).toThrow(/at most/);
  });
});

describe("readSse", () => {
  const bytes = new TextEncoder().encode("data: Zürich 🕰\n\ndata: two\n\n");

  test("decodes characters that are cut between pieces", async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const data: string[] = [];
    for await (const event of readSse(body)) data.push(event.data);
    expect(data).toEqual(["Zürich 🕰", "two"]);
  });

  test("cancels the body when the reader leaves", async () => {
    let wasCancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes),
      cancel: () => void (wasCancelled = true),
    });
    for await (const event of readSse(body)) {
      expect(event.data).toBe("Zürich 🕰");
      break;
    }
    expect(wasCancelled).toBe(true);
  });
});
