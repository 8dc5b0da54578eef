/**
 * The source's side of one live migration, as a pure state machine (Llumnix, OSDI'24, section 4.2): what to do next, given
 * what has happened. The driver carries actions out and reports what came of them; an exhaustive check drives the same
 * machine through every order of messages, losses, duplicates and crashes.
 *
 *   offering ─accepted─▶ measuring ─▶ reserving ─reserved─▶ copying ─copied─▶ measuring …      decoding goes on
 *                            └─ last stage ─▶ reserving ─▶ freezing ─frozen─▶ handing          stands still
 *   hand-over: offering ─accepted─▶ measuring ─▶ freezing ─▶ handing: it stands still already, the target makes room by itself
 *     begun while its prompt is computed: measuring ─▶ copying ─▶ measuring … ─it stands still─▶ freezing ─▶ handing. To copy is
 *     to let the target have pages: it pulls, and adopts nothing before they are all there
 *   handing ─adopted─▶ moved        handing ─aborted─▶ stayed        any before handing ─▶ stayed
 *
 * Only the target decides whether it adopts. From the moment the commit is sent the source is in doubt: it goes on by
 * itself only when the target has said that it never will adopt (same epoch), or is taken for dead (an epoch above the
 * one that was offered, so that whoever reads the stream can tell the two apart). No clock: timers are events.
 */
import type { SourceCommit, SourceMessage, TargetMessage } from "./messages.ts";
import type { MigrationMode, StayReason } from "./types.ts";

/** What a migration was started with. */
export interface SourceConfig {
  readonly migration: string;
  readonly mode: MigrationMode;
  /** Of the stream at the source; the target goes on with one more. */
  readonly epoch: number;
  /** Most pages that the last stage may copy when no other stage is allowed; 16 in the paper's system. */
  readonly lastStagePages: number;
  /** Most stages, the last included. */
  readonly maxStages: number;
  /** Pages reserved beyond those that are there: what decoding may fill until the sequence is out of the schedule. */
  readonly slackPages: number;
  /** Of a hand-over that begins while its prompt is computed: pages that the prompt will fill. 0: its first token is there. */
  readonly promptPages: number;
}

/** See the head of this file. Plain data. */
export type SourceState = {
  readonly config: SourceConfig;
  /** Stages begun. */
  readonly stages: number;
  /** Pages at the target, from the first; of a hand-over, those that it may have. */
  readonly copied: number;
  /** Pages that the target holds for the sequence. */
  readonly reserved: number;
} & SourcePhase;

type SourcePhase =
  | { readonly kind: "offering" }
  | { readonly kind: "measuring" }
  /** `upTo`: pages to be copied when there is room; null before the last stage, when all that are left follow. */
  | { readonly kind: "reserving"; readonly pages: number; readonly upTo: number | null }
  | { readonly kind: "copying"; readonly upTo: number }
  | { readonly kind: "freezing" }
  /** Out of the schedule but more pages than the target holds. */
  | { readonly kind: "topping"; readonly pages: number }
  /** The commit is out. `withdrawing`: it was asked back, and the answer decides. */
  | { readonly kind: "handing"; readonly pages: number; readonly withdrawing: StayReason | null }
  | { readonly kind: "moved" }
  | { readonly kind: "stayed"; readonly reason: StayReason };

/** What may happen to it. */
export type SourceEvent =
  | { readonly kind: "message"; readonly message: TargetMessage }
  /**
   * `pages` in use, `whole` of them full; `waiting` when it holds none and is queued, `stands` when it has frozen itself. Of
   * a hand-over only when more is whole than was copied, or it stands still.
   */
  | {
      readonly kind: "measured";
      readonly pages: number;
      readonly whole: number;
      readonly waiting: boolean;
      readonly stands: boolean;
    }
  | { readonly kind: "copied" }
  | { readonly kind: "copy_failed" }
  /** Out of the schedule, holding so many pages. */
  | { readonly kind: "frozen"; readonly pages: number }
  /** It ended, was cancelled, or lost its pages: there is nothing to migrate any more. */
  | { readonly kind: "lost"; readonly reason: StayReason }
  /** Somebody wants it to stay: the instance stops, or there is no use any more. */
  | { readonly kind: "cancel"; readonly reason: StayReason }
  /** Time to say the last message again. */
  | { readonly kind: "retry" }
  /** No answer for too long. */
  | { readonly kind: "give_up" }
  /** The target has died, as far as anybody can tell. */
  | { readonly kind: "target_gone" };

/** What the driver has to do. */
export type SourceAction =
  | { readonly kind: "send"; readonly message: SourceMessage }
  /** Ask the engine how far it is: `measured` or `lost`. */
  | { readonly kind: "measure" }
  /** Copy pages [first, first + count): `copied` or `copy_failed`. A commit goes with the last of them, as one. */
  | { readonly kind: "copy"; readonly first: number; readonly count: number; readonly commit: SourceCommit | null }
  /** Take it out of the schedule after the step that runs: `frozen` or `lost`. */
  | { readonly kind: "freeze" }
  /** It is the target's: free the pages, say so to whoever reads the stream. */
  | { readonly kind: "release"; readonly epoch: number }
  /** Back into the schedule, with that epoch. */
  | { readonly kind: "resume"; readonly epoch: number };

/** A state and what follows from having come there. */
export interface SourceStep {
  readonly state: SourceState;
  readonly actions: readonly SourceAction[];
}

/** The first step: the offer is made. */
export function startSource(config: SourceConfig): SourceStep {
  const state: SourceState = { config, stages: 0, copied: 0, reserved: 0, kind: "offering" };
  return { state, actions: [send(state, { kind: "offer" })] };
}

/** The next step. Events that mean nothing any more change nothing: late, repeated and reordered messages are harmless. */
export function stepSource(state: SourceState, event: SourceEvent): SourceStep {
  switch (event.kind) {
    case "message":
      return onMessage(state, event.message);
    case "measured":
      return state.kind === "measuring" ? onMeasured(state, event) : stay(state);
    case "copied":
      return state.kind === "copying" ? measureNext(state, state.upTo) : stay(state);
    case "copy_failed":
      return state.kind === "copying" ? leave(state, "link_failed") : withdraw(state, "link_failed");
    case "frozen":
      return state.kind === "freezing" ? onFrozen(state, event.pages) : onLateFreeze(state);
    case "lost":
      return onLost(state, event.reason);
    case "cancel":
      return leave(state, event.reason);
    case "retry":
      return { state, actions: repeat(state) };
    case "give_up":
      return onGiveUp(state);
    case "target_gone":
      return state.kind === "handing" ? takeBack(state, "target_gone") : leave(state, "target_gone");
    default:
      return event satisfies never;
  }
}

/** True when nothing more will be done. */
export function isOver(state: SourceState): boolean {
  return state.kind === "moved" || state.kind === "stayed";
}

/** True while the sequence stands still. */
export function standsStill({ kind }: SourceState): boolean {
  return kind === "topping" || kind === "handing";
}

type Body<T> = T extends unknown ? Omit<T, "migration"> : never;

function send({ config }: SourceState, body: Body<SourceMessage>): SourceAction {
  return { kind: "send", message: { ...body, migration: config.migration } };
}

const stay = (state: SourceState): SourceStep => ({ state, actions: [] });

/** The fields that outlast a phase. */
function common({
  config,
  stages,
  copied,
  reserved,
}: SourceState): Pick<SourceState, "config" | "stages" | "copied" | "reserved"> {
  return { config, stages, copied, reserved };
}

function onMessage(state: SourceState, message: TargetMessage): SourceStep {
  if (message.migration !== state.config.migration) return stay(state);
  switch (message.kind) {
    case "accepted":
      if (state.kind === "offering") return onAccepted(state, message.cached);
      return state.kind === "stayed" ? tellAgain(state) : stay(state);
    case "reserved":
      if (state.kind === "reserving" || state.kind === "topping") return onReserved(state, message.pages);
      return state.kind === "stayed" ? tellAgain(state) : stay(state);
    case "aborted":
      if (state.kind === "handing") return resume(state, state.withdrawing ?? message.reason);
      return leave(state, message.reason);
    case "adopted":
      return state.kind === "handing" ? release(state) : stay(state);
    default:
      return message satisfies never;
  }
}

/** It stayed, but the target does not seem to know. */
function tellAgain(state: SourceState): SourceStep {
  const reason = state.kind === "stayed" ? state.reason : "cancelled";
  return { state, actions: [send(state, { kind: "withdraw", reason })] };
}

function onAccepted(state: SourceState, cached: number): SourceStep {
  return measureNext(state, Math.max(0, cached));
}

function measureNext(state: SourceState, copied: number): SourceStep {
  return { state: { ...common(state), copied, kind: "measuring" }, actions: [{ kind: "measure" }] };
}

function onMeasured(
  state: SourceState,
  { pages, whole, waiting, stands }: Extract<SourceEvent, { kind: "measured" }>,
): SourceStep {
  const { mode, lastStagePages, maxStages, slackPages, promptPages } = state.config;
  const next = { ...common(state), stages: state.stages + 1 };
  if (promptPages > 0 && !stands) return begin(whole > state.copied ? { ...next, kind: "measuring" } : state, whole);
  // What stands still does not grow: the commit says how many pages it needs.
  if (waiting || mode === "recompute" || mode === "hand-over") {
    return { state: { ...next, kind: "freezing" }, actions: [{ kind: "freeze" }] };
  }
  const grown = pages - state.copied;
  const noMore = next.stages >= maxStages;
  const few = grown <= 1 || (noMore && grown <= lastStagePages);
  if (few || mode === "blocking") return reserve({ ...next, kind: "measuring" }, pages + slackPages, null);
  if (noMore) return leave(state, "too_many_stages");
  const upTo = Math.min(whole, pages - 1);
  return reserve({ ...next, kind: "measuring" }, upTo, upTo);
}

function reserve(state: SourceState, pages: number, upTo: number | null): SourceStep {
  if (pages <= state.reserved) return begin(state, upTo);
  const next: SourceState = { ...common(state), kind: "reserving", pages, upTo };
  return { state: next, actions: repeat(next) };
}

function onReserved(state: SourceState, pages: number): SourceStep {
  const next = { ...state, reserved: Math.max(state.reserved, pages) };
  if (next.kind === "reserving") return pages < next.pages ? stay(next) : begin(next, next.upTo);
  if (next.kind === "topping") return pages < next.pages ? stay(next) : hand(next, next.pages);
  return stay(next);
}

/** There is room: another stage, or the end of the schedule here. */
function begin(state: SourceState, upTo: number | null): SourceStep {
  const next = common(state);
  if (upTo === null) return { state: { ...next, kind: "freezing" }, actions: [{ kind: "freeze" }] };
  const count = upTo - state.copied;
  if (count <= 0) return measureNext(state, state.copied);
  const copy: SourceAction = { kind: "copy", first: state.copied, count, commit: null };
  return { state: { ...next, kind: "copying", upTo }, actions: [copy] };
}

function onFrozen(state: SourceState, held: number): SourceStep {
  // Nothing is copied of what is computed again.
  const pages = state.config.mode === "recompute" ? 0 : held;
  if (pages <= state.reserved || state.config.mode === "hand-over") return hand(state, pages);
  const next: SourceState = { ...common(state), kind: "topping", pages };
  return { state: next, actions: repeat(next) };
}

/** It was decided that it stays while the engine was taking it out. */
function onLateFreeze(state: SourceState): SourceStep {
  return state.kind === "stayed" ? { state, actions: [{ kind: "resume", epoch: state.config.epoch }] } : stay(state);
}

/**
 * The commit goes out with the last pages, where there are some: nothing is said of its own. Said again, it goes by itself, and
 * whichever arrives first waits for the other.
 */
function hand(state: SourceState, pages: number): SourceStep {
  const { migration, mode, epoch, promptPages } = state.config;
  const next: SourceState = { ...common(state), kind: "handing", pages, withdrawing: null };
  const count = pages - state.copied;
  const last = { kind: "copy", first: state.copied, count } as const;
  if (mode === "hand-over") {
    // Pages that it may not have yet it may have now; those are pulled, so the commit goes by itself.
    const given: SourceAction[] = promptPages > 0 && count > 0 ? [{ ...last, commit: null }] : [];
    return { state: next, actions: [...given, ...repeat(next)] };
  }
  if (count <= 0) return { state: next, actions: repeat(next) };
  const commit: SourceCommit = { kind: "commit", migration, pages, epoch: epoch + 1 };
  return { state: next, actions: [{ ...last, commit }] };
}

/** What was said last, once more. */
function repeat(state: SourceState): SourceAction[] {
  switch (state.kind) {
    case "offering":
      return [send(state, { kind: "offer" })];
    case "reserving":
    case "topping":
      return [send(state, { kind: "reserve", pages: state.pages })];
    case "handing":
      return state.withdrawing === null
        ? [send(state, { kind: "commit", pages: state.pages, epoch: state.config.epoch + 1 })]
        : [send(state, { kind: "withdraw", reason: state.withdrawing })];
    case "measuring":
    case "copying":
    case "freezing":
    case "moved":
    case "stayed":
      return [];
    default:
      return state satisfies never;
  }
}

function onGiveUp(state: SourceState): SourceStep {
  if (state.kind !== "handing") return leave(state, "no_answer");
  return state.withdrawing === null ? withdraw(state, "no_answer") : takeBack(state, "no_answer");
}

/** Asks the commit back; elsewhere nothing is out that could be asked back. */
function withdraw(state: SourceState, reason: StayReason): SourceStep {
  if (state.kind !== "handing" || state.withdrawing !== null) return stay(state);
  const next: SourceState = { ...state, withdrawing: reason };
  return { state: next, actions: repeat(next) };
}

/** Stays, by its own decision: possible until the commit is out. */
function leave(state: SourceState, reason: StayReason): SourceStep {
  if (isOver(state)) return stay(state);
  if (state.kind === "handing") return withdraw(state, reason);
  const said = send(state, { kind: "withdraw", reason });
  const back: SourceAction[] = state.kind === "topping" ? [{ kind: "resume", epoch: state.config.epoch }] : [];
  return { state: { ...common(state), kind: "stayed", reason }, actions: [said, ...back] };
}

/** There is nothing to resume. */
function onLost(state: SourceState, reason: StayReason): SourceStep {
  if (isOver(state)) return stay(state);
  if (state.kind === "handing") return withdraw(state, reason);
  const said = send(state, { kind: "withdraw", reason });
  return { state: { ...common(state), kind: "stayed", reason }, actions: [said] };
}

function release(state: SourceState): SourceStep {
  const { epoch } = state.config;
  return { state: { ...common(state), kind: "moved" }, actions: [{ kind: "release", epoch: epoch + 1 }] };
}

/** The target never adopts: as if nothing had been. */
function resume(state: SourceState, reason: StayReason): SourceStep {
  const { epoch } = state.config;
  return { state: { ...common(state), kind: "stayed", reason }, actions: [{ kind: "resume", epoch }] };
}

/** Nobody answers: goes on here above the epoch that was offered. */
function takeBack(state: SourceState, reason: StayReason): SourceStep {
  const { epoch } = state.config;
  return { state: { ...common(state), kind: "stayed", reason }, actions: [{ kind: "resume", epoch: epoch + 2 }] };
}
