/** What chunks of contexts an instance has had since its start, and how: exactly, at a level in fewer bytes, or computed from their text. Pure. */
import type { FleetInstanceView } from "@protocol";
import { countOf, formatBytes, formatNumber } from "../../lib/format.ts";

/** As instances tell it: bit by bit what another one computed, and what was computed here as nothing else was in time. */
const EXACT = "lossless";
const TEXT = "text";

/** One way in which chunks were had. */
export interface ContextPart {
  readonly kind: "exact" | "level" | "text";
  /** "exactly", "at anchored-1", "computed". */
  readonly words: string;
  readonly chunks: number;
  /** Of all chunks, 0 to 1. */
  readonly share: number;
  /** That came over the network for them. */
  readonly bytes: number;
}

/** All of them. */
export interface ContextSums {
  /** The exact ones first, then levels by name, then what was computed. */
  readonly parts: readonly ContextPart[];
  readonly chunks: number;
  readonly bytes: number;
}

/** Sums of an instance's choices; null where it has had no chunk, or does not say. */
export function contextSums({ contexts = [] }: Pick<FleetInstanceView, "contexts">): ContextSums | null {
  const had = contexts.filter(({ chunks }) => chunks > 0);
  const chunks = had.reduce((sum, one) => sum + one.chunks, 0);
  if (chunks === 0) return null;
  const parts = had.map(({ choice, ...counts }): ContextPart => {
    return { ...wayOf(choice), ...counts, share: counts.chunks / chunks };
  });
  return {
    parts: parts.toSorted((a, b) => rankOf(a) - rankOf(b) || a.words.localeCompare(b.words, "en", { numeric: true })),
    chunks,
    bytes: had.reduce((sum, one) => sum + one.bytes, 0),
  };
}

function wayOf(choice: string): Pick<ContextPart, "kind" | "words"> {
  if (choice === EXACT) return { kind: "exact", words: "exactly" };
  return choice === TEXT ? { kind: "text", words: "computed" } : { kind: "level", words: `at ${choice}` };
}

function rankOf({ kind }: ContextPart): number {
  return kind === "exact" ? 0 : kind === "level" ? 1 : 2;
}

/** "12 chunks: 9 exactly, 2 at anchored-1, 1 computed". */
export function chunkWords({ parts, chunks }: ContextSums): string {
  const each = parts.map((part) => `${formatNumber(part.chunks)} ${part.words}`);
  return `${countOf(chunks, "chunk")}: ${each.join(", ")}`;
}

/** "1.2 MB fetched". */
export function byteWords({ bytes }: ContextSums): string {
  return bytes === 0 ? "nothing fetched" : `${formatBytes(bytes)} fetched`;
}

/** One part, for who points at it: "2 chunks at anchored-1, 40 kB". */
export function partWords({ words, chunks, bytes }: ContextPart): string {
  return `${countOf(chunks, "chunk")} ${words}${bytes === 0 ? "" : `, ${formatBytes(bytes)}`}`;
}
