/** Short notices at the edge of the page, read out and gone after a while; at most four at once. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { IconButton } from "./button.tsx";

interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isBad: boolean;
  readonly action: { readonly text: string; run(): void } | null;
}

const MAX_NOTICES = 4;
const SHOWN_MS = 6000;
const notices = signal<readonly Notice[]>([]);
let nextId = 1;

/** Shows a notice. Errors stay twice as long. */
export function toast(text: string, options: { isBad?: boolean; action?: { text: string; run(): void } } = {}): void {
  const { isBad = false, action = null } = options;
  const id = nextId++;
  notices.value = [...notices.value, { id, text, isBad, action }].slice(-MAX_NOTICES);
  setTimeout(() => dismiss(id), isBad ? 2 * SHOWN_MS : SHOWN_MS);
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Where notices appear; once, in the shell. */
export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {notices.value.map(({ id, text, isBad, action }) => (
        <div key={id} class={isBad ? "toast toast-bad" : "toast"}>
          <span>{text}</span>
          {action === null ? null : (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(id);
                action.run();
              }}
            >
              {action.text}
            </button>
          )}
          <IconButton icon="close" label="Dismiss" isSmall onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
