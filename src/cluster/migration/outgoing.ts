/**
 * One migration at its source, live: carries out what its state machine (source.ts) wants, with the engine's export, the
 * host's delivery and a push of pages. The parts of a move that are in order: pages before the commit that needs them,
 * events before the state that counts them.
 */
import { fail, PunctualError } from "../../core/index.ts";
import type { FleetMoveReason, WireRequest } from "../../protocol/index.ts";
import {
  after,
  liveClock,
  type ExportProgress,
  type FrozenSequence,
  type SequenceExport,
} from "../../runtime/index.ts";
import type { DeliveryState, HostedRequest, HostPort } from "../host/types.ts";
import type { KvClient } from "../kv/client.ts";
import type { KvPush } from "../kv/push.ts";
import { encodeMessage } from "../wire.ts";
import type { SourceCommit } from "./messages.ts";
import type { AllSettings } from "./settings.ts";
import { isOver, startSource, stepSource, type SourceAction, type SourceEvent, type SourceState } from "./source.ts";
import type { MigrationMode, StayReason } from "./types.ts";
import type { Ahead, CommitMessage, Door, FromSource, FromTarget } from "./wire.ts";

/** What became of a move, and what it took. */
export interface MoveReport {
  readonly migration: string;
  readonly requestId: string;
  readonly from: string;
  readonly to: string;
  readonly mode: MigrationMode;
  readonly reason: FleetMoveReason;
  readonly outcome: "moved" | "stayed";
  /** Why it stayed; null when it moved. */
  readonly stayReason: StayReason | null;
  /** Stages begun, the last included. */
  readonly stages: number;
  /** Pages that were sent, and their bytes on the wire. */
  readonly pages: number;
  readonly bytes: number;
  /** Tokens that it had when it stood still; 0 when it never did. */
  readonly tokens: number;
  /** From the beginning to the end. */
  readonly tookMs: number;
  /** From leaving the schedule here until it was in the target's, by its word, or until it was back; 0 when it never left. */
  readonly standstillMs: number;
}

/** What a migration needs of its surroundings. */
export interface OutgoingParts {
  readonly migration: string;
  readonly host: HostPort;
  readonly client: KvClient;
  readonly settings: AllSettings;
  readonly hosted: HostedRequest;
  readonly exported: SequenceExport;
  readonly to: string;
  readonly mode: MigrationMode;
  readonly reason: FleetMoveReason;
  /** Pages when it was begun, or that its prompt will fill. */
  readonly pages: number;
  /** Of a hand-over: its prompt is being computed. */
  readonly isGrowing: boolean;
  /** Of a hand-over: where the target pulls from. */
  readonly door: Door | null;
  readonly tell: (to: string, message: FromSource) => void;
  /** After every step. */
  readonly onChange: (state: SourceState) => void;
}

/** Bytes read from the engine at once. */
const READ_BYTES = 1024 * 1024;

/** See the head of this file. */
export class Outgoing {
  readonly parts: OutgoingParts;
  /** Resolves when it is over; never rejects. */
  readonly done: Promise<MoveReport>;
  readonly #startMs = liveClock.nowMs();
  #state: SourceState;
  #resolve: (report: MoveReport) => void = () => undefined;
  #door: Door | null = null;
  #push: KvPush | null = null;
  #opening: Promise<KvPush> | null = null;
  #frozen: (FrozenSequence & { readonly atMs: number; readonly first: number }) | null = null;
  #delivery: DeliveryState | null = null;
  /** The answer when it was measured last. */
  #generated: readonly number[] = [];
  /** What the target was told before the rest, once for each measuring; null when it was not. */
  #ahead: Ahead | null = null;
  /** When it began to run at the target, by the target's word; null before. */
  #adoptedMs: number | null = null;
  #standstillMs = 0;
  /** Pages that the target may have; those who wait for more. */
  #granted: number;
  #waiters: (() => void)[] = [];
  readonly #over: Promise<null>;
  #tellOver: () => void = () => undefined;
  #disarm: (() => void) | null = null;
  /** When the present phase gives up. */
  #giveUpAtMs = Infinity;
  /** Engine calls under way: the end is told after them. */
  #busy = 0;

  constructor(parts: OutgoingParts) {
    this.parts = parts;
    const { lastStagePages, maxStages, slackPages } = parts.settings;
    const { migration, mode, hosted, isGrowing, pages } = parts;
    const config = { migration, mode, epoch: hosted.epoch, lastStagePages, maxStages, slackPages };
    const started = startSource({ ...config, promptPages: isGrowing ? pages : 0 });
    this.#granted = isGrowing ? 0 : pages;
    this.#over = new Promise((resolve) => {
      this.#tellOver = () => resolve(null);
    });
    this.#state = started.state;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#giveUpAtMs = this.#startMs + parts.settings.giveUpMs;
    this.#act(started.actions);
    this.#arm();
  }

  get state(): SourceState {
    return this.#state;
  }
  get startMs(): number {
    return this.#startMs;
  }
  /** Bytes sent so far. */
  get bytes(): number {
    return this.#push?.report().bytes ?? 0;
  }

  /** Of a hand-over: how many pages from that one on may be pulled; waits until there is one. @throws PunctualError not_found when it is over. */
  async available(first: number): Promise<number> {
    while (this.#granted <= first) {
      if (isOver(this.#state)) fail("not_found", "The hand-over is over.");
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
    return this.#granted - first;
  }

  /** What is read now is waited for by a sequence that stands still, and is little. */
  get isUrgent(): boolean {
    return this.parts.isGrowing && this.#frozen !== null;
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** The target says something. */
  receive(message: FromTarget): void {
    if (message.kind === "accepted" && this.#door === null) {
      this.#door = message.door;
      // The way is open before anything stands still; if it cannot be had, whoever copies finds out.
      if (message.door !== null) void this.#pushing().catch(() => undefined);
    }
    if (message.kind === "adopted") this.#adoptedMs = liveClock.nowMs() - (message.heldMs ?? 0);
    this.#dispatch({ kind: "message", message });
  }

  /**
   * The request is offered to this instance under a higher epoch: so the target has had it, whatever became of its word, and
   * what is left here must be gone before it comes back.
   */
  comesBack(epoch: number): void {
    const { migration, hosted } = this.parts;
    if (epoch <= hosted.epoch) return;
    const message = { kind: "adopted", migration, epoch: hosted.epoch + 1 } as const;
    this.#dispatch({ kind: "message", message });
  }

  /** It is to stay, if that is still possible. */
  cancel(reason: StayReason): void {
    this.#dispatch({ kind: "cancel", reason });
  }

  /** The target is taken for dead. */
  targetGone(): void {
    this.#dispatch({ kind: "target_gone" });
  }

  #dispatch(event: SourceEvent): void {
    const before = this.#state;
    const { state, actions } = stepSource(before, event);
    this.#state = state;
    if (state.kind !== before.kind || (state.kind === "handing" && event.kind === "give_up")) {
      this.#giveUpAtMs = liveClock.nowMs() + this.parts.settings.giveUpMs;
    }
    this.#act(actions);
    if (state !== before) this.parts.onChange(state);
    if (isOver(state)) {
      this.#tellOver();
      this.#wake();
    }
    this.#arm();
    this.#settleIfOver();
  }

  #act(actions: readonly SourceAction[]): void {
    for (const action of actions) this.#do(action);
  }

  #do(action: SourceAction): void {
    switch (action.kind) {
      case "send":
        return this.parts.tell(this.parts.to, this.#messageOf(action.message));
      case "measure":
        return this.#run(async () => await this.#measure());
      case "copy": {
        const { first, count, commit } = action;
        const isPulled = this.parts.mode === "hand-over";
        return this.#run(async () => await (isPulled ? this.#grant(first + count) : this.#copy(first, count, commit)));
      }
      case "freeze":
        return this.#run(async () => await this.#freeze());
      case "release":
        return this.#run(async () => await this.#release());
      case "resume":
        return this.#run(async () => await this.#resume(action.epoch));
      default:
        return action satisfies never;
    }
  }

  #run(action: () => Promise<void>): void {
    this.#busy += 1;
    void action().finally(() => {
      this.#busy -= 1;
      this.#settleIfOver();
    });
  }

  #messageOf(message: Extract<SourceAction, { kind: "send" }>["message"]): FromSource {
    const { host, hosted, exported, mode, pages, door, isGrowing } = this.parts;
    const base = { from: host.id, migration: message.migration };
    switch (message.kind) {
      case "offer": {
        const request = exported.request as WireRequest;
        const fingerprint = host.engine.info.modelFingerprint ?? "";
        const { ageMs, epoch } = hosted;
        const growing = isGrowing ? ({ growing: true } as const) : {};
        const offer = { ...base, kind: "offer", mode, epoch, fingerprint, request, ageMs, pages, ...growing } as const;
        return door === null ? offer : { ...offer, door };
      }
      case "reserve": {
        const isLast =
          this.#state.kind === "topping" || (this.#state.kind === "reserving" && this.#state.upTo === null);
        if (isLast) this.#ahead ??= this.#tellAhead();
        const ahead = isLast && this.#ahead !== null ? { ahead: this.#ahead } : {};
        return { ...base, kind: "reserve", pages: message.pages, isLast, ...ahead };
      }
      case "commit":
        return this.#commit(message, null);
      case "withdraw":
        return { ...base, kind: "withdraw", reason: message.reason };
      default:
        return message satisfies never;
    }
  }

  /** How far it is now; null when there is nothing to be told, or it has ended. */
  #tellAhead(): Ahead | null {
    const { host, hosted } = this.parts;
    const delivery = host.standing(hosted.requestId);
    if (delivery === null || this.#generated.length === 0) return null;
    return { generated: [...this.#generated], delivery: { ...delivery, unacknowledged: [...delivery.unacknowledged] } };
  }

  /** @param ahead what of it the target has been told */
  #commit({ pages, epoch }: SourceCommit, ahead: Ahead | null): CommitMessage {
    const { mode, migration, host } = this.parts;
    const { snapshot, atMs } = this.#frozen!;
    const { request: _, generated, ...rest } = snapshot;
    const { unacknowledged, nextIndex, ...where } = this.#delivery!;
    const counts = { ...rest.counts, ...(mode === "hand-over" ? { transferMs: sinceFirst(snapshot) } : {}) };
    const computed = mode === "recompute" ? 0 : rest.computed;
    const [tokens, events] = [ahead?.generated.length ?? 0, ahead?.delivery.nextIndex ?? 0];
    const acknowledged = nextIndex - unacknowledged.length;
    return {
      from: host.id,
      migration,
      kind: "commit",
      pages,
      epoch,
      snapshot: { ...rest, computed, counts, generated: generated.slice(tokens) } as CommitMessage["snapshot"],
      delivery: { ...where, nextIndex, unacknowledged: unacknowledged.filter(({ index }) => index >= events) },
      ...(ahead === null ? {} : { ahead: { tokens, events, acknowledged } }),
      heldMs: liveClock.nowMs() - atMs,
    };
  }

  async #measure(): Promise<void> {
    const { exported, mode } = this.parts;
    const isHandOver = mode === "hand-over";
    try {
      const progress = await this.#progress();
      if (progress === null) return;
      const { computed, wholePages: whole, running, generated } = progress;
      this.#generated = generated;
      this.#ahead = null;
      const pages = Math.ceil(computed / exported.pageTokens);
      this.#dispatch({
        kind: "measured",
        pages,
        whole,
        waiting: !running && !isHandOver,
        stands: !running && isHandOver,
      });
    } catch (error) {
      this.#dispatch({ kind: "lost", reason: lostBy(error) });
    }
  }

  /** How far it is; of one whose prompt is being computed, when it is further. Null when the move is over before that. */
  async #progress(): Promise<ExportProgress | null> {
    const { exported, isGrowing } = this.parts;
    const grown = isGrowing ? exported.whenGrown?.(this.#state.copied) : undefined;
    return grown === undefined ? await exported.progress() : await Promise.race([grown, this.#over]);
  }

  /** The target may pull pages up to that one: it has asked for all of them. */
  async #grant(upTo: number): Promise<void> {
    this.#granted = Math.max(this.#granted, upTo);
    this.#wake();
    await Promise.resolve(); // actions report back after the step that wanted them
    this.#dispatch({ kind: "copied" });
  }

  async #copy(first: number, count: number, commit: SourceCommit | null): Promise<void> {
    try {
      const push = await this.#pushing();
      const { exported, tell, to } = this.parts;
      const rides = commit !== null && push.takesLast;
      if (commit !== null && !rides) tell(to, this.#commit(commit, null));
      const step = Math.max(1, Math.floor(READ_BYTES / exported.pageBytes));
      let last: Promise<void> = Promise.resolve();
      for (let at = first; at < first + count; at += step) {
        const bytes = await this.#pagesOf(at, Math.min(step, first + count - at));
        await last;
        // What is left while it stands still is little: coding it would only add to the pause.
        if (!rides || at + step < first + count) last = push.send(at, bytes, this.#frozen !== null);
        else last = push.sendLast(at, bytes, encodeMessage(this.#commit(commit, this.#ahead)));
        last.catch(() => undefined); // seen at the next await
      }
      await last;
      this.#dispatch({ kind: "copied" });
    } catch (error) {
      const isLost = error instanceof PunctualError && (error.code === "not_found" || error.code === "busy");
      if (isLost && this.#frozen === null) this.#dispatch({ kind: "lost", reason: lostBy(error) });
      else this.#dispatch({ kind: "copy_failed" });
    }
  }

  /** What was read together with the freeze, or what the engine has. */
  async #pagesOf(first: number, count: number): Promise<Uint8Array> {
    const { exported } = this.parts;
    const { pageBytes } = exported;
    const [bytes, from] = [this.#frozen?.bytes ?? null, this.#frozen?.first ?? 0];
    if (bytes === null || first < from) return await exported.read(first, count);
    return bytes.subarray((first - from) * pageBytes, (first + count - from) * pageBytes);
  }

  #pushing(): Promise<KvPush> {
    this.#opening ??= this.#openPush();
    return this.#opening;
  }

  async #openPush(): Promise<KvPush> {
    const { client, migration, exported } = this.parts;
    const door = this.#door;
    if (door === null) throw new PunctualError("unavailable", "The target takes no pages.");
    const resource = resourceOf(migration);
    const { pageBytes } = exported;
    const [codec] = client.codecs.values();
    const push = await client.push({ ...door, resource, pageBytes, ...(codec === undefined ? {} : { codec }) });
    if (isOver(this.#state)) push.close();
    this.#push = push;
    return push;
  }

  async #freeze(): Promise<void> {
    const { exported, host, hosted, mode } = this.parts;
    const first = this.#state.copied;
    try {
      const isCopied = mode === "live" || mode === "blocking";
      const frozen = await exported.freeze(isCopied ? { from: first } : {});
      this.#frozen = { ...frozen, atMs: liveClock.nowMs(), first };
      this.#delivery = await host.suspend(hosted.requestId, frozen.snapshot.generated.length);
      this.#dispatch({ kind: "frozen", pages: frozen.pages });
    } catch (error) {
      // What is frozen and cannot be told of any more has ended at its reader.
      if (this.#frozen !== null) await exported.resume().catch(() => undefined);
      this.#dispatch({ kind: "lost", reason: lostBy(error) });
    }
  }

  async #release(): Promise<void> {
    const { exported, to, host, hosted } = this.parts;
    this.#stoodStill();
    this.#settle({ kind: "moved", to });
    try {
      await exported.commit();
    } catch {
      // Cancelled here meanwhile, or given up by the engine because this process stood still for too long: then it goes on.
      host.quit(hosted.requestId);
    }
  }

  async #resume(epoch: number): Promise<void> {
    const { exported, hosted, mode } = this.parts;
    // What was to be handed over goes on waiting for somebody who takes it.
    if (mode !== "hand-over") await exported.resume().catch(() => undefined);
    this.#stoodStill();
    this.#settle({ kind: "stays", ...(epoch === hosted.epoch ? {} : { epoch }) });
  }

  /** Unless it has come back here meanwhile: then what is here is another part of its life. */
  #settle(outcome: Parameters<HostPort["settle"]>[1]): void {
    const { host, hosted } = this.parts;
    const now = host.request(hosted.requestId);
    if (now === null || now.epoch === hosted.epoch) host.settle(hosted.requestId, outcome);
  }

  #stoodStill(): void {
    if (this.#frozen === null) return;
    this.#standstillMs = Math.max(0, (this.#adoptedMs ?? liveClock.nowMs()) - this.#frozen.atMs);
  }

  #arm(): void {
    this.#disarm?.();
    this.#disarm = null;
    const { kind } = this.#state;
    if (kind !== "offering" && kind !== "reserving" && kind !== "topping" && kind !== "handing") return;
    const { retryMs } = this.parts.settings;
    const waitMs = Math.max(1, Math.min(retryMs, this.#giveUpAtMs - liveClock.nowMs()));
    this.#disarm = after(waitMs, () => {
      this.#dispatch({ kind: liveClock.nowMs() >= this.#giveUpAtMs ? "give_up" : "retry" });
    });
  }

  #settleIfOver(): void {
    if (!isOver(this.#state) || this.#busy > 0) return;
    const { migration, hosted, host, to, mode, reason, exported } = this.parts;
    const report = this.#push?.report() ?? { pages: 0, bytes: 0 };
    this.#push?.close();
    // An export that was never frozen is open still.
    if (this.#frozen === null && mode !== "hand-over") void exported.resume().catch(() => undefined);
    this.#resolve({
      migration,
      requestId: hosted.requestId,
      from: host.id,
      to,
      mode,
      reason,
      outcome: this.#state.kind === "moved" ? "moved" : "stayed",
      stayReason: this.#state.kind === "stayed" ? this.#state.reason : null,
      stages: this.#state.stages,
      pages: report.pages,
      bytes: report.bytes,
      tokens: this.#frozen?.snapshot.generated.length ?? 0,
      tookMs: liveClock.nowMs() - this.#startMs,
      standstillMs: this.#standstillMs,
    });
  }
}

/** What pages of a migration are called at either end. */
export function resourceOf(migration: string): string {
  return `migration/${migration}`;
}

/** It waits since its first token: all of that is transfer. */
function sinceFirst({ counts, lastTokenAgeMs }: FrozenSequence["snapshot"]): number {
  return (counts.transferMs ?? 0) + (lastTokenAgeMs ?? 0);
}

function lostBy(error: unknown): StayReason {
  const code = error instanceof PunctualError ? error.code : "internal";
  if (code === "not_found" || code === "cancelled") return "ended";
  return code === "busy" ? "preempted" : "failed";
}
