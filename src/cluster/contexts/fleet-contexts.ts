/**
 * Contexts as part of an instance: what its store has is given to every other instance of its model, and what a prompt lacks
 * here comes from one that has it, instead of being computed again. Exact chunks only, so no answer changes, unless a request
 * allows others and this instance takes them (loader.ts, which also says what is worth fetching for a request that has to be
 * in time).
 *
 *   lacks ── find: these chunks, in order ──▶ each that keeps contexts     over the bus, all at once
 *         ◀── so many of them, at that door ──
 *   lacks ── pulls one chunk after the other from who has most ──▶         over TCP (remote.ts), the next one meanwhile
 *
 * Nobody has to: a store here is not needed to fetch, and what cannot be had in about the time that computing it takes is
 * computed. Not a directory: who has what is asked when it is wanted, and who had nothing is not asked again for a while.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { PunctualError } from "../../core/index.ts";
import { after, liveClock } from "../../runtime/index.ts";
import type { HostExtension, HostPort } from "../host/types.ts";
import type { KvClient } from "../kv/client.ts";
import type { KvServer } from "../kv/server.ts";
import type { KvAddress } from "../kv/types.ts";
import type { FleetEye } from "../migration/fleet-eye.ts";
import { decodeBody } from "../wire.ts";
import {
  askContexts,
  CONTEXTS,
  contextsMessageSchema,
  FIND_CHUNKS_MAX,
  type ContextsMessage,
  type FoundMessage,
} from "./messages.ts";
import { PeerLinks } from "./peer-links.ts";
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
  /** What links are expected to carry before anything has come over them, bytes per millisecond; 100 Mbit/s when absent. */
  readonly priorGoodput?: number;
  readonly log?: (message: string) => void;
}

/** What instances did for each other, since the start. */
export interface FleetContextsStats {
  /** Questions that were asked, over all instances. */
  readonly asked: number;
  /** Chunks that came from others, and their bytes. */
  readonly fetchedChunks: number;
  readonly fetchedBytes: number;
  /** What chunks were had as, by level, "text" for those that were computed though another instance or the store had them. */
  readonly choices: readonly ContextChoiceCount[];
}

/** How often chunks were had so, and what came over the network for it. */
export interface ContextChoiceCount {
  readonly choice: string;
  readonly chunks: number;
  readonly bytes: number;
}

/** What another instance has of a prefix, at the levels that it was asked about. */
export interface PeerOffer {
  readonly id: string;
  readonly remote: RemoteContexts;
  /** Bytes by level of each chunk, from the first that was asked about. */
  readonly chunks: readonly ReadonlyMap<string, number>[];
  /** Ids of profiled tables that it has. */
  readonly tables: readonly string[];
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
/** The newest tables that others are told of. */
const TABLES_NAMED = 4;

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
  /** Of those, the ones that whoever fetched them gave up: who waits for one as well fetches it itself. */
  readonly #cutOff = new WeakSet<Promise<Uint8Array | null>>();
  /** Until when nobody is asked for a chunk. */
  readonly #nobody = new Map<string, number>();
  readonly #counts = { asked: 0, fetchedChunks: 0, fetchedBytes: 0 };
  readonly #choices = new Map<string, { chunks: number; bytes: number }>();
  readonly #links: PeerLinks;
  #host: HostPort | null = null;
  #undo: (() => void) | null = null;

  constructor(options: FleetContextsOptions) {
    this.#options = options;
    this.#links = new PeerLinks(options.priorGoodput);
  }

  get stats(): FleetContextsStats {
    const choices = Array.from(this.#choices, ([choice, counts]) => ({ choice, ...counts }));
    return { ...this.#counts, choices: choices.toSorted((a, b) => (a.choice < b.choice ? -1 : 1)) };
  }

  /** What is told with the instance's load. */
  report(): { readonly contexts?: ContextChoiceCount[] } {
    return this.#choices.size === 0 ? {} : { contexts: [...this.stats.choices] };
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
    const door = { address: carrier.address, token: this.#token };
    if (message.kind === "named") {
      const isHere = (await store.named(message.name).catch(() => null)) !== null;
      return { leading: Number(isHere), door: isHere ? door : null };
    }
    const { keys, levels } = message;
    const chunks = chunksOf(store, keys, levels ?? [LEVEL]);
    const found = { leading: chunks.length, door: chunks.length === 0 ? null : door };
    return levels === undefined ? found : { ...found, chunks, tables: (await store.tableIds()).slice(-TABLES_NAMED) };
  }

  async stop(): Promise<void> {
    this.#undo?.();
    this.#undo = null;
    this.#host = null;
  }

  /**
   * Whether it may be worth asking others for the rest of a prefix.
   * @param places its chunks
   * @param levels that would do; exact ones only when absent
   */
  mayHave(places: readonly ChunkPlace[], levels: readonly string[] = [LEVEL]): boolean {
    const last = places.at(-1);
    return last !== undefined && !this.#isNobodys(memoryOf(last.key, levels)) && this.#peers().length > 0;
  }

  /** What others have of the first of these chunks at any of these levels, as far as they say so in time. Never rejects. */
  async offers(
    places: readonly ChunkPlace[],
    levels: readonly string[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<PeerOffer[]> {
    const asked = places.slice(0, FIND_CHUNKS_MAX);
    const [first, last] = [asked[0], asked.at(-1)];
    if (first === undefined || first.tokens.length < CHUNK_TOKENS || signal?.aborted === true) return [];
    const keys = asked.map(({ key }) => key);
    const question = { kind: "find" as const, keys, levels: [...levels] };
    const answers = await Promise.all(
      this.#peers()
        .slice(0, MOST_ASKED)
        .map(async (id): Promise<PeerOffer | null> => {
          const found = await this.#question(id, question, timeoutMs);
          // Who does not say how much it is cannot be reckoned with.
          if (found === null || found.chunks === undefined) return null;
          const { remote, chunks, tables = [] } = found;
          return { id, remote, tables, chunks: chunks.slice(0, keys.length).map((each) => new Map(each)) };
        }),
    );
    const offers = answers.filter((offer): offer is PeerOffer => offer !== null && offer.chunks.length > 0);
    if (offers.length === 0) for (const { key } of [first, last!]) this.#remember(memoryOf(key, levels));
    return offers.toSorted((a, b) => b.chunks.length - a.chunks.length || this.goodput(b.id) - this.goodput(a.id));
  }

  /** Bytes per millisecond that chunks have come with from there, of late. */
  goodput(id: string): number {
    return this.#links.goodput(id, liveClock.nowMs());
  }

  /**
   * One chunk of what an instance offers, of so many bytes; kept here, too, where something is kept. How fast it came is
   * remembered.
   * @param options withinMs: it is given up after that
   * @returns null when it cannot be had, or not in time. Never rejects.
   */
  async take(
    offer: PeerOffer,
    place: ChunkPlace,
    level: string,
    options: { readonly bytes: number; readonly withinMs: number; readonly signal: AbortSignal },
  ): Promise<Uint8Array | null> {
    const name = `${place.key}/${level}`;
    const limit = new AbortController();
    const undo = after(options.withinMs, () => limit.abort());
    try {
      for (let known = this.#coming.get(name); known !== undefined; known = this.#coming.get(name)) {
        const gone = AbortSignal.any([limit.signal, options.signal]);
        const bytes = await Promise.race([known, aborted(gone)]);
        if (bytes !== null || gone.aborted || !this.#cutOff.has(known)) return bytes;
      }
      const coming = this.#take(offer, place, level, options.bytes, limit.signal, options.signal);
      this.#coming.set(name, coming);
      void coming.then((bytes) => {
        this.#coming.delete(name);
        if (bytes === null && (limit.signal.aborted || options.signal.aborted)) this.#cutOff.add(coming);
      });
      return await coming;
    } finally {
      undo();
    }
  }

  /** A chunk was had so. @param bytes that came over the network for it */
  chose(choice: string, bytes: number): void {
    const counts = this.#choices.get(choice) ?? { chunks: 0, bytes: 0 };
    counts.chunks += 1;
    counts.bytes += bytes;
    this.#choices.set(choice, counts);
  }

  /** Prompt tokens that wait to be computed on this instance, as it told the fleet last. */
  get queuedTokens(): number {
    const load = this.#host === null ? undefined : this.#options.carrier.eye.find(this.#host.id)?.load;
    return load === undefined ? 0 : load.waitingTokens + load.prefillTokens;
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
    if (places[0]!.tokens.length < CHUNK_TOKENS || this.#isNobodys(memoryOf(keys[0]!, [LEVEL]))) return [];
    const answers = await Promise.all(
      this.#peers()
        .slice(0, MOST_ASKED)
        .map((id) => this.#find(id, keys)),
    );
    const sources = answers.filter((source): source is Source => source !== null && source.leading > 0);
    if (sources.length === 0) for (const key of [keys[0]!, keys.at(-1)!]) this.#remember(memoryOf(key, [LEVEL]));
    return sources.toSorted((a, b) => b.leading - a.leading);
  }

  /** Null: it has nothing, or does not say. */
  async #find(id: string, keys: readonly string[]): Promise<Source | null> {
    const { leastMs = DEFAULT_LEAST_MS } = this.#options;
    const found = await this.#question(id, { kind: "find", keys: [...keys] }, leastMs / 2);
    return found === null ? null : { id, leading: found.leading, remote: found.remote };
  }

  async #question(
    id: string,
    question: ContextsMessage,
    timeoutMs: number,
  ): Promise<(FoundMessage & { readonly remote: RemoteContexts }) | null> {
    const host = this.#host;
    if (host === null) return null;
    this.#counts.asked += 1;
    try {
      const found = await askContexts(host.bus, host.names.control(id), question, timeoutMs);
      if (found === null || found.door === null) return null;
      const { address, token } = found.door;
      return { ...found, remote: new RemoteContexts(this.#options.carrier.client, address, token) };
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
        await this.#received(place, LEVEL, bytes);
        this.chose(LEVEL, bytes.length);
        return bytes;
      } catch (error) {
        if (!signal.aborted) this.#log(`a chunk of ${id} could not be had`, error);
      }
    }
    return null;
  }

  async #take(
    { id, remote }: PeerOffer,
    place: ChunkPlace,
    level: string,
    expectedBytes: number,
    limit: AbortSignal,
    leave: AbortSignal,
  ): Promise<Uint8Array | null> {
    const signal = AbortSignal.any([limit, leave]);
    const startMs = liveClock.nowMs();
    const took = (bytes: number): void => {
      const nowMs = liveClock.nowMs();
      this.#links.record(id, bytes, nowMs - startMs, nowMs);
    };
    try {
      const bytes = await remote.chunk(place, level, signal, expectedBytes);
      if (bytes === null) return null;
      took(bytes.length);
      await this.#received(place, level, bytes);
      return bytes;
    } catch (error) {
      // The link carries less than this.
      if (limit.aborted) took(expectedBytes);
      else if (!leave.aborted) this.#log(`a chunk of ${id} could not be had`, error);
      return null;
    }
  }

  /** It is kept, too. What is damaged, or another's, is refused there: it is not kept and not used. */
  async #received(place: ChunkPlace, level: string, bytes: Uint8Array): Promise<void> {
    this.#counts.fetchedChunks += 1;
    this.#counts.fetchedBytes += bytes.length;
    await this.#options.store?.put(place, level, bytes).catch((error: unknown) => {
      if (!(error instanceof PunctualError) || error.code !== "out_of_space") throw error;
    });
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

/** Bytes by level of leading chunks that are here at one of these levels. */
function chunksOf(store: ContextStore, keys: readonly string[], levels: readonly string[]): [string, number][][] {
  const chunks: [string, number][][] = [];
  for (const key of keys) {
    const place = store.place(key);
    const here = place === null ? null : store.levels(place);
    const wanted = [...(here ?? [])].filter(([level]) => levels.includes(level));
    if (wanted.length === 0) break;
    chunks.push(wanted);
  }
  return chunks;
}

/** Under what it is remembered that nobody has a chunk. */
function memoryOf(key: string, levels: readonly string[]): string {
  return levels.length === 1 && levels[0] === LEVEL ? key : `${key}/${levels.join()}`;
}

async function aborted(signal: AbortSignal): Promise<null> {
  if (!signal.aborted) await once(signal, "abort");
  return null;
}
