/** Configuration files: the command's own options as fields, strictly, with the command line above them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../test/support/engine.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { readConfigFile } from "./config-file.ts";
import { engineOptions, type EngineFlags } from "./models.ts";
import { addServe } from "./serve.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-config-"));
const model = join(folder, "tiny");
const path = join(folder, "punctual.json");
beforeAll(() => writeRandomModel(model, TINY));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The serve command as it is after its command line, and nothing run. */
function serveWith(args: readonly string[], config: unknown) {
  const program = new Command();
  addServe(program);
  const serve = program.commands[0]!.action(() => undefined);
  program.parse(["serve", ...args], { from: "user" });
  writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
  return { serve, read: () => readConfigFile(path, serve) };
}

test("fields are the flags without dashes, read as the flags are, and the command line wins", () => {
  const config = {
    port: 9000,
    "memory-budget": "2GiB",
    weights: "int4",
    "enable-prefix-caching": false,
    "log-level": "info",
    lazy: true,
    "max-num-seqs": "4",
    "api-key": "k",
  };
  const { serve, read } = serveWith(["--port", "7", "--log-level", "silent"], config);
  read();
  expect(serve.opts()).toMatchObject({
    port: 7,
    memoryBudget: 2 * 2 ** 30,
    weights: "int4",
    enablePrefixCaching: false,
    logLevel: "silent",
    lazy: true,
    maxNumSeqs: 4,
    apiKey: ["k"],
  });
});

test("a policy for all models or for one; an unknown one is refused with the names there are", async () => {
  const models = [model, { name: "paced", model, policy: "splitfuse" }];
  const { serve, read } = serveWith([], { models, policy: "edf", tier: "flex=deadline=60s" });
  const chosen = await read().models();
  const flags = serve.opts<EngineFlags>();
  expect(chosen.map((one) => engineOptions(one, flags).policy)).toEqual(["edf", "splitfuse"]);
  expect(serve.opts()).toMatchObject({ tier: ["flex=deadline=60s"] });
  for (const policy of ["lifo", "jitserve-oracle"]) {
    for (const config of [{ policy }, { models: [{ model, policy }] }]) {
      expect(() => serveWith([], config).read()).toThrow(/policy.*fifo/);
    }
  }
});

test("models have names and engine options of their own", async () => {
  const models = [model, `small=${model}`, { name: "short", model, "max-model-len": 64, "kv-cache-memory": "1MiB" }];
  const { serve, read } = serveWith([], { models, weights: "int8" });
  const chosen = await read().models();
  expect(chosen.map(({ name, dir }) => [name, dir])).toEqual([
    ["tiny", model],
    ["small", model],
    ["short", model],
  ]);
  const flags = serve.opts<EngineFlags>();
  expect(engineOptions(chosen[2]!, flags)).toMatchObject({ contextTokens: 64, kvBytes: 2 ** 20, weights: "int8" });
  expect(engineOptions(chosen[1]!, flags).contextTokens).toBeUndefined();
});

describe("what is wrong is said by its field", () => {
  test.each([
    [{ porrt: 1 }, "porrt", "no such option"],
    [{ port: 99_999 }, "port", "whole number"],
    [{ port: [1] }, "port", "string or a number"],
    [{ weights: "f64" }, "weights", "f32"],
    [{ lazy: "yes" }, "lazy", "boolean"],
    [{ "memory-budget": "lots" }, "memory-budget", "512MiB"],
    [{ models: [] }, "models", "expected"],
    [{ models: [{ name: "x" }] }, "models.0.model", "expected string"],
    [{ models: ["a", { model: "x", port: 1 }] }, "models.1.port", "no such option"],
    [{ models: [{ model: "x", threads: 9 }] }, "models.0.threads", "whole number"],
    [{ config: "other.json" }, "config", "no such option"],
    [[], "", "object"],
    ["{", null, "not JSON"],
  ])("%j", (config, param, says) => {
    const { read } = serveWith([], config);
    expect(read).toThrow(expect.objectContaining({ code: "invalid_file", param }));
    expect(read).toThrow(says);
    expect(read).toThrow("punctual.json");
  });

  test("a file that is not there", () => {
    const { serve } = serveWith([], {});
    expect(() => readConfigFile(join(folder, "none.json"), serve)).toThrow(
      expect.objectContaining({ code: "not_found" }),
    );
  });
});
