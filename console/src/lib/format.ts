/** Numbers as people read them: two or three figures, a unit, no surprises for null. Pure. */

const DASH = "–";

/** 0.83 ms, 12 ms, 1.24 s, 2 min 5 s. */
export function formatMs(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return DASH;
  const size = Math.abs(ms);
  if (size < 10) return `${trim(ms.toFixed(2))} ms`;
  if (size < 100) return `${trim(ms.toFixed(1))} ms`;
  if (size < 999.5) return `${ms.toFixed(0)} ms`;
  if (size < 60_000) return `${trim((ms / 1000).toFixed(size < 10_000 ? 2 : 1))} s`;
  return formatSpan(ms);
}

/** 45 s, 2 min 5 s, 3 h 20 min, 4 d 2 h: for spans that nobody needs in milliseconds. */
export function formatSpan(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** 1,234 for counts; 0 to two decimals for what is not whole. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });
}

/** 950, 12.4k, 3.2M, 1.5G: for axes and narrow cells. */
export function formatShort(value: number): string {
  const size = Math.abs(value);
  for (const [step, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (size >= step * 0.9995) return `${trim((value / step).toFixed(size < step * 100 ? 1 : 0))}${letter}`;
  }
  return trim(value.toFixed(size < 10 && !Number.isInteger(value) ? 2 : 0));
}

/** 512 B, 12.4 kB, 1.2 GB, by powers of 1,000. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return DASH;
  for (const [step, unit] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const) {
    if (bytes >= step * 0.9995) return `${trim((bytes / step).toFixed(bytes < step * 100 ? 1 : 0))} ${unit}`;
  }
  return `${bytes} B`;
}

/** 0.934 as 93.4%; whole from 100 on and at 0. */
export function formatShare(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return DASH;
  return `${trim((share * 100).toFixed(1))}%`;
}

/** "1 token", "2 tokens". */
export function countOf(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatNumber(count)} ${count === 1 ? noun : plural}`;
}

/** The time of day for moments of today, the date for others, in the visitor's zone. */
export function formatMoment(unixMs: number, nowUnixMs: number): string {
  const moment = new Date(unixMs);
  const isToday = moment.toDateString() === new Date(nowUnixMs).toDateString();
  return isToday
    ? moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
    : moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
