/** The heading of a page, what is said when a page has nothing to show, and what is said when something failed. */
import type { ComponentChildren, JSX } from "preact";

/** A page's title, a sentence under it, and its controls at the right. */
export function PageHead(props: {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <header class="page-head">
      <div>
        <h1>{props.title}</h1>
        {props.lead === undefined ? null : <p>{props.lead}</p>}
      </div>
      {props.children === undefined ? null : <div class="row spread">{props.children}</div>}
    </header>
  );
}

/** Nothing here yet: why, and what to do about it. */
export function EmptyState(props: { readonly title: string; readonly children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children === undefined ? null : <div class="soft">{props.children}</div>}
    </div>
  );
}

/** Something failed: what, and what to do. */
export function Problem(props: { readonly title: string; readonly children?: ComponentChildren }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <strong>{props.title}</strong>
      {props.children === undefined ? null : <div>{props.children}</div>}
    </div>
  );
}
