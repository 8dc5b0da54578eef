/** The vocabulary of live migration: how a sequence may move, and why it stayed. */

/**
 * How a sequence moves.
 *
 *   live       whole pages are copied in stages while it decodes, then the rest (Llumnix)
 *   blocking   it stands still while everything is copied
 *   recompute  its tokens are sent, keys and values are computed again at the target
 *   hand-over  the target pulls (DistServe): page by page while the prompt is computed, then the rest; or everything when
 *              it stands still already, its prompt computed
 */
export type MigrationMode = "live" | "blocking" | "recompute" | "hand-over";

/** The names of `MigrationMode`. */
export const MIGRATION_MODES = ["live", "blocking", "recompute", "hand-over"] as const;

/**
 * Why a migration was given up and the sequence stayed.
 *
 *   ended            it ended or was cancelled meanwhile
 *   preempted        it lost its pages at the source
 *   refused          the target takes nothing, or cannot read it (another model)
 *   no_room          the target has too few pages
 *   too_many_stages  it grew faster than it was copied
 *   link_failed      pages could not be carried over
 *   no_answer        the other side was silent for too long
 *   target_gone      the target died
 *   cancelled        nobody wants it any more: an instance stops, or somebody else was quicker
 *   failed           the target could not put it in place
 */
export type StayReason =
  | "ended"
  | "preempted"
  | "refused"
  | "no_room"
  | "too_many_stages"
  | "link_failed"
  | "no_answer"
  | "target_gone"
  | "cancelled"
  | "failed";

/** The names of `StayReason`. */
export const STAY_REASONS = [
  "ended",
  "preempted",
  "refused",
  "no_room",
  "too_many_stages",
  "link_failed",
  "no_answer",
  "target_gone",
  "cancelled",
  "failed",
] as const satisfies readonly StayReason[];
