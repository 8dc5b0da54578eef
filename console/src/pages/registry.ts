/** The pages of the console: their names in the rail, their icons, and the chunks that hold them. */
import type { ComponentType } from "preact";
import type { PageName } from "../lib/router.ts";
import type { IconName } from "../ui/icon.tsx";

/** A page as the shell knows it. */
export interface PageEntry {
  readonly title: string;
  readonly icon: IconName;
  /** The key that follows "g". */
  readonly key: string;
  load(): Promise<{ readonly Page: ComponentType }>;
}

/** All pages; a page is a folder with a `page.tsx` that exports `Page`. */
export const PAGE_ENTRIES: Readonly<Record<PageName, PageEntry>> = {
  chat: { title: "Chat", icon: "chat", key: "c", load: () => import("./chat/page.tsx") },
  deadlines: { title: "Deadlines", icon: "deadlines", key: "d", load: () => import("./deadlines/page.tsx") },
  fleet: { title: "Fleet", icon: "fleet", key: "f", load: () => import("./fleet/page.tsx") },
  plan: { title: "Plan", icon: "plan", key: "p", load: () => import("./plan/page.tsx") },
  models: { title: "Models", icon: "models", key: "m", load: () => import("./models/page.tsx") },
  papers: { title: "Papers", icon: "papers", key: "r", load: () => import("./papers/page.tsx") },
  api: { title: "API", icon: "api", key: "a", load: () => import("./api/page.tsx") },
};
