/** What the page shows where there is no fleet: how to have one, as commands to be copied. */
import type { JSX } from "preact";
import { Button } from "../../ui/button.tsx";
import { EmptyState } from "../../ui/page-head.tsx";
import { toast } from "../../ui/toast.tsx";
import { commandText, FLEET_COMMANDS } from "./commands.ts";

/** The empty state. */
export function Alone(): JSX.Element {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(commandText());
      toast("Copied.");
    } catch {
      toast("The browser does not let this page copy. Select the text instead.", { isBad: true });
    }
  };
  return (
    <>
      <EmptyState title="This server is alone">
        Three machines become one fleet with {FLEET_COMMANDS.length} commands. Requests then go where there is room,
        move while they are answered, and survive the loss of a machine.
      </EmptyState>
      <section class="card stack" aria-label="Commands">
        <div class="row">
          <h2>Three machines</h2>
          <span class="spread" />
          <Button isSmall icon="copy" onClick={() => void copy()}>
            Copy
          </Button>
        </div>
        <ol class="fl-commands">
          {FLEET_COMMANDS.map(({ where, command }) => (
            <li key={where}>
              <span class="soft small">{where}</span>
              <pre>
                <code>{command}</code>
              </pre>
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}
