/** How many instances load asks for, why, and the switch that leaves their number to people. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FleetScalingAnswer, FleetScalingView, FleetView } from "@protocol";
import { ApiError, postJson } from "../../lib/api.ts";
import { formatNumber } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Facts } from "../../ui/facts.tsx";
import { toast } from "../../ui/toast.tsx";
import {
  countWords,
  lastWords,
  rangeWords,
  roomPlace,
  roomWords,
  servingOf,
  standWords,
  switchWords,
} from "./scaling-words.ts";

interface Props {
  readonly view: FleetView;
  readonly scaling: FleetScalingView;
}

/** The card's content; for fleets whose router scales. */
export function Scaling({ view, scaling }: Props): JSX.Element {
  const { isActive, isEnabled, model, wanted, starting, draining, problem } = scaling;
  const last = lastWords(scaling);
  return (
    <>
      <header class="row">
        <h2>Scaling</h2>
        <span class={`fl-badge ${isActive && isEnabled ? "fl-badge-good" : ""}`}>{standWords(scaling)}</span>
        <span class="spread" />
        <Switch isActive={isActive} isEnabled={isEnabled} />
      </header>
      <p class="soft small">
        {model === null ? "Instances" : `Instances of ${model}`} by load, {rangeWords(scaling)}. Room is what is free
        over the requests there are, in decode steps.
      </p>
      <Facts
        class="fl-facts fl-scaling-facts numbers"
        facts={[
          ["Wanted", formatNumber(wanted)],
          ["Serving", formatNumber(servingOf(view, scaling))],
          ["Starting", formatNumber(starting)],
          ["Draining", formatNumber(draining)],
        ]}
      />
      <Room scaling={scaling} />
      {problem === null ? null : <p class="fl-problem small">{problem}</p>}
      <p class="small numbers">
        {last === null ? (
          "Nothing was started or drained by load yet."
        ) : (
          <>
            {last} <span class="soft">{countWords(scaling)}</span>
          </>
        )}
      </p>
    </>
  );
}

/** The room as a mark on a bar whose middle is the band in which nothing changes. */
function Room({ scaling }: { readonly scaling: FleetScalingView }): JSX.Element {
  const { freenessSteps, lowSteps, highSteps } = scaling;
  const end = 2 * highSteps;
  const words = roomWords(freenessSteps);
  return (
    <div class="fl-pages">
      <span class="small numbers">{words}</span>
      <div
        class="fl-bar fl-room"
        role="meter"
        aria-label="Room of the fleet"
        aria-valuemin={0}
        aria-valuemax={end}
        aria-valuenow={Math.min(end, Math.max(0, freenessSteps ?? end))}
        aria-valuetext={`${words}; one more below ${formatNumber(lowSteps)}, one less above ${formatNumber(highSteps)}`}
      >
        <i />
        <b style={{ left: `${(roomPlace(scaling) * 100).toFixed(1)}%` }} />
      </div>
      <div class="fl-room-scale small soft numbers" aria-hidden="true">
        <span>one more</span>
        <span>{formatNumber(lowSteps)}</span>
        <span>{formatNumber(highSteps)}</span>
        <span>one less</span>
      </div>
    </div>
  );
}

function Switch({ isActive, isEnabled }: Pick<FleetScalingView, "isActive" | "isEnabled">): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const ask = async (): Promise<void> => {
    setAsking(true);
    try {
      const { enabled } = await postJson<FleetScalingAnswer>("/admin/fleet/scaling", { enabled: !isEnabled });
      toast(switchWords(enabled, isActive));
    } catch (error) {
      toast(error instanceof ApiError ? error.message : "The switch could not be asked for.", { isBad: true });
    } finally {
      setAsking(false);
    }
  };
  return (
    <Button
      isSmall
      kind="quiet"
      isDisabled={isAsking}
      title={isEnabled ? "Leave the number of instances as it is" : "Start and drain instances by load"}
      onClick={() => void ask()}
    >
      <span>
        Switch<span class="unseen"> scaling</span> {isEnabled ? "off" : "on"}
      </span>
    </Button>
  );
}
