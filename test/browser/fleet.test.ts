/**
 * The Fleet page in a real browser, against a router with three worker processes on a real nats-server: what runs where, a
 * request that is moved while it is answered, a drained worker, another router, a worker that dies, and how many are wanted.
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
  // The router is told that somebody else starts what it asks for: here the test does.
  const scaled = ["--scale", "3..4", "--scale-every", "1", "--scale-command", ":"];
  fleet = await TestFleet.start({ one: {}, two: {}, three: {} }, scaled);
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

const scaling = (): ReturnType<Page["locator"]> => page.getByRole("region", { name: "Scaling" });
const fact = (name: string): ReturnType<Page["locator"]> =>
  scaling()
    .locator("div", { has: page.getByText(name, { exact: true }) })
    .locator("dd");

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

test("as many are there as load asks for, and the page says so; a person can leave it at that", async () => {
  await scaling().getByText("on", { exact: true }).waitFor();
  await expect.poll(() => fact("Wanted").textContent(), { timeout: PATIENCE_MS }).toBe("3");
  const facts = ["Serving", "Starting", "Draining"].map((name) => fact(name).textContent());
  expect(await Promise.all(facts)).toEqual(["3", "0", "0"]);
  await scaling().getByText("between 3 and 4").waitFor();
  const room = scaling().getByRole("meter", { name: "Room of the fleet" });
  expect(await room.getAttribute("aria-valuetext")).toContain("one more below 400, one less above 800");
  await scaling().getByRole("button", { name: "Switch scaling off" }).click();
  await scaling().getByText("switched off", { exact: true }).waitFor();
  expect((await fleet.view()).scaling).toMatchObject({ isEnabled: false, wanted: null, least: 3, most: 4 });
});

test("another router places from now on", async () => {
  const routers = page.getByRole("table", { name: "Routers" });
  const row = routers.getByRole("row").filter({ hasText: "round-robin" });
  await row.getByRole("button", { name: "Use round-robin" }).click();
  await row.getByText("decides now").waitFor();
  expect(await routers.getByText("decides now").count()).toBe(1);
});

test("a drained worker says so and leaves; one that dies is shown as gone for a while", async () => {
  const { endsQuickly, id } = { id: "one", endsQuickly: fleet.worker("one").process.ended };
  await card(id).getByRole("button", { name: "Drain" }).click();
  await page.getByText("one takes nothing new.").waitFor();
  expect(await endsQuickly).toBe(0);
  await card(id).waitFor({ state: "detached" });
  fleet.worker("two").process.kill();
  // The broker knows that its connection has ended: within its lease it is asked for, and missed.
  await card("two").getByText("gone", { exact: true }).waitFor();
  await card("two").getByText("its process or its connection has ended").waitFor();
  expect(await card("two").getByRole("button").count()).toBe(0);
  await card("three").getByText("serving", { exact: true }).waitFor();
  await card("two").waitFor({ state: "detached" });
});

test("scaling that was left to people misses nobody; by load again, it asks for two", async () => {
  // Both have gone while scaling was off: the router knows them as gone, and asks for nobody.
  await expect.poll(() => fact("Serving").textContent(), { timeout: PATIENCE_MS }).toBe("1");
  expect([await fact("Starting").textContent(), await fact("Wanted").textContent()]).toEqual(["0", "–"]);
  await scaling().getByRole("button", { name: "Switch scaling on" }).press("Enter");
  await scaling().getByText("on", { exact: true }).waitFor();
  await expect.poll(() => fact("Starting").textContent(), { timeout: PATIENCE_MS }).toBe("2");
  expect(await fact("Wanted").textContent()).toBe("3");
  await scaling()
    .getByText(/^Launched s-\w+ .+ ago: there were fewer than 3\./u)
    .waitFor();
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text();
  expect(metrics).toContain("punctual_scaling_enabled 1");
});
