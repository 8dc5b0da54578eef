/**
 * The Deadlines page: what runs, what waits, and which promises are kept, as it happens. Everything drawn comes from one
 * reading of the live state at the beat of feed.ts.
 */
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./deadlines.css";
import { formatSpan } from "../../lib/format.ts";
import { connection, liveHello } from "../../lib/live.ts";
import { navigate, route } from "../../lib/router.ts";
import { addShortcuts } from "../../lib/shortcuts.ts";
import { Button } from "../../ui/button.tsx";
import { Select } from "../../ui/field.tsx";
import { EmptyState, PageHead } from "../../ui/page-head.tsx";
import { Charts } from "./charts.tsx";
import { frame, isHeld, live, useBeat } from "./feed.ts";
import { Goodput } from "./goodput.tsx";
import type { ModelLive } from "./live-model.ts";
import { Legend } from "./outcome-mark.tsx";
import { PolicySwitch } from "./policy.tsx";
import { RequestBars } from "./request-bars.tsx";
import { RequestTable } from "./request-table.tsx";
import { StepsPanel } from "./steps-panel.tsx";
import { Tiles } from "./tiles.tsx";
import { TraceDialog } from "./trace.tsx";
import { WhenSeen } from "./when-seen.tsx";

/** How far back charts and counts reach. */
const WINDOWS = [
  { ms: 60_000, text: "1 min", words: "the last minute" },
  { ms: 300_000, text: "5 min", words: "the last 5 minutes" },
  { ms: 3_600_000, text: "60 min", words: "the last hour" },
] as const;

/** How far back the bars reach: a bar of a second must be wide enough to read. */
const BAR_WINDOWS = [
  { ms: 10_000, text: "10 s" },
  { ms: 30_000, text: "30 s" },
  { ms: 120_000, text: "2 min" },
] as const;

/** The page. */
export function Page(): JSX.Element {
  useBeat();
  const windowIndex = useSignal(0);
  usePageKeys(windowIndex);
  const model = useComputed(() => chosenModel());
  const { nowMs, revision } = frame.value;
  const shown = model.value;
  const window = WINDOWS[windowIndex.value]!;
  return (
    <div class="page-column dl-page">
      <PageHead title="Deadlines" lead="What runs, what waits, and which promises are kept.">
        {live.models.size > 1 && shown !== null ? <ModelSelect current={shown.info.id} /> : null}
        <Segments
          label="How far back"
          options={WINDOWS}
          chosen={windowIndex.value}
          onChoose={(index) => (windowIndex.value = index)}
        />
        <Button
          isPressed={isHeld.value}
          onClick={() => (isHeld.value = !isHeld.value)}
          title="Hold the picture still (Space)"
        >
          {isHeld.value ? "Resume" : "Pause"}
        </Button>
      </PageHead>
      {shown === null ? (
        <Nothing />
      ) : (
        <Model key={shown.info.id} model={shown} nowMs={nowMs} revision={revision} window={window} />
      )}
      {route.value.path[0] === undefined ? null : <TraceDialog id={route.value.path[0]} onClose={closeTrace} />}
    </div>
  );
}

/** The model that the address names, else the first. */
function chosenModel(): ModelLive | null {
  void frame.value;
  const named = route.value.query["model"];
  return (named === undefined ? undefined : live.models.get(named)) ?? live.models.values().next().value ?? null;
}

function openTrace(id: string): void {
  navigate("deadlines", [id], route.peek().query);
}

function closeTrace(): void {
  navigate("deadlines", [], route.peek().query);
}

function usePageKeys(windowIndex: { value: number }): void {
  useEffect(
    () =>
      addShortcuts([
        {
          keys: "Space",
          does: "Hold the picture, or let it go on",
          group: "Deadlines",
          run: () => (isHeld.value = !isHeld.value),
        },
        ...WINDOWS.map(({ text }, index) => ({
          keys: String(index + 1),
          does: `Look back ${text}`,
          group: "Deadlines",
          run: () => (windowIndex.value = index),
        })),
      ]),
    [windowIndex],
  );
}

function Model(props: {
  readonly model: ModelLive;
  readonly nowMs: number;
  readonly revision: number;
  readonly window: (typeof WINDOWS)[number];
}): JSX.Element {
  const { model, nowMs, revision, window } = props;
  const [barWindow, setBarWindow] = useState(() => (innerWidth < 720 ? 0 : 1));
  const goodput = model.goodput(nowMs, window.ms);
  const knownMs = model.series.knownMs(nowMs, window.ms);
  const windowWords = knownMs < window.ms * 0.95 ? `the last ${formatSpan(knownMs)}` : window.words;
  return (
    <>
      <Tiles
        model={model}
        nowMs={nowMs}
        goodput={goodput}
        prefixShare={model.prefixShare(nowMs, window.ms)}
        windowWords={windowWords}
      />
      <section class="card stack" aria-label="Requests">
        <div class="row">
          <h2>Requests against their deadlines</h2>
          <span class="spread" />
          <Segments
            label="How far back the bars reach"
            options={BAR_WINDOWS}
            chosen={barWindow}
            onChoose={setBarWindow}
          />
        </div>
        <RequestBars model={model} nowMs={nowMs} windowMs={BAR_WINDOWS[barWindow]!.ms} onOpen={openTrace} />
        <Legend />
      </section>
      <div class="dl-pair">
        <div class="card">
          <WhenSeen>{() => <StepsPanel model={model} nowMs={nowMs} />}</WhenSeen>
        </div>
        <div class="card stack">
          <PolicySwitch model={model.info} policies={live.policies} />
          <Goodput rows={goodput} windowWords={windowWords} />
        </div>
      </div>
      <section class="card" aria-label="Over time">
        <WhenSeen>{() => <Charts model={model} nowMs={nowMs} windowMs={window.ms} revision={revision} />}</WhenSeen>
      </section>
      <section class="card" aria-label="Latest requests">
        <WhenSeen>{() => <RequestTable model={model} nowMs={nowMs} onOpen={openTrace} />}</WhenSeen>
      </section>
      {live.dropped > 0 ? (
        <p class="soft small">
          This page was too slow for {live.dropped} samples and steps of the feed; they are missing above.
        </p>
      ) : null}
    </>
  );
}

function ModelSelect({ current }: { readonly current: string }): JSX.Element {
  return (
    <Select
      label="Model"
      isLabelHidden
      value={current}
      options={[...live.models.keys()].map((id) => ({ value: id, text: id }))}
      onInput={(id) => navigate("deadlines", [], { model: id }, true)}
    />
  );
}

function Segments(props: {
  readonly label: string;
  readonly options: readonly { readonly text: string }[];
  readonly chosen: number;
  readonly onChoose: (index: number) => void;
}): JSX.Element {
  const { label, options, chosen, onChoose } = props;
  return (
    <div class="dl-segments" role="group" aria-label={label}>
      {options.map(({ text }, index) => (
        <button key={text} type="button" aria-pressed={index === chosen} onClick={() => onChoose(index)}>
          {text}
        </button>
      ))}
    </div>
  );
}

function Nothing(): JSX.Element {
  if (connection.value === "locked") {
    return <EmptyState title="This server asks for a key">Give one above, and its deadlines appear here.</EmptyState>;
  }
  if (liveHello.value === null)
    return <EmptyState title="Waiting for the server">It has not said anything yet.</EmptyState>;
  return <EmptyState title="No model is served">Load or pull one on the Models page.</EmptyState>;
}
