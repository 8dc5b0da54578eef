import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { recordingLine, traceStatistics } from "../workload/index.ts";
import { openTrace, type TraceSource } from "./trace-source.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-trace-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const held = ({ trace }: TraceSource) => ({ ...trace, requests: [...trace.requests] });

test("a generator by name, at the rate and burstiness asked for, the same for the same seed", () => {
  const open = (seed: number) => held(openTrace({ generate: "azure-code,count=2000,rate=8,cv=3", seed }));
  const { gaps } = traceStatistics(open(1));
  expect(gaps.mean).toBeGreaterThan(100);
  expect(gaps.mean).toBeLessThan(150);
  expect(gaps.cv).toBeGreaterThan(2);
  expect(open(1)).toEqual(open(1));
  expect(open(2).requests).not.toEqual(open(1).requests);
  expect(held(openTrace({ generate: "fixed,prompt=7,output=3,count=5", seed: 0 })).requests).toHaveLength(5);
  expect(held(openTrace({ generate: "three-class,count=50", limit: 20, seed: 0 })).requests.length).toBeLessThan(40);
});

test("what means nothing in a specification is refused by name", () => {
  const refused = (generate: string): string => {
    try {
      openTrace({ generate, seed: 0 });
    } catch (error) {
      expect(error).toBeInstanceOf(PunctualError);
      return (error as PunctualError).message;
    }
    return "";
  };
  expect(refused("nothing")).toMatch(/azure-code/);
  expect(refused("azure-code,count=x")).toMatch(/count=NUMBER/);
  expect(refused("azure-code,colour=3")).toMatch(/colour means nothing/);
  expect(() => openTrace({ seed: 0 })).toThrow(/--trace FILE or --generate/);
});

const AZURE = ["TIMESTAMP,ContextTokens,GeneratedTokens"];
for (let i = 0; i < 50; i++)
  AZURE.push(`2023-11-16 18:15:${String(10 + i).padStart(2, "0")}.0000000,${100 + i},${1 + i}`);

test("a trace file is read while it is consumed; another rate makes its arrivals anew", () => {
  const path = file("azure.csv", `${AZURE.join("\n")}\n`);
  const own = held(openTrace({ trace: path, seed: 0 }));
  expect(own.requests).toHaveLength(50);
  expect(own.requests[1]).toMatchObject({ arrivalMs: 1000, promptTokens: 101, outputTokens: 2 });
  const faster = openTrace({ trace: path, rate: 100, limit: 30, seed: 0 });
  expect(faster.count).toBe(30);
  expect(held(faster).requests.at(-1)!.arrivalMs).toBeLessThan(2000);
});

test("a recording is a trace and stays at hand", () => {
  const head = { kind: "head", version: 1, name: "r", model: "m", policy: "fifo", blockTokens: 16 } as const;
  const request = { kind: "request", id: 4, atMs: 20, promptTokens: 9, maxTokens: 5 } as const;
  const end = { kind: "end", id: 4, atMs: 50, reason: "stop", outputTokens: 3, firstTokenMs: 30 } as const;
  const source = openTrace({ trace: file("run.jsonl", [head, request, end].map(recordingLine).join("")), seed: 0 });
  expect(source.recording!.ends).toHaveLength(1);
  expect(held(source).requests).toEqual([{ id: 0, arrivalMs: 0, promptTokens: 9, outputTokens: 3 }]);
});

test("missing and unknown files are refused", () => {
  expect(() => openTrace({ trace: join(folder, "none.csv"), seed: 0 })).toThrow(/cannot be read/);
  expect(() => openTrace({ trace: folder, seed: 0 })).toThrow(/cannot be read/);
  expect(() => openTrace({ trace: file("other.txt", "hello\n"), seed: 0 })).toThrow(/expected a trace/);
});
