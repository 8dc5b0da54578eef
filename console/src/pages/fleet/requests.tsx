/** The open requests, row by row: the same as the dots, for the keyboard and for screen readers. A row opens its dialog. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FleetRequestView, FleetView } from "@protocol";
import { countOf, formatMs, formatNumber } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Table, type Column } from "../../ui/table.tsx";
import { requestWords, shortId } from "./sums.ts";

const ROWS = 10;

/** The table. */
export function Requests(props: { readonly view: FleetView; readonly onOpen: (id: string) => void }): JSX.Element {
  const { requests, omittedRequests } = props.view;
  const [isLong, setLong] = useState(false);
  return (
    <>
      <h2>Open requests</h2>
      <Table
        caption="Open requests"
        columns={COLUMNS}
        rows={isLong ? requests : requests.slice(0, ROWS)}
        rowKey={({ id }) => id}
        onOpen={({ id }) => props.onOpen(id)}
        empty="None at the moment."
      />
      {requests.length > ROWS ? (
        <div class="row">
          <Button kind="quiet" isSmall onClick={() => setLong(!isLong)}>
            {isLong ? "Show fewer" : `Show all ${formatNumber(requests.length)}`}
          </Button>
          {omittedRequests === 0 ? null : (
            <span class="soft small">and {countOf(omittedRequests, "request")} that are not told one by one</span>
          )}
        </div>
      ) : null}
    </>
  );
}

const COLUMNS: readonly Column<FleetRequestView>[] = [
  {
    key: "id",
    title: "Request",
    cell: ({ id }) => (
      <span class="mono" title={id}>
        {shortId(id)}
      </span>
    ),
  },
  {
    key: "instance",
    title: "Instance",
    sortBy: ({ instance }) => instance,
    cell: ({ instance }) => instance ?? "none",
  },
  { key: "state", title: "State", sortBy: ({ state }) => state, cell: requestWords },
  {
    key: "tokens",
    title: "Tokens in, out",
    isNumber: true,
    sortBy: ({ answerTokens }) => answerTokens,
    cell: ({ promptTokens, answerTokens }) => `${formatNumber(promptTokens)}, ${formatNumber(answerTokens)}`,
  },
  {
    key: "moves",
    title: "Moves",
    isNumber: true,
    isMinor: true,
    sortBy: ({ moves }) => moves,
    cell: ({ moves }) => formatNumber(moves),
  },
  {
    key: "age",
    title: "Age",
    isNumber: true,
    isMinor: true,
    sortBy: ({ ageMs }) => ageMs,
    cell: ({ ageMs }) => formatMs(ageMs),
  },
];
