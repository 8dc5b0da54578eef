/**
 * Debian's Chromium, driven as a user would: a fresh profile each time, nothing asked of any other origin, and every error
 * that a page prints is a failure.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How a page is looked at. */
export interface Look {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly theme: "light" | "dark";
}

/** A desk's window in light. */
export const WIDE: Look = { widthPx: 1280, heightPx: 860, theme: "light" };

/** A browser and what went wrong in it. */
export interface TestBrowser {
  readonly context: BrowserContext;
  /** Errors of scripts and of the console, and requests that left the origin. */
  readonly faults: string[];
  /** A page whose faults are collected. */
  open(url: string): Promise<Page>;
  stop(): Promise<void>;
}

/**
 * Starts Chromium. `origin` is the only one that pages may ask.
 * @param expected faults that a test provokes, for example refused requests
 */
export async function startBrowser(
  origin: () => string,
  look: Look = WIDE,
  expected: RegExp = /^$/u,
): Promise<TestBrowser> {
  const profile = mkdtempSync(join(tmpdir(), "punctual-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: FLAGS,
    chromiumSandbox: false,
    viewport: { width: look.widthPx, height: look.heightPx },
    colorScheme: look.theme,
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const faults: string[] = [];
  const fault = (text: string): void => void (expected.test(text) ? 0 : faults.push(text));
  const open = async (url: string): Promise<Page> => {
    const page = await context.newPage();
    page.on("pageerror", (error) => fault(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") fault(message.text());
    });
    page.on("request", (request) => {
      const asked = new URL(request.url());
      if (asked.protocol.startsWith("http") && asked.origin !== origin()) fault(`asked ${asked.origin}`);
    });
    await page.goto(url);
    return page;
  };
  const stop = async (): Promise<void> => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { context, faults, open, stop };
}
