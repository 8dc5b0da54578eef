/** One instance: what it is, how it stands, its pages as a bar, what it did for contexts, its batch, and the room for its requests' dots. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { FleetDrainAnswer, FleetInstanceView } from "@protocol";
import { ApiError, postJson } from "../../lib/api.ts";
import { formatMs, formatNumber } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { toast } from "../../ui/toast.tsx";
import { Facts, type Fact } from "../../ui/facts.tsx";
import { Contexts } from "./contexts.tsx";
import type { FleetLane } from "./memory.ts";
import { kindWords, lostWords, stateWords } from "./sums.ts";

/** The card. `room`: how many dots its lane can show. */
export function InstanceCard({ lane, room }: { readonly lane: FleetLane; readonly room: number }): JSX.Element {
  const { instance, dots } = lane;
  const { id, model, state, address } = instance;
  const hidden = room === 0 ? 0 : dots.filter(({ slot }) => slot >= room).length;
  return (
    <article class={`card fl-card fl-card-${state}`} aria-labelledby={`instance-${id}`}>
      <header class="row">
        <h2 id={`instance-${id}`}>{id}</h2>
        <span class={`fl-badge ${badgeTone(instance)}`}>{stateWords(instance)}</span>
        <span class="spread" />
        <Drain instance={instance} />
      </header>
      <p class="soft small fl-about">
        {model} · {kindWords(instance)}
        {address === null ? null : <span class="mono fl-address">{address}</span>}
      </p>
      {state === "gone" ? (
        <p class="small">{lostWords(instance)}</p>
      ) : (
        <>
          <Pages instance={instance} />
          <Contexts instance={instance} />
          <InstanceFacts instance={instance} />
          <div class="fl-lane" data-instance={id} />
        </>
      )}
      <p class="soft small fl-more numbers">
        <span>{heardWords(instance)}</span>
        {hidden === 0 ? null : <span>and {formatNumber(hidden)} more</span>}
      </p>
    </article>
  );
}

function heardWords({ host, heartbeatAgeMs }: FleetInstanceView): string {
  if (host === "upstream" && heartbeatAgeMs === null) return "its health is asked for";
  if (heartbeatAgeMs === null) return "not heard of yet";
  return `heard of ${formatMs(Math.round(heartbeatAgeMs / 10) * 10)} ago`;
}

function badgeTone({ state }: FleetInstanceView): string {
  if (state === "serving") return "fl-badge-good";
  return state === "silent" || state === "gone" ? "fl-badge-bad" : "";
}

/** An upstream's pages are its own affair: there is a bar only where somebody tells. */
function Pages({ instance }: { readonly instance: FleetInstanceView }): JSX.Element | null {
  const { usedPages, totalPages, pageTokens, id } = instance;
  if (usedPages === null || totalPages === null || totalPages === 0) return null;
  const share = Math.min(1, usedPages / totalPages);
  const words = `${formatNumber(usedPages)} of ${formatNumber(totalPages)} pages`;
  const size = pageTokens === null ? "" : ` of ${formatNumber(pageTokens)} tokens`;
  return (
    <div class="fl-pages">
      <div
        class="fl-bar"
        role="meter"
        aria-label={`KV pages of ${id}`}
        aria-valuemin={0}
        aria-valuemax={totalPages}
        aria-valuenow={usedPages}
        aria-valuetext={words}
      >
        <i class={share > 0.9 ? "fl-bar-full" : undefined} style={{ width: `${(share * 100).toFixed(1)}%` }} />
      </div>
      <span class="small numbers">
        {words}
        <span class="soft">{size}</span>
      </span>
    </div>
  );
}

function InstanceFacts({ instance }: { readonly instance: FleetInstanceView }): JSX.Element {
  const { running, waiting, batch, tokensPerSecond } = instance;
  const facts: readonly Fact[] = [
    ["Running", formatNumber(running)],
    ["Waiting", formatNumber(waiting)],
    ["Batch", formatNumber(batch === null ? null : Math.round(batch * 10) / 10)],
    ["Tokens/s", formatNumber(tokensPerSecond === null ? null : Math.round(tokensPerSecond))],
  ];
  return <Facts class="fl-facts numbers" facts={facts} />;
}

function Drain({ instance: { id, host, state } }: { readonly instance: FleetInstanceView }): JSX.Element | null {
  const isAsking = useSignal(false);
  if (host === "upstream" || state !== "serving") return null;
  const drain = async (): Promise<void> => {
    isAsking.value = true;
    try {
      const { running, waiting } = await postJson<FleetDrainAnswer>(
        `/admin/fleet/instances/${encodeURIComponent(id)}/drain`,
        {},
      );
      toast(`${id} takes nothing new. ${formatNumber(running + waiting)} requests end there or move away.`);
    } catch (error) {
      toast(error instanceof ApiError ? error.message : "The drain could not be asked for.", { isBad: true });
    } finally {
      isAsking.value = false;
    }
  };
  return (
    <Button
      isSmall
      kind="quiet"
      isDisabled={isAsking.value}
      title="Take nothing new; leave when what is here has ended or moved away"
      onClick={() => void drain()}
    >
      Drain
    </Button>
  );
}
