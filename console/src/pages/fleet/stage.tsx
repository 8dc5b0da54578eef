/**
 * The instances as cards, and over them one layer of dots and lines: a dot is a request, and because all of them are in one
 * layer, one that moves travels from card to card. Where dots and lines stand is measured after every view, since a line of
 * text more or less in a card moves its lane, and after every change of layout.
 */
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { FleetMoveView, FleetRequestView } from "@protocol";
import { countOf } from "../../lib/format.ts";
import { InstanceCard } from "./instance-card.tsx";
import { dotAt, lanesFit, middleOf, wayPath, type LaneBox } from "./places.ts";
import type { FleetDot, FleetPicture, FleetTrail } from "./memory.ts";
import { pictureWords, requestWords, shortId } from "./sums.ts";

/** The picture. */
export function Stage(props: { readonly picture: FleetPicture; readonly onOpen: (id: string) => void }): JSX.Element {
  const { picture, onOpen } = props;
  const place = useRef<HTMLDivElement>(null);
  const boxes = useLaneBoxes(place, picture);
  return (
    <section class="stack" aria-label="Instances">
      <div class="fl-stage" ref={place}>
        {picture.lanes.map((lane) => (
          <InstanceCard key={lane.instance.id} lane={lane} room={lanesFit(boxes.get(lane.instance.id))} />
        ))}
        <svg class="fl-lines" aria-hidden="true">
          {picture.trails.map((trail) => (
            <Trail key={trail.move.id} trail={trail} boxes={boxes} />
          ))}
        </svg>
        <div class="fl-dots">
          {dotsOf(picture, boxes).map(({ dot, x, y }) => (
            <Dot key={dot.request.id} dot={dot} x={x} y={y} onOpen={onOpen} />
          ))}
        </div>
      </div>
      <p class="unseen">{pictureWords(picture.view)}</p>
      <Legend homeless={picture.homeless.length} />
    </section>
  );
}

/** Where the lane of each instance is within the stage, pixels; measured anew when anything may have changed its place. */
function useLaneBoxes(
  place: { readonly current: HTMLDivElement | null },
  picture: FleetPicture,
): ReadonlyMap<string, LaneBox> {
  const [boxes, setBoxes] = useState<ReadonlyMap<string, LaneBox>>(new Map());
  const measure = (): void => {
    const now = measured(place.current!);
    setBoxes((before) => (areSame(before, now) ? before : now));
  };
  const cards = picture.lanes.map(({ instance: { id, state } }) => `${id} ${state}`).join("\n");
  useLayoutEffect(() => {
    const stage = place.current!;
    const observer = new ResizeObserver(measure);
    observer.observe(stage);
    for (const lane of stage.querySelectorAll(".fl-lane")) observer.observe(lane);
    return () => observer.disconnect();
  }, [cards]);
  useLayoutEffect(measure, [picture]);
  return boxes;
}

function areSame(a: ReadonlyMap<string, LaneBox>, b: ReadonlyMap<string, LaneBox>): boolean {
  if (a.size !== b.size) return false;
  for (const [id, { x, y, width, height }] of a) {
    const other = b.get(id);
    if (other?.x !== x || other.y !== y || other.width !== width || other.height !== height) return false;
  }
  return true;
}

function measured(stage: HTMLElement): ReadonlyMap<string, LaneBox> {
  const origin = stage.getBoundingClientRect();
  return new Map(
    Array.from(stage.querySelectorAll<HTMLElement>(".fl-lane"), (lane) => {
      const box = lane.getBoundingClientRect();
      const at = { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height };
      return [lane.dataset["instance"] ?? "", at];
    }),
  );
}

interface PlacedDot {
  readonly dot: FleetDot;
  readonly x: number;
  readonly y: number;
}

/** In order of id: the order of elements must not change when requests do, or their ways would begin anew. */
function dotsOf(picture: FleetPicture, boxes: ReadonlyMap<string, LaneBox>): readonly PlacedDot[] {
  return picture.lanes
    .flatMap(({ instance, dots }) => {
      const box = boxes.get(instance.id);
      if (box === undefined) return [];
      const room = lanesFit(box);
      return dots.filter(({ slot }) => slot < room).map((dot) => ({ dot, ...dotAt(box, dot.slot) }));
    })
    .toSorted((a, b) => (a.dot.request.id < b.dot.request.id ? -1 : 1));
}

function Dot(props: PlacedDot & { readonly onOpen: (id: string) => void }): JSX.Element {
  const { dot, x, y, onOpen } = props;
  const { request } = dot;
  const moved = dot.hasMoved ? " fl-dot-moved" : "";
  // For the mouse only: the same is in the table of open requests, row by row.
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-hidden="true"
      class={`fl-dot fl-dot-${request.state}${moved}`}
      data-request={request.id}
      data-instance={request.instance}
      style={{ transform: `translate(${x}px, ${y}px)` }}
      title={dotWords(request)}
      onClick={() => onOpen(request.id)}
    />
  );
}

function dotWords(request: FleetRequestView): string {
  const moves = request.moves === 0 ? "" : `, moved ${countOf(request.moves, "time")}`;
  return `${shortId(request.id)} ${requestWords(request)}: ${countOf(request.answerTokens, "token")}${moves}`;
}

function Trail(props: {
  readonly trail: FleetTrail;
  readonly boxes: ReadonlyMap<string, LaneBox>;
}): JSX.Element | null {
  const { move, strength, fromSlot, toSlot } = props.trail;
  const from = props.boxes.get(move.from);
  const to = props.boxes.get(move.to);
  if (from === undefined || to === undefined) return null;
  const way = wayPath(middleOf(from, fromSlot), middleOf(to, toSlot));
  return <path class={`fl-line fl-line-${tone(move)}`} d={way} style={{ opacity: strength }} />;
}

function tone({ outcome }: FleetMoveView): "open" | "moved" | "bad" {
  if (outcome === null) return "open";
  return outcome === "moved" ? "moved" : "bad";
}

const LEGEND = [
  ["running", "runs"],
  ["waiting", "waits"],
  ["moving", "is being copied while it runs"],
] as const;

function Legend({ homeless }: { readonly homeless: number }): JSX.Element {
  return (
    <ul class="fl-legend">
      {LEGEND.map(([state, words]) => (
        <li key={state}>
          <i class={`fl-dot fl-dot-${state}`} aria-hidden="true" />
          {words}
        </li>
      ))}
      <li>
        <i class="fl-swatch" aria-hidden="true" />
        the way of a move
      </li>
      <li>
        <i class="fl-swatch fl-swatch-bad" aria-hidden="true" />
        of one that was given up
      </li>
      {homeless === 0 ? null : <li class="bad">{countOf(homeless, "request")} without an instance at the moment</li>}
    </ul>
  );
}
