/** Text of the document, in which words between backticks are code. */
import type { JSX } from "preact";

/** The text. */
export function Prose({ text }: { readonly text: string }): JSX.Element {
  return <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}
