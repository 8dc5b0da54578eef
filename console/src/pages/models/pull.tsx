/** Bring a model from a hub: what to bring, and how far it is. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { formatBytes, formatShare } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { TextInput } from "../../ui/field.tsx";
import { isUnderWay, type Pull } from "./pull-state.ts";
import { cancelPull, isPulling, pull, pulls } from "./pull-store.ts";

/** What a source looks like: hf:org/name, a revision and a file of it when wanted. */
const SOURCE = /^hf:[\w.-]+\/[\w.-]+(@[\w./-]+)?(:[\w./-]+)?$/;

/** The panel. */
export function PullPanel({ canPull }: { readonly canPull: boolean }): JSX.Element {
  const [source, setSource] = useState("");
  const trimmed = source.trim();
  const isReady = SOURCE.test(trimmed) && !isPulling(trimmed);
  return (
    <section class="card stack" aria-label="Pull a model">
      <h2>Pull a model</h2>
      {canPull ? (
        <form
          class="models-pull"
          onSubmit={(event) => {
            event.preventDefault();
            if (!isReady) return;
            void pull(trimmed);
            setSource("");
          }}
        >
          <TextInput
            label="From a hub"
            isMono
            placeholder="hf:org/name or hf:org/name:file.gguf"
            value={source}
            onInput={setSource}
            error={
              trimmed === "" || trimmed.startsWith("hf:".slice(0, trimmed.length))
                ? null
                : "A source begins with hf: and names a repository."
            }
            hint="Files are kept in the hub's cache on the server; what is there is not loaded again."
          />
          <Button kind="accent" icon="download" type="submit" isDisabled={!isReady}>
            Pull
          </Button>
        </form>
      ) : (
        <p class="soft">This server pulls nothing: it was started offline, or with a fixed set of models.</p>
      )}
      {pulls.value.length === 0 ? null : (
        <ul class="models-pulls" aria-live="polite">
          {pulls.value.map((one) => (
            <PullRow key={one.source} pull={one} />
          ))}
        </ul>
      )}
    </section>
  );
}

const STATE_WORDS: Readonly<Record<Pull["state"], string>> = {
  waiting: "waiting",
  pulling: "pulling",
  done: "served",
  failed: "failed",
  cancelled: "cancelled",
};

function PullRow({ pull: shown }: { readonly pull: Pull }): JSX.Element {
  const { source, state, file, doneBytes, totalBytes, note } = shown;
  const isUnder = isUnderWay(shown);
  const share = totalBytes > 0 ? doneBytes / totalBytes : null;
  return (
    <li>
      <div class="row">
        <span class="mono models-source">{source}</span>
        <span class={state === "failed" ? "bad small" : "soft small"}>{STATE_WORDS[state]}</span>
        <span class="spread" />
        {isUnder ? (
          <Button isSmall icon="stop" onClick={() => cancelPull(source)}>
            Cancel
          </Button>
        ) : null}
        {state === "failed" || state === "cancelled" ? (
          <Button isSmall icon="retry" onClick={() => void pull(source)}>
            {state === "failed" ? "Try again" : "Go on"}
          </Button>
        ) : null}
      </div>
      {isUnder ? <progress aria-label={`${source}: progress`} max={1} value={share ?? undefined} /> : null}
      <p class="soft small numbers">
        {isUnder && totalBytes > 0
          ? `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} (${formatShare(share)}), ${file}`
          : null}
        {state === "done" ? `It is served as ${note} and loads when it is asked.` : note}
      </p>
    </li>
  );
}
