/**
 * Prefixes of an engine in a context store and back: what its cache had to give up, or what another instance computed and
 * gives away (fleet-contexts.ts). Only exact chunks enter the cache that everybody shares; others only under a salt, where requests have to ask for them.
 */
import { assert, fail } from "../../core/index.ts";
import type { SequenceTransfers } from "../../runtime/index.ts";
import type { CodecLevel, KvCodec } from "../codec/codec.ts";
import type { ContextStore } from "./store.ts";
import { chunkPlaces, levelName, type ChunkPlace } from "./types.ts";

/** Tokens of a chunk when nothing else is said: the unit in which levels change and things are evicted. */
export const CHUNK_TOKENS = 64;

/** What a prefix store works on. */
export interface PrefixStoreOptions {
  readonly transfers: Pick<SequenceTransfers, "readPrefix" | "installPrefix">;
  readonly codec: KvCodec;
  /** Null: nothing is kept, and what comes back comes from others. */
  readonly store: ContextStore | null;
  /** A multiple of the page size; 64 when absent. */
  readonly chunkTokens?: number;
}

/** A chunk as a store has it, and where it goes. */
export interface SealedChunk {
  readonly level: CodecLevel;
  readonly bytes: Uint8Array;
  /** "": everybody's cache, which takes exact chunks only. */
  readonly salt: string;
  /** What decodes it; the store's own when absent. */
  readonly codec?: KvCodec;
}

/** Pages that are copied at once. */
const COPY_PAGES = 16;

/** Saves and restores prefixes. Calls may overlap; each is exact by itself. */
export class PrefixStore {
  readonly #options: PrefixStoreOptions;
  readonly #chunkTokens: number;

  constructor(options: PrefixStoreOptions) {
    this.#options = options;
    this.#chunkTokens = options.chunkTokens ?? CHUNK_TOKENS;
    assert(this.#chunkTokens % options.codec.shape.pageTokens === 0, "chunks are whole pages");
  }

  /** The chunks of a prefix. */
  places(tokens: readonly number[]): ChunkPlace[] {
    return chunkPlaces(tokens, this.#chunkTokens, this.#options.codec.shape.pageTokens);
  }

  /** Whether the store has the beginning of the prefix, at one of those levels; exactly when none are named. */
  has(tokens: readonly number[], levels: readonly string[] = ["lossless"]): boolean {
    const [first] = this.places(tokens.slice(0, this.#chunkTokens));
    const kept = first === undefined ? null : this.levels(first);
    return kept !== null && levels.some((level) => kept.has(level));
  }

  /** Bytes of a chunk in the store by level; null when it is not there. */
  levels(place: ChunkPlace): ReadonlyMap<string, number> | null {
    return this.#options.store?.levels(place) ?? null;
  }

  /** A chunk of the store at a level, sealed; null when it is not there. */
  async kept(place: ChunkPlace, level: string): Promise<Uint8Array | null> {
    return (await this.#options.store?.get(place, level)) ?? null;
  }

  /**
   * Keeps as much of the prefix as the engine has cached, at every level that is asked for; what is there already is not
   * read again. @returns tokens of the prefix that are in the store now.
   */
  async save(tokens: readonly number[], levels: readonly CodecLevel[] = [{ variant: "lossless" }]): Promise<number> {
    const { transfers, codec, store } = this.#options;
    if (store === null) return 0;
    const places = this.places(tokens);
    const isKept = (place: ChunkPlace): boolean =>
      levels.every((level) => store.levels(place)?.has(levelName(level)) === true);
    if (places.every(isKept)) return endOf(places);
    const reader = await transfers.readPrefix(tokens);
    if (reader === null)
      return endOf(
        places.slice(
          0,
          places.findIndex((place) => !isKept(place)),
        ),
      );
    try {
      let kept = 0;
      for (const place of places) {
        const end = place.firstPosition + place.tokens.length;
        if (!isKept(place)) {
          if (end > reader.tokens) break;
          const first = place.firstPosition / reader.pageTokens;
          const pages = await reader.read(first, Math.ceil(place.tokens.length / reader.pageTokens));
          const { tokens: tokenIds, firstPosition } = place;
          const chunk = { pages, tokens: tokenIds.length, firstPosition, tokenIds };
          for (const level of levels) await store.put(place, levelName(level), codec.encode(chunk, level));
        }
        kept = end;
      }
      return kept;
    } finally {
      await reader.release();
    }
  }

  /**
   * Puts what the store has of a prefix into the engine's cache, beyond what is cached already.
   * @param options level: lossless when absent, which is everybody's; any other needs a `salt`, under which it will be.
   * fetch: gives chunks that the store has not, sealed and not yet checked, in their order; null ends it
   * @returns leading tokens that are cached now
   * @throws PunctualError invalid_file for a chunk that is not what it should be; those before it are in place then
   */
  async restore(
    tokens: readonly number[],
    options: {
      readonly level?: CodecLevel;
      readonly salt?: string;
      readonly fetch?: (place: ChunkPlace) => Promise<Uint8Array | null>;
    } = {},
  ): Promise<number> {
    const { store } = this.#options;
    const { level = { variant: "lossless" }, salt = "", fetch } = options;
    assertApart(level, salt);
    let cached = await this.cached(tokens, salt);
    for (const place of this.places(tokens)) {
      const end = endOf([place]);
      if (end <= cached) continue;
      const bytes = (await store?.get(place, levelName(level))) ?? (await fetch?.(place)) ?? null;
      if (bytes === null) break;
      const installedTokens = await this.install(tokens, place, { level, bytes, salt });
      cached = Math.max(cached, installedTokens);
      if (installedTokens < end) break; // no more room
    }
    return cached;
  }

  /**
   * Puts one sealed chunk into the engine's cache, behind those before it.
   * @returns leading tokens up to its end that are cached now: fewer than those when there is no room, or no beginning
   * @throws PunctualError invalid_file for a chunk that is not what it should be, unsupported for other tables than the codec's
   */
  async install(
    tokens: readonly number[],
    place: ChunkPlace,
    { level, bytes, salt, codec }: SealedChunk,
  ): Promise<number> {
    assertApart(level, salt);
    const { transfers, codec: own } = this.#options;
    const { pages, header } = (codec ?? own).decode(bytes, { tokenIds: place.tokens });
    const isLevel = header.variant === level.variant && (level.variant === "lossless" || header.level === level.level);
    const isIt = isLevel && header.firstPosition === place.firstPosition && header.tokens === place.tokens.length;
    if (!isIt) fail("invalid_file", `expected the chunk ${place.key} at ${levelName(level)}`);
    const first = place.firstPosition / own.shape.pageTokens;
    const under = salt === "" ? { first } : { first, salt };
    const { installedTokens } = await transfers.installPrefix(tokens.slice(0, endOf([place])), pages, under);
    return installedTokens;
  }

  /** Leading tokens that the engine has cached, under that salt; "" is everybody's. */
  async cached(tokens: readonly number[], salt = ""): Promise<number> {
    const reader = await this.#options.transfers.readPrefix(tokens, salt === "" ? {} : { salt });
    await reader?.release();
    return reader?.tokens ?? 0;
  }

  /** Puts what is cached for everybody under a salt, too. @returns leading tokens that are cached there now */
  async copyUnder(tokens: readonly number[], salt: string): Promise<number> {
    const { transfers } = this.#options;
    let copied = await this.cached(tokens, salt);
    const reader = await transfers.readPrefix(tokens);
    if (reader === null) return copied;
    try {
      for (let first = copied / reader.pageTokens; first < reader.pages;) {
        const count = Math.min(COPY_PAGES, reader.pages - first);
        const end = (first + count) * reader.pageTokens;
        const bytes = await reader.read(first, count);
        copied = (await transfers.installPrefix(tokens.slice(0, end), bytes, { salt, first })).installedTokens;
        if (copied < end) break; // no more room
        first += count;
      }
      return copied;
    } finally {
      await reader.release();
    }
  }
}

function assertApart(level: CodecLevel, salt: string): void {
  assert(level.variant === "lossless" || salt !== "", "only exact pages enter the exact cache");
}

function endOf(places: readonly ChunkPlace[]): number {
  const last = places.at(-1);
  return last === undefined ? 0 : last.firstPosition + last.tokens.length;
}
