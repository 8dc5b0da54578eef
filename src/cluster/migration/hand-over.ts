/**
 * Disaggregation across processes (DistServe, OSDI'24): instances of role "prefill" compute prompts to their first token;
 * what is done waits there, holding its pages, until an instance of role "decode" has room and says so. So nothing is sent
 * unasked and nothing is dropped: the memory of the prefill side is the buffer, and when both sides are full, prompts wait.
 *
 *   prefill ── ready: these wait, these come ──▶ all       said again while anything waits
 *   decode ── claim: I have room for that one ──▶ prefill
 *   prefill ── moves it there, mode "hand-over": the decode side pulls the pages (migration.ts)
 *
 * All of that begins with the prompt, not with its end: a decode side that has room takes the pages as they become whole, so that
 * after the first token little is left to move. What waits already comes first, everywhere: where the pages that are held
 * for prompts leave it no room, those that do not get on are given back.
 *
 * Where nobody is left who decodes, the prefill instance keeps its sequences and decodes them itself.
 */
import { PunctualError } from "../../core/index.ts";
import { FLEET_VERSION, type FleetMoveReason } from "../../protocol/index.ts";
import { after, liveClock, type LeavingStage } from "../../runtime/index.ts";
import { dispatchFreeness } from "../../sched/index.ts";
import type { HostPort } from "../host/types.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import type { FleetEye } from "./fleet-eye.ts";
import type { MoveReport } from "./outgoing.ts";
import type { MigrationMode } from "./types.ts";
import { readyMessageSchema } from "./wire.ts";

/** What a desk needs. */
export interface HandOverParts {
  readonly host: HostPort;
  readonly eye: FleetEye;
  readonly role: "prefill" | "decode";
  readonly mover: Mover;
}

/** Who moves sequences, or keeps them. */
export interface Mover {
  move(
    requestId: string,
    to: string,
    options: { readonly mode: MigrationMode; readonly reason: FleetMoveReason },
  ): Promise<{ readonly done: Promise<MoveReport> }>;
  /** How many more migrations to here may begin now, and how many of prompts that are being computed. */
  readonly incomingLeft: number;
  readonly growingLeft: number;
  /** Of those, how many there are: they have a place in the engine, and pages. */
  readonly growing: number;
  /** Pages of a request on its way from here that its target may have; null when it does not leave. */
  pagesGiven(requestId: string): number | null;
  /** It is to stay for now, if that is still possible. */
  holdBack(requestId: string): void;
  /** Decodes here what waits to be handed over. */
  keep(requestId: string): Promise<void>;
}

interface Waiting {
  sinceMs: number;
  pages: number;
  isMoving: boolean;
  /** It has had its first token; before that its prompt is being computed. */
  isReady: boolean;
  /** Not told again before it is ready. */
  isHeldBack: boolean;
  /** Pages that its target could have when it was looked at last. */
  given: number;
  /** The best of those that want it; it is theirs when the others have had a moment to speak. */
  claim: { readonly by: string; readonly freeSteps: number } | null;
}

/** Of a decode side: room for what was claimed. */
interface Promised {
  readonly pages: number;
  /** Its prompt is being computed. */
  readonly coming: boolean;
  readonly untilMs: number;
}

/** What waits is told again so often, milliseconds. */
const TELL_MS = 50;
/** How long claims are compared where there are several who might make them. */
const CLAIM_MS = 2;
/** What waits for so long has no room elsewhere, perhaps because of what is held for prompts. */
const STUCK_MS = 100;
/** With nobody there who decodes, what waits for so long is decoded here. */
const KEEP_MS = 2000;
/** A claim that nothing came of does not count any more. */
const PROMISE_MS = 250;
/** Most requests named in one message. */
const MAX_NAMED = 64;
/** A decode side takes no more while its own queue would fill so much of its pages (DistServe's threshold). */
const QUEUE_SHARE = 0.1;

/** See the head of this file. */
export class HandOverDesk {
  readonly #parts: HandOverParts;
  readonly #waiting = new Map<string, Waiting>();
  /** Of a decode side: pages promised to what was claimed, by request. */
  readonly #promised = new Map<string, Promised>();
  readonly #undo: (() => void)[] = [];

  constructor(parts: HandOverParts) {
    this.#parts = parts;
    const { host, role } = parts;
    if (role === "prefill") {
      this.#undo.push(host.engine.transfers.onLeaving((requestId, stage) => this.#onLeaving(requestId, stage)));
      const timer = setInterval(() => this.#tick(), TELL_MS).unref();
      this.#undo.push(() => clearInterval(timer));
    } else {
      const subscription = host.bus.subscribe(host.names.ready, ({ data }) => this.#onTold(data));
      this.#undo.push(() => subscription.unsubscribe());
    }
  }

  /** Requests whose prompts are done and that wait for somebody to decode them. */
  get waiting(): number {
    let count = 0;
    for (const { isReady } of this.#waiting.values()) if (isReady) count += 1;
    return count;
  }

  stop(): void {
    for (const step of this.#undo.splice(0)) step();
    this.#waiting.clear();
  }

  #onLeaving(requestId: string, stage: LeavingStage): void {
    const known = this.#waiting.get(requestId);
    if (stage === "set_back") {
      // What moves hears of it by its export.
      if (known?.isMoving === false) this.#waiting.delete(requestId);
      return;
    }
    const isReady = stage === "ready";
    const sinceMs = liveClock.nowMs();
    if (known === undefined) this.#waiting.set(requestId, this.#newWaiting(requestId, sinceMs, isReady));
    else Object.assign(known, { isReady, sinceMs, isHeldBack: false });
    if (known?.isMoving !== true) this.#tell();
  }

  #newWaiting(requestId: string, sinceMs: number, isReady: boolean): Waiting {
    const hosted = this.#parts.host.request(requestId);
    const { pageTokens } = this.#parts.host.engine.info;
    const pages = Math.ceil(((hosted?.promptTokens ?? 0) + 1) / pageTokens);
    return { sinceMs, pages, isReady, isMoving: false, isHeldBack: false, given: 0, claim: null };
  }

  #tick(): void {
    const { host } = this.#parts;
    for (const [requestId, { isMoving }] of this.#waiting) {
      if (!isMoving && host.request(requestId) === null) this.#waiting.delete(requestId); // cancelled
    }
    if (this.#waiting.size === 0) return;
    if (!this.#someoneDecodes()) this.#keepOld();
    this.#makeWay();
    this.#tell();
  }

  /**
   * What waits may find no room because it is held for prompts, which may not get on because what waits has the pages here: those
   * that stand give theirs back, and come when they are ready.
   */
  #makeWay(): void {
    const { mover } = this.#parts;
    const nowMs = liveClock.nowMs();
    const isStuck = Array.from(this.#waiting.values()).some(
      ({ isReady, isMoving, sinceMs }) => isReady && !isMoving && nowMs - sinceMs >= STUCK_MS,
    );
    for (const [requestId, waiting] of this.#waiting) {
      if (waiting.isReady || !waiting.isMoving) continue;
      const given = mover.pagesGiven(requestId) ?? 0;
      if (isStuck && given === waiting.given) {
        waiting.isHeldBack = true;
        mover.holdBack(requestId);
      }
      waiting.given = given;
    }
  }

  #tell(): void {
    const { host } = this.#parts;
    const open = [...this.#waiting].filter(([, { isMoving, isHeldBack }]) => !isMoving && !isHeldBack);
    const ready = open.filter(([, { isReady }]) => isReady).map(([requestId, { pages }]) => ({ requestId, pages }));
    const coming = open
      .filter(([, { isReady }]) => !isReady)
      .map(([requestId, { pages }]) => ({ requestId, pages, coming: true as const }));
    const requests = [...ready, ...coming].slice(0, MAX_NAMED);
    if (requests.length === 0 || host.bus.status !== "connected") return;
    const fingerprint = host.engine.info.modelFingerprint ?? host.id;
    host.bus.publish(host.names.ready, encodeMessage({ from: host.id, fingerprint, requests }));
  }

  #someoneDecodes(): boolean {
    const { host, eye } = this.#parts;
    const fingerprint = host.engine.info.modelFingerprint;
    return eye
      .instances()
      .some(
        ({ card: { id, role, state, ...card } }) =>
          id !== host.id && role !== "prefill" && state === "serving" && card.fingerprint === fingerprint,
      );
  }

  #keepOld(): void {
    const nowMs = liveClock.nowMs();
    for (const [requestId, { sinceMs, isMoving, isReady }] of this.#waiting) {
      if (isMoving || !isReady || nowMs - sinceMs < KEEP_MS) continue;
      this.#waiting.delete(requestId);
      void this.#keep(requestId);
    }
  }

  /** How many could claim. */
  #claimants(): number {
    const { host, eye } = this.#parts;
    const fingerprint = host.engine.info.modelFingerprint;
    return eye.instances().filter(({ card }) => card.role === "decode" && card.fingerprint === fingerprint).length;
  }

  /** It is decoded here. */
  async #keep(requestId: string): Promise<void> {
    try {
      await this.#parts.mover.keep(requestId);
    } catch {
      // It ended, or leaves by another way.
    }
  }

  /** An instance has room for it. */
  claim(requestId: string, by: string, freeSteps: number | null): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined || waiting.isMoving || waiting.isHeldBack) return;
    const steps = freeSteps ?? Infinity;
    const isFirst = waiting.claim === null;
    if (waiting.claim === null || steps > waiting.claim.freeSteps) waiting.claim = { by, freeSteps: steps };
    if (!isFirst) return;
    if (this.#claimants() > 1) after(CLAIM_MS, () => void this.#give(requestId));
    else void this.#give(requestId);
  }

  async #give(requestId: string): Promise<void> {
    const waiting = this.#waiting.get(requestId);
    const best = waiting?.claim ?? null;
    if (waiting === undefined || best === null || waiting.isMoving) return;
    waiting.isMoving = true;
    const { by } = best;
    waiting.claim = null;
    try {
      await this.#parts.mover.move(requestId, by, { mode: "hand-over", reason: "hand-off" });
    } catch (error) {
      waiting.isMoving = false;
      if (error instanceof PunctualError && error.code === "not_found") this.#waiting.delete(requestId);
    }
  }

  /** A move from here is over: what stayed waits again. */
  ended({ requestId, outcome, stayReason }: MoveReport): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined) return;
    // A prompt that has lost its pages is told of again when it is begun again.
    const isGone = outcome === "moved" || (!waiting.isReady && (stayReason === "ended" || stayReason === "preempted"));
    if (isGone) this.#waiting.delete(requestId);
    else waiting.isMoving = false;
  }

  /** Of a decode side: what was promised is held by the engine now. */
  held(requestId: string): void {
    this.#promised.delete(requestId);
  }

  /** Of a decode side: somebody's prompts are done. */
  #onTold(data: Uint8Array): void {
    const { host } = this.#parts;
    if (host.isDraining) return;
    const told = readTold(data);
    if (told === null || told.fingerprint !== host.engine.info.modelFingerprint) return;
    this.#forgetClaims();
    for (const { requestId, pages, coming = false } of told.requests) {
      if (this.#promised.has(requestId)) continue;
      if (!this.#hasRoom(pages, coming)) return; // in order: those behind wait for their turn
      this.#promised.set(requestId, { pages, coming, untilMs: liveClock.nowMs() + PROMISE_MS });
      this.#claim(told.from, requestId);
    }
  }

  /** Claims that nothing came of are forgotten, so that they can be made again. */
  #forgetClaims(): void {
    const nowMs = liveClock.nowMs();
    for (const [requestId, { untilMs }] of this.#promised) if (untilMs < nowMs) this.#promised.delete(requestId);
  }

  #hasRoom(pages: number, isComing: boolean): boolean {
    const { incomingLeft, growingLeft, growing } = this.#parts.mover;
    let promised = 0;
    let alike = 0;
    for (const promise of this.#promised.values()) {
      promised += promise.pages;
      if (promise.coming === isComing) alike += 1;
    }
    if (alike >= (isComing ? growingLeft : incomingLeft)) return false;
    const { running, waiting, kv, limits } = this.#parts.host.engine.stats();
    const own = this.#parts.eye.find(this.#parts.host.id);
    if ((own?.load.waitingPages ?? 0) > kv.pagesTotal * QUEUE_SHARE) return false;
    const others = running + growing + this.#promised.size;
    if (others + waiting >= limits.maxRunning) return false;
    // A page for each to grow into.
    return kv.pagesTotal - kv.pagesUsed - promised >= pages + 1 + others;
  }

  #claim(to: string, requestId: string): void {
    const { host, eye } = this.#parts;
    const own = eye.find(host.id);
    const steps = own === null ? Infinity : dispatchFreeness(own.load, false);
    const body = { kind: "claim", by: host.id, requestId, freeSteps: Number.isFinite(steps) ? steps : null };
    const message = { version: FLEET_VERSION, kind: "extension", name: "migration", body };
    if (host.bus.status === "connected") host.bus.publish(host.names.control(to), encodeMessage(message));
  }
}

function readTold(data: Uint8Array): ReturnType<typeof decodeMessage<typeof readyMessageSchema>> | null {
  try {
    return decodeMessage(readyMessageSchema, data);
  } catch {
    return null; // of a version that is not understood
  }
}
