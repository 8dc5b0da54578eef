/**
 * Whoever reads the stream of a request while its sequence moves between instances (a router), as a pure state machine.
 * What it passes on is each token once, in order, and one end.
 *
 * A stream is told by (attempt, epoch): an attempt is one submission to the fleet, with an inbox of its own, and the epoch
 * counts the owners within it. Only the highest epoch that was heard of counts. That loses nothing: an owner that hands
 * over hands its unread tokens over too, and the next one says them again, so that a source may die in the moment after.
 * Who goes on below the highest epoch, or for a client that has left, is told that it is superseded: nobody reads it.
 *
 *   token at `next`, highest epoch   passed on          below `next`   dropped        above `next`   asked for again
 *
 * No clock: timers are events.
 */

/** An instance by its name. */
export type InstanceName = string;

/** See the head of this file. Plain data. */
export interface ObserverState {
  readonly attempt: number;
  /** The highest heard of in this attempt. */
  readonly epoch: number;
  readonly owner: InstanceName;
  /** Index of the next token to be passed on. */
  readonly next: number;
  /** The owner is taken for dead, and no other one has been heard of. */
  readonly orphaned: boolean;
  readonly cancelled: boolean;
  readonly end: null | "finished" | "failed" | "cancelled";
}

/** What may happen to it. */
export type ObserverEvent =
  /** Tokens [first, first + count), and the end after them if `last`. */
  | {
      readonly kind: "tokens";
      readonly from: InstanceName;
      readonly attempt: number;
      readonly epoch: number;
      readonly first: number;
      readonly count: number;
      readonly last: boolean;
    }
  /** The instance says that it could not go on. */
  | { readonly kind: "error"; readonly from: InstanceName; readonly attempt: number; readonly epoch: number }
  /** The instance has adopted the sequence. */
  | { readonly kind: "adopted"; readonly from: InstanceName; readonly attempt: number; readonly epoch: number }
  /** The instance has handed it over. */
  | { readonly kind: "moved"; readonly to: InstanceName; readonly attempt: number; readonly epoch: number }
  /** The instance has died, as far as anybody can tell. */
  | { readonly kind: "gone"; readonly instance: InstanceName }
  /** Nothing was heard for a while. */
  | { readonly kind: "silence" }
  /** Submitted again, after `resubmit`. */
  | { readonly kind: "resubmitted"; readonly to: InstanceName }
  /** There is nobody to submit it to. */
  | { readonly kind: "nobody_left" }
  /** The client does not want it any more. */
  | { readonly kind: "cancel" };

/** What the driver has to do. */
export type ObserverAction =
  /** Pass tokens [first, first + count) on. */
  | { readonly kind: "deliver"; readonly first: number; readonly count: number }
  /** The answer is complete. */
  | { readonly kind: "finish" }
  /** The one error that a client sees. */
  | { readonly kind: "fail" }
  /** Everything below `next` has arrived. */
  | { readonly kind: "acknowledge"; readonly to: InstanceName; readonly next: number }
  /** Say everything from `next` again. */
  | { readonly kind: "ask_again"; readonly to: InstanceName; readonly next: number }
  /** Stop it, below that epoch: nobody reads it there any more. */
  | { readonly kind: "supersede"; readonly to: InstanceName; readonly attempt: number; readonly epoch: number }
  | { readonly kind: "cancel"; readonly to: InstanceName }
  /** Give the request and its first `next` tokens to somebody else: `resubmitted` or `nobody_left`. */
  | { readonly kind: "resubmit"; readonly next: number };

/** A state and what follows from having come there. */
export interface ObserverStep {
  readonly state: ObserverState;
  readonly actions: readonly ObserverAction[];
}

/** A request was submitted to that instance, which begins with epoch 0. */
export function observe(owner: InstanceName): ObserverState {
  return { attempt: 0, epoch: 0, owner, next: 0, orphaned: false, cancelled: false, end: null };
}

/** The next step; see stepSource. */
export function stepObserver(state: ObserverState, event: ObserverEvent): ObserverStep {
  switch (event.kind) {
    case "tokens":
      return fromOwner(state, event, (current) => onTokens(current, event));
    case "error":
      return fromOwner(state, event, (current) => end(current, current.cancelled ? "cancelled" : "failed"));
    case "adopted":
      return fromOwner(state, event, acknowledge);
    case "moved":
      return event.attempt !== state.attempt || event.epoch <= state.epoch || state.end !== null
        ? stay(state)
        : follow(state, event.to, event.epoch);
    case "gone":
      return event.instance === state.owner && state.end === null ? stay({ ...state, orphaned: true }) : stay(state);
    case "silence":
      return onSilence(state);
    case "resubmitted":
      return onResubmitted(state, event.to);
    case "nobody_left":
      return state.orphaned && state.end === null ? end(state, "failed") : stay(state);
    case "cancel":
      return onCancel(state);
    default:
      return event satisfies never;
  }
}

const stay = (state: ObserverState): ObserverStep => ({ state, actions: [] });

interface Sender {
  readonly from: InstanceName;
  readonly attempt: number;
  readonly epoch: number;
}

/** Whose word counts: the highest epoch of this attempt, even if it is heard of for the first time. */
function fromOwner(state: ObserverState, sender: Sender, accept: (state: ObserverState) => ObserverStep): ObserverStep {
  const stale = sender.attempt !== state.attempt || sender.epoch < state.epoch;
  if (stale || state.end !== null) {
    // Whoever still computes for nobody is told so; of an attempt that is over there is nothing higher to name.
    const { attempt, epoch } = state;
    const isOwner = !stale && sender.from === state.owner;
    const actions: ObserverAction[] = isOwner
      ? [{ kind: "acknowledge", to: sender.from, next: state.next }]
      : [{ kind: "supersede", to: sender.from, attempt, epoch: Math.max(epoch, sender.epoch + 1) }];
    return { state, actions };
  }
  if (sender.epoch === state.epoch && !state.orphaned) return accept(state);
  const followed = follow(state, sender.from, sender.epoch);
  const accepted = accept(followed.state);
  return { state: accepted.state, actions: [...followed.actions, ...accepted.actions] };
}

/** Another owner. What the client wants no more, that one must be told too; the former one is settled. */
function follow(state: ObserverState, owner: InstanceName, epoch: number): ObserverStep {
  const next = { ...state, owner, epoch, orphaned: false };
  const former: ObserverAction[] =
    state.owner === owner ? [] : [{ kind: "supersede", to: state.owner, attempt: state.attempt, epoch }];
  return { state: next, actions: state.cancelled ? [...former, { kind: "cancel", to: owner }] : former };
}

function acknowledge(state: ObserverState): ObserverStep {
  return { state, actions: [{ kind: "acknowledge", to: state.owner, next: state.next }] };
}

function onTokens(
  state: ObserverState,
  { first, count, last }: Extract<ObserverEvent, { kind: "tokens" }>,
): ObserverStep {
  const after = first + count;
  if (first > state.next) return { state, actions: [{ kind: "ask_again", to: state.owner, next: state.next }] };
  const fresh = after - state.next;
  const next = { ...state, next: Math.max(state.next, after) };
  const delivered: ObserverAction[] =
    fresh > 0 && !state.cancelled ? [{ kind: "deliver", first: state.next, count: fresh }] : [];
  const acknowledged: ObserverAction = { kind: "acknowledge", to: state.owner, next: next.next };
  if (!last || fresh < 0) return { state: next, actions: [...delivered, acknowledged] };
  const ended = end(next, state.cancelled ? "cancelled" : "finished");
  return { state: ended.state, actions: [...delivered, acknowledged, ...ended.actions] };
}

function end(state: ObserverState, how: "finished" | "failed" | "cancelled"): ObserverStep {
  const said: ObserverAction[] = how === "finished" ? [{ kind: "finish" }] : how === "failed" ? [{ kind: "fail" }] : [];
  return { state: { ...state, end: how, orphaned: false }, actions: said };
}

function onSilence(state: ObserverState): ObserverStep {
  if (state.end !== null) return stay(state);
  if (!state.orphaned) {
    const again: ObserverAction = state.cancelled
      ? { kind: "cancel", to: state.owner }
      : { kind: "ask_again", to: state.owner, next: state.next };
    return { state, actions: [again] };
  }
  // Nobody has come forward in the place of the dead owner.
  if (state.cancelled) return end(state, "cancelled");
  return { state, actions: [{ kind: "resubmit", next: state.next }] };
}

function onResubmitted(state: ObserverState, to: InstanceName): ObserverStep {
  if (state.end !== null || !state.orphaned) return stay(state);
  return stay({ ...state, attempt: state.attempt + 1, epoch: 0, owner: to, orphaned: false });
}

function onCancel(state: ObserverState): ObserverStep {
  if (state.end !== null || state.cancelled) return stay(state);
  return { state: { ...state, cancelled: true }, actions: [{ kind: "cancel", to: state.owner }] };
}
