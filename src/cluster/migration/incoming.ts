/**
 * One migration at its target, live: carries out what its state machine (target.ts) wants, with the engine's import, a place
 * for pages and the host. The pages of the last stage are kept in memory until the commit is there, which comes in the frame of
 * the last of them, so that the engine puts them in place and begins in one turn. Of a hand-over that is small enough these are
 * all pages: they are pulled as soon as it is offered, and the engine is asked nothing before it takes the sequence over whole,
 * between two of its steps. Of a hand-over whose prompt is still being computed pages are put in place as they come: after the
 * first token only the commit is left.
 */
import { randomBytes } from "node:crypto";
import { fail, PunctualError } from "../../core/index.ts";
import {
  after,
  liveClock,
  type SequenceImport,
  type SequenceSnapshot,
  type SubmitOptions,
  type TokenStream,
} from "../../runtime/index.ts";
import type { HostPort } from "../host/types.ts";
import type { KvClient } from "../kv/client.ts";
import type { KvServer } from "../kv/server.ts";
import type { KvSink } from "../kv/types.ts";
import { decodeMessage } from "../wire.ts";
import { resourceOf } from "./outgoing.ts";
import type { AllSettings } from "./settings.ts";
import { freshTarget, isSettled, stepTarget, type TargetAction, type TargetEvent, type TargetState } from "./target.ts";
import type { StayReason } from "./types.ts";
import {
  commitSchema,
  type Ahead,
  type CommitMessage,
  type FromSource,
  type FromTarget,
  type OfferMessage,
} from "./wire.ts";

/** Prompts that an instance remembers beyond its cache (contexts/spill.ts). Neither rejects or throws. */
export interface PromptMemory {
  /** What is remembered of that prompt is in the cache when it resolves. */
  warm(tokens: readonly number[]): Promise<void>;
  /** It is in the cache now. */
  keep(tokens: readonly number[]): void;
}

/** What a migration needs of its surroundings. */
export interface IncomingParts {
  readonly migration: string;
  readonly host: HostPort;
  readonly client: KvClient;
  readonly server: KvServer;
  /** Where others reach the server. */
  readonly address: () => { readonly host: string; readonly port: number };
  readonly settings: AllSettings;
  readonly memory?: PromptMemory;
  readonly tell: (to: string, message: FromTarget) => void;
  /** It is here: of that request. */
  readonly onAdopted: (requestId: string) => void;
  /** Room is made for it. */
  readonly onHeld: (requestId: string) => void;
  /** Nothing is held for it any more but what became of it. */
  readonly onSettled: () => void;
}

/** The source learns so much later that the sequence is here: it waits for nothing, the reader for the first token. */
const TELL_ADOPTED_MS = 2;
/** Most bytes of the last stage that are kept in memory; more are put in place as they come. */
const TAIL_BYTES = 8 * 1024 * 1024;

/** See the head of this file. */
export class Incoming {
  readonly #parts: IncomingParts;
  #state: TargetState;
  #from = "";
  #offer: OfferMessage | null = null;
  #commit: (CommitMessage & { readonly atMs: number }) | null = null;
  /** What was told before the rest, the latest. */
  #ahead: Ahead | null = null;
  #import: SequenceImport | null = null;
  #token = randomBytes(18).toString("base64url");
  #close: (() => void) | null = null;
  /** Pages that come from now on wait for the commit. */
  #isLast = false;
  #tail: { readonly first: number; readonly pieces: Uint8Array[]; bytes: number } | null = null;
  #pull: AbortController | null = null;
  /** All of it is kept until the commit; no import is open. */
  #isWhole = false;
  /** Bytes that the engine was told to put in place and has not yet. */
  #postedBytes = 0;
  /** The source was told that it is here, or is about to be. */
  #isTold = false;
  #disarm: (() => void) | null = null;
  /** When it was settled; null before. */
  settledMs: number | null = null;

  constructor(parts: IncomingParts) {
    this.#parts = parts;
    this.#state = freshTarget(parts.migration);
  }

  get state(): TargetState {
    return this.#state;
  }
  /** Whose it is; null before it was offered. */
  get requestId(): string | null {
    return this.#offer?.request.id ?? null;
  }

  /** It comes while its prompt is computed. */
  get isGrowing(): boolean {
    return this.#offer?.growing === true;
  }

  /** The source says something. */
  receive(message: FromSource): void {
    this.#from = message.from;
    if (message.kind === "offer") this.#offer ??= message;
    if (message.kind === "commit" && !this.#keepCommit(message)) return;
    if (message.kind === "reserve" && message.isLast) this.#isLast = true;
    this.#dispatch({ kind: "message", message });
    if (message.kind === "reserve" && message.ahead !== undefined) this.#foresee(message.ahead);
  }

  /** False when it tells what is new since something that never came: as if it had been lost, it is said again, whole. */
  #keepCommit(message: CommitMessage): boolean {
    if (this.#commit !== null || isSettled(this.#state)) return true;
    const whole = completed(message, this.#ahead);
    if (whole !== null) this.#commit = { ...whole, atMs: liveClock.nowMs() };
    return whole !== null;
  }

  /** Whatever comes of it: the commit has all tokens. */
  #foresee(ahead: Ahead): void {
    const isLate = this.#ahead !== null && this.#ahead.generated.length > ahead.generated.length;
    if (isLate || isSettled(this.#state)) return;
    this.#ahead = ahead;
    this.#import?.foresee(ahead.generated).catch(() => undefined);
  }

  /** Nothing more is taken here, if it is not here already. */
  cancel(reason: StayReason): void {
    this.#dispatch({ kind: "cancel", reason });
  }

  #dispatch(event: TargetEvent): void {
    const { state, actions } = stepTarget(this.#state, event);
    this.#state = state;
    for (const action of actions) this.#do(action);
    this.#disarm?.();
    this.#disarm = null;
    if (!isSettled(state)) {
      this.#disarm = after(this.#parts.settings.silenceMs, () => this.#dispatch({ kind: "silence" }));
    } else if (this.settledMs === null) this.#settle();
  }

  /** Only the outcome is kept. */
  #settle(): void {
    this.settledMs = liveClock.nowMs();
    this.#close?.();
    this.#pull?.abort();
    this.#offer = null;
    this.#commit = null;
    this.#ahead = null;
    this.#tail = null;
    this.#import = null;
    this.#parts.onSettled();
  }

  #do(action: TargetAction): void {
    switch (action.kind) {
      case "send":
        // Refused before anything was heard: the message that follows is answered.
        if (this.#from === "") return;
        return this.#tell(this.#messageOf(action.message));
      case "open":
        return void this.#open();
      case "hold":
        return void this.#hold(action.pages);
      case "fetch":
        return void this.#fetch(action.first, action.pages);
      case "adopt":
        return void this.#adopt();
      case "drop":
        // Nothing can be done about an engine that has died, and nothing needs to.
        return void this.#import?.abort().catch(() => undefined);
      default:
        return action satisfies never;
    }
  }

  #tell(message: FromTarget): void {
    const { tell } = this.#parts;
    if (message.kind !== "adopted" || this.#isTold) return tell(this.#from, message);
    this.#isTold = true;
    const sinceMs = liveClock.nowMs();
    after(TELL_ADOPTED_MS, () => tell(this.#from, { ...message, heldMs: liveClock.nowMs() - sinceMs }));
  }

  #messageOf(message: Extract<TargetAction, { kind: "send" }>["message"]): FromTarget {
    const base = { ...message, from: this.#parts.host.id };
    if (base.kind !== "accepted") return base;
    const isPushed = this.#offer?.mode === "live" || this.#offer?.mode === "blocking";
    return { ...base, door: isPushed ? { address: this.#parts.address(), token: this.#token } : null };
  }

  async #open(): Promise<void> {
    const { host, server, migration } = this.#parts;
    const offer = this.#offer!;
    if (this.#comesWhole(offer)) return await this.#openWhole(offer);
    try {
      const pages = offer.mode === "recompute" ? 0 : offer.pages;
      const isShared = offer.request.cacheSalt === undefined;
      if (pages > 0 && isShared) await this.#parts.memory?.warm(offer.request.promptTokens);
      if (isSettled(this.#state)) return; // it was called off meanwhile
      const holds = this.isGrowing;
      const one = await host.engine.transfers.import({ snapshot: asOffered(offer), pages, holds });
      this.#import = one;
      if (holds) return this.#openGrowing(one, offer);
      const sink: KvSink = {
        pageBytes: one.pageBytes,
        write: async (first, bytes) => await this.#write(first, bytes),
        writeLast: async (first, bytes, note) => await this.#writeLast(first, bytes, note),
      };
      this.#close = server.offer(resourceOf(migration), { token: this.#token, sink });
      this.#dispatch({ kind: "opened", cached: one.cachedPages, held: 0 });
    } catch (error) {
      this.#dispatch({ kind: "open_failed", reason: isFull(error) ? "no_room" : "refused" });
    }
  }

  #openGrowing({ cachedPages }: SequenceImport, { request, pages }: OfferMessage): void {
    this.#parts.onHeld(request.id);
    this.#dispatch({ kind: "opened", cached: cachedPages, held: pages });
    // One pull for all of them: they come as they become whole.
    if (!isSettled(this.#state)) void this.#fetch(cachedPages, pages);
  }

  #comesWhole({ mode, door, pages, fingerprint, growing }: OfferMessage): boolean {
    const { info } = this.#parts.host.engine;
    const isSmall = pages > 0 && pages * info.pageBytes <= TAIL_BYTES && growing !== true;
    return mode === "hand-over" && door !== undefined && isSmall && fingerprint === info.modelFingerprint;
  }

  async #openWhole({ pages }: OfferMessage): Promise<void> {
    this.#isWhole = true;
    this.#isLast = true;
    void this.#fetch(0, pages);
    await Promise.resolve(); // actions report back after the step that wanted them
    this.#dispatch({ kind: "opened", cached: 0, held: 0 });
  }

  async #hold(pages: number): Promise<void> {
    if (this.#isWhole) {
      // Room is made when it is taken over.
      await Promise.resolve();
      return this.#dispatch({ kind: "held", pages });
    }
    try {
      const held = await this.#import!.reserve(pages);
      this.#dispatch(held ? { kind: "held", pages } : { kind: "no_room" });
    } catch {
      this.#dispatch({ kind: "no_room" });
    }
  }

  async #write(first: number, bytes: Uint8Array): Promise<void> {
    const one = this.#import;
    if ((one === null && !this.#isWhole) || isSettled(this.#state)) {
      return fail("not_found", "Nobody waits for these pages any more.");
    }
    const { written } = this.#state;
    const upTo = first + bytes.length / this.#parts.host.engine.info.pageBytes;
    if (first > written) fail("invalid_request", `Expected page ${written}, got ${first}.`);
    if (this.isGrowing && one !== null) {
      await this.#post(one, first, bytes);
    } else if (this.#isLast && this.#keep(first, bytes)) {
      // Held until the commit.
    } else if (one === null) {
      fail("invalid_request", "More pages come than were offered.");
    } else {
      await this.#flushTail(one);
      await one.write(first, bytes, true);
    }
    this.#dispatch({ kind: "written", upTo });
  }

  /** The last pages, and with them the commit: it runs here as soon as they are looked at. */
  async #writeLast(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void> {
    const message = decodeMessage(commitSchema, note);
    if (message.migration !== this.#parts.migration) fail("invalid_request", "The commit is of another migration.");
    this.#isLast = true;
    await this.#write(first, bytes);
    this.receive(message);
  }

  /**
   * Has pages put in place without waiting for a step of the engine, unless too much waits for one already: questions to it are
   * answered in order, so that they are there before it is asked to go on from them.
   */
  async #post(one: SequenceImport, first: number, bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    this.#postedBytes += length;
    const put = one.write(first, bytes, true).finally(() => {
      this.#postedBytes -= length;
    });
    put.catch(() => this.#dispatch({ kind: "link_failed" }));
    if (this.#postedBytes > TAIL_BYTES) await put;
  }

  /** False when it would be too much. */
  #keep(first: number, bytes: Uint8Array): boolean {
    this.#tail ??= { first, pieces: [], bytes: 0 };
    if (this.#tail.bytes + bytes.length > TAIL_BYTES) return false;
    // They are put in place as one piece.
    const next = this.#tail.first + this.#tail.bytes / this.#parts.host.engine.info.pageBytes;
    if (first !== next) fail("invalid_request", `Expected page ${next}, got ${first}.`);
    this.#tail.pieces.push(bytes);
    this.#tail.bytes += bytes.length;
    return true;
  }

  async #flushTail(one: SequenceImport): Promise<void> {
    this.#isLast = false;
    const tail = this.#tail;
    this.#tail = null;
    if (tail !== null) await one.write(tail.first, Buffer.concat(tail.pieces));
  }

  /** Of a hand-over: everything that is missing, once. */
  async #fetch(first: number, pages: number): Promise<void> {
    const offer = this.#offer;
    if (offer?.door === undefined || this.#pull !== null) return;
    this.#pull = new AbortController();
    const { client, migration, host } = this.#parts;
    const { pageBytes } = host.engine.info;
    const request = { ...offer.door, resource: resourceOf(migration), pageBytes, signal: this.#pull.signal };
    const sink: KvSink = { pageBytes, write: async (at, bytes) => await this.#write(at, bytes) };
    try {
      await client.pull(request, sink, first, pages - first);
    } catch {
      this.#dispatch({ kind: "link_failed" });
    }
  }

  async #adopt(): Promise<void> {
    const { host, onAdopted, memory } = this.#parts;
    const { snapshot, delivery, ahead, heldMs, atMs } = this.#commit!;
    const whole = this.#offer!.request;
    const kept = this.#tail === null ? null : { first: this.#tail.first, bytes: joined(this.#tail.pieces) };
    const begin = async (options: SubmitOptions): Promise<TokenStream> => {
      const elapsedMs = heldMs + liveClock.nowMs() - atMs;
      const complete = { ...snapshot, request: whole } as SequenceSnapshot;
      if (this.#isWhole) return await host.engine.transfers.takeOver(complete, kept!.bytes, { ...options, elapsedMs });
      const tail = kept === null ? {} : { tail: kept };
      return await this.#import!.commit(complete, { ...options, ...tail, elapsedMs });
    };
    // On its way it has grown older.
    const ageMs = delivery.ageMs + heldMs + liveClock.nowMs() - atMs;
    // What was sent before the sequence stood still has come by now, or is asked for.
    const resendFrom = ahead?.events ?? 0;
    try {
      await host.adopt(whole, { ...delivery, ageMs, resendFrom }, begin);
      onAdopted(whole.id);
      if (snapshot.computed > 0 && whole.cacheSalt === undefined) memory?.keep(whole.promptTokens);
      this.#dispatch({ kind: "put_in_place" });
    } catch (error) {
      this.#dispatch({ kind: "adopt_failed", reason: isFull(error) ? "no_room" : "failed" });
    }
  }
}

/** A commit with what was told ahead of it; null when that is not what it goes on from. */
function completed(message: CommitMessage, told: Ahead | null): CommitMessage | null {
  const { ahead, snapshot, delivery } = message;
  if (ahead === undefined) return message;
  if (told?.generated.length !== ahead.tokens || told.delivery.nextIndex !== ahead.events) return null;
  const before = told.delivery.unacknowledged.filter(({ index }) => index >= ahead.acknowledged);
  return {
    ...message,
    snapshot: { ...snapshot, generated: [...told.generated, ...snapshot.generated] },
    delivery: { ...delivery, unacknowledged: [...before, ...delivery.unacknowledged] },
  };
}

const joined = (pieces: readonly Uint8Array[]): Uint8Array =>
  pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);

function isFull(error: unknown): boolean {
  return error instanceof PunctualError && (error.code === "queue_full" || error.code === "out_of_memory");
}

/** The sequence as it was when it was offered: nothing is said of its answer yet. */
function asOffered({ fingerprint, request, ageMs }: OfferMessage): SequenceSnapshot {
  return {
    version: 1,
    model: fingerprint,
    requestId: request.id,
    request,
    generated: [],
    computed: 0,
    ageMs,
    scheduledAgeMs: null,
    firstTokenAgeMs: null,
    lastTokenAgeMs: null,
    counts: { cachedTokens: null, tokensInTime: 0, reachedTokens: 0, transferMs: null, drafts: null },
  };
}
