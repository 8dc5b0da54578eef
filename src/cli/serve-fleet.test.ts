/** `punctual serve` before other servers, and before a fleet of one process of its own, as its users run it. */
import { afterEach, expect, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDouble } from "../../test/support/openai-double.ts";
import { root, startServer } from "../../test/support/process.ts";
import { TestNatsServer } from "../cluster/bus/nats-server.conformance.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const main = join(root, "dist/cli/main.js");

async function serve(args: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-serve-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startServer(process.execPath, [main, "serve", "--port", "0", ...args], folder);
  cleanups.push(() => server.stop());
  return server.url;
}

async function ask(url: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body), headers });
  return { status: response.status, ...((await response.json()) as object) };
}

test("another server's model under another name, with its key", async () => {
  const double = await startDouble(() => ({ plain: true }));
  cleanups.push(() => double.stop());
  const host = new URL(double.url).host;
  const url = await serve(["--upstream", `mine=${double.url}#theirs`, "--upstream-key", `${host}=s3cret`]);
  const answer = await ask(url, { model: "mine", messages: [{ role: "user", content: "hi" }] });
  expect(answer).toMatchObject({ status: 200, model: "mine" });
  expect(double.seen[0]).toMatchObject({ body: { model: "theirs" }, headers: { authorization: "Bearer s3cret" } });
  expect(await ask(url, { model: "other", messages: [{ role: "user", content: "hi" }] })).toMatchObject({
    status: 404,
  });
  const fleet = (await (await fetch(`${url}/admin/fleet`)).json()) as { instances: { host: string; model: string }[] };
  expect(fleet.instances).toMatchObject([{ host: "upstream", model: "mine" }]);
}, 60_000);

test("a router with a model of its own is a fleet of one; what is asked again under its key is told again", async () => {
  await using nats = await TestNatsServer.start();
  const url = await serve(["small", "--bus", nats.url, "--fleet", "one", "--threads", "1"]);
  let ready = 0;
  for (let i = 0; i < 100 && ready !== 200; i++) {
    ready = (await fetch(`${url}/ready`)).status;
    if (ready !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const body = {
    model: "punctual-small",
    messages: [{ role: "user", content: "hello" }],
    temperature: 1,
    max_tokens: 30,
  };
  const first = await ask(url, body, { "idempotency-key": "k" });
  expect(first).toMatchObject({ status: 200 });
  const again = await ask(url, body, { "idempotency-key": "k" });
  expect(again["choices"]).toEqual(first["choices"]);
  expect(await ask(url, body, { "idempotency-key": "a b" })).toMatchObject({ status: 400 });
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text).toMatch(/punctual_instance_up\{instance="i-[\da-f]+",model_name="punctual-small"\} 1/);
  expect(text).toContain('punctual_bus_connected{bus="nats"} 1');
}, 60_000);
