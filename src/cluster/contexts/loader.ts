/**
 * How the context of a request that has to be in time comes into the cache: chunk by chunk, each exactly, at a level in fewer
 * bytes, or as text that the engine computes, by what the link has delivered of late and what computing takes
 * (codec/controller.ts; CacheGen, section 5.3). A chunk is one decision: the next is made when it has come, or has not.
 *
 *   decide ─▶ fetch chunk i ─▶ decide ─▶ fetch chunk i + 1 ...           one at a time: what a link gives is then known
 *                └▶ decode, put in place ─▶ (compute a run of text) ─▶ ...     in order, while the next is fetched
 *
 * What is left as text at the end is computed by the request itself. Text with something to fetch behind it is computed
 * ahead, as a request of one token that the engine's own counts include.
 *
 * Levels other than exact need two permissions: of who started the instance and of the request. They go under a salt that
 * nobody is told, and with them all that comes after: no other request finds them, and nothing of it is kept as exact.
 */
import { randomBytes } from "node:crypto";
import { PunctualError } from "../../core/index.ts";
import { liveClock, type Engine, type GenerateRequest } from "../../runtime/index.ts";
import type { Slo } from "../../sched/index.ts";
import type { CodecLevel } from "../codec/codec.ts";
import { chooseChunk, LINK_CAUTION, type ChunkOffer } from "../codec/controller.ts";
import type { ContextCodecs } from "./codecs.ts";
import { ExactChunks } from "./exact-chunks.ts";
import type { FleetContexts, PeerOffer } from "./fleet-contexts.ts";
import type { PrefixStore } from "./prefix-store.ts";
import { PromptCost } from "./prompt-cost.ts";
import { levelName, parseLevel, type ChunkPlace } from "./types.ts";

/** Where contexts are loaded from and to. */
export interface ContextLoaderOptions {
  /** The engine itself, not one that asks a loader. */
  readonly engine: Engine;
  readonly prefixes: PrefixStore;
  readonly codecs: ContextCodecs;
  readonly others: FleetContexts;
  /** Levels other than exact that requests may be answered from if they allow it; none when absent. */
  readonly levels?: readonly CodecLevel[];
  /** Milliseconds that so many prompt tokens take to compute, null while unknown; as the engine's steps tell when absent. */
  readonly computeMs?: (tokens: number) => number | null;
  readonly log?: (message: string) => void;
}

/** A request whose context is loaded. */
export type LoadedRequest = GenerateRequest & { readonly arrivalMs: number };

/** How to ask the engine for a request whose context is not all exact. */
export type LossyPrefix = Required<Pick<GenerateRequest, "cacheSalt" | "exactPrefixTokens">>;

const EXACT = "lossless";
const TEXT = "text";
/** Computing may take so much longer than it should when fetching is given up for it. */
const MARGIN = 1.1;
const MARGIN_MS = 20;
/** What is too late anyway is still given a moment. */
const LEAST_FETCH_MS = 50;
/** Share of the time that is left which instances may take to say what they have. */
const ASK_SHARE = 0.25;
const ASK_MS_MIN = 20;
const ASK_MS_MAX = 250;
/** How often one chunk is tried to be fetched before it is computed. */
const MOST_TRIES = 2;
/** What a timer may be early by. */
const TIMER_MS = 2;
const DECODE_SHARE = 0.3;

/**
 * See the head of this file. It is its maker's, and ended by `Symbol.asyncDispose`, before its engine: neither the engine that asks
 * it (spill.ts) nor a host ends it.
 *
 * ```ts
 * await using loader = new ContextLoader({ engine, prefixes, codecs, others });
 * const { engine: spilling } = withPrefixSpill(engine, prefixes, { others, loader });
 * ```
 */
export class ContextLoader implements AsyncDisposable {
  readonly options: ContextLoaderOptions;
  /** Under which pages are that may not be exact. Whoever knew it could ask for them without being asked. */
  readonly salt = `lossy:${randomBytes(18).toString("base64url")}`;
  /** Of what is under it. */
  readonly exact = new ExactChunks();
  readonly #cost: PromptCost;
  /** Decoding and putting in place by level, milliseconds a token. */
  readonly #decodeMs = new Map<string, number>();
  /** Tables that are being fetched. */
  readonly #coming = new Map<string, Promise<void>>();
  /** Loads under way, and what calls each off. */
  readonly #loads = new Map<AbortController, Promise<unknown>>();
  readonly #end = new AbortController();

  constructor(options: ContextLoaderOptions) {
    this.options = options;
    this.#cost = new PromptCost(options.engine);
  }

  /** Levels that a request may be loaded at, the exact one first. */
  levelsFor({ lossyContext }: Pick<GenerateRequest, "lossyContext">): string[] {
    return [EXACT, ...(lossyContext === true ? (this.options.levels ?? []) : []).map(levelName)];
  }

  /** Whether there is something to decide: its first token has a time, and it is known what computing takes. Not after its end. */
  decides(request: Pick<GenerateRequest, "slo">): boolean {
    return !this.#end.signal.aborted && this.sloOf(request).ttftMs !== undefined && this.computeMs(1) !== null;
  }

  sloOf({ slo }: Pick<GenerateRequest, "slo">): Slo {
    return slo ?? this.options.engine.info.defaultSlo;
  }

  computeMs(tokens: number): number | null {
    const { computeMs } = this.options;
    return computeMs === undefined ? this.#cost.computeMs(tokens) : computeMs(tokens);
  }

  /** What decoding a token at that level has taken of late; 0 before the first. */
  decodeMs(level: string): number {
    return this.#decodeMs.get(level) ?? 0;
  }

  decoded(level: string, tokens: number, ms: number): void {
    const each = ms / tokens;
    const before = this.#decodeMs.get(level) ?? each;
    this.#decodeMs.set(level, before + (each - before) * DECODE_SHARE);
  }

  /**
   * Loads what is worth it. Never rejects: what cannot be had is computed; all of it, after the loader's end.
   * @returns what to ask the engine with, when something is not exact
   */
  async load(request: LoadedRequest, signal: AbortSignal): Promise<LossyPrefix | undefined> {
    if (this.#end.signal.aborted) return undefined;
    // One of its own: what AbortSignal.any makes of a signal that lives as long as the loader is not always let go (nodejs/node#54614).
    const leave = new AbortController();
    const loading = new PrefixLoad(this, request, AbortSignal.any([signal, leave.signal])).run();
    this.#loads.set(leave, loading);
    try {
      return await loading;
    } finally {
      this.#loads.delete(leave);
    }
  }

  /** Tables never stand in a request's way: they are fetched for the ones to come. */
  learn({ remote, tables }: PeerOffer): void {
    const { codecs } = this.options;
    for (const id of tables) {
      if (codecs.has(id) || this.#coming.has(id) || this.#end.signal.aborted) continue;
      const coming = this.#learn(id, remote).finally(() => this.#coming.delete(id));
      this.#coming.set(id, coming);
    }
  }

  async #learn(id: string, remote: PeerOffer["remote"]): Promise<void> {
    const { signal } = this.#end;
    try {
      const bytes = await remote.tables(id, signal);
      if (bytes !== null) await this.options.codecs.learn(id, bytes);
    } catch (error) {
      if (!signal.aborted) this.log(`tables ${id} could not be had`, error);
    }
  }

  log(what: string, error: unknown): void {
    this.options.log?.(`contexts: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }

  /** Calls off what is under way, and resolves when nothing is any more: those requests compute what has not come. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    for (const leave of this.#loads.keys()) leave.abort();
    await Promise.allSettled([...this.#loads.values(), ...this.#coming.values()]);
    this.#cost[Symbol.dispose]();
  }
}

/** Where a chunk can be had at a level. */
interface Way {
  /** That have to come over a link. */
  readonly bytes: number;
  /** "store": the one here; "cache": it is under the loader's salt already. */
  readonly from: PeerOffer | "store" | "cache";
}

/** A chunk that can be had otherwise than by computing it. */
interface Candidate {
  readonly place: ChunkPlace;
  readonly end: number;
  /** By level, the best first. */
  readonly ways: Map<string, Way[]>;
  tries: number;
}

/** One load. */
class PrefixLoad {
  readonly #loader: ContextLoader;
  readonly #request: LoadedRequest;
  readonly #signal: AbortSignal;
  readonly #deadlineMs: number;
  #chunks: Candidate[] = [];
  /** Levels that something is offered at, the exact one first, then by falling bytes. */
  #levels: string[] = [];
  /** What is done to chunks that have come, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #workEndMs: number;
  #pending = 0;
  /** Nothing more can be put in place. */
  #isBroken = false;
  /** The cache that chunks go into. */
  #salt = "";
  /** Leading tokens that are there. */
  #cached = 0;
  /** Some of them are not exact. */
  #isLossy = false;
  /** Of those under a salt, leading ones that are exact. */
  #exactTokens = 0;
  /** Chunks before the next one that are text and not yet being computed. */
  #texts = 0;

  constructor(loader: ContextLoader, request: LoadedRequest, signal: AbortSignal) {
    this.#loader = loader;
    this.#request = request;
    this.#signal = signal;
    this.#deadlineMs = request.arrivalMs + (loader.sloOf(request).ttftMs ?? Infinity);
    // What waits was told before this request came, so it is not among it.
    this.#workEndMs = liveClock.nowMs() + (loader.computeMs(loader.options.others.queuedTokens) ?? 0);
  }

  async run(): Promise<LossyPrefix | undefined> {
    try {
      await this.#find();
      for (let i = 0; i < this.#chunks.length && !this.#isOver;) if (await this.#next(i)) i += 1;
    } catch (error) {
      this.#loader.log("could not load a prefix", error);
    }
    await this.#work;
    return this.#isLossy ? { cacheSalt: this.#salt, exactPrefixTokens: this.#exactTokens } : undefined;
  }

  get #isOver(): boolean {
    return this.#isBroken || this.#signal.aborted;
  }

  /** Who has what of the chunks that the cache has not. */
  async #find(): Promise<void> {
    const { prefixes, others, codecs } = this.#loader.options;
    const { promptTokens } = this.#request;
    this.#cached = await prefixes.cached(promptTokens);
    const places = prefixes.places(promptTokens).filter((place) => endOf(place) > this.#cached);
    const wanted = this.#loader.levelsFor(this.#request);
    const leftMs = this.#deadlineMs - liveClock.nowMs();
    const askMs = Math.max(ASK_MS_MIN, Math.min(ASK_MS_MAX, leftMs * ASK_SHARE));
    const isAsked = others.mayHave(places, wanted);
    const offers = isAsked ? await others.offers(places, wanted, askMs, this.#signal) : [];
    if (wanted.length > 1) for (const offer of offers) this.#loader.learn(offer);
    const cached = wanted.length > 1 ? await prefixes.cached(promptTokens, this.#loader.salt) : 0;
    const can = (level: string, tables: readonly string[]): boolean =>
      wanted.includes(level) && codecs.decodes(parseLevel(level)!, tables);
    for (const [i, place] of places.entries()) {
      const ways = new Map<string, Way[]>();
      const add = (level: string, way: Way): void => void ways.set(level, [...(ways.get(level) ?? []), way]);
      const end = endOf(place);
      // What is there at some level is not fetched at another.
      const isCached = end <= cached;
      if (isCached) for (const level of wanted.slice(1)) add(level, { bytes: 0, from: "cache" });
      const isMissing = (level: string): boolean => level === EXACT || !isCached;
      for (const level of prefixes.levels(place)?.keys() ?? []) {
        if (isMissing(level) && can(level, codecs.ids)) add(level, { bytes: 0, from: "store" });
      }
      for (const from of offers) {
        for (const [level, bytes] of from.chunks[i] ?? []) {
          if (isMissing(level) && can(level, from.tables)) add(level, { bytes, from });
        }
      }
      if (ways.size === 0) break;
      this.#chunks.push({ place, end, ways, tries: 0 });
    }
    this.#levels = this.#ordered(wanted);
  }

  /** Of levels other than exact, more bytes are taken for less loss. */
  #ordered(wanted: readonly string[]): string[] {
    const meanBytes = (level: string): number => {
      const all = this.#chunks.flatMap(({ ways }) => ways.get(level) ?? []);
      const sizes = all.map(({ bytes }) => bytes);
      return sizes.length === 0 ? -1 : sizes.reduce((sum, bytes) => sum + bytes, 0) / sizes.length;
    };
    const [, ...lossy] = wanted.map((level) => ({ level, bytes: meanBytes(level) }));
    const offered = lossy.filter(({ bytes }) => bytes >= 0).toSorted((a, b) => b.bytes - a.bytes);
    return [EXACT, ...offered.map(({ level }) => level)];
  }

  /** Decides for one chunk and does it. False: it has not come, and has to be decided about again. */
  async #next(i: number): Promise<boolean> {
    const chunk = this.#chunks[i]!;
    const level = chunk.tries < MOST_TRIES && chunk.ways.size > 0 ? this.#decide(i) : TEXT;
    if (level === TEXT) {
      this.#loader.options.others.chose(TEXT, 0);
      this.#texts += 1;
      return true;
    }
    const way = chunk.ways.get(level)![0]!;
    // While it is fetched, the engine computes what comes before it.
    if (this.#texts > 0) this.#compute(this.#chunks.slice(i - this.#texts, i));
    this.#texts = 0;
    const bytes = way.from === "cache" ? "cached" : await this.#fetch(i, level, way);
    if (bytes === null) {
      chunk.tries += 1;
      return false;
    }
    this.#loader.options.others.chose(level, typeof way.from === "string" ? 0 : bytes.length);
    if (level !== EXACT) this.#leaveExact(chunk);
    if (bytes !== "cached") this.#install(chunk, level, bytes);
    return true;
  }

  /** The level for a chunk, by what is known now; or text. */
  #decide(i: number): string {
    const after = this.#chunks.slice(i);
    const gap = after.findIndex(({ ways }) => ways.size === 0);
    const rest = gap < 0 ? after : after.slice(0, gap);
    const nowMs = liveClock.nowMs();
    const beyond = this.#request.promptTokens.length - rest.at(-1)!.end;
    const tokenMs = this.#tokenMs(i);
    const all = rest.flatMap(({ ways }) => [...ways.values()].flat());
    const peer = all.map(({ from }) => from).find((from) => typeof from !== "string");
    const { choice } = chooseChunk({
      chunks: rest.map((chunk): ChunkOffer => {
        const tokens = chunk.place.tokens.length;
        const levels = this.#levels.map((_, at) => this.#levelAt(chunk, at));
        return {
          levelBytes: levels.map((level) => (level === null ? Infinity : chunk.ways.get(level)![0]!.bytes)),
          decodeMs: levels.map((level) => (level === null ? 0 : this.#loader.decodeMs(level) * tokens)),
          // The tokens are here: as text, nothing has to come.
          textBytes: 0,
          recomputeMs: tokens * tokenMs,
        };
      }),
      leftMs: this.#deadlineMs - nowMs - beyond * tokenMs,
      backlogMs: Math.max(0, this.#workEndMs - nowMs) + this.#texts * rest[0]!.place.tokens.length * tokenMs,
      goodput: peer === undefined ? 1 : this.#loader.options.others.goodput(peer.id),
      caution: LINK_CAUTION,
    });
    return choice.kind === "text" ? TEXT : (this.#levelAt(rest[0]!, choice.level) ?? TEXT);
  }

  /** The level that a chunk is had at when that is chosen: the next coarser one where it is not offered at it, or finer. */
  #levelAt({ ways }: Candidate, at: number): string | null {
    const order = [...this.#levels.slice(at), ...this.#levels.slice(0, at).toReversed()];
    return order.find((level) => ways.has(level)) ?? null;
  }

  /** Milliseconds a token, when all from the chunk on is computed. */
  #tokenMs(i: number): number {
    const tokens = this.#request.promptTokens.length - this.#chunks[i]!.place.firstPosition;
    return (this.#loader.computeMs(tokens) ?? 0) / tokens;
  }

  /** Null: it cannot be had, or not before computing all that is left would just be in time. */
  async #fetch(i: number, level: string, way: Way): Promise<Uint8Array | null> {
    const { prefixes, others } = this.#loader.options;
    const { place, ways } = this.#chunks[i]!;
    const { from, bytes } = way;
    if (typeof from === "string") {
      const kept = await prefixes.kept(place, level);
      if (kept === null) this.#drop(ways, level, from);
      return kept;
    }
    const computeMs = this.#tokenMs(i) * (this.#request.promptTokens.length - place.firstPosition);
    const leftMs = this.#deadlineMs - liveClock.nowMs() - computeMs * MARGIN - MARGIN_MS;
    // When not even that would be in time, it may take as long as computing.
    const withinMs = leftMs > 0 ? leftMs : Math.max(LEAST_FETCH_MS, computeMs);
    const startMs = liveClock.nowMs();
    const got = await others.take(from, place, level, { bytes, withinMs, signal: this.#signal });
    const isLate = liveClock.nowMs() - startMs >= withinMs - TIMER_MS;
    // Who does not give one chunk is not asked for those behind it.
    if (got === null && !isLate) for (const chunk of this.#chunks.slice(i)) this.#drop(chunk.ways, null, from);
    return got;
  }

  /** That way is none. @param level null: at all levels */
  #drop(ways: Map<string, Way[]>, level: string | null, from: Way["from"]): void {
    for (const [name, all] of ways) {
      if (level !== null && name !== level) continue;
      const left = all.filter((way) => way.from !== from);
      if (left.length === 0) ways.delete(name);
      else ways.set(name, left);
    }
  }

  /** Decoded and put in place, when those before it are. */
  #install(chunk: Candidate, name: string, bytes: Uint8Array): void {
    const { prefixes, codecs } = this.#loader.options;
    const { promptTokens } = this.#request;
    const level = parseLevel(name)!;
    const tokens = chunk.place.tokens.length;
    const salt = this.#salt;
    this.#enqueue(this.#loader.decodeMs(name) * tokens, async () => {
      if (chunk.end <= this.#cached) return; // another request's was there already
      const startMs = liveClock.nowMs();
      const codec = codecs.of(codecs.own.header(bytes));
      const isExact = level.variant === "lossless";
      if (!isExact) this.#loader.exact.delete(chunk.place);
      const installed = await prefixes.install(promptTokens, chunk.place, { level, bytes, salt, codec });
      this.#loader.decoded(name, tokens, liveClock.nowMs() - startMs);
      if (!isExact && installed > chunk.place.firstPosition) {
        this.#isLossy = true;
        this.#exactTokens = Math.min(this.#exactTokens, chunk.place.firstPosition);
      }
      this.#reached(chunk.end, installed);
    });
  }

  /** From this chunk on everything is under the salt, with a copy of what is before it. */
  #leaveExact({ place }: Candidate): void {
    if (this.#salt !== "") return;
    const { prefixes } = this.#loader.options;
    const { salt, exact } = this.#loader;
    this.#salt = salt;
    this.#enqueue(0, async () => {
      const { firstPosition } = place;
      const { promptTokens } = this.#request;
      const here = await prefixes.cached(promptTokens, salt);
      if (here > firstPosition) this.#isLossy = true;
      const before = promptTokens.slice(0, firstPosition);
      const got = here >= firstPosition ? here : await prefixes.copyUnder(before, salt);
      const places = prefixes.places(promptTokens);
      // Chunks that were there in part may be of another level in that part.
      exact.add(places.filter((each) => each.firstPosition >= here && endOf(each) <= Math.min(got, firstPosition)));
      this.#exactTokens = exact.leadingTokens(places);
      this.#reached(firstPosition, got);
    });
  }

  #reached(wanted: number, got: number): void {
    this.#cached = got;
    if (got < wanted) throw new PunctualError("out_of_memory", `no room for ${wanted} tokens, ${got} are cached`);
  }

  /** Has the engine compute a run of chunks on top of what is in place. */
  #compute(run: readonly Candidate[]): void {
    const end = run.at(-1)!.end;
    const tokens = end - run[0]!.place.firstPosition;
    const salt = this.#salt;
    this.#enqueue(this.#loader.computeMs(tokens) ?? 0, async () => {
      const { promptTokens, arrivalMs, task, id } = this.#request;
      const { engine, prefixes } = this.#loader.options;
      const request: GenerateRequest = {
        ...(id === undefined ? {} : { id: `${id}-context` }),
        promptTokens: promptTokens.slice(0, end),
        arrivalMs,
        maxTokens: 1,
        ignoreEos: true,
        slo: { ...this.#loader.sloOf(this.#request), onMiss: "finish" },
        ...(task === undefined ? {} : { task }),
        ...(salt === "" ? {} : { cacheSalt: salt }),
      };
      for await (const event of engine.submit(request, { signal: this.#signal })) if (event.kind === "finish") break;
      this.#reached(end, await prefixes.cached(promptTokens.slice(0, end), salt));
    });
  }

  /** Work that is done when what was begun before is; it fails, all behind it is left. */
  #enqueue(expectedMs: number, action: () => Promise<void>): void {
    this.#workEndMs = Math.max(this.#workEndMs, liveClock.nowMs()) + expectedMs;
    this.#pending += 1;
    const act = async (): Promise<void> => {
      if (this.#isOver) return;
      try {
        await action();
      } catch (error) {
        this.#isBroken = true;
        if (!this.#signal.aborted) this.#loader.log("could not put a prefix in place", error);
      } finally {
        this.#pending -= 1;
        if (this.#pending === 0) this.#workEndMs = Math.min(this.#workEndMs, liveClock.nowMs());
      }
    };
    this.#work = this.#work.then(act);
  }
}

function endOf({ firstPosition, tokens }: ChunkPlace): number {
  return firstPosition + tokens.length;
}
