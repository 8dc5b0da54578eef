/** What a person sees: dimmed text where the terminal can, progress where it takes long, one line for a failure. */
import { SingleBar } from "cli-progress";
import { PunctualError } from "../core/index.ts";

/** https://no-color.org, and nothing to a file. */
function hasColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb";
}

function styler(open: number, close: number): (text: string, stream?: NodeJS.WriteStream) => string {
  return (text, stream = process.stdout) =>
    hasColor(stream) && text !== "" ? `\x1b[${open}m${text}\x1b[${close}m` : text;
}

/** Less important text. */
export const dim = styler(2, 22);
/** Headings and names. */
export const bold = styler(1, 22);

/** Writes to standard output and waits while its reader is behind. */
export async function write(text: string): Promise<void> {
  if (text === "" || process.stdout.write(text)) return;
  await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
}

/** One line on standard error, and the exit code: 2 when the request itself was wrong, 1 when carrying it out failed. */
export function reportFailure(error: unknown): number {
  if (error instanceof PunctualError) {
    console.error(`punctual: ${error.message}`);
    return error.status >= 400 && error.status < 500 ? 2 : 1;
  }
  console.error(`punctual: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
}

/** A bar for `total` steps on standard error; nothing where nobody watches. */
export interface Progress {
  /** @param detail is shown after the bar. */
  update(done: number, detail?: string): void;
  stop(): void;
}

/** Shorter work than this shows no bar. */
const SHOW_AFTER_MS = 400;

export function startProgress(label: string, total: number, detail = ""): Progress {
  if (process.stderr.isTTY !== true) return { update: () => undefined, stop: () => undefined };
  const format = `${label} ${dim("{bar}", process.stderr)} {value}/{total} {duration_formatted} {detail}`;
  const bar = new SingleBar({
    format,
    stream: process.stderr,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    fps: 8,
    forceRedraw: true, // the clock goes on while the count stands
  });
  let state = { done: 0, detail };
  let shown = false;
  const timer = setTimeout(() => {
    shown = true;
    bar.start(total, state.done, { detail: state.detail });
  }, SHOW_AFTER_MS);
  return {
    update: (done, text = state.detail) => {
      state = { done, detail: text };
      if (shown) bar.update(done, { detail: text });
    },
    stop: () => {
      clearTimeout(timer);
      if (shown) bar.stop();
    },
  };
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value >= 100 || unit === 0 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`;
}

/** 1234 → "1.23 s", 12.3 → "12.3 ms". */
export function formatMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(3))} ms`;
}
