/** Facts by name, as a list of terms. */
import type { JSX } from "preact";

/** What one fact is called, and what it is. */
export type Fact = readonly [name: string, value: string];

export function Facts(props: { readonly class: string; readonly facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class={props.class}>
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
