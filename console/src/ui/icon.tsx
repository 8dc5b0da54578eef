/** The icons: strokes on a 20 by 20 grid in the colour of the text around them, drawn for this page. */
import type { JSX } from "preact";

const PATHS = {
  chat: "M3.5 4.5h13v9h-7l-3.5 3v-3h-2.5z",
  deadlines: "M10 3a7 7 0 1 0 0 14a7 7 0 0 0 0-14zM10 6v4l2.8 1.8",
  fleet: "M7.5 3.5h5v4h-5zM3 12.5h5v4H3zM12 12.5h5v4h-5zM10 7.5v2.5M5.5 12.5V10h9v2.5",
  plan: "M3.5 16.5v-13M3.5 16.5h13M6 13.5c3 0 3-7 6-7c2 0 2.5 2 4 2",
  models: "M10 3l6.5 3.5v7L10 17l-6.5-3.5v-7zM3.5 6.5L10 10l6.5-3.5M10 10v7",
  papers: "M5 3h7l3 3v11H5zM12 3v3h3M7.5 9.5h5M7.5 12.5h5",
  api: "M7 6l-4 4l4 4M13 6l4 4l-4 4",
  sun: "M10 7a3 3 0 1 0 0 6a3 3 0 0 0 0-6zM10 2.5v1.5M10 16v1.5M2.5 10h1.5M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1",
  moon: "M15.5 12A6.5 6.5 0 0 1 8 4.5A6.5 6.5 0 1 0 15.5 12z",
  help: "M7.5 7.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M10 14.5v.1",
  key: "M12.5 3.5a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM9.7 10.3L3.5 16.5h3v-2h2v-2",
  plus: "M10 4.5v11M4.5 10h11",
  close: "M5 5l10 10M15 5L5 15",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v5M11.5 9v5",
  edit: "M4 16l.7-3.2L13 4.5l2.5 2.5l-8.3 8.3zM11.5 6l2.5 2.5",
  copy: "M7.5 7.5h8.5v8.5H7.5zM12.5 7.5V4H4v8.5h3.5",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.7-4M14 3v3.2h-3.2",
  stop: "M6 6h8v8H6z",
  send: "M10 16V4.5M5 9l5-5l5 5",
  settings: "M3.5 6.5h7M14.5 6.5h2M12.5 4.5v4M3.5 13.5h2M9.5 13.5h7M7.5 11.5v4",
  download: "M10 3.5v9M6.5 9l3.5 3.5L13.5 9M4 16.5h12",
  upload: "M10 12.5v-9M6.5 7L10 3.5L13.5 7M4 16.5h12",
  columns: "M3.5 4.5h13v11h-13zM10 4.5v11",
  list: "M4 5.5h12M4 10h12M4 14.5h12",
  down: "M5 8l5 5l5-5",
  left: "M12 5l-5 5l5 5",
  right: "M8 5l5 5l-5 5",
  search: "M9 4a5 5 0 1 0 0 10a5 5 0 0 0 0-10zM12.7 12.7l3.8 3.8",
  code: "M7 6l-4 4l4 4M13 6l4 4l-4 4",
  check: "M4.5 10.5l3.5 3.5l7.5-8",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof PATHS;

/** An icon beside a text that says the same: hidden from screen readers. */
export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }): JSX.Element {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
      style={{ flex: "none" }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
