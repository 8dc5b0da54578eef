/** What a context store keeps: chunks of token prefixes at several levels, and names for some of them. */
import { hashBlock, rootHash, type BlockHash } from "../../llm/index.ts";
import type { CodecLevel } from "../codec/codec.ts";

/** A chunk of a prefix: which tokens, after which others. */
export interface ChunkPlace {
  /** Hash of all tokens up to its end. */
  readonly key: BlockHash;
  /** The chunk before it; null for the first. */
  readonly parent: BlockHash | null;
  readonly firstPosition: number;
  readonly tokens: readonly number[];
}

/** A name for a prefix. */
export interface NamedContext {
  readonly name: string;
  readonly tokens: readonly number[];
  readonly createdUnixMs: number;
}

/** "lossless", "anchored-1": a level as files and listings call it. */
export function levelName(level: CodecLevel): string {
  return level.variant === "lossless" ? "lossless" : `${level.variant}-${level.level}`;
}

/** A level by its name; null when there is none of that name. */
export function parseLevel(name: string): CodecLevel | null {
  if (name === "lossless") return { variant: "lossless" };
  const match = /^(anchored|released|predicted)-(\d)$/.exec(name);
  return match === null
    ? null
    : { variant: match[1] as "anchored" | "released" | "predicted", level: Number(match[2]) };
}

/**
 * The chunks of a prefix in order: `chunkTokens` each, the last one shorter; what does not fill a page is left out.
 * Prefixes that begin alike have their first chunks in common.
 */
export function chunkPlaces(tokens: readonly number[], chunkTokens: number, pageTokens: number): ChunkPlace[] {
  const whole = tokens.length - (tokens.length % pageTokens);
  const places: ChunkPlace[] = [];
  let parent: BlockHash | null = null;
  for (let at = 0; at < whole; at += chunkTokens) {
    const end = Math.min(at + chunkTokens, whole);
    const key: BlockHash = hashBlock(parent ?? rootHash("contexts"), tokens, at, end);
    places.push({ key, parent, firstPosition: at, tokens: tokens.slice(at, end) });
    parent = key;
  }
  return places;
}
