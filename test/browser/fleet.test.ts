/**
 * The Fleet page in a real browser, against a router with three worker processes on a real nats-server: what runs where, a
 * request that is moved while it is answered, a drained worker, another router, a worker that dies.
 */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { faultsOf } from "../fleet/answers.ts";
import { question, rightAnswers } from "../fleet/right-answer.ts";
import { TestFleet } from "../fleet/test-fleet.ts";

/** Patience for what a busy machine does in its own time; nothing here measures how long it takes. */
const PATIENCE_MS = 30_000;
const SEED = 71;

let fleet: TestFleet;
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  fleet = await TestFleet.start({ one: {}, two: {}, three: {} });
  browser = await startBrowser(() => new URL(fleet.url).origin);
  page = await browser.open(`${fleet.url}/#/fleet`);
  page.setDefaultTimeout(PATIENCE_MS);
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(fleet.report());
  expect(browser.faults.splice(0)).toEqual([]);
});
afterAll(async () => {
  await browser?.stop();
  await fleet?.[Symbol.asyncDispose]();
});

const card = (id: string): ReturnType<Page["locator"]> => page.getByRole("article", { name: id, exact: true });

test("three workers stand there with their pages", async () => {
  await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();
  for (const id of ["one", "two", "three"]) {
    await card(id).getByText("serving", { exact: true }).waitFor();
    const pages = card(id).getByRole("meter", { name: `KV pages of ${id}` });
    expect(await pages.getAttribute("aria-valuemax")).toBe("512");
  }
  await page.getByText("default · NATS").waitFor();
  await page.getByText("Nothing has moved yet.").waitFor();
});

test("a request runs where it was placed, and is sent to another worker by keyboard while it is answered", async () => {
  const asked = question("watched", SEED);
  const [right] = await rightAnswers(fleet.modelDir, [asked]);
  const { answer, end, at } = await fleet.streaming(asked);
  const dot = page.locator('.fl-dots .fl-dot[data-request="watched"]');
  await expect.poll(() => dot.getAttribute("data-instance"), { timeout: PATIENCE_MS }).toBe(at);
  await page
    .getByRole("table", { name: "Open requests" })
    .getByRole("row")
    .filter({ hasText: "watched" })
    .press("Enter");
  const dialog = page.getByRole("dialog", { name: "Request watched" });
  const target = fleet.other(at);
  await dialog.getByLabel("Move it to").selectOption(target);
  await dialog.getByRole("button", { name: "Move", exact: true }).press("Enter");
  await page.getByText(`watched moves from ${at} to ${target}.`).waitFor();
  const moves = page.getByRole("table", { name: "Moves" });
  await moves.getByRole("row").filter({ hasText: "watched" }).filter({ hasText: "moved" }).first().waitFor();
  if (!answer.done) await expect.poll(() => dot.getAttribute("data-instance")).toBe(target);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await end;
  expect(faultsOf(answer, right!, false)).toEqual([]);
  await dot.waitFor({ state: "detached" });
});

test("another router places from now on", async () => {
  const routers = page.getByRole("table", { name: "Routers" });
  const row = routers.getByRole("row").filter({ hasText: "round-robin" });
  await row.getByRole("button", { name: "Use round-robin" }).click();
  await row.getByText("decides now").waitFor();
  expect(await routers.getByText("decides now").count()).toBe(1);
});

test("a drained worker says so and leaves; one that dies is missed", async () => {
  const { endsQuickly, id } = { id: "one", endsQuickly: fleet.worker("one").process.ended };
  await card(id).getByRole("button", { name: "Drain" }).click();
  await page.getByText("one takes nothing new.").waitFor();
  expect(await endsQuickly).toBe(0);
  await card(id).waitFor({ state: "detached" });
  fleet.worker("two").process.kill();
  // It may be silent first; how long that shows hangs on where in its lease it died.
  await card("two").waitFor({ state: "detached" });
  await card("three").getByText("serving", { exact: true }).waitFor();
});
