/**
 * The timeline under an answer: above, a stem for every gap between tokens, as high as the gap is long; below, a bar of
 * what happened when, in it stripes for layers that the answer left out, and below that a lane of drafts where there were any:
 * accepted tokens up, rejected ones down; upright lines where something is due. The same in words stands beneath it.
 */
import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import "./timeline.css";
import { countOf, formatMs } from "../lib/format.ts";
import {
  draftAt,
  nearestStem,
  skippedBlocks,
  timelineFacts,
  timelineShape,
  verdictOf,
  type DraftBar,
  type SkippedBlock,
  type Timeline,
  type Span,
  type Stem,
  type TimelineShape,
} from "./timeline.ts";

/** The drawing's own units; it is stretched to the width there is. */
const WIDTH = 1000;
const BASE = 44;
const BAR_TOP = 49;
const BAR_HEIGHT = 8;
const HEIGHT = 58;
/** The lane of drafts, where there is one: its middle line, and what half of it is high. */
const LANE_MIDDLE = 72;
const LANE_HALF = 10;
const HEIGHT_WITH_LANE = 84;

/** The timeline of one answer. */
export function TimelineView({ timeline }: { readonly timeline: Timeline }): JSX.Element | null {
  const shape = useMemo(() => timelineShape(timeline), [timeline]);
  const [stem, setStem] = useState<Stem | null>(null);
  if (shape === null) return null;
  const isDue = shape.ttftTarget !== null || shape.deadline !== null;
  const look = (event: { readonly clientX: number; readonly currentTarget: HTMLElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    setStem(nearestStem(shape.stems, (event.clientX - box.left) / box.width));
  };
  return (
    <figure class="timeline">
      <div
        class={isDue ? "timeline-plot timeline-due" : "timeline-plot"}
        onPointerMove={look}
        onPointerLeave={() => setStem(null)}
      >
        <Drawing shape={shape} stem={stem} skipped={skippedBlocks(shape, timeline)} label={summaryOf(timeline)} />
        <DueLabels shape={shape} timeline={timeline} />
      </div>
      <figcaption>
        <Facts timeline={timeline} stem={stem} draft={stem === null ? null : draftAt(shape.drafts, stem)} />
      </figcaption>
    </figure>
  );
}

const x = (share: number): number => Math.round(share * WIDTH * 10) / 10;

function stemPath(stems: readonly Stem[]): string {
  return stems
    .map(({ at, height }) => `M${x(at)} ${BASE}V${(BASE - Math.min(1, height) * (BASE - 4)).toFixed(1)}`)
    .join("");
}

function Drawing(props: {
  readonly shape: TimelineShape;
  readonly stem: Stem | null;
  readonly skipped: readonly SkippedBlock[];
  readonly label: string;
}): JSX.Element {
  const { shape, stem, skipped, label } = props;
  const { stems, spans, drafts, firstToken, ttftTarget, deadline, tpotTarget } = shape;
  const height = drafts.length === 0 ? HEIGHT : HEIGHT_WITH_LANE;
  const tpotY = tpotTarget === null ? null : BASE - tpotTarget * (BASE - 4);
  return (
    <svg
      class={drafts.length === 0 ? undefined : "tl-tall"}
      viewBox={`0 0 ${WIDTH} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path class="tl-base" d={`M0 ${BASE}H${WIDTH}`} />
      {tpotY === null ? null : <path class="tl-pace" d={`M0 ${tpotY}H${WIDTH}`} />}
      <rect class="tl-empty" x="0" y={BAR_TOP} width={WIDTH} height={BAR_HEIGHT} />
      {spans.map((span, i) => (
        <Bar key={i} span={span} />
      ))}
      {skipped.map(({ from, to, top, height: share }, i) => (
        <rect
          key={`skipped-${i}`}
          class="tl-empty tl-skipped"
          x={x(from)}
          y={BAR_TOP + top * BAR_HEIGHT}
          width={Math.max(x(to) - x(from), 1.5)}
          height={share * BAR_HEIGHT}
        />
      ))}
      <path
        class={stems.length > 120 ? "tl-stem tl-thin" : "tl-stem"}
        d={stemPath(stems.filter(({ isLate }) => !isLate))}
      />
      <path
        class={stems.length > 120 ? "tl-stem tl-late tl-thin" : "tl-stem tl-late"}
        d={stemPath(stems.filter(({ isLate }) => isLate))}
      />
      {drafts.length === 0 ? null : <DraftLane drafts={drafts} />}
      {firstToken === null ? null : <path class="tl-first" d={`M${x(firstToken)} 4V${height}`} />}
      {ttftTarget === null ? null : <path class="tl-due tl-soft" d={`M${x(ttftTarget)} 0V${height}`} />}
      {deadline === null ? null : <path class="tl-due" d={`M${x(deadline)} 0V${height}`} />}
      {stem === null ? null : <path class="tl-looked" d={`M${x(stem.at)} 0V${height}`} />}
    </svg>
  );
}

function DraftLane({ drafts }: { readonly drafts: readonly DraftBar[] }): JSX.Element {
  const thin = drafts.length > 120 ? " tl-thin" : "";
  const path = (of: (bar: DraftBar) => number): string =>
    drafts
      .filter((bar) => of(bar) !== 0)
      .map((bar) => `M${x(bar.at)} ${LANE_MIDDLE}V${(LANE_MIDDLE - of(bar) * LANE_HALF).toFixed(1)}`)
      .join("");
  return (
    <>
      <path class="tl-base" d={`M0 ${LANE_MIDDLE}H${WIDTH}`} />
      <path class={`tl-accepted${thin}`} d={path(({ up }) => up)} />
      <path class={`tl-rejected${thin}`} d={path(({ down }) => -down)} />
    </>
  );
}

function Bar({ span }: { readonly span: Span }): JSX.Element {
  // A hair's breadth at least: a queue of a tenth of a millisecond was there too.
  const width = Math.max(x(span.to) - x(span.from), 1.5);
  return <rect class={`tl-${span.kind}`} x={x(span.from)} y={BAR_TOP} width={width} height={BAR_HEIGHT} />;
}

/** Labels nearer to each other than this, as a share of the width, would overlap. */
const NEAR = 0.25;

/** Where something is due, in words at its line: at its right, or at its left near the end or near the next line. */
function DueLabels({ shape, timeline }: { readonly shape: TimelineShape; readonly timeline: Timeline }): JSX.Element {
  const { ttftTarget, deadline } = shape;
  const { targets } = timeline;
  const isNear = ttftTarget !== null && deadline !== null && deadline - ttftTarget < NEAR;
  return (
    <div aria-hidden="true">
      {ttftTarget === null || (isNear && ttftTarget < NEAR) ? null : (
        <DueLabel at={ttftTarget} text={`first due ${formatMs(targets.ttftMs)}`} isLeft={isNear || ttftTarget > 0.7} />
      )}
      {deadline === null ? null : (
        <DueLabel at={deadline} text={`deadline ${formatMs(targets.deadlineMs)}`} isLeft={!isNear && deadline > 0.7} />
      )}
    </div>
  );
}

function DueLabel(props: { readonly at: number; readonly text: string; readonly isLeft: boolean }): JSX.Element {
  const { at, text, isLeft } = props;
  return (
    <span class="tl-label" style={isLeft ? { right: `${(1 - at) * 100}%` } : { left: `${at * 100}%` }}>
      {text}
    </span>
  );
}

function Facts(props: {
  readonly timeline: Timeline;
  readonly stem: Stem | null;
  readonly draft: DraftBar | null;
}): JSX.Element {
  const { timeline, stem, draft } = props;
  const facts = timelineFacts(timeline);
  const { targets, promptTokens, cachedTokens, chunks, answerTokens, tokenMs, source, interruptions, drafted, route } =
    timeline;
  const verdict = verdictOf(timeline);
  const due = (ms: number | undefined): string => (ms === undefined ? "" : ` of ${formatMs(ms)}`);
  const items: ComponentChildren[] = [];
  const add = (kind: string | null, text: string): void => {
    items.push(
      <li key={items.length}>
        {kind === null ? null : <i class={`tl-key tl-key-${kind}`} aria-hidden="true" />}
        {text}
      </li>,
    );
  };
  if (facts.queueMs !== null) add("queue", `queue ${formatMs(facts.queueMs)}`);
  if (promptTokens !== null) {
    const pieces = chunks.length > 1 ? ` in ${chunks.length} pieces` : "";
    const took = facts.prefillMs === null ? "" : `, ${formatMs(facts.prefillMs)}`;
    const cached = cachedTokens > 0 ? ` (${cachedTokens} cached)` : "";
    add(chunks.length === 0 ? null : "prefill", `prompt ${countOf(promptTokens, "token")}${cached}${pieces}${took}`);
  }
  if (facts.firstTokenMs !== null) add("first", `first token ${formatMs(facts.firstTokenMs)}${due(targets.ttftMs)}`);
  if (facts.medianGapMs !== null) {
    const late = facts.lateGaps === 0 ? "" : `, ${facts.lateGaps} over ${formatMs(targets.tpotMs)}`;
    add(
      "decode",
      `${countOf(answerTokens ?? tokenMs.length, "token")}, gap ${formatMs(facts.medianGapMs)}, longest ${formatMs(facts.longestGapMs)}${late}`,
    );
  }
  if (drafted !== null) {
    add("accepted", `${drafted.accepted} drafted and taken`);
    if (drafted.rejected > 0) add("rejected", `${drafted.rejected} drafted in vain`);
  }
  if (route !== null) add(route.skipped.length === 0 ? null : "skipped", routeWords(route));
  if (interruptions.length > 0) add("preempted", `${countOf(interruptions.length, "interruption")}`);
  if (facts.totalMs !== null) add(null, `total ${formatMs(facts.totalMs)}${due(targets.deadlineMs)}`);
  if (source === "client" && facts.firstTokenMs !== null) add(null, "as seen by this page");
  const told = verdict === null ? null : <span class={`verdict verdict-${verdict.tone}`}>{verdict.text}</span>;
  if (stem !== null) {
    return (
      <p class="timeline-facts">
        {told}
        <span>
          token {stem.token} came {formatMs(stem.gapMs)} after the one before
          {draft === null
            ? ""
            : `; of ${countOf(draft.accepted + draft.rejected, "drafted token")} ${draft.accepted} ${draft.accepted === 1 ? "was" : "were"} taken`}
        </span>
      </p>
    );
  }
  return (
    <ul class="timeline-facts">
      {told === null ? null : <li>{told}</li>}
      {items}
    </ul>
  );
}

/** Layers are counted from 1 where people read of them. */
function routeWords({ layers, skipped }: NonNullable<Timeline["route"]>): string {
  const left = skipped.length === 0 ? "none left out" : `${skipped.map((layer) => layer + 1).join(", ")} left out`;
  return `${countOf(layers, "layer")}, ${left}`;
}

/** The timeline as a sentence, for those who do not see it. */
function summaryOf(timeline: Timeline): string {
  const { firstTokenMs, longestGapMs, totalMs } = timelineFacts(timeline);
  const verdict = verdictOf(timeline)?.text ?? "";
  const { drafted, route } = timeline;
  const layers = route === null ? "" : ` ${routeWords(route)}.`;
  const drafts = drafted === null ? "" : ` ${drafted.accepted} drafted tokens taken, ${drafted.rejected} in vain.`;
  return `Timeline. First token after ${formatMs(firstTokenMs)}, longest gap ${formatMs(longestGapMs)}, total ${formatMs(totalMs)}.${drafts}${layers} ${verdict}`;
}
