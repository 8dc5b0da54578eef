/**
 * The target's side of one migration, as a pure state machine. It alone decides whether the sequence is adopted: once it
 * has said `aborted` it never adopts, once it has adopted it says so to everybody who asks. Where it is not known which, the
 * source waits (see source.ts).
 *
 *   fresh ─offer─▶ opening ─▶ open ⇄ reserving ─commit, all pages there─▶ adopting ─▶ adopted
 *   any but adopting and adopted ─withdraw, no room, silence─▶ aborted
 *
 * The last two are remembered for longer than a source may be in doubt. No clock: timers are events.
 */
import type { SourceMessage, TargetMessage } from "./messages.ts";
import type { StayReason } from "./types.ts";

/** What is to be put in place. */
interface Commit {
  readonly pages: number;
  readonly epoch: number;
}

/** See the head of this file. Plain data. */
export interface TargetState {
  readonly migration: string;
  readonly kind: "fresh" | "opening" | "open" | "reserving" | "adopting" | "adopted" | "aborted";
  /** Pages of the prefix that were in its cache. */
  readonly cached: number;
  /** Pages held, and asked for. */
  readonly reserved: number;
  readonly wanted: number;
  /** Pages in place, from the first. */
  readonly written: number;
  readonly commit: Commit | null;
  /** Why it was withdrawn while the engine was at work; null when it was not. */
  readonly withdrawn: StayReason | null;
  /** Of `aborted`. */
  readonly reason: StayReason | null;
}

/** What may happen to it. */
export type TargetEvent =
  | { readonly kind: "message"; readonly message: SourceMessage }
  /** The engine takes it, with so many pages cached, and so many held already. */
  | { readonly kind: "opened"; readonly cached: number; readonly held: number }
  | { readonly kind: "open_failed"; readonly reason: StayReason }
  | { readonly kind: "held"; readonly pages: number }
  | { readonly kind: "no_room" }
  /** Pages [0, upTo) are in place. */
  | { readonly kind: "written"; readonly upTo: number }
  | { readonly kind: "link_failed" }
  | { readonly kind: "put_in_place" }
  | { readonly kind: "adopt_failed"; readonly reason: StayReason }
  /** Nothing was heard for too long. */
  | { readonly kind: "silence" }
  /** The instance takes nothing more. */
  | { readonly kind: "cancel"; readonly reason: StayReason };

/** What the driver has to do. */
export type TargetAction =
  | { readonly kind: "send"; readonly message: TargetMessage }
  /** Begin an import: `opened` or `open_failed`. */
  | { readonly kind: "open" }
  /** Hold so many pages in all: `held` or `no_room`. */
  | { readonly kind: "hold"; readonly pages: number }
  /** The commit is known; where pages are pulled, pull those that are missing, unless that was begun before: `written` or `link_failed`. */
  | { readonly kind: "fetch"; readonly first: number; readonly pages: number }
  /** Put it in place and let it run: `put_in_place` or `adopt_failed`. */
  | { readonly kind: "adopt"; readonly epoch: number }
  /** Give everything back. */
  | { readonly kind: "drop" };

/** A state and what follows from having come there. */
export interface TargetStep {
  readonly state: TargetState;
  readonly actions: readonly TargetAction[];
}

/** Before anything was heard. */
export function freshTarget(migration: string): TargetState {
  return {
    migration,
    kind: "fresh",
    cached: 0,
    reserved: 0,
    wanted: 0,
    written: 0,
    commit: null,
    withdrawn: null,
    reason: null,
  };
}

/** The next step; see stepSource. */
export function stepTarget(state: TargetState, event: TargetEvent): TargetStep {
  switch (event.kind) {
    case "message":
      return event.message.migration === state.migration ? onMessage(state, event.message) : stay(state);
    case "opened":
      return state.kind === "opening" ? onOpened(state, event) : stay(state);
    case "open_failed":
      return state.kind === "opening" ? abort(state, state.withdrawn ?? event.reason, false) : stay(state);
    case "held":
      return state.kind === "reserving" ? onHeld(state, event.pages) : stay(state);
    case "no_room":
      return state.kind === "reserving" ? abort(state, state.withdrawn ?? "no_room") : stay(state);
    case "written":
      return proceed({ ...state, written: Math.max(state.written, event.upTo) });
    case "link_failed":
      return withdraw(state, "link_failed");
    case "put_in_place":
      return state.kind === "adopting" ? onAdopted(state) : stay(state);
    case "adopt_failed":
      return state.kind === "adopting" ? abort(state, event.reason) : stay(state);
    case "silence":
      return withdraw(state, "no_answer");
    case "cancel":
      return withdraw(state, event.reason);
    default:
      return event satisfies never;
  }
}

/** True when nothing more will be done but to answer. */
export function isSettled({ kind }: TargetState): boolean {
  return kind === "adopted" || kind === "aborted";
}

type Body<T> = T extends unknown ? Omit<T, "migration"> : never;

function send({ migration }: TargetState, body: Body<TargetMessage>): TargetAction {
  return { kind: "send", message: { ...body, migration } };
}

const stay = (state: TargetState): TargetStep => ({ state, actions: [] });

function onMessage(state: TargetState, message: SourceMessage): TargetStep {
  if (isSettled(state)) return { state, actions: answer(state) };
  switch (message.kind) {
    case "offer":
      return onOffer(state);
    case "reserve":
      return proceed({ ...state, wanted: Math.max(state.wanted, message.pages) }, true);
    case "commit":
      return onCommit(state, message);
    case "withdraw":
      return withdraw(state, message.reason);
    default:
      return message satisfies never;
  }
}

function onOffer(state: TargetState): TargetStep {
  if (state.kind === "fresh") return { state: { ...state, kind: "opening" }, actions: [{ kind: "open" }] };
  return state.kind === "opening" ? stay(state) : { state, actions: [accepted(state)] };
}

const accepted = (state: TargetState): TargetAction => send(state, { kind: "accepted", cached: state.cached });

function onCommit(state: TargetState, { pages, epoch }: Commit): TargetStep {
  // A commit without an offer belongs to a migration that was forgotten, or overtook everything: it is not begun here.
  if (state.kind === "fresh") return abort(state, "refused", false);
  return proceed({ ...state, commit: { pages, epoch }, wanted: Math.max(state.wanted, pages) });
}

function onOpened(state: TargetState, { cached, held }: Extract<TargetEvent, { kind: "opened" }>): TargetStep {
  if (state.withdrawn !== null) return abort(state, state.withdrawn);
  const reserved = Math.max(state.reserved, held);
  const open: TargetState = { ...state, kind: "open", cached, reserved, written: Math.max(state.written, cached) };
  const next = proceed(open);
  return { state: next.state, actions: [accepted(open), ...next.actions] };
}

function onHeld(state: TargetState, pages: number): TargetStep {
  const open: TargetState = { ...state, kind: "open", reserved: Math.max(state.reserved, pages) };
  if (state.withdrawn !== null) return abort(open, state.withdrawn);
  return proceed(open, true);
}

/** Holds what is wanted, adopts when everything is there. @param tell answer a question for pages */
function proceed(state: TargetState, tell = false): TargetStep {
  if (state.kind !== "open") return stay(state);
  const { wanted, reserved, commit, written } = state;
  if (wanted > reserved) {
    return { state: { ...state, kind: "reserving" }, actions: [{ kind: "hold", pages: wanted }] };
  }
  const said: TargetAction[] = tell ? [send(state, { kind: "reserved", pages: reserved })] : [];
  if (commit === null) return { state, actions: said };
  if (written >= commit.pages) {
    return { state: { ...state, kind: "adopting" }, actions: [{ kind: "adopt", epoch: commit.epoch }] };
  }
  return { state, actions: [...said, { kind: "fetch", first: written, pages: commit.pages }] };
}

function onAdopted(state: TargetState): TargetStep {
  const next: TargetState = { ...state, kind: "adopted" };
  return { state: next, actions: answer(next) };
}

/** What was decided. */
function answer(state: TargetState): TargetAction[] {
  if (state.kind === "adopted") return [send(state, { kind: "adopted", epoch: state.commit?.epoch ?? 0 })];
  return [send(state, { kind: "aborted", reason: state.reason ?? "refused" })];
}

/** Gives up where that is still possible; while the engine is at work, afterwards. */
function withdraw(state: TargetState, reason: StayReason): TargetStep {
  switch (state.kind) {
    case "fresh":
      return abort(state, reason, false);
    case "open":
      return abort(state, reason);
    case "opening":
    case "reserving":
      return stay({ ...state, withdrawn: state.withdrawn ?? reason });
    case "adopting":
    case "adopted":
    case "aborted":
      return stay(state);
    default:
      return state.kind satisfies never;
  }
}

function abort(state: TargetState, reason: StayReason, holds = true): TargetStep {
  const next: TargetState = { ...state, kind: "aborted", reason, commit: null };
  return { state: next, actions: [...(holds ? [{ kind: "drop" } as const] : []), ...answer(next)] };
}
