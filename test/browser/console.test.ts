/**
 * The console in a real browser, against a real server with the built-in models: every page does what it is for, keeps what
 * it was told over a reload, and says so when the server goes away.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startFakeHub } from "../support/hub.ts";
import { writeRandomModel } from "../support/model-folder.ts";
import { root, startServer, type ServerProcess } from "../support/process.ts";
import { TINY } from "../support/tiny.ts";

const MAIN = "dist/cli/main.js";
/** A model of random weights, which goes on for 16,000 tokens: an answer of it ends because somebody stops it. */
const ENDLESS = "endless";
const folder = mkdtempSync(join(tmpdir(), "punctual-console-"));
/** Patience for what a busy machine does in its own time; nothing here measures how long it takes. */
const PATIENCE_MS = 30_000;

let server: ServerProcess;
let browser: TestBrowser;
let page: Page;

const start = (...flags: string[]): Promise<ServerProcess> =>
  startServer("node", [MAIN, "serve", "punctual-small", "punctual-base", join(folder, ENDLESS), ...flags], root);

beforeAll(async () => {
  writeRandomModel(join(folder, ENDLESS), { ...TINY, maxPositions: 16_384 });
  const template = "{% for message in messages %}{{ message.content }}{% endfor %}";
  writeFileSync(join(folder, ENDLESS, "chat_template.jinja"), template);
  server = await start();
  // A stopped server, and answers that are meant to be refusals, are told in Chromium's own log too.
  browser = await startBrowser(
    () => new URL(server.url).origin,
    undefined,
    /Failed to load resource|ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/u,
  );
  page = await browser.open(server.url);
  page.setDefaultTimeout(PATIENCE_MS);
});

afterEach(() => {
  expect(browser.faults.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.stop();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Goes to a page of the console. */
async function go(route: string, heading: string): Promise<void> {
  await page.goto(`${server.url}/#/${route}`);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor({ state: "attached" });
}

/** A new conversation with a model. */
async function freshChat(model = "punctual-small"): Promise<void> {
  await go("chat", "Chat");
  await page
    .getByRole("button", { name: /new conversation/iu })
    .first()
    .click();
  await page.getByLabel("Model", { exact: true }).selectOption(model);
}

async function send(text: string): Promise<void> {
  const message = page.getByLabel("Message", { exact: true });
  await message.fill(text);
  await message.press("Enter");
}

/** The last answer, complete. */
async function lastAnswer(): Promise<string> {
  const answer = page.locator("article.answer").last();
  await expect.poll(() => answer.getAttribute("aria-busy"), { timeout: PATIENCE_MS }).toBe("false");
  return answer.innerText();
}

/** An objective of its own for the conversation that is open. */
async function setObjective(deadlineMs: number, onMiss: "finish" | "cut" | "reject"): Promise<void> {
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByLabel("Objective").selectOption("own");
  await page.getByLabel("Class", { exact: true }).selectOption("deadline");
  await page.getByLabel("When missed").selectOption(onMiss);
  for (const label of ["First token", "Per token"]) await page.getByLabel(label, { exact: true }).fill("");
  await page.getByLabel("Deadline", { exact: true }).fill(String(deadlineMs));
  await page.getByLabel("Deadline", { exact: true }).press("Tab");
  await page.getByRole("button", { name: "Close the settings" }).click();
}

/** What the table of the Deadlines page says of the newest request. */
async function newestOutcome(): Promise<string> {
  const row = page.getByRole("table", { name: "The newest requests" }).getByRole("row").nth(1);
  return row.innerText();
}

describe("chat", () => {
  test("streams an answer with its timeline, and keeps the conversation over a reload", async () => {
    await freshChat();
    await send("What is 12 + 7?");
    expect(await lastAnswer()).toContain("19");
    await page.locator("article.answer figure.timeline").last().waitFor();
    await page.reload();
    await page.getByText("What is 12 + 7?").first().waitFor();
    expect(await lastAnswer()).toContain("19");
    await page.locator("article.answer figure.timeline").last().waitFor();
  });

  test("stops an answer", async () => {
    await freshChat(ENDLESS);
    await send("Tell me all that you can do.");
    await page.getByRole("button", { name: /^Stop/u }).click();
    await lastAnswer();
    await page.getByText("Stopped.").waitFor();
  });

  test("edits a message and asks again", async () => {
    await freshChat();
    await send("What is 2 + 2?");
    expect(await lastAnswer()).toContain("4");
    await page.getByLabel("Message", { exact: true }).press("ArrowUp");
    const edit = page.getByLabel("Edit the message");
    await edit.fill("What is 30 + 4?");
    await edit.press("Enter");
    await expect.poll(lastAnswer, { timeout: PATIENCE_MS }).toContain("34");
  });

  test("sends what has been typed, however soon Enter comes", async () => {
    // Both events before the page is drawn again.
    const typeAndSend = (element: Element, text: string): void => {
      (element as HTMLTextAreaElement).value = text;
      element.dispatchEvent(new Event("input", { bubbles: true }));
      element.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    };
    await freshChat();
    const message = page.getByLabel("Message", { exact: true });
    await message.evaluate(typeAndSend, "What is 12 + 7?");
    expect(await lastAnswer()).toContain("19");
    expect(await message.inputValue()).toBe("");
    await message.press("ArrowUp");
    await page.getByLabel("Edit the message").evaluate(typeAndSend, "What is 20 + 1?");
    await expect.poll(lastAnswer, { timeout: PATIENCE_MS }).toContain("21");
  });

  test("calls a tool and shows the call", async () => {
    await freshChat("punctual-base");
    await page.getByRole("button", { name: /light/iu }).first().click();
    expect(await lastAnswer()).toContain("set_light");
  });

  test("exports the conversation as a command", async () => {
    await freshChat();
    await send("What is 1 + 1?");
    await lastAnswer();
    await page.getByRole("button", { name: "Export as curl or TypeScript" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("/v1/chat/completions").first().waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  });
});

describe("deadlines", () => {
  test("show one that is met and one that is missed, each with its trace", async () => {
    await freshChat();
    await setObjective(60_000, "finish");
    await send("What is 5 + 6?");
    expect(await lastAnswer()).toContain("11");
    await go("deadlines", "Deadlines");
    await page.getByLabel("Model", { exact: true }).selectOption("punctual-small");
    await expect.poll(newestOutcome, { timeout: PATIENCE_MS }).toMatch(/kept/iu);

    await freshChat();
    await setObjective(1, "finish");
    await send("What is 7 + 6?");
    await lastAnswer();
    await go("deadlines", "Deadlines");
    await page.getByLabel("Model", { exact: true }).selectOption("punctual-small");
    await expect.poll(newestOutcome, { timeout: PATIENCE_MS }).toMatch(/missed|late|expired/iu);

    const table = page.getByRole("table", { name: "The newest requests" });
    const kept = table.getByRole("row").filter({ hasText: /kept/iu }).first();
    await kept.click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("figure.timeline").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  });

  test("switch the policy in force and back", async () => {
    await go("deadlines", "Deadlines");
    const policy = page.getByLabel("Policy in force");
    const before = await policy.inputValue();
    for (const name of ["edf", before]) {
      await policy.selectOption(name);
      await page.getByRole("button", { name: `Switch to ${name}` }).click();
      await expect
        .poll(() => policy.locator("option:checked").innerText(), { timeout: PATIENCE_MS })
        .toContain("force");
      expect(await policy.inputValue()).toBe(name);
    }
  });
});

test("models are unloaded and loaded again", async () => {
  await go("models", "Models");
  const card = page.getByRole("article", { name: "punctual-small" });
  await card.getByRole("button", { name: "Unload" }).click();
  const load = card.getByRole("button", { name: "Load", exact: true });
  await load.waitFor();
  await load.click();
  await card.getByRole("button", { name: "Unload" }).waitFor();
  await card.getByRole("button", { name: "What it can and cannot do" }).click();
  await card.getByRole("table").waitFor();
});

test("a model is pulled with its progress, broken off, and gone on with", async () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-browser-hub-"));
  const hub = await startFakeHub();
  const names = ["config.json", "model.safetensors", "tokenizer.json"];
  const files = Object.fromEntries(
    names.map((name) => [name, readFileSync(join(root, "models/punctual-small", name))]),
  );
  const repo = hub.add("acme/tiny", files, ["model.safetensors"]);
  repo.faults.set("model.safetensors", { slow: { pieceBytes: 32 * 1024, pauseMs: 100 } });
  const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder, HOME: folder, XDG_CACHE_HOME: folder };
  const own = await startServer("node", [MAIN, "serve", "punctual-small"], root, environment);
  const visitor = await startBrowser(() => new URL(own.url).origin);
  try {
    const visit = await visitor.open(`${own.url}/#/models`);
    await visit.getByLabel("From a hub").fill("hf:acme/tiny");
    await visit.getByRole("button", { name: "Pull", exact: true }).click();
    await visit.getByText(/model\.safetensors$/u).waitFor(); // so many bytes of so many, and of which file
    await visit.getByRole("button", { name: "Cancel" }).click();
    const goOn = visit.getByRole("button", { name: "Go on" });
    await goOn.waitFor();
    repo.faults.clear();
    await goOn.click();
    await visit.getByText(/It is served as/u).waitFor();
    await visit.getByRole("article", { name: "acme/tiny" }).waitFor();
    expect(visitor.faults).toEqual([]);
  } finally {
    await visitor.stop();
    await own.stop();
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a fleet is planned", async () => {
  await go("plan", "Plan");
  await page.getByRole("heading", { name: "Attained over load" }).waitFor();
  const planned = page.getByRole("status").filter({ hasText: /^Planned in/u });
  await planned.waitFor({ timeout: 90_000 });
  expect(await page.getByRole("table", { name: "Every mode" }).getByRole("row").count()).toBeGreaterThan(2);
  await expect.poll(() => page.getByText(/The cheapest that attains|Nothing attains this/u).count()).toBeGreaterThan(0);
});

test("a server that is alone tells how to have a fleet", async () => {
  await go("fleet", "Fleet");
  await page.getByRole("heading", { name: "This server is alone" }).waitFor();
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied.").waitFor();
  const commands = (await page.evaluate(() => navigator.clipboard.readText()))
    .split("\n")
    .filter((line) => line !== "");
  expect(commands.filter((line) => !line.startsWith("#"))).toHaveLength(10);
});

test("papers are searched, and a row opens its claim", async () => {
  await go("papers", "Papers");
  const table = page.getByRole("table", { name: "Papers" });
  await expect.poll(() => table.getByRole("row").count(), { timeout: PATIENCE_MS }).toBe(42);
  await page.keyboard.press("/");
  await page.keyboard.type("just-in-time");
  await page.getByLabel("Search", { exact: true }).fill("jitserve");
  await expect.poll(() => table.getByRole("row").count(), { timeout: PATIENCE_MS }).toBe(2);
  await table.getByRole("row").nth(1).press("Enter");
  await page
    .getByText(/punctual claim 16|claim -- 16/u)
    .first()
    .waitFor();
});

test("the interface is read and tried", async () => {
  await go("api/post/v1/chat/completions", "API");
  await page.getByRole("button", { name: "Send" }).click();
  await page
    .getByText(/\b200\b/u)
    .first()
    .waitFor();
});

test("the interface is tried with what has been typed, however soon Ctrl+Enter comes", async () => {
  await go("api/post/v1/completions", "API");
  const field = page.getByRole("textbox", { name: "Body" });
  await field.waitFor();
  const body = JSON.stringify({ model: "punctual-small", prompt: "typed last", max_tokens: 1 });
  // Both events before the page is drawn again.
  const typeAndSend = (element: Element, text: string): void => {
    (element as HTMLTextAreaElement).value = text;
    element.dispatchEvent(new Event("input", { bubbles: true }));
    const key = { key: "Enter", ctrlKey: true, bubbles: true, cancelable: true };
    element.dispatchEvent(new KeyboardEvent("keydown", key));
  };
  const [sent] = await Promise.all([
    page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/v1/completions")),
    field.evaluate(typeAndSend, body),
  ]);
  expect(sent.postDataJSON()).toEqual(JSON.parse(body));
});

test("a lost server is told, and its return", async () => {
  await freshChat();
  await send("What is 8 + 8?");
  expect(await lastAnswer()).toContain("16");
  const { port } = new URL(server.url);
  await server.stop();
  await page.getByText("The connection to the server is lost. Reconnecting…").waitFor();
  const told = page.getByText("The server was restarted.").first().waitFor();
  server = await start("--port", port);
  await told;
  await page.getByText("The connection to the server is lost. Reconnecting…").waitFor({ state: "detached" });
  expect(await lastAnswer()).toContain("16"); // what was said before is still there
  await freshChat();
  await send("What is 9 + 9?");
  expect(await lastAnswer()).toContain("18");
});

test("pages can be had by keyboard alone", async () => {
  await go("chat", "Chat");
  await page.locator("body").click({ position: { x: 5, y: 5 } });
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  for (const [key, heading] of [
    ["d", "Deadlines"],
    ["f", "Fleet"],
    ["p", "Plan"],
    ["m", "Models"],
    ["r", "Papers"],
    ["a", "API"],
  ] as const) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  }
});

test("a server with keys asks for one, and takes it", async () => {
  const locked = await startServer(
    "node",
    [MAIN, "serve", "punctual-small", "--api-key", "sk-browser-test-0123"],
    root,
  );
  const visitor = await startBrowser(() => new URL(locked.url).origin, undefined, /401|Failed to load resource/u);
  try {
    const visit = await visitor.open(`${locked.url}/#/models`);
    const dialog = visit.getByRole("dialog", { name: "This server asks for a key" });
    await dialog.getByLabel("Key", { exact: true }).fill("sk-browser-test-0123");
    await dialog.getByRole("button", { name: "Use this key" }).click();
    await visit.getByRole("article", { name: "punctual-small" }).waitFor();
    expect(visitor.faults).toEqual([]);
  } finally {
    await visitor.stop();
    await locked.stop();
  }
});
