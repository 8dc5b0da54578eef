/**
 * Colours for canvases. A canvas cannot read custom properties, and ours are `light-dark()` pairs that only the style
 * engine resolves: a hidden element is painted with each and asked what it became. Read again when the theme changes.
 */
import { computed } from "@preact/signals";
import { shownTheme } from "../../lib/theme.ts";

const NAMES = [
  "ink",
  "soft",
  "paper",
  "card",
  "sunk",
  "line",
  "edge",
  "accent",
  "accent-soft",
  "bad",
  "bad-soft",
  "warn",
  "series-2",
  "series-3",
  "series-4",
  "series-5",
] as const;

/** Colours by their names in theme.css, as the browser writes them. */
export type Palette = Readonly<Record<(typeof NAMES)[number], string>>;

/** The palette of the theme that is shown. */
export const palette = computed<Palette>(() => {
  void shownTheme.value;
  return readPalette(document.body);
});

function readPalette(within: HTMLElement): Palette {
  const probe = document.createElement("i");
  probe.hidden = true;
  within.append(probe);
  const style = getComputedStyle(probe);
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return style.color;
  };
  const colours = Object.fromEntries(NAMES.map((name) => [name, read(name)])) as unknown as Palette;
  probe.remove();
  return colours;
}
