/**
 * Keyboard shortcuts: single keys and sequences of two ("g c"), listed by `?`. They never fire while somebody types,
 * unless they say so. The matcher is pure; `listenToKeys` is the one listener.
 */
import { signal } from "@preact/signals";
import { nowMs } from "./clock.ts";

/** A shortcut. */
export interface Shortcut {
  /** "?", "Escape", "Ctrl+k", or two keys apart: "g c". */
  readonly keys: string;
  /** What it does, for the list: "Stop the answer". */
  readonly does: string;
  /** The heading it is listed under. */
  readonly group: string;
  /** True: also while a field has the focus. */
  readonly whileTyping?: boolean;
  /** Absent: only listed, some element handles it itself. */
  run?(): void;
}

/** All shortcuts in force, for the list. */
export const shortcuts = signal<readonly Shortcut[]>([]);

/** Adds shortcuts until the returned function is called; later ones win over earlier ones with the same keys. */
export function addShortcuts(added: readonly Shortcut[]): () => void {
  shortcuts.value = [...shortcuts.value, ...added];
  return () => {
    shortcuts.value = shortcuts.value.filter((shortcut) => !added.includes(shortcut));
  };
}

/** The part of a keyboard event that is read. */
export interface KeyPress {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/** A key by its name in `Shortcut.keys`; Ctrl and the Mac's command key are one. */
export function keyName(press: KeyPress): string {
  const name = press.key === " " ? "Space" : press.key;
  return `${press.ctrlKey || press.metaKey ? "Ctrl+" : ""}${press.altKey ? "Alt+" : ""}${name}`;
}

/** How long the second key of a sequence may take. */
const SEQUENCE_MS = 1500;

/** Finds the shortcut that a key completes, knowing the key before it. */
export class KeyMatcher {
  private before: string | null = null;
  private beforeMs = 0;

  /** The shortcut, or null when there is none, or none yet. */
  press(name: string, isTyping: boolean, atMs: number, among: readonly Shortcut[]): Shortcut | null {
    const before = this.before !== null && atMs - this.beforeMs <= SEQUENCE_MS ? this.before : null;
    const usable = among.filter(
      (shortcut) => shortcut.run !== undefined && (!isTyping || shortcut.whileTyping === true),
    );
    const pair = before === null ? undefined : usable.findLast(({ keys }) => keys === `${before} ${name}`);
    const found = pair ?? usable.findLast(({ keys }) => keys === name);
    const starts = found === undefined && usable.some(({ keys }) => keys.startsWith(`${name} `));
    this.before = starts ? name : null;
    this.beforeMs = atMs;
    return found ?? null;
  }
}

function isTypingIn(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Listens from now on; call once. Shortcuts rest while a dialog is open. */
export function listenToKeys(): void {
  const matcher = new KeyMatcher();
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
    const found = matcher.press(keyName(event), isTypingIn(event.target), nowMs(), shortcuts.value);
    if (found === null) return;
    event.preventDefault();
    found.run?.();
  });
}
