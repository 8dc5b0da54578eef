/**
 * Contexts as part of an instance: what its store has is given to every other instance of its model, and what a prompt lacks
 * here comes from one that has it, instead of being computed again. Exact chunks only, so no answer changes.
 *
 *   lacks ── find: these chunks, in order ──▶ each that keeps contexts     over the bus, all at once
 *         ◀── so many of them, at that door ──
 *   lacks ── pulls one chunk after the other from who has most ──▶         over TCP (remote.ts), the next one meanwhile
 *
 * Nobody has to: a store here is not needed to fetch, and what cannot be had in about the time that computing it takes is
 * computed. Not a directory: who has what is asked when it is wanted, and who had nothing is not asked again for a while.
 */
import { randomBytes } from "node:crypto";
import { PunctualError } from "../../core/index.ts";
import { after, liveClock } from "../../runtime/index.ts";
import type { HostExtension, HostPort } from "../host/types.ts";
import type { KvClient } from "../kv/client.ts";
import type { KvServer } from "../kv/server.ts";
import type { KvAddress } from "../kv/types.ts";
import type { FleetEye } from "../migration/fleet-eye.ts";
import { decodeBody } from "../wire.ts";
import { askContexts, CONTEXTS, contextsMessageSchema, FIND_CHUNKS_MAX, type FoundMessage } from "./messages.ts";
import { CHUNK_TOKENS } from "./prefix-store.ts";
import { RemoteContexts, serveContexts } from "./remote.ts";
import type { ContextStore } from "./store.ts";
import type { ChunkPlace } from "./types.ts";

/** What carries keys and values, and knows who is there: an instance's `Migration`. */
export interface ContextsCarrier {
  readonly server: KvServer;
  readonly client: KvClient;
  readonly eye: FleetEye;
  /** Where others reach the server. */
  readonly address: KvAddress;
}

/** How an instance shares contexts. */
export interface FleetContextsOptions {
  /** Started before this extension. */
  readonly carrier: ContextsCarrier;
  /** What is given to others, and where what was fetched is kept; null: nothing is. */
  readonly store: ContextStore | null;
  /**
   * What fetching may take at least, whatever computing would, milliseconds; 500 when absent. Who does not say within half of
   * it what it has is not waited for.
   */
  readonly leastMs?: number;
  readonly log?: (message: string) => void;
}

/** What instances did for each other, since the start. */
export interface FleetContextsStats {
  /** Questions that were asked, over all instances. */
  readonly asked: number;
  /** Chunks that came from others, and their bytes. */
  readonly fetchedChunks: number;
  readonly fetchedBytes: number;
}

/** Gives a chunk of a prefix, sealed; null when nobody has it. Never rejects. */
export type ChunkFetch = (place: ChunkPlace) => Promise<Uint8Array | null>;

const LEVEL = "lossless";
/** Most instances that are asked about one prompt. */
const MOST_ASKED = 16;
const DEFAULT_LEAST_MS = 500;
const LONGEST_MS = 10_000;
/** Chunks under way beside the one that is waited for. */
const AHEAD = 2;
/** A chunk that nobody has is not asked for again for so long. */
const NOBODY_MS = 2000;
const MOST_REMEMBERED = 4096;

interface Source {
  readonly id: string;
  readonly remote: RemoteContexts;
  /** Chunks that it has, from the first that was asked for. */
  readonly leading: number;
}

/** See the head of this file. Serves one host. */
export class FleetContexts implements HostExtension {
  readonly name = CONTEXTS;
  readonly #options: FleetContextsOptions;
  readonly #token = randomBytes(18).toString("base64url");
  /** Chunks on their way here, by key: two prompts that begin alike fetch once. */
  readonly #coming = new Map<string, Promise<Uint8Array | null>>();
  /** Until when nobody is asked for a chunk. */
  readonly #nobody = new Map<string, number>();
  readonly #counts = { asked: 0, fetchedChunks: 0, fetchedBytes: 0 };
  #host: HostPort | null = null;
  #undo: (() => void) | null = null;

  constructor(options: FleetContextsOptions) {
    this.#options = options;
  }

  get stats(): FleetContextsStats {
    return { ...this.#counts };
  }

  async start(host: HostPort): Promise<{ readonly contexts?: true }> {
    const { store, carrier } = this.#options;
    this.#host = host;
    if (store === null) return {};
    this.#undo = serveContexts(carrier.server, store, this.#token);
    return { contexts: true };
  }

  async control(body: unknown): Promise<FoundMessage> {
    const message = decodeBody(contextsMessageSchema, body);
    const { store, carrier } = this.#options;
    if (store === null) return { leading: 0, door: null };
    const leading =
      message.kind === "find"
        ? leadingOf(store, message.keys)
        : Number((await store.named(message.name).catch(() => null)) !== null);
    return { leading, door: leading === 0 ? null : { address: carrier.address, token: this.#token } };
  }

  async stop(): Promise<void> {
    this.#undo?.();
    this.#undo = null;
    this.#host = null;
  }

  /** Whether it may be worth asking others for the rest of a prefix. @param places its chunks */
  mayHave(places: readonly ChunkPlace[]): boolean {
    const last = places.at(-1);
    return last !== undefined && !this.#isNobodys(last.key) && this.#peers().length > 0;
  }

  /**
   * What fetches chunks of a prefix that are not here, wanted in their order: of the first that is wanted and of all behind it
   * others are asked what they have.
   */
  fetcher(places: readonly ChunkPlace[]): ChunkFetch {
    let search: { readonly first: number; readonly limit: AbortSignal; readonly found: Promise<Source[]> } | null =
      null;
    /** Fetched, and not yet wanted. */
    const ahead = new Map<string, Promise<Uint8Array | null>>();
    return async (place) => {
      const at = places.findIndex(({ key }) => key === place.key);
      if (at < 0) return null;
      const rest = places.slice(at, at + FIND_CHUNKS_MAX);
      search ??= { first: at, limit: this.#limitOf(rest), found: this.#ask(rest) };
      const { first, limit } = search;
      const sources = await search.found;
      if (sources.length === 0) return null;
      for (const [i, each] of rest.slice(0, 1 + AHEAD).entries()) {
        if (!ahead.has(each.key)) ahead.set(each.key, this.#fetch(each, at + i - first, sources, limit));
      }
      const chunk = ahead.get(place.key)!;
      ahead.delete(place.key);
      return await chunk;
    };
  }

  /** Ends when computing the chunks would have been quicker. */
  #limitOf(places: readonly ChunkPlace[]): AbortSignal {
    const { leastMs = DEFAULT_LEAST_MS } = this.#options;
    const tokens = places.reduce((sum, place) => sum + place.tokens.length, 0);
    const points = this.#host?.engine.stats().calibration?.points ?? [];
    const tokenMs = Math.min(...points.map(({ stepMs, tokens: of }) => stepMs / Math.max(1, of)));
    const computeMs = Number.isFinite(tokenMs) ? tokens * tokenMs : 0;
    const limit = new AbortController();
    after(Math.max(leastMs, Math.min(LONGEST_MS, computeMs)), () => limit.abort());
    return limit.signal;
  }

  /** Who keeps contexts of this model, beside this one. */
  #peers(): string[] {
    const host = this.#host;
    if (host === null || host.bus.status !== "connected") return [];
    const { modelFingerprint } = host.engine.info;
    return this.#options.carrier.eye
      .instances()
      .filter(({ card }) => card.contexts === true && card.id !== host.id && card.fingerprint === modelFingerprint)
      .map(({ card }) => card.id);
  }

  /** Who has some of these chunks, the one with most first. */
  async #ask(places: readonly ChunkPlace[]): Promise<Source[]> {
    const keys = places.map(({ key }) => key);
    // A last chunk that is not a whole one is not worth a question.
    if (places[0]!.tokens.length < CHUNK_TOKENS || this.#isNobodys(keys[0]!)) return [];
    const answers = await Promise.all(
      this.#peers()
        .slice(0, MOST_ASKED)
        .map((id) => this.#find(id, keys)),
    );
    const sources = answers.filter((source): source is Source => source !== null && source.leading > 0);
    if (sources.length === 0) for (const key of [keys[0]!, keys.at(-1)!]) this.#remember(key);
    return sources.toSorted((a, b) => b.leading - a.leading);
  }

  /** Null: it has nothing, or does not say. */
  async #find(id: string, keys: readonly string[]): Promise<Source | null> {
    const host = this.#host;
    if (host === null) return null;
    this.#counts.asked += 1;
    const { leastMs = DEFAULT_LEAST_MS } = this.#options;
    try {
      const question = { kind: "find" as const, keys: [...keys] };
      const found = await askContexts(host.bus, host.names.control(id), question, leastMs / 2);
      if (found === null || found.door === null) return null;
      const { leading, door } = found;
      return { id, leading, remote: new RemoteContexts(this.#options.carrier.client, door.address, door.token) };
    } catch (error) {
      this.#log(`${id} did not say what it has`, error);
      return null;
    }
  }

  /** @param at of the chunk among those that were asked for */
  #fetch(place: ChunkPlace, at: number, sources: readonly Source[], limit: AbortSignal): Promise<Uint8Array | null> {
    const known = this.#coming.get(place.key);
    if (known !== undefined) return known;
    const coming = this.#pull(place, at, sources, limit);
    this.#coming.set(place.key, coming);
    void coming.then(() => this.#coming.delete(place.key));
    return coming;
  }

  /** From the first that gives it; it is kept here, too, where something is kept. */
  async #pull(
    place: ChunkPlace,
    at: number,
    sources: readonly Source[],
    signal: AbortSignal,
  ): Promise<Uint8Array | null> {
    const { store } = this.#options;
    for (const { id, remote, leading } of sources) {
      if (at >= leading || signal.aborted) continue;
      try {
        // It may have been kept since it was wanted: fetched ahead for another prompt, or computed.
        const own = (await store?.get(place, LEVEL)) ?? null;
        if (own !== null) return own;
        const bytes = await remote.chunk(place, LEVEL, signal);
        if (bytes === null) continue;
        this.#counts.fetchedChunks += 1;
        this.#counts.fetchedBytes += bytes.length;
        // Checked there: what is damaged, or another's, is not kept and not used.
        await store?.put(place, LEVEL, bytes).catch((error: unknown) => {
          if (!(error instanceof PunctualError) || error.code !== "out_of_space") throw error;
        });
        return bytes;
      } catch (error) {
        if (!signal.aborted) this.#log(`a chunk of ${id} could not be had`, error);
      }
    }
    return null;
  }

  #isNobodys(key: string): boolean {
    const untilMs = this.#nobody.get(key);
    return untilMs !== undefined && liveClock.nowMs() < untilMs;
  }

  #remember(key: string): void {
    this.#nobody.delete(key);
    this.#nobody.set(key, liveClock.nowMs() + NOBODY_MS);
    const [oldest] = this.#nobody.keys();
    if (this.#nobody.size > MOST_REMEMBERED) this.#nobody.delete(oldest!);
  }

  #log(what: string, error: unknown): void {
    this.#options.log?.(`contexts: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function leadingOf(store: ContextStore, keys: readonly string[]): number {
  const missing = keys.findIndex((key) => {
    const place = store.place(key);
    return place === null || store.levels(place)?.has(LEVEL) !== true;
  });
  return missing < 0 ? keys.length : missing;
}
