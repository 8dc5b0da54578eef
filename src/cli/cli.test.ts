/** The command line as it is used: real processes of the compiled program, a real model folder, pipes and signals. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY, until } from "../../test/support/engine.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { plainEnvironment, root } from "../../test/support/process.ts";
import { calibratedDeployment, decodeShape, readCalibration, replay } from "../sim/index.ts";
import { readRecording } from "../workload/index.ts";

const MAIN = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "punctual-cli-"));
const model = join(folder, "random-model");
const environment = plainEnvironment({ HOME: folder, XDG_CACHE_HOME: join(folder, "cache") });

beforeAll(() => writeRandomModel(model, TINY));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function punctual(args: readonly string[], input = "", extra: Record<string, string> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { ...environment, ...extra } },
      (_, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr });
      },
    );
    child.stdin!.end(input);
  });
}

interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Sends the signal and resolves to the exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

async function serve(args: readonly string[], extra: Record<string, string> = {}): Promise<Serving> {
  const child = spawn(process.execPath, [MAIN, "serve", "--model", model, ...args], {
    env: { ...environment, ...extra },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await until(() => output.includes("http://") || child.exitCode !== null, 20_000);
  const url = /http:\/\/[\w.:[\]]+/.exec(output)?.[0];
  if (url === undefined) throw new Error(output);
  const end = (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return { url, child, output: () => output, end };
}

describe("usage", () => {
  test("help names every command and loads no native runtime", async () => {
    const loaded = 'process.report.getReport().sharedObjects.some((path) => path.includes("onnxruntime"))';
    const script = `process.argv.push("--help"); process.on("exit", () => console.error("native", ${loaded})); await import(${JSON.stringify(MAIN)});`;
    const trace = ["--input-type=module", "-e", script];
    const { stdout, stderr } = await new Promise<Outcome>((resolve) => {
      execFile(process.execPath, trace, { env: environment }, (_, out, err) =>
        resolve({ code: 0, stdout: out, stderr: err }),
      );
    });
    for (const command of ["serve", "chat", "models", "train", "doctor", "claim"])
      expect(stdout).toContain(`\n  ${command} `);
    expect(stderr).toContain("native false");
  });

  test.each([
    [["bogus"], "unknown command"],
    [["serve", "--port", "99999"], "whole number"],
    [["serve", "--kv-cache-memory", "lots"], "512MiB"],
    [["serve", "--model", "no-such-folder"], "config.json"],
    [["serve", "--model", ".", "--slo", "soon"], ""],
    [["serve", "--policy", "lifo"], "fifo, "],
    [["serve", "--policy", "jitserve-oracle"], "fifo, "],
    [["serve", "--phases", "both"], "semi-pd"],
    [["serve", "--model", model, "--tier", "gold=ttft=1s"], "priority"],
    [["serve", "--model", model, "--record", "/no/such/folder/x.jsonl"], "/no/such/folder"],
    [["serve", "--model", model, "--record", model], "exists already"],
  ])("%j is wrong usage: exit code 2 and one line that helps", async (args, says) => {
    const { code, stderr } = await punctual(args);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).not.toContain("    at ");
  });
});

describe("chat", () => {
  const common = ["chat", "--model", model, "--max-tokens", "8"];

  test("answers its argument and says how fast", async () => {
    const { code, stdout } = await punctual([...common, "what", "is", "2+3"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/first token after [\d.]+ m?s · \d+ tokens/);
    expect(stdout).not.toContain("\x1b["); // no colours into a pipe
  });

  test("leaves no trace of the native runtime's telemetry", () => {
    const written = readdirSync(folder, { recursive: true }) as string[];
    expect(written.filter((path) => /microsoft|telemetry|onnxruntime\.db/i.test(path))).toEqual([]);
  });

  test("reads questions from a pipe, forgets on /reset, leaves on /exit", async () => {
    const { stdout } = await punctual([...common, "--json"], "hi\nhi\n/reset\nhi\n/exit\nnever\n");
    const turns = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { question: string; content: string; usage: { promptTokens: number } });
    expect(turns.map((turn) => turn.question)).toEqual(["hi", "hi", "hi"]);
    expect(turns[1]!.usage.promptTokens).toBeGreaterThan(turns[0]!.usage.promptTokens);
    expect(turns[2]!.content).toBe(turns[0]!.content);
    expect(turns[2]!.usage.promptTokens).toBe(turns[0]!.usage.promptTokens);
  });
});

describe("pipes", () => {
  test("a reader that leaves early is no failure", async () => {
    const { stdout } = await new Promise<Outcome>((resolve) => {
      const command = `{ "${process.execPath}" "${MAIN}" claim; echo "code $?" >&2; } | true`;
      execFile("sh", ["-c", command], { env: environment }, (_, out, stderr) =>
        resolve({ code: 0, stdout: stderr, stderr: out }),
      );
    });
    expect(stdout).toContain("code 0");
    expect(stdout).not.toContain("EPIPE");
  });
});

describe("serve", () => {
  test("prints its URL, answers, and on SIGTERM finishes what is under way and ends with 0", async () => {
    const serving = await serve(["--port", "0"]);
    const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none", maxRetries: 0 });
    const bars = Object.fromEntries(Array.from({ length: 16 }, (_, id) => [String(id), -100]));
    const stream = await client.completions.create({
      model: "random-model",
      prompt: "hi",
      max_tokens: 400,
      stream: true,
      logit_bias: bars,
    });
    let finish: string | null = null;
    let ended: Promise<number | null> | null = null;
    for await (const chunk of stream) {
      ended ??= serving.end("SIGTERM");
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(finish).toBe("length");
    expect(await ended).toBe(0);
    expect(serving.output()).toContain("Stopping");
  });

  test("listens where PORT says, and an option wins over it", async () => {
    const first = await serve([], { PORT: "0" });
    const port = new URL(first.url).port;
    const taken = await punctual(["serve", "--model", model], "", { PORT: port });
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("is in use")]);
    const open = await punctual(["serve", "--model", model, "--host", "0.0.0.0", "--port", "0"]);
    expect([open.code, open.stderr]).toEqual([1, expect.stringContaining("loopback")]);
    expect(await first.end("SIGINT")).toBe(0);
  });
});

describe("serve --record", () => {
  test("writes what a replay needs, closed in order on SIGTERM", async () => {
    const path = join(folder, "run.jsonl");
    const serving = await serve(["--port", "0", "--policy", "splitfuse", "--record", path]);
    const ask = async (prompt: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${serving.url}/v1/completions`, {
        method: "POST",
        headers,
        body: JSON.stringify({
          model: "random-model",
          prompt,
          max_tokens: 20,
          ignore_eos: true,
          service_tier: "priority",
        }),
      });
    const secret = "zebra-orchid";
    const answers = await Promise.all([ask(secret, { "x-task-id": "errand" }), ask(secret), ask("other")]);
    for (const answer of answers) expect(answer.status).toBe(200);
    expect(((await (await fetch(`${serving.url}/health`)).json()) as { policies: object }).policies).toEqual({
      "random-model": "splitfuse",
    });
    expect(await serving.end("SIGTERM")).toBe(0);
    expect(serving.output()).toContain(`in ${path}`);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(secret);
    const recording = readRecording(text);
    expect(recording.head).toMatchObject({ model: "random-model", policy: "splitfuse" });
    expect(recording.requests).toHaveLength(3);
    expect(recording.requests.filter(({ task }) => task?.id === "errand")).toHaveLength(1);
    expect(recording.ends.map(({ outputTokens }) => outputTokens)).toEqual([20, 20, 20]);
    expect(replay(recording).decisions).toHaveLength(recording.steps.length);
  });
});

describe("doctor", () => {
  test("calibrates the model named into a file that simulations can read", { timeout: 120_000 }, async () => {
    const file = join(folder, "random.json");
    const flags = ["--max-num-seqs", "4", "--max-num-batched-tokens", "32", "--seconds", "8", "--json"];
    const { code, stdout } = await punctual(["doctor", "--calibrate", file, "--model", model, ...flags]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { file: string; steps: number; fit: { medianError: number } };
    expect(report).toMatchObject({ file, model: "random-model" });
    const calibration = readCalibration(readFileSync(file, "utf8"));
    expect(calibration.points).toHaveLength(report.steps);
    expect(calibration).toMatchObject({
      model: "random-model",
      kvBytesPerToken: 256,
      settings: { threads: 1, maxRunning: 4, budgetTokens: 32 },
    });
    const { deployment, fit } = calibratedDeployment(calibration);
    expect(deployment.cost.stepMs(decodeShape(4, 64))).toBeGreaterThan(0);
    expect(fit.medianError).toBeCloseTo(report.fit.medianError, 9);
  });

  test("says so when there is no folder for the file", async () => {
    const { code, stderr } = await punctual(["doctor", "--calibrate", "/no/such/folder/x.json", "--model", model]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("/no/such/folder")]);
  });

  test("measures the machine and says what to set", { timeout: 120_000 }, async () => {
    const { code, stdout } = await punctual(["doctor", "--json"]);
    expect(code).toBe(0);
    const found = JSON.parse(stdout) as {
      machine: { cores: number };
      matmul_gflops: { value: number }[];
      advice: string[];
    };
    expect(found.machine.cores).toBeGreaterThanOrEqual(1);
    for (const { value } of found.matmul_gflops) expect(value).toBeGreaterThan(1);
    expect(found.advice.join(" ")).toContain("--onnxruntime-node-install=skip");
  });
});
