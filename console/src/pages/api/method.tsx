/** A method of HTTP as a small word of even width. */
import type { JSX } from "preact";

/** The word. */
export function Method({ name }: { readonly name: string }): JSX.Element {
  return <span class={`api-method api-method-${name.toLowerCase()}`}>{name === "DELETE" ? "DEL" : name}</span>;
}
