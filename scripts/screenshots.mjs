/**
 * Pictures of every page of the console, light and dark, wide and narrow, from a real server under some load. All go to
 * screenshots/ (not kept in git), to be looked at; those of the documentation are copied to docs/images/.
 *
 *   node scripts/screenshots.mjs [page ...]      all pages when none is named
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
/** In docs/images/. */
const README = ["chat-wide-light", "deadlines-wide-dark", "plan-wide-light", "papers-wide-light", "fleet-wide-dark"];
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];

/** Everything that was started: ended when this is, however. */
const children = [];

/** A command of ours, and what it has printed that matches. */
function start(args, pattern, command = process.execPath, own = ["dist/cli/main.js"]) {
  const child = spawn(command, [...own, ...args], { cwd: root });
  children.push(child);
  const found = new Promise((resolve, reject) => {
    let text = "";
    const read = (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match !== null) resolve(match[0]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}:\n${text}`)));
  });
  return { child, found };
}

const URL_PRINTED = /http:\/\/[\w.[\]:]+:\d+/;

/** Texts that many requests begin with: more than the workers' caches hold beside everything else, of three chunks each. */
const MANUALS = ["kitchen", "garden", "cellar", "attic", "garage", "library"].map((room) =>
  Array.from({ length: 14 }, (_, i) => `Shelf ${i} of the ${room} has ${(i * 37 + room.length) % 90} boxes.`).join(" "),
);
const LEVEL = "anchored-1";

/** Keeps all manuals in a folder, exactly and at a level in fewer bytes. */
async function keepManuals(folder) {
  for (const [i, text] of MANUALS.entries()) {
    const what = ["--text", text, "--levels", `lossless,${LEVEL}`, "--dir", folder, "--model", "punctual-small"];
    await start(["contexts", "put", `manual-${i}`, ...what], /tokens kept/).found;
  }
}

/** A nats-server, three workers and a router on this machine: the fleet that the Fleet page shows. */
async function startFleet(folder) {
  const port = 20_000 + (process.pid % 10_000);
  const bus = ["--bus", `nats://127.0.0.1:${port}`];
  const listen = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder];
  const nats = start(listen, /Server is ready/, "nats-server", []);
  await nats.found;
  const contexts = join(folder, "contexts");
  await keepManuals(contexts);
  const flags = ["--model", "punctual-small", "--kv-pages", "192", "--threads", "1"];
  // One keeps them, the others have them from there.
  const more = { one: ["--contexts", contexts], two: [], three: [] };
  const workers = Object.entries(more).map(([id, own]) =>
    start(["worker", ...bus, ...flags, "--id", id, "--contexts-levels", LEVEL, ...own], /serves/),
  );
  await Promise.all(workers.map(({ found }) => found));
  // As many as there are: the page shows how scaling stands, and nothing has to be started.
  const scaling = ["--scale", "3..3", "--scale-command", ":"];
  const router = start(["serve", ...bus, "--port", "0", ...scaling], URL_PRINTED);
  return router.found;
}

/** Long answers, now and then to a manual that has to be there in time, and now and then one that is sent to another worker. */
function fleetLoad(url) {
  let i = 0;
  const ask = async () => {
    const question = QUESTIONS[i++ % QUESTIONS.length];
    const common = { model: "punctual-small", temperature: 1, seed: i, ignore_eos: true };
    const about = {
      prompt: `${MANUALS[i % MANUALS.length]} ${question}`,
      max_tokens: 120,
      slo: { ttft_ms: TTFT_MS[i % TTFT_MS.length] },
      lossy_context: true,
    };
    const body = { ...common, ...(i % 3 === 0 ? about : { prompt: question, max_tokens: 400 }) };
    const answer = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body) });
    await answer.text();
  };
  const move = async () => {
    const { requests, instances } = await (await fetch(`${url}/admin/fleet`)).json();
    const open = requests.find(({ state, answerTokens }) => state === "running" && answerTokens < 200);
    const to = instances.find(({ id }) => id !== open?.instance);
    if (open === undefined || to === undefined) return;
    const body = JSON.stringify({ request: open.id, to: to.id });
    await fetch(`${url}/admin/fleet/moves`, { method: "POST", body });
  };
  // As many at once whatever the machine, so that the caches are neither empty nor full.
  for (let reader = 0; reader < READERS; reader++) {
    void (async () => {
      for (;;) await ask().catch(() => new Promise((resolve) => setTimeout(resolve, 200)));
    })();
  }
  setInterval(() => void move().catch(() => undefined), 600);
}

const READERS = 14;
/** In time for exact chunks, for smaller ones, for none. */
const TTFT_MS = [2000, 400, 60, 1000, 30];
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

/** Requests at a steady rate. */
function load(url) {
  let i = 0;
  setInterval(() => void ask(url, i++).catch(() => undefined), 180);
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
  fleet: async (page) => {
    await page.locator(".fl-card").nth(2).waitFor();
    await page.waitForTimeout(5000);
  },
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

const asked = process.argv.slice(2);
const isAsked = (route) => asked.length === 0 || asked.includes(route);
const unknown = asked.filter((route) => !Object.hasOwn(SCENES, route));
if (unknown.length > 0)
  throw new Error(`no such page: ${unknown.join(", ")}; there are ${Object.keys(SCENES).join(", ")}`);
const others = Object.keys(SCENES).some((route) => route !== "fleet" && isAsked(route));

async function shoot(url, fleetUrl, width, theme) {
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
    for (const [route, prepare] of Object.entries(SCENES).filter(([name]) => isAsked(name))) {
      const page = await context.newPage();
      await page.goto(`${route === "fleet" ? fleetUrl : url}/#/${route}`);
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
const server = others ? start(["serve", "--port", "0"], URL_PRINTED) : null;
const folder = mkdtempSync(join(tmpdir(), "punctual-screenshots-nats-"));
try {
  const fleetUrl = isAsked("fleet") ? await startFleet(folder) : null;
  const url = await server?.found;
  if (server !== null) load(url);
  if (fleetUrl !== null) fleetLoad(fleetUrl);
  for (const width of Object.keys(SIZES)) {
    for (const theme of ["light", "dark"]) await shoot(url, fleetUrl, width, theme);
  }
  mkdirSync(images, { recursive: true });
  for (const name of README.filter((each) => isAsked(each.split("-")[0]))) {
    copyFileSync(join(out, `${name}.png`), join(images, `${name}.png`));
  }
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.exit(); // whoever still asks is not waited for
