/** The newest requests in words, each against its own deadline; a row opens its trace. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { RequestRow } from "@protocol";
import { formatMs, formatNumber } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { EmptyState } from "../../ui/page-head.tsx";
import { Table, type Column } from "../../ui/table.tsx";
import type { ModelLive } from "./live-model.ts";
import { asOf, isOver, outcomeOf, promiseUse, promiseWords, type Outcome } from "./outcome.ts";
import { OutcomeWords } from "./outcome-mark.tsx";

const FILTERS = {
  all: "All",
  open: "Under way",
  kept: "Kept",
  broken: "Not kept",
} as const;
type Filter = keyof typeof FILTERS;

const KEPT: ReadonlySet<Outcome> = new Set(["kept"]);
const BROKEN: ReadonlySet<Outcome> = new Set(["missed", "cut", "rejected", "expired", "failed", "late"]);
const ROWS = 12;
const MORE_ROWS = 60;

interface Shown {
  readonly request: RequestRow;
  readonly outcome: Outcome;
  readonly nowMs: number;
}

/** The table, newest first. */
export function RequestTable(props: {
  readonly model: ModelLive;
  readonly nowMs: number;
  readonly onOpen: (id: string) => void;
}): JSX.Element {
  const { model, nowMs, onOpen } = props;
  const [filter, setFilter] = useState<Filter>("all");
  const [isLong, setLong] = useState(false);
  const most = isLong ? MORE_ROWS : ROWS;
  const rows = newest(model, nowMs, filter, most + 1);
  return (
    <div class="stack">
      <div class="row">
        <h3>Latest requests</h3>
        <div class="dl-segments spread" role="group" aria-label="Which requests">
          {(Object.keys(FILTERS) as Filter[]).map((name) => (
            <button key={name} type="button" aria-pressed={filter === name} onClick={() => setFilter(name)}>
              {FILTERS[name]}
            </button>
          ))}
        </div>
      </div>
      {rows.length === 0 && filter === "all" ? (
        <EmptyState title="No requests yet">
          Ask something on the Chat page, or point any OpenAI client at this server. Requests appear here as they
          arrive.
        </EmptyState>
      ) : (
        <Table
          caption="The newest requests"
          columns={COLUMNS}
          rows={rows.slice(0, most)}
          rowKey={({ request }) => request.id}
          onOpen={({ request }) => onOpen(request.id)}
          empty="None of these among the requests that are remembered."
        />
      )}
      {rows.length > ROWS ? (
        <div>
          <Button kind="quiet" isSmall onClick={() => setLong(!isLong)}>
            {isLong ? "Show fewer" : "Show more"}
          </Button>
        </div>
      ) : null}
    </div>
  );
}

function newest(model: ModelLive, nowMs: number, filter: Filter, most: number): Shown[] {
  const shown: Shown[] = [];
  for (const { request: known } of [...model.requests.values()].toReversed()) {
    if (known.arrivalMs > nowMs) continue;
    const request = asOf(known, nowMs);
    const outcome = outcomeOf(request, nowMs);
    if (!passes(filter, request, outcome)) continue;
    shown.push({ request, outcome, nowMs });
    if (shown.length === most) break;
  }
  return shown;
}

function passes(filter: Filter, request: RequestRow, outcome: Outcome): boolean {
  switch (filter) {
    case "all":
      return true;
    case "open":
      return !isOver(request.state);
    case "kept":
      return KEPT.has(outcome);
    case "broken":
      return BROKEN.has(outcome);
    default:
      return filter satisfies never;
  }
}

const COLUMNS: readonly Column<Shown>[] = [
  { key: "outcome", title: "Outcome", cell: ({ outcome }) => <OutcomeWords outcome={outcome} /> },
  { key: "use", title: "Time against the promise", cell: (shown) => <Use shown={shown} /> },
  { key: "class", title: "Class", cell: ({ request }) => request.class, isMinor: true },
  {
    key: "ttft",
    title: "First token",
    isNumber: true,
    isMinor: true,
    cell: ({ request: { firstTokenMs, arrivalMs } }) =>
      formatMs(firstTokenMs === undefined ? null : firstTokenMs - arrivalMs),
  },
  {
    key: "e2e",
    title: "End to end",
    isNumber: true,
    cell: ({ request: { endMs, arrivalMs }, nowMs }) => formatMs((endMs ?? nowMs) - arrivalMs),
  },
  {
    key: "tokens",
    title: "Tokens in, out",
    isNumber: true,
    isMinor: true,
    cell: ({ request }) => `${formatNumber(request.promptTokens)}, ${formatNumber(request.answerTokens)}`,
  },
];

/** The bar's right end stands for so many times what was allowed. */
const BAR_REACH = 1.6;

function Use({ shown: { request, nowMs, outcome } }: { readonly shown: Shown }): JSX.Element {
  const use = promiseUse(request, nowMs);
  const words = promiseWords(request.targets, formatMs);
  if (use === null) return <span class="soft">{words}</span>;
  const width = Math.min(1, use.usedMs / use.allowedMs / BAR_REACH) * 100;
  const tone = BROKEN.has(outcome) || use.usedMs > use.allowedMs ? "dl-use-over" : "";
  return (
    <span class="dl-use">
      <span class="dl-use-bar" aria-hidden="true">
        <i class={tone} style={{ width: `${width}%` }} />
        <b style={{ left: `${100 / BAR_REACH}%` }} />
      </span>
      <span class="small soft">{words}</span>
    </span>
  );
}
