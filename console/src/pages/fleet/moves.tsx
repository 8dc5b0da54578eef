/** Moves under way and those that have ended, newest first: how far, how much, and what the reader of the stream noticed. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FleetMoveView, FleetView } from "@protocol";
import { formatBytes, formatMs, formatNumber, formatSpan } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Table, type Column } from "../../ui/table.tsx";
import { endedAgeMs } from "./memory.ts";
import { gapWords, moveWords, reasonWords, shortId } from "./sums.ts";

const ROWS = 8;

/** The table. */
export function Moves({ view }: { readonly view: FleetView }): JSX.Element {
  const [isLong, setLong] = useState(false);
  const rows = [...view.moves, ...view.endedMoves];
  return (
    <>
      <h2>Moves</h2>
      <Table
        caption="Moves"
        columns={COLUMNS}
        rows={isLong ? rows : rows.slice(0, ROWS)}
        rowKey={({ id }) => id}
        empty="Nothing has moved yet. Requests move when an instance runs out of pages, drains, or hands over after a prompt; or open one below and send it somewhere."
      />
      {rows.length > ROWS ? (
        <div>
          <Button kind="quiet" isSmall onClick={() => setLong(!isLong)}>
            {isLong ? "Show fewer" : `Show all ${formatNumber(rows.length)}`}
          </Button>
        </div>
      ) : null}
    </>
  );
}

const COLUMNS: readonly Column<FleetMoveView>[] = [
  {
    key: "request",
    title: "Request",
    cell: ({ request }) => (
      <span class="mono" title={request}>
        {shortId(request)}
      </span>
    ),
  },
  {
    key: "way",
    title: "From, to",
    cell: ({ from, to }) => (
      <span class="fl-way">
        {from}
        <Icon name="right" size={12} />
        <span class="unseen">to</span>
        {to}
      </span>
    ),
  },
  { key: "why", title: "Why", cell: reasonWords, isMinor: true },
  { key: "state", title: "How it goes", cell: (move) => <Progress move={move} /> },
  {
    key: "pages",
    title: "Pages",
    isNumber: true,
    isMinor: true,
    cell: ({ pages, totalPages, copies }) =>
      // Without pages it is computed again at the target.
      totalPages === 0
        ? "none"
        : `${formatNumber(pages)} of ${formatNumber(totalPages)}${copies > 1 ? ` in ${formatNumber(copies)} copies` : ""}`,
  },
  { key: "bytes", title: "Sent", isNumber: true, isMinor: true, cell: ({ bytes }) => formatBytes(bytes) },
  { key: "took", title: "Took", isNumber: true, isMinor: true, cell: ({ tookMs, ageMs }) => formatMs(tookMs ?? ageMs) },
  { key: "gap", title: "Gap", isNumber: true, cell: (move) => (move.outcome === null ? "–" : gapWords(move)) },
  {
    key: "ago",
    title: "Ended",
    isNumber: true,
    isMinor: true,
    cell: (move) => (move.outcome === null ? "" : `${formatSpan(endedAgeMs(move))} ago`),
  },
];

function Progress({ move }: { readonly move: FleetMoveView }): JSX.Element {
  const words = moveWords(move);
  if (move.outcome !== null) return <span class={move.outcome === "moved" ? undefined : "bad"}>{words}</span>;
  const share = move.totalPages === 0 ? 0 : Math.min(1, move.pages / move.totalPages);
  return (
    <span class="fl-progress">
      <span class="fl-bar" aria-hidden="true">
        <i style={{ width: `${(share * 100).toFixed(0)}%` }} />
      </span>
      {words}
    </span>
  );
}
