/** How far a pull is, event by event. Pure. */
import type { PullEvent } from "@protocol";

/** One pull, as its page shows it. */
export interface Pull {
  readonly source: string;
  readonly state: "waiting" | "pulling" | "done" | "failed" | "cancelled";
  /** The file under way. */
  readonly file: string;
  readonly doneBytes: number;
  /** 0 while unknown. */
  readonly totalBytes: number;
  /** Its name once it is served, or why it failed. */
  readonly note: string;
}

/** A pull that was just asked for. */
export function newPull(source: string): Pull {
  return { source, state: "waiting", file: "", doneBytes: 0, totalBytes: 0, note: "" };
}

/** True while it goes on. */
export function isUnderWay({ state }: Pull): boolean {
  return state === "waiting" || state === "pulling";
}

/** A pull after its stream has ended: without a last word, it failed. */
export function afterSilence(pull: Pull): Pull {
  return isUnderWay(pull) ? { ...pull, state: "failed", note: "The server ended it without a word." } : pull;
}

/** A pull after an event. */
export function afterEvent(before: Pull, event: PullEvent): Pull {
  switch (event.kind) {
    case "waiting":
      return { ...before, state: "waiting", note: "Another process pulls the same; waiting for it." };
    case "progress":
      return {
        ...before,
        state: "pulling",
        file: event.file,
        doneBytes: event.doneBytes,
        totalBytes: event.totalBytes,
        note: "",
      };
    case "done":
      return { ...before, state: "done", note: event.id };
    case "failed":
      return { ...before, state: "failed", note: event.error.message };
    default:
      event satisfies never;
      return before; // an event of a later server
  }
}
