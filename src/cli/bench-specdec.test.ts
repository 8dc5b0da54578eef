import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDraftingDouble, type DraftingDouble } from "../../test/support/drafting-double.ts";
import { until } from "../../test/support/engine.ts";
import { plainEnvironment, root, runCli, type Ended } from "../../test/support/process.ts";
import { publicData } from "../../test/support/public-data.ts";
import { addBench } from "./bench.ts";
import { filledCommand, merged, nested, splitCommand } from "./bench-arms.ts";

let double: DraftingDouble;
const folder = mkdtempSync(join(tmpdir(), "specdec-cli-"));
beforeAll(async () => {
  double = await startDraftingDouble();
});
afterAll(async () => {
  await double.stop();
  rmSync(folder, { recursive: true });
});

/** The command as its users run it: a process of its own. */
const specdec = (...args: string[]): Promise<Ended> => runCli(["bench", "specdec", ...args], folder);

interface Result {
  readonly arms: { readonly name: string }[];
  readonly experiments: {
    readonly kind: string;
    readonly cells: { readonly acceptance_source: string; readonly completed: number; readonly failed: number }[];
    readonly summaries: {
      readonly draftLength: unknown;
      readonly identity: { compared: number; same: number } | null;
    }[];
  }[];
}
const small = ["--per-category", "2", "--output-len", "24", "--num-warmups", "0"];

describe("punctual bench specdec, against a server told the draft length by request", () => {
  test("every experiment, as one JSON object, a CSV and a saved result", async () => {
    const lines = ["a", "b", "c", "d"].flatMap((name) =>
      ["coding", "qa"].map((category) =>
        JSON.stringify({ question_id: name, category, turns: [`${category} about ${name}`] }),
      ),
    );
    writeFileSync(join(folder, "q.jsonl"), lines.join("\n"));
    const { code, stdout, stderr } = await specdec(
      "--url",
      double.url,
      "--dataset-name",
      "spec_bench",
      "--dataset-path",
      "q.jsonl",
      ...small,
      "--experiments",
      "qualitative,throughput,pareto,random-tokens,diversity,vocabulary",
      "--draft-lengths",
      "0,2,4",
      "--draft-field",
      "speculation.tokens",
      "--draft-vocab-sizes",
      "2,50",
      "--max-concurrency",
      "1,2",
      "--input-lens",
      "40",
      "--per-bucket",
      "1",
      "--require-identical",
      "--csv",
      "cells.csv",
      "--save-result",
      "--result-filename",
      "r.json",
      "--metadata",
      "run=7",
      "--json",
    );
    expect([stderr.replace(/Saved .*/, "").trim(), code]).toEqual(["", 0]);
    const result = JSON.parse(stdout) as Result;
    expect(result).toMatchObject({ model_id: "drafting", run: "7", order: "interleaved" });
    expect(result.arms.map(({ name }) => name)).toEqual(["no drafts", "DL 2", "DL 4"]);
    expect(result.experiments.map(({ kind }) => kind)).toHaveLength(6);
    const cells = result.experiments.flatMap((one) => one.cells);
    expect(cells.every(({ completed, failed }) => completed > 0 && failed === 0)).toBe(true);
    expect(new Set(cells.map((cell) => cell.acceptance_source))).toEqual(new Set(["no speculation", "usage"]));
    expect(JSON.parse(readFileSync(join(folder, "r.json"), "utf8"))).toEqual(result);
    const csv = readFileSync(join(folder, "cells.csv"), "utf8").trim().split("\n");
    expect(csv).toHaveLength(cells.length + 1);
    expect(csv[0]).toContain("experiment,group,arm,drafter,draft_length,max_concurrency");
  });

  test("Spec-Bench's own file, or one like it: one category, selected, as a table", async () => {
    const path = publicData("spec_bench/question.jsonl") ?? join(folder, "q.jsonl");
    const category = path.endsWith("q.jsonl") ? "coding" : "translation";
    const { code, stdout } = await specdec(
      "--url",
      double.url,
      "--dataset-name",
      "spec_bench",
      "--dataset-path",
      path,
      "--spec-bench-category",
      category,
      "--arm",
      `0=${double.url}`,
      `script:3=${double.url}`,
      ...small,
    );
    expect(code).toBe(0);
    expect(stdout).toContain("── Acceptance by category");
    expect(stdout).toMatch(new RegExp(`^${category} +2 +\\d+ +0\\.\\d+`, "m"));
    expect(stdout).toContain("script DL 3");
  });

  test("a text that drafts change is exit code 3, and so is a speed-up that is missed", async () => {
    double.isLossy = true;
    const args = [
      "--url",
      double.url,
      "--draft-lengths",
      "0,2",
      "--draft-field",
      "speculation.tokens",
      ...small,
      "--num-prompts",
      "4",
    ];
    const { code, stdout } = await specdec(...args, "--require-identical");
    double.isLossy = false;
    expect([code, stdout.includes("DIFFER from those without drafts")]).toEqual([3, true]);
    expect((await specdec(...args, "--require-speedup", "900", "--disable-tqdm")).code).toBe(3);
  });

  test("nobody there is 1", async () => {
    const away = await specdec("--url", "http://127.0.0.1:9", ...small);
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining("no answer") });
  });
});

describe("servers that are started for it", () => {
  test("a command per arm, one at a time, stopped after it", async () => {
    writeFileSync(
      join(folder, "server.mjs"),
      `import { createServer } from "node:http";
       import { appendFileSync } from "node:fs";
       const [, , port, ...rest] = process.argv;
       process.on("SIGTERM", () => { appendFileSync("started.txt", "stopped\\n"); process.exit(0); });
       appendFileSync("started.txt", rest.join(" ") + "\\n");
       createServer((request, response) => {
         if (request.url === "/v1/models") response.end(JSON.stringify({ data: [{ id: "made" }] }));
         else if (request.method === "GET" || request.url === "/tokenize") response.writeHead(404).end();
         else if (rest[0] !== "hang") {
           response.writeHead(200, { "content-type": "text/event-stream" });
           const usage = { prompt_tokens: 1, completion_tokens: 2 };
           response.end("data: " + JSON.stringify({ choices: [{ delta: { content: "ok" }, finish_reason: "stop" }], usage }) + "\\n\\ndata: [DONE]\\n\\n");
         }
       }).listen(Number(port));`,
    );
    const command = `${process.execPath} server.mjs {port} arm [[--drafts {draft_length}]]`;
    const { code, stdout, stderr } = await specdec(
      "--serve-cmd",
      command,
      "--serve-one-at-a-time",
      "--draft-lengths",
      "0,3",
      ...small,
      "--num-prompts",
      "2",
      "--json",
    );
    expect([stderr, code]).toEqual(["", 0]);
    expect((JSON.parse(stdout) as { order: string }).order).toBe("arm by arm");
    expect(readFileSync(join(folder, "started.txt"), "utf8").trim().split("\n")).toEqual([
      "arm",
      "stopped",
      "arm --drafts 3",
      "stopped",
    ]);
  });

  test("when it is told to end, so are they", async () => {
    const noted = (): string[] => readFileSync(join(folder, "started.txt"), "utf8").trim().split("\n");
    const before = noted().length;
    const command = `${process.execPath} server.mjs {port} hang`;
    const args = ["bench", "specdec", "--serve-cmd", command, ...small];
    const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
      env: plainEnvironment(),
      cwd: folder,
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until(() => noted().length > before, 60_000);
    child.kill("SIGTERM");
    expect(await ended).toBe(1); // nothing came back
    expect(noted().slice(before)).toEqual(["hang", "stopped"]);
  });

  test("our own engine with the small model: n-gram drafts of fixed length, as many as pay, and none", async () => {
    const { code, stdout, stderr } = await specdec(
      "--serve",
      "small",
      "--dataset-name",
      "world",
      "--draft-lengths",
      "0,3,auto",
      "--drafters",
      "ngram",
      "--per-category",
      "1",
      "--output-len",
      "48",
      "--num-warmups",
      "0",
      "--max-concurrency",
      "2",
      "--require-identical",
      "--json",
    );
    expect([stderr, code]).toEqual(["", 0]);
    const [report] = (JSON.parse(stdout) as Result).experiments;
    const drafting = report!.summaries.filter(({ draftLength }) => draftLength !== 0);
    expect(drafting).toHaveLength(14);
    for (const { identity } of drafting) expect(identity!.same).toBe(identity!.compared);
    const sources = new Set(report!.cells.map((cell) => cell.acceptance_source));
    expect([...sources].every((source) => ["no speculation", "response metrics", "usage"].includes(source))).toBe(true);
    expect(sources.size).toBeGreaterThan(1); // something was drafted, and told
  });

  test("a command that cannot start says what it said", async () => {
    const { code, stderr } = await specdec(
      "--serve-cmd",
      `${process.execPath} -e "console.error('no card'); process.exit(3)"`,
      ...small,
    );
    expect([code, stderr]).toEqual([1, expect.stringContaining("no card")]);
  });
});

describe("arms", () => {
  test.each([
    [["--experiments", "speed"], "Expected some of qualitative"],
    [["--draft-lengths", "0,3"], "draft-lengths: expected --draft-field"],
    [["--draft-lengths", "x", "--draft-field", "a"], "Expected a whole number"],
    [["--draft-lengths", "3,3", "--draft-field", "a"], "each value once"],
    [["--draft-lengths", "3", "--draft-field", "a..b"], "names with dots"],
    [["--arm", "3"], "expected [DRAFTER:]LENGTH=URL"],
    [["--arm", "3=http://a", "3=http://b"], "each drafter and length once"],
    [["--serve", "a", "--serve-cmd", "b"], "got both"],
    [["--serve-cmd", "a 'b"], "quotes in pairs"],
    [["--dataset-name", "spec_bench"], "expected the file of spec_bench"],
    [["--dataset-name", "speed_bench", "--dataset-path", "."], "expected qualitative.jsonl"],
    [["--max-concurrency", ","], "at least one value"],
    [["--url", "ftp://x"], "expected http or https"],
  ])("wrong usage is said before anything is sent: %j", async (args, said) => {
    const program = new Command();
    addBench(program);
    for (const command of program.commands.flatMap((parent) => parent.commands)) {
      command.exitOverride().configureOutput({ writeErr: () => undefined });
    }
    const sent = double.bodies.length;
    const all = ["bench", "specdec", "--url", double.url, "--model", "m", ...args];
    await expect(program.parseAsync(all, { from: "user" })).rejects.toThrow(said);
    expect(double.bodies).toHaveLength(sent);
  });

  test("commands are split by spaces outside quotes and filled in per arm", () => {
    const words = splitCommand(
      `vllm serve m --port {port} [[--speculative-config '{"num_speculative_tokens": {draft_length}}']]`,
    );
    const filled = (draftLength: number) => filledCommand(words, { draftLength, drafter: null }, 81);
    expect(filled(0)).toEqual(["vllm", "serve", "m", "--port", "81"]);
    expect(filled(5)).toEqual([
      "vllm",
      "serve",
      "m",
      "--port",
      "81",
      "--speculative-config",
      '{"num_speculative_tokens": 5}',
    ]);
    expect(splitCommand(`a "b c" '' d`)).toEqual(["a", "b c", "", "d"]);
  });

  test("fields of requests by path, side by side", () => {
    expect(merged(nested("speculation.tokens", 3), nested("speculation.method", "ngram"))).toEqual({
      speculation: { tokens: 3, method: "ngram" },
    });
    expect(merged({ a: 1, b: [1] }, { a: { c: 2 }, b: [2] })).toEqual({ a: { c: 2 }, b: [2] });
  });
});
