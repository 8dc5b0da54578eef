/** The two views of the page, and the lines that both have: what is under way, and what can be taken along. */
import type { JSX } from "preact";
import { formatRoute } from "../../lib/router.ts";
import { Button } from "../../ui/button.tsx";
import { toast } from "../../ui/toast.tsx";

/** Which of the two views. */
export function Views({ shown }: { readonly shown: "fleet" | "world" }): JSX.Element {
  return (
    <nav class="pl-views" aria-label="Views">
      <a href={formatRoute("plan")} aria-current={shown === "fleet" ? "page" : undefined}>
        Cheapest fleet
      </a>
      <a href={formatRoute("plan", ["world"])} aria-current={shown === "world" ? "page" : undefined}>
        One world
      </a>
    </nav>
  );
}

/** A bar that fills: `share` from 0 to 1. */
export function Bar({ share, isBusy }: { readonly share: number; readonly isBusy: boolean }): JSX.Element {
  return (
    <div
      class="pl-bar"
      role="progressbar"
      aria-label="Simulating"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      data-busy={isBusy}
    >
      <i style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}

/** What a result can be taken along as: the command that repeats it, and its JSON. */
export function Exports(props: {
  readonly command: string;
  readonly fileName: string;
  readonly json: () => unknown;
}): JSX.Element {
  const { command, fileName, json } = props;
  return (
    <>
      <Button isSmall icon="copy" onClick={() => void copy(command)} title={command}>
        Copy as a command
      </Button>
      <Button isSmall icon="download" onClick={() => download(fileName, json())}>
        JSON
      </Button>
    </>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied. It does the same in a terminal.");
  } catch {
    toast("The browser did not let this page copy.", { isBad: true });
  }
}

function download(fileName: string, value: unknown): void {
  const text = JSON.stringify(value, null, 2);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = fileName;
  link.click();
  URL.revokeObjectURL(link.href);
}
