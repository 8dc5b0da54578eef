/** One request's life, in a dialog: its timeline, and what was promised and what came. Followed while it is under way. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { RequestRow, RequestTraceBody } from "@protocol";
import { ApiError, getJson, isAbort } from "../../lib/api.ts";
import { formatMs, formatNumber } from "../../lib/format.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { Problem } from "../../ui/page-head.tsx";
import { Facts, type Fact } from "../../ui/facts.tsx";
import { timelineOfTrace } from "../../timeline/timeline.ts";
import { TimelineView } from "../../timeline/timeline-view.tsx";
import { frame, live } from "./feed.ts";
import { asOf, isOver, outcomeOf, promiseWords } from "./outcome.ts";
import { OutcomeWords } from "./outcome-mark.tsx";

/** A request under way is asked about again so often, milliseconds. */
const FOLLOW_MS = 700;

/** The dialog of a request. */
export function TraceDialog({ id, onClose }: { readonly id: string; readonly onClose: () => void }): JSX.Element {
  const { trace, problem } = useTrace(id);
  const row = trace ?? knownRow(id);
  const timeline = useMemo(() => (trace === null ? null : timelineOfTrace(trace)), [trace]);
  return (
    <Dialog title="A request's trace" isWide onClose={onClose}>
      {row === null ? null : <Verdict row={row} />}
      {timeline === null ? null : <TimelineView timeline={timeline} />}
      {row === null ? null : <TraceFacts row={row} trace={trace} />}
      {problem === null ? null : <Problem title="Its trace cannot be shown.">{problem}</Problem>}
      {row === null && problem === null ? <p class="soft">Asking the server…</p> : null}
    </Dialog>
  );
}

function useTrace(id: string): { readonly trace: RequestTraceBody | null; readonly problem: string | null } {
  const [trace, setTrace] = useState<RequestTraceBody | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      try {
        const told = await getJson<RequestTraceBody>(`/admin/requests/${encodeURIComponent(id)}`, gone.signal);
        setTrace(told);
        setProblem(null);
        if (!isOver(told.state)) timer = setTimeout(() => void ask(), FOLLOW_MS);
      } catch (error) {
        if (isAbort(error)) return;
        const isForgotten = error instanceof ApiError && error.status === 404;
        setProblem(
          isForgotten
            ? "The server keeps the traces of its latest requests only, and this one has gone."
            : error instanceof ApiError
              ? error.message
              : "The answer could not be read.",
        );
      }
    };
    setTrace(null);
    setProblem(null);
    void ask();
    return () => {
      gone.abort();
      clearTimeout(timer);
    };
  }, [id]);
  return { trace, problem };
}

/** What the feed told of a request, when the server has no trace of it any more. */
function knownRow(id: string): RequestRow | null {
  for (const { requests } of live.models.values()) {
    const known = requests.get(id);
    if (known !== undefined) return known;
  }
  return null;
}

function Verdict({ row }: { readonly row: RequestRow }): JSX.Element {
  const nowMs = isOver(row.state) ? Number.POSITIVE_INFINITY : frame.value.nowMs;
  return (
    <p>
      <OutcomeWords outcome={outcomeOf(asOf(row, nowMs), nowMs)} />
    </p>
  );
}

function TraceFacts({
  row,
  trace,
}: {
  readonly row: RequestRow;
  readonly trace: RequestTraceBody | null;
}): JSX.Element {
  const slackMs = trace?.outcome?.slackMs ?? null;
  const facts: readonly Fact[] = [
    ["Promised", promiseWords(row.targets, formatMs)],
    ["Class", row.class],
    ["First token after", formatMs(row.firstTokenMs === undefined ? null : row.firstTokenMs - row.arrivalMs)],
    ["Time per token", formatMs(trace?.outcome?.tpotMs ?? null)],
    ["End to end", formatMs(row.endMs === undefined ? null : row.endMs - row.arrivalMs)],
    ["Left over", slackMs === null ? "–" : slackMs < 0 ? `missed by ${formatMs(-slackMs)}` : formatMs(slackMs)],
    ["Prompt", `${formatNumber(row.promptTokens)} tokens, ${formatNumber(row.cachedTokens)} of them cached`],
    ["Answer", `${formatNumber(row.answerTokens)} of at most ${formatNumber(row.maxTokens)} tokens`],
    ["Model", row.model],
    ...(row.task === undefined ? [] : [["Task", `${row.task.id}, stage ${row.task.stage}`] as const]),
    ...(row.error === undefined ? [] : [["Error", row.error] as const]),
    ["Request", row.id],
  ];
  return <Facts class="dl-facts" facts={facts} />;
}
