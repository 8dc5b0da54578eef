import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../core/index.ts";
import {
  azureReader,
  burstGptReader,
  createReader,
  detectFormat,
  generateTrace,
  mooncakeReader,
  publishedWorkload,
  readTrace,
  shareGptReader,
  streamTrace,
  threeClassMix,
  traceFileReader,
  TRACE_FORMATS,
  writeAzure,
  writeBurstGpt,
  writeMooncake,
  writeShareGpt,
  writeTraceFile,
  type Trace,
  type TraceReader,
} from "./index.ts";

const AZURE = `TIMESTAMP,ContextTokens,GeneratedTokens\r
2023-11-16 18:15:46.6805900,374,44\r
2023-11-16 18:15:50.9951690,396,109\r
`;
const MOONCAKE = `{"timestamp": 27482, "input_length": 1025, "output_length": 52, "hash_ids": [46, 47, 48]}
{"timestamp": 30535, "input_length": 512, "output_length": 26, "hash_ids": [46]}
`;
const BURSTGPT = `Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5,a,3.5,ChatGPT,472,18,490,Conversation log
45,"b, quoted",4.0,GPT-4,1087,230,1317,Conversation log
60,a,1.0,ChatGPT,100,0,100,Conversation log
118,,2.0,ChatGPT,417,276,693,API log
`;
const words = (text: string): number => text.split(/\s+/).filter((word) => word !== "").length;
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof PunctualError) return `${error.code} ${error.param}: ${error.message}`;
    throw error;
  }
  return "accepted";
};
/** The text cut at random places. */
const chunked = (text: string, seed: number): string[] => {
  const random = createRandom(seed);
  const chunks: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = random.int(1, 40);
    chunks.push(text.slice(at, at + size));
    at += size;
  }
  return chunks;
};

describe("Azure", () => {
  test("rows become requests that count from the first", () => {
    const trace = readTrace(azureReader({ name: "conv.csv" }), AZURE);
    expect(trace.requests.map(({ id, promptTokens, outputTokens }) => [id, promptTokens, outputTokens])).toEqual([
      [0, 374, 44],
      [1, 396, 109],
    ]);
    expect(trace.requests[0]!.arrivalMs).toBe(0);
    expect(trace.requests[1]!.arrivalMs).toBeCloseTo(4314.579, 6);
    expect([trace.name, trace.source, trace.blockTokens]).toEqual(["conv.csv", "azure", 0]);
  });

  test("the timestamps of 2024, with an offset, and a day's end", () => {
    const text = `TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 23:59:59.9+00:00,10,2
2024-05-11T02:00:00.4+02:00,11,3
2024-05-11 00:00:01Z,12,4`;
    const arrivals = readTrace(azureReader(), text).requests.map(({ arrivalMs }) => arrivalMs);
    expect(arrivals.map((ms) => Math.round(ms))).toEqual([0, 500, 1100]);
  });

  test("rows out of order are put in order and numbered anew; a stream refuses them", () => {
    const text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:05,1,1\n2023-11-16 18:00:01,2,2\n";
    const trace = readTrace(azureReader(), text);
    expect(trace.requests.map(({ id, arrivalMs, promptTokens }) => [id, arrivalMs, promptTokens])).toEqual([
      [0, 0, 2],
      [1, 4000, 1],
    ]);
    expect(message(() => [...streamTrace(azureReader(), [text]).requests])).toContain("arrives before the one above");
  });

  test("refusals name line and field", () => {
    const row = (text: string) => message(() => readTrace(azureReader({ name: "t.csv" }), `${AZURE}${text}\n`));
    expect(row("2023-11-16 18:15:51,x,3")).toBe(
      'invalid_file ContextTokens: t.csv line 4: ContextTokens: expected a whole number from 0 to 100000000, got "x"',
    );
    expect(row("2023-02-30 18:15:51,4,3")).toContain("a moment that exists");
    expect(row("yesterday,4,3")).toContain("TIMESTAMP: expected yyyy-mm-dd");
    expect(row("2023-11-16 18:15:51,4")).toContain("GeneratedTokens");
    expect(message(() => readTrace(azureReader(), "time,a,b\n"))).toContain("a header with the columns TIMESTAMP");
  });
});

describe("Mooncake", () => {
  test("hash ids and times in milliseconds", () => {
    const trace = readTrace(mooncakeReader(), MOONCAKE);
    expect(trace.blockTokens).toBe(512);
    expect(trace.requests[0]).toEqual({
      id: 0,
      arrivalMs: 27482,
      promptTokens: 1025,
      outputTokens: 52,
      hashIds: [46, 47, 48],
    });
  });

  test("another block size, no hash ids, and ids that do not fit", () => {
    const row = '{"timestamp":1,"input_length":100,"output_length":2,"hash_ids":[1,2]}';
    expect(readTrace(mooncakeReader({ blockTokens: 64 }), row).requests[0]!.hashIds).toEqual([1, 2]);
    expect(message(() => readTrace(mooncakeReader(), row))).toContain("hash_ids: expected 1 ids for 100 tokens");
    expect(readTrace(mooncakeReader(), '{"timestamp":1,"input_length":9,"output_length":2}').requests[0]!.hashIds).toBe(
      undefined,
    );
    expect(message(() => readTrace(mooncakeReader(), "[1]"))).toContain("expected an object");
    expect(message(() => readTrace(mooncakeReader(), "{bad"))).toContain("expected a JSON object");
    expect(message(() => readTrace(mooncakeReader({ blockTokens: 0 }), ""))).toContain("blockTokens");
  });
});

describe("BurstGPT", () => {
  test("failures are skipped, sessions numbered, quoted fields read", () => {
    const reader = burstGptReader();
    const trace = readTrace(reader, BURSTGPT);
    expect(reader.skipped).toBe(1);
    expect(trace.requests.map(({ arrivalMs, session }) => [arrivalMs, session])).toEqual([
      [0, 0],
      [40_000, 1],
      [113_000, undefined],
    ]);
  });

  test("of one model or log type, counted from its first row", () => {
    const gpt4 = readTrace(burstGptReader({ model: "GPT-4" }), BURSTGPT);
    expect(gpt4.requests.map(({ arrivalMs, promptTokens }) => [arrivalMs, promptTokens])).toEqual([[0, 1087]]);
    expect(readTrace(burstGptReader({ logType: "API log" }), BURSTGPT).requests).toHaveLength(1);
  });

  test("the older columns without session", () => {
    const text = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,4,5,9,API log\n";
    expect(readTrace(burstGptReader(), text).requests[0]).toEqual({
      id: 0,
      arrivalMs: 0,
      promptTokens: 4,
      outputTokens: 5,
    });
  });
});

describe("ShareGPT", () => {
  const conversation = (...values: string[]) => ({
    id: "x",
    conversations: values.map((value) => ({ from: "?", value })),
  });
  const file = JSON.stringify([
    conversation('please tell me about [brackets] and "quotes" \\', "here is a long answer }] of words"),
    conversation("only one turn without an answer"),
    conversation("too short", "yes"),
    conversation("what is the weather like today", "it is raining cats and dogs"),
  ]);

  test("first two turns, too short ones left out, lengths by the caller's counter", () => {
    const reader = shareGptReader({ countTokens: words });
    const trace = readTrace(reader, file);
    expect(
      trace.requests.map(({ promptTokens, outputTokens, session }) => [promptTokens, outputTokens, session]),
    ).toEqual([
      [8, 8, 0],
      [6, 6, 3],
    ]);
    expect(trace.requests[1]!.text).toBe("what is the weather like today");
    expect(reader.skipped).toBe(2);
  });

  test("limits and a fixed answer length", () => {
    const options = { countTokens: words, minTokens: 2, outputTokens: 50 };
    expect(readTrace(shareGptReader(options), file).requests.map((one) => one.outputTokens)).toEqual([50, 50, 50]);
    expect(readTrace(shareGptReader({ ...options, maxTotalTokens: 56 }), file).requests).toHaveLength(2);
    expect(readTrace(shareGptReader({ countTokens: words, maxPromptTokens: 6 }), file).requests).toHaveLength(1);
  });

  test("what is not an array of conversations is refused by place", () => {
    const read = (text: string) => message(() => readTrace(shareGptReader({ countTokens: words }), text));
    expect(read("{}")).toContain("expected a JSON array");
    expect(read("[{}")).toContain("expected a closed JSON array");
    expect(read("[]x")).toContain("the end of the file");
    expect(read("[{}]")).toContain("an array of turns");
    expect(read("[,]")).toContain("an element between commas");
    expect(read("[1]")).toContain("expected an object");
    expect(read("[{]")).toContain("expected a closed JSON array");
    expect(read('[{"conversations":[{"value":1},{"value":"a"}]}]')).toContain("conversations[0].value");
    expect(read("[]")).toBe("accepted");
    expect(read("")).toContain("expected a closed JSON array");
  });
});

describe("every format", () => {
  const readers: Readonly<Record<string, () => TraceReader>> = {
    azure: () => azureReader(),
    mooncake: () => mooncakeReader(),
    burstgpt: () => burstGptReader(),
    sharegpt: () => shareGptReader({ countTokens: words }),
    trace: () => traceFileReader(),
  };
  const mooncake = generateTrace(publishedWorkload("mooncake-synthetic", { count: 60 }), createRandom(1));
  const mix = generateTrace(
    threeClassMix({ arrivals: { kind: "poisson", ratePerSecond: 3 }, count: 60 }),
    createRandom(2),
  );
  const texts: Readonly<Record<string, string>> = {
    azure: [...writeAzure(mix.requests)].join(""),
    mooncake: [...writeMooncake(mooncake.requests)].join(""),
    burstgpt: [...writeBurstGpt(mooncake.requests)].join(""),
    sharegpt: [
      ...writeShareGpt(mix.requests, ({ promptTokens, outputTokens }) => ({
        prompt: "word ".repeat(Math.min(200, Math.max(4, promptTokens))),
        answer: "word ".repeat(Math.min(200, Math.max(4, outputTokens))),
      })),
    ].join(""),
    trace: [...writeTraceFile(mix)].join(""),
  };
  const lengths = (trace: Trace) =>
    trace.requests.map(({ promptTokens, outputTokens }) => [promptTokens, outputTokens]);

  test("what is written is read again", () => {
    expect(readTrace(traceFileReader(), texts["trace"]!)).toEqual(mix);
    const azure = readTrace(azureReader(), texts["azure"]!);
    expect(lengths(azure)).toEqual(lengths(mix));
    const originMs = mix.requests[0]!.arrivalMs;
    for (const [i, { arrivalMs }] of azure.requests.entries()) {
      expect(Math.abs(arrivalMs - (mix.requests[i]!.arrivalMs - originMs))).toBeLessThan(2e-4);
    }
    expect(readTrace(mooncakeReader(), texts["mooncake"]!).requests.map((one) => [one.arrivalMs, one.hashIds])).toEqual(
      mooncake.requests.map((one) => [one.arrivalMs, one.hashIds]),
    );
    const burst = readTrace(burstGptReader(), texts["burstgpt"]!);
    expect(lengths(burst)).toEqual(lengths(mooncake));
    expect(new Set(burst.requests.map(({ session }) => session)).size).toBe(
      new Set(mooncake.requests.map(({ session }) => session)).size,
    );
    expect(readTrace(shareGptReader({ countTokens: words }), texts["sharegpt"]!).requests.length).toBeGreaterThan(40);
  });

  test.each(TRACE_FORMATS)("%s is recognised, and read alike in any chunks", (format) => {
    const text = texts[format]!;
    expect(detectFormat(text)).toBe(format);
    const whole = readTrace(readers[format]!(), text);
    for (const seed of [1, 2, 3]) expect(readTrace(readers[format]!(), chunked(text, seed))).toEqual(whole);
    expect([...streamTrace(createReader(format, { countTokens: words }), chunked(text, 4)).requests]).toEqual(
      whole.requests,
    );
    expect(readTrace(createReader(format, { countTokens: words, maxRequests: 5 }), text).requests).toEqual(
      whole.requests.slice(0, 5),
    );
  });

  test.each(Object.keys(readers))("%s: damaged text is read or refused, never worse", (format) => {
    const text = texts[format]!.slice(0, 3000);
    const damage = fc.record({
      at: fc.nat(text.length),
      drop: fc.nat(20),
      insert: fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom("\n", ",", '"', "]", "{", "null", "1e999", "-1", "\u0000"),
      ),
    });
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        let broken = text;
        for (const { at, drop, insert } of damages) broken = broken.slice(0, at) + insert + broken.slice(at + drop);
        const outcome = message(() => {
          for (const { promptTokens, outputTokens, arrivalMs } of readTrace(readers[format]!(), broken).requests) {
            expect(promptTokens >= 1 && outputTokens >= 1 && Number.isFinite(arrivalMs)).toBe(true);
          }
        });
        expect(outcome).toMatch(/^(accepted|invalid_file )/);
      }),
      { numRuns: 60, seed: 16 },
    );
  });

  test("what no format is", () => {
    expect(message(() => detectFormat("hello\n", "x.txt"))).toContain("x.txt: expected a trace (azure, mooncake");
    expect(message(() => createReader("sharegpt"))).toContain("a token counter");
  });

  test("an endless line is refused", () => {
    const reader = mooncakeReader();
    const chunk = "x".repeat(1 << 20);
    expect(
      message(() => {
        for (let i = 0; i < 20; i++) reader.push(chunk);
      }),
    ).toContain("characters");
  });

  test("our own files are refused by field", () => {
    const [head, first] = texts["trace"]!.split("\n") as [string, string];
    const read = (...lines: string[]) => message(() => readTrace(traceFileReader({ name: "t" }), lines.join("\n")));
    expect(read(head, first)).toBe("accepted");
    expect(read(first)).toContain('kind: expected "trace" in the first line');
    expect(read("")).toContain("kind");
    expect(read(head, first, first)).toContain("an id that has not come before");
    expect(read(head, first.replace('"promptTokens":', '"promptTokens":-'))).toContain("promptTokens");
    expect(
      read(
        head,
        '{"id":0,"arrivalMs":0,"promptTokens":1,"outputTokens":1,"task":{"id":0,"stage":1,"after":[7],"thinkMs":0}}',
      ),
    ).toContain("task.after: expected ids of requests above");
    expect(
      read(head, '{"id":0,"arrivalMs":0,"promptTokens":1,"outputTokens":1,"slo":{"class":"soon","onMiss":"cut"}}'),
    ).toContain("slo.class");
  });
});
