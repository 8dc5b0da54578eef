/**
 * What every `punctual bench` command shares: this process's clock, and which server with which headers and model. It reads
 * the environment for keys.
 */
import { fail, type Clock } from "../core/index.ts";

/** The options that name a server. */
export interface ServerFlags {
  readonly url?: string;
  readonly baseUrl?: string;
  readonly host?: string;
  readonly port?: number;
  readonly model?: string;
  readonly servedModelName?: string;
  readonly apiKey?: string;
  readonly header?: readonly string[];
  readonly readyCheckTimeoutSec: number;
}

/** This process measures with its own monotonic clock and nothing else's. */
export const clock: Clock = { nowMs: () => performance.now() };

/** Waits; ends early when the signal fires. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    // Longer timers would fire at once.
    const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
    if (signal?.aborted === true) done();
    else signal?.addEventListener("abort", done, { once: true });
  });
}

/** The server that was named, by any of the ways to name it. */
export function serverUrl({ url, baseUrl, host, port }: ServerFlags): string {
  if (url !== undefined || baseUrl !== undefined) return (url ?? baseUrl)!.replace(/\/+$/, "");
  const name = host ?? "127.0.0.1";
  return `http://${name.includes(":") ? `[${name}]` : name}:${port ?? 8080}`;
}

/** Headers of every request: the key, and those that were given. */
export function requestHeaders(flags: ServerFlags): Record<string, string> {
  const key = flags.apiKey ?? process.env["OPENAI_API_KEY"] ?? process.env["PUNCTUAL_API_KEY"];
  const own = Object.fromEntries(
    pairs(flags.header ?? [], "header").map(([name, value]) => [name.toLowerCase(), value]),
  );
  return { ...(key === undefined || key === "" ? {} : { authorization: `Bearer ${key}` }), ...own };
}

/** Waits for the server as long as it may, and asks for its first model when none is named. */
export async function modelName(
  flags: ServerFlags,
  server: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
): Promise<string> {
  const { firstModel } = await import("../bench/index.ts");
  const named = flags.servedModelName ?? flags.model;
  const untilMs = clock.nowMs() + flags.readyCheckTimeoutSec * 1000;
  if (named !== undefined && flags.readyCheckTimeoutSec === 0) return named;
  for (;;) {
    try {
      const first = await firstModel(server);
      return named ?? first;
    } catch (error) {
      if (clock.nowMs() >= untilMs) throw error;
      await sleep(500);
    }
  }
}

/** yyyymmdd-hhmmss of this machine's time. */
export function dateStamp(): string {
  const now = new Date();
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

/** KEY=VALUE, several of them. */
export function pairs(given: readonly string[], option: string): [string, string][] {
  return given.map((text) => {
    const at = text.indexOf("=");
    if (at <= 0) return fail("invalid_request", `${option}: expected KEY=VALUE, got "${text}"`);
    return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  });
}
