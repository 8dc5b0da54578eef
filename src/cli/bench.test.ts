import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../../test/support/engine.ts";
import { startDouble, type Double } from "../../test/support/openai-double.ts";
import { runCli, type Ended } from "../../test/support/process.ts";
import { addBench } from "./bench.ts";

let served: TestServer;
let double: Double;
const folder = mkdtempSync(join(tmpdir(), "bench-cli-"));
beforeAll(async () => {
  served = await startTestServer();
  double = await startDouble();
});
afterAll(async () => {
  await served.stop();
  await double.stop();
  rmSync(folder, { recursive: true });
});

/** The command as its users run it: a process of its own. */
const bench = (...args: string[]): Promise<Ended> => runCli(["bench", "serve", ...args], folder);
const small = ["--random-input-len", "12", "--random-output-len", "6", "--num-prompts", "8"];

describe("punctual bench serve, against our own server", () => {
  test("text completions: a closed loop with results in vLLM's and AIPerf's forms", async () => {
    const args = [
      "--url",
      served.url,
      ...small,
      "--max-concurrency",
      "2",
      "--num-warmups",
      "2",
      "--goodput",
      "ttft:60000",
      "e2el:60000",
    ];
    const files = [
      "--save-result",
      "--save-detailed",
      "--result-dir",
      folder,
      "--result-filename",
      "r.json",
      "--export-jsonl",
      "p.jsonl",
    ];
    const { code, stdout, stderr } = await bench(
      ...args,
      ...files,
      "--metadata",
      "run=1",
      "--metric-percentiles",
      "50,99",
    );
    expect([stderr.replace(/Saved .*/, "").trim(), code]).toEqual(["", 0]);
    expect(stdout).toMatch(/^Successful requests: +8$/m);
    expect(stdout).toMatch(/^Total generated tokens: +48$/m);
    expect(stdout).toMatch(/^Tokens counted by: +running usage$/m);
    const result = JSON.parse(readFileSync(join(folder, "r.json"), "utf8")) as Record<string, unknown>;
    expect(result).toMatchObject({
      completed: 8,
      failed: 0,
      model_id: "tiny",
      total_output_tokens: 48,
      run: "1",
      max_concurrency: 2,
      request_rate: "inf",
    });
    expect(result["output_lens"]).toEqual(Array.from({ length: 8 }, () => 6));
    expect(result["request_goodput"]).toBeCloseTo(result["request_throughput"] as number);
    for (const name of ["mean_ttft_ms", "median_tpot_ms", "std_itl_ms", "p50_e2el_ms", "p99_e2el_ms"])
      expect(result[name]).toBeGreaterThanOrEqual(0);
    // The server was asked how its tokens relate to words: prompts have about the length that was planned.
    expect(Math.abs((result["total_input_tokens"] as number) / 8 - 12)).toBeLessThan(6);
    const records = readFileSync(join(folder, "p.jsonl"), "utf8").trim().split("\n");
    expect(records).toHaveLength(8);
    for (const record of records)
      expect(JSON.parse(record)).toMatchObject({ metrics: { output_sequence_length: { value: 6 } }, error: null });
  });

  test("chat, open loop, objectives of the mix; equal seeds send equal prompts", async () => {
    const args = [
      "--url",
      `${served.url}/v1`,
      "--backend",
      "openai-chat",
      "--dataset-name",
      "mix",
      "--num-prompts",
      "12",
    ];
    const scale = [
      "--length-scale",
      "0.02",
      "--max-total-tokens",
      "60",
      "--request-rate",
      "20",
      "--burstiness",
      "0.5",
      "--seed",
      "5",
    ];
    const { code, stdout } = await bench(...args, ...scale, "--json");
    expect(code).toBe(0);
    const { punctual, ...result } = JSON.parse(stdout) as {
      punctual: Record<string, Record<string, unknown>>;
      completed: number;
      num_prompts: number;
    };
    expect(result.completed).toBe(result.num_prompts);
    expect(Object.keys(punctual["slo"]!).toSorted()).toEqual(["compound", "deadline", "latency"]);
    // Our server reports on every objective itself.
    expect(punctual["slo_reported"]!["count"]).toBe(result.num_prompts);
    expect(punctual["offered_rate"]).toBeGreaterThan(0);
  });

  test("token ids as prompts are counted to the token", async () => {
    const { code, stdout } = await bench("--url", served.url, ...small, "--prompt-ids", "20:30", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ completed: 8, total_input_tokens: 96, total_output_tokens: 48 });
  });
});

describe("against others", () => {
  test("a trace is replayed, failures are told apart, exit code 3 says that too few were good", async () => {
    const rows = [0, 20, 40, 60].map((timestamp) => JSON.stringify({ timestamp, input_length: 30, output_length: 3 }));
    writeFileSync(join(folder, "t.jsonl"), rows.join("\n"));
    double.manner = (request) => (request % 2 === 1 ? { status: 429, retryAfterS: 7 } : { usage: "none" });
    const args = [
      "--url",
      double.url,
      "--model",
      "double",
      "--dataset-name",
      "trace",
      "--dataset-path",
      "t.jsonl",
      "--block-tokens",
      "16",
    ];
    const { code, stdout } = await bench(...args, "--require-attained", "0.9");
    expect(code).toBe(3);
    expect(stdout).toMatch(/^Failed requests: +2$/m);
    expect(stdout).toMatch(/^HTTP 429: +2, retry after up to 7 s: refused with 429$/m);
    expect(stdout).toMatch(/^Tokens counted by: +chunks$/m);
  });

  test("a sweep ends with the highest rate that holds", async () => {
    double.manner = () => ({});
    const args = ["--url", double.url, ...small, "--sweep", "50,100", "--slo", "ttft=60s", "--slo-form", "headers"];
    const { code, stdout } = await bench(...args, "--header", "x-extra=1", "--api-key", "secret");
    expect(code).toBe(0);
    expect(stdout).toMatch(/50\.00 .* holds$/m);
    expect(stdout).toContain("Highest rate that held with 90 % good: 100.00/s");
    expect(double.seen.at(-1)!.headers).toMatchObject({
      "x-slo-ttft-ms": "60000",
      "x-extra": "1",
      authorization: "Bearer secret",
    });
  });

  test("nobody there is 1: asked for its models, or just loaded", async () => {
    const away = ["--url", "http://127.0.0.1:9", ...small];
    const [asked, loaded] = await Promise.all([bench(...away), bench(...away, "--model", "m")]);
    expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining("no answer") });
    expect(loaded).toMatchObject({ code: 1, stdout: expect.stringContaining("connection") });
  });

  test.each([
    [["--dataset-name", "nothing"], "expected one of random"],
    [["--goodput", "ttft=5"], 'goodput: expected ttft:MS, tpot:MS or e2el:MS, got "ttft=5"'],
    [["--request-rate", "-1"], "above 0, or inf"],
    [["--ramp-up-strategy", "linear"], "ramp-up-start-rps"],
    [["--extra-body", "[1]"], "Expected a JSON object"],
    [["--header", "x"], "header: expected KEY=VALUE"],
    [["--dataset-name", "trace"], "expected a file"],
    [["--backend", "openai-chat", "--prompt-ids", "1:2"], "chat takes text only"],
    [["--percentile-metrics", "x"], "percentile-metrics: expected ttft"],
    [["--metric-percentiles", "101"], "metric-percentiles: expected numbers"],
    [["--url", "ftp://x"], "expected http or https"],
  ])("wrong usage is said before anything is sent: %j", async (args, said) => {
    const program = new Command();
    addBench(program);
    for (const command of program.commands.flatMap((parent) => parent.commands)) {
      command.exitOverride().configureOutput({ writeErr: () => undefined });
    }
    const sent = double.seen.length;
    const all = ["bench", "serve", "--url", double.url, "--model", "m", "--num-prompts", "2", ...args];
    await expect(program.parseAsync(all, { from: "user" })).rejects.toThrow(said);
    expect(double.seen).toHaveLength(sent);
  });
});
