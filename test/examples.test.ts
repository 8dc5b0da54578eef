/**
 * The examples for clients, run as they are against a server with the built-in model. (`library.ts` runs in the newcomer's
 * test.) Skipped in a checkout without weights.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { builtInModels } from "../src/llm/index.ts";
import { Engine } from "../src/runtime/index.ts";
import { createServer, type PunctualServer } from "../src/server/index.ts";

const model = builtInModels().find(({ name }) => name === "punctual-base");

describe.skipIf(model === undefined)("examples", () => {
  const [program, script] = process.argv as [string, string];
  let engine: Engine;
  let server: PunctualServer;

  beforeAll(async () => {
    engine = await Engine.start({ model: { dir: model!.dir }, name: model!.name, budgetTokens: 128 });
    server = createServer({ engines: [engine] });
    const { url } = await server.listen({ port: 0 });
    process.argv = [program, script, url];
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  });

  test("structured-output.ts prints a price and a call that fit their schemas", async () => {
    const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
    await import("../examples/structured-output.ts");
    const [[price], [name, given]] = log.mock.calls as [[string], [string, string]];
    log.mockRestore();
    expect(JSON.parse(price)).toEqual({
      item: expect.stringMatching(/^(?:toaster|bench)$/) as string,
      dollars: expect.any(Number) as number,
    });
    expect(name).toBe("set_light");
    expect(JSON.parse(given)).toEqual({
      room: expect.stringMatching(/^(?:kitchen|hall)$/) as string,
      on: expect.any(Boolean) as boolean,
    });
  });

  test("openai-client.ts streams an answer", async () => {
    const write = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
    await import("../examples/openai-client.ts");
    const text = write.mock.calls.map(([chunk]) => String(chunk)).join("");
    write.mockRestore();
    expect(text.trim().length).toBeGreaterThan(0);
  });
});
