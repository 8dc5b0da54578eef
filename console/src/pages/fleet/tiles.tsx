/** How the fleet stands now, in one row of numbers. */
import type { ComponentChildren, JSX } from "preact";
import type { FleetView } from "@protocol";
import { countOf, formatBytes, formatMs, formatNumber, formatShare } from "../../lib/format.ts";
import { sumsOf } from "./sums.ts";

/** The row. */
export function Tiles({ view }: { readonly view: FleetView }): JSX.Element {
  const sums = sumsOf(view);
  const { kv, moveCounts } = view;
  const stayed = moveCounts.aborted + moveCounts.failed;
  return (
    <dl class="fl-tiles numbers">
      <Tile name="Instances" note={`of ${formatNumber(sums.instances)} take requests`}>
        {formatNumber(sums.serving)}
      </Tile>
      <Tile name="Open requests" note={`${formatNumber(sums.waiting)} wait at instances`}>
        {formatNumber(sums.open)}
      </Tile>
      <Tile name="Tokens a second" note="of answers, all instances">
        {formatNumber(Math.round(sums.tokensPerSecond))}
      </Tile>
      <Tile name="KV pages" note={`${formatNumber(sums.usedPages)} of ${formatNumber(sums.totalPages)}`}>
        {formatShare(sums.totalPages === 0 ? null : Math.round((sums.usedPages / sums.totalPages) * 1000) / 1000)}
      </Tile>
      <Tile
        name="KV in flight"
        note={`${formatBytes(Math.round(kv.bytesPerSecond))} a second, ${formatBytes(kv.sentBytes)} in all`}
      >
        {formatBytes(kv.inFlightBytes)}
      </Tile>
      <Tile
        name="Moved"
        note={stayed === 0 ? "live, between instances" : `${countOf(stayed, "try", "tries")} given up`}
      >
        {formatNumber(moveCounts.moved)}
      </Tile>
      <Tile name="Gap at a move" note="median, token to token">
        {formatMs(sums.gapMs)}
      </Tile>
    </dl>
  );
}

function Tile(props: {
  readonly name: string;
  readonly note: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="fl-tile">
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
      <dd class="fl-tile-note">{props.note}</dd>
    </div>
  );
}
