/**
 * Pictures of every page of the console, light and dark, wide and narrow, from a real server under some load. All go to
 * screenshots/ (not kept in git), to be looked at; those of the README are copied to docs/images/.
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "screenshots");
const images = join(root, "docs/images");
const SIZES = { wide: { width: 1280, height: 860 }, narrow: { width: 390, height: 844 } };
const README = ["chat-wide-light", "deadlines-wide-dark", "plan-wide-light", "papers-wide-light"];
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];

function startServer() {
  const child = spawn(process.execPath, ["dist/cli/main.js", "serve", "--port", "0"], { cwd: root });
  const url = new Promise((resolve, reject) => {
    let text = "";
    const read = (chunk) => {
      text += chunk;
      const match = /http:\/\/[\w.[\]:]+:\d+/.exec(text);
      if (match !== null) resolve(match[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${text}`)));
  });
  return { child, url };
}

const QUESTIONS = [
  "What is 12 + 7 * 3?",
  "Turn on the kitchen light.",
  "Who are you?",
  "Remind me to water the plants at 9.",
  "Write me a poem.",
  "What is 48 - 19 + 5?",
];
/** Objectives of which some cannot be kept, so that there is something to see. */
const OBJECTIVES = [
  { class: "latency", ttft_ms: 200, tpot_ms: 40 },
  { class: "deadline", deadline_ms: 400, on_miss: "finish" },
  { class: "deadline", deadline_ms: 60, on_miss: "cut" },
  { class: "deadline", deadline_ms: 2000, on_miss: "finish" },
  { class: "best-effort" },
];

async function ask(url, i) {
  const body = {
    model: i % 3 === 0 ? "punctual-small" : "punctual-base",
    messages: [{ role: "user", content: QUESTIONS[i % QUESTIONS.length] }],
    temperature: 0,
    slo: OBJECTIVES[i % OBJECTIVES.length],
  };
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
  await answer.text();
}

/** Requests at a steady rate until stopped. */
function load(url) {
  let i = 0;
  const timer = setInterval(() => void ask(url, i++).catch(() => undefined), 180);
  return () => clearInterval(timer);
}

const SCENES = {
  chat: async (page) => {
    const idle = () => page.waitForFunction(() => document.querySelectorAll('article[aria-busy="true"]').length === 0);
    const message = page.getByLabel("Message", { exact: true });
    await page.locator("button.chip", { hasText: /light/i }).first().click();
    await page.locator("figure.timeline").first().waitFor();
    await idle();
    await message.fill("What is 12 + 7 * 3?");
    await message.press("Enter");
    await page.locator("figure.timeline").nth(1).waitFor();
    await idle();
    await page.waitForTimeout(500);
  },
  deadlines: (page) => page.waitForTimeout(6000),
  plan: (page) =>
    page
      .getByRole("status")
      .filter({ hasText: /^Planned in/ })
      .waitFor({ timeout: 120_000 }),
  models: (page) => page.getByRole("article").first().waitFor(),
  papers: (page) => page.getByRole("table", { name: "Papers" }).waitFor(),
  "papers/26": (page) => page.getByText("claim").first().waitFor(),
  api: (page) => page.getByRole("button", { name: "Send" }).waitFor(),
};

async function shoot(url, width, theme) {
  const profile = mkdtempSync(join(tmpdir(), "punctual-screenshots-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: FLAGS,
    chromiumSandbox: false,
    viewport: SIZES[width],
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  try {
    for (const [route, prepare] of Object.entries(SCENES)) {
      const page = await context.newPage();
      await page.goto(`${url}/#/${route}`);
      await prepare(page);
      const name = `${route.replace("/", "-")}-${width}-${theme}`;
      await page.screenshot({ path: join(out, `${name}.png`) });
      await page.close();
      console.log(name);
    }
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

mkdirSync(out, { recursive: true });
const { child, url } = startServer();
const address = await url;
const stopLoad = load(address);
try {
  for (const width of Object.keys(SIZES)) for (const theme of ["light", "dark"]) await shoot(address, width, theme);
  mkdirSync(images, { recursive: true });
  for (const name of README) copyFileSync(join(out, `${name}.png`), join(images, `${name}.png`));
} finally {
  stopLoad();
  child.kill("SIGTERM");
}
