/**
 * Pages by the address's fragment, `#/chat/abc?side=2`: it works from static files, survives a reload and never
 * reaches the server.
 */
import { signal } from "@preact/signals";

/** The pages, in the order of the rail. */
export const PAGES = ["chat", "deadlines", "fleet", "plan", "models", "papers", "api"] as const;
/** A page's name, which is also its folder and its place in the address. */
export type PageName = (typeof PAGES)[number];

/** Where the console is. */
export interface Route {
  readonly page: PageName;
  /** What follows the page's name, decoded: `#/papers/26` has ["26"]. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

const HOME: PageName = "chat";

/** The route that a fragment names; what it does not know leads home, what cannot be decoded stays as it is. */
export function parseRoute(hash: string): Route {
  const [rest, search] = splitOnce(hash.replace(/^#?\/?/, ""), "?");
  const [name = "", ...path] = rest.split("/").filter((part) => part !== "");
  const query = Object.fromEntries(new URLSearchParams(search));
  const page = PAGES.find((known) => known === name);
  return page === undefined ? { page: HOME, path: [], query: {} } : { page, path: path.map(decode), query };
}

/** The fragment of a route; `parseRoute` reads it back. */
export function formatRoute(
  page: PageName,
  path: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const search = new URLSearchParams(query).toString();
  return `#/${[page, ...path.map(encodeURIComponent)].join("/")}${search === "" ? "" : `?${search}`}`;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone % that somebody typed
  }
}

/** Where the console is now. */
export const route = signal<Route>(parseRoute(typeof location === "undefined" ? "" : location.hash));

/** Follows the address from now on; call once. */
export function followAddress(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
  });
}

/** Goes to a page; `replace` leaves no entry in the history. */
export function navigate(
  page: PageName,
  path: readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
  replace = false,
): void {
  const hash = formatRoute(page, path, query);
  if (hash === location.hash) return;
  if (replace) {
    history.replaceState(null, "", hash);
    route.value = parseRoute(hash);
  } else {
    location.hash = hash;
  }
}
