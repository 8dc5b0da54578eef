/** What each way of routing has done at this router, side by side, and the switch to another one. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { FleetRouterAnswer, FleetRouterView, FleetView } from "@protocol";
import { ApiError, postJson } from "../../lib/api.ts";
import { formatMs, formatNumber, formatShare } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Table, type Column } from "../../ui/table.tsx";
import { toast } from "../../ui/toast.tsx";

/** What each does, in a sentence; one that is not named here is shown without. */
const ABOUT: Readonly<Record<string, string>> = {
  "round-robin": "One after the other.",
  "least-load": "Where the smallest share of memory is in use and asked for.",
  "kv-aware": "Where most of the prompt is cached already, weighed against load.",
  "least-queue": "Where the fewest run and wait.",
  lmetric: "Where tokens to compute, times the batch, are fewest.",
  llumnix: "Where there is most room for what runs, what waits and what will grow.",
  "deadline-aware": "Where the promise can be kept; where none can, as its objective says.",
};

/** The table. */
export function Routers({ view }: { readonly view: FleetView }): JSX.Element {
  const [asking, setAsking] = useState<string | null>(null);
  const use = async (router: string): Promise<void> => {
    setAsking(router);
    try {
      const answer = await postJson<FleetRouterAnswer>("/admin/fleet/router", { router });
      toast(`Requests are now placed by ${answer.router}; it was ${answer.previous}.`);
    } catch (error) {
      toast(error instanceof ApiError ? error.message : "The switch could not be asked for.", { isBad: true });
    } finally {
      setAsking(null);
    }
  };
  return (
    <>
      <h2>Routers</h2>
      <p class="soft small">
        Who places a request. Counts are of this server since it started: a fair comparison gives each the same load.
      </p>
      <Table
        caption="Routers"
        columns={[...COLUMNS, chooser(asking, (name) => void use(name))]}
        rows={view.routers}
        rowKey={({ name }) => name}
        empty="This server places nothing."
      />
    </>
  );
}

const COLUMNS: readonly Column<FleetRouterView>[] = [
  {
    key: "name",
    title: "Router",
    sortBy: ({ name }) => name,
    cell: ({ name }) => (
      <>
        {name}
        {ABOUT[name] === undefined ? null : <div class="soft small minor">{ABOUT[name]}</div>}
      </>
    ),
  },
  {
    key: "requests",
    title: "Placed",
    isNumber: true,
    sortBy: ({ requests }) => requests,
    cell: ({ requests }) => formatNumber(requests),
  },
  {
    key: "p50",
    title: "First token p50",
    isNumber: true,
    sortBy: ({ ttftMs }) => ttftMs?.p50 ?? null,
    cell: ({ ttftMs }) => formatMs(ttftMs?.p50),
  },
  {
    key: "p90",
    title: "p90",
    isNumber: true,
    isMinor: true,
    sortBy: ({ ttftMs }) => ttftMs?.p90 ?? null,
    cell: ({ ttftMs }) => formatMs(ttftMs?.p90),
  },
  {
    key: "hits",
    title: "Prefix hits",
    isNumber: true,
    isMinor: true,
    sortBy: ({ hitShare }) => hitShare,
    cell: ({ hitShare }) => formatShare(hitShare),
  },
];

function chooser(asking: string | null, onUse: (name: string) => void): Column<FleetRouterView> {
  return {
    key: "use",
    title: <span class="unseen">In use</span>,
    cell: ({ name, isActive }) =>
      isActive ? (
        <span class="fl-badge fl-badge-good">decides now</span>
      ) : (
        <Button isSmall kind="quiet" isDisabled={asking !== null} onClick={() => onUse(name)}>
          <span>
            Use<span class="unseen"> {name}</span>
          </span>
        </Button>
      ),
  };
}
