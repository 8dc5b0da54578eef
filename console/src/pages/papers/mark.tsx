/** What became of a paper, a claim or a line, as a word with a mark; never by colour alone. */
import type { PaperState } from "@protocol";
import type { JSX } from "preact";
import { STATE_TEXT } from "./rows.ts";

const SIGNS: Readonly<Record<PaperState | "published", string>> = {
  holds: "✓",
  "does-not-hold": "✕",
  undecided: "?",
  "not-built": "–",
  published: "·",
};

/** The word and its mark. */
export function StateMark({ state }: { readonly state: PaperState | "published" }): JSX.Element {
  return (
    <span class={`pp-state pp-state-${state}`}>
      <i aria-hidden="true">{SIGNS[state]}</i>
      {state === "published" ? "published" : STATE_TEXT[state]}
    </span>
  );
}
