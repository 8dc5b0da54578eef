/**
 * The key that requests carry. It is kept for the tab only (sessionStorage): a shared machine forgets it when the tab
 * is closed. Asking for it is one dialog, however many requests were refused at once.
 */
import { computed, signal } from "@preact/signals";

const SLOT = "punctual.key";

const kept = signal<string | null>(readKept());
/** The key in use, or null. */
export const apiKey = computed(() => kept.value);

/** A question that waits for its answer; null when none does. The shell shows it as a dialog. */
export const keyQuestion = signal<{ readonly wasRefused: boolean; answer(key: string | null): void } | null>(null);

let asking: Promise<string | null> | null = null;

/**
 * Asks for a key; null when the visitor would rather not. @param refused the key that the server did not take, so that
 * a request sent before the right key was given does not ask once more.
 */
export async function askKey(refused: string | null): Promise<string | null> {
  if (kept.value !== null && kept.value !== refused) return kept.value;
  asking ??= new Promise<string | null>((resolve) => {
    keyQuestion.value = { wasRefused: refused !== null, answer: resolve };
  }).finally(() => {
    asking = null;
    keyQuestion.value = null;
  });
  const key = await asking;
  if (key !== null) setKey(key);
  return key;
}

/** Keeps a key for this tab, or forgets it. */
export function setKey(key: string | null): void {
  kept.value = key;
  try {
    if (key === null) sessionStorage.removeItem(SLOT);
    else sessionStorage.setItem(SLOT, key);
  } catch {
    return; // storage is switched off: the key lives as long as the page
  }
}

function readKept(): string | null {
  try {
    return sessionStorage.getItem(SLOT);
  } catch {
    return null; // no storage here
  }
}
