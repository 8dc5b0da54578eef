/** Light or dark: as the system says, unless the visitor has chosen; the choice is kept in this browser. */
import { effect, signal } from "@preact/signals";
import { browserStorage, readSetting, writeSetting } from "./storage.ts";

/** What the visitor chose. */
export type ThemeChoice = "system" | "light" | "dark";

const SLOT = "punctual.theme";
const CHOICES: readonly unknown[] = ["system", "light", "dark"];
const isChoice = (value: unknown): value is ThemeChoice => CHOICES.includes(value);

/** The choice. */
export const themeChoice = signal<ThemeChoice>("system");
/** What is shown: changes with the choice and with the system. Charts redraw on it. */
export const shownTheme = signal<"light" | "dark">("light");

/** Applies the kept choice and follows the system from now on; call once, before the first render. */
export function startTheme(): void {
  const storage = browserStorage();
  const system = matchMedia("(prefers-color-scheme: dark)");
  themeChoice.value = readSetting(storage, SLOT, isChoice, "system");
  const show = (): void => {
    const choice = themeChoice.value;
    if (choice === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = choice;
    shownTheme.value = choice === "system" ? (system.matches ? "dark" : "light") : choice;
  };
  effect(() => {
    show();
    writeSetting(storage, SLOT, themeChoice.value);
  });
  system.addEventListener("change", show);
}

/** From light to dark or back; choosing what the system says anyway follows the system again. */
export function switchTheme(): void {
  const next = shownTheme.value === "dark" ? "light" : "dark";
  const ofSystem = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  themeChoice.value = next === ofSystem ? "system" : next;
}
