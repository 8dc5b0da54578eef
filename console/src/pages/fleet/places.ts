/** Where dots and lines stand within the picture, in pixels of its own. Pure. */

/** The room for dots in an instance's card. */
export interface LaneBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A place in the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** From one dot's left edge to the next one's, pixels. */
export const DOT_STEP_PX = 16;
/** A dot's own size. */
export const DOT_PX = 12;
/** The middle of a way is half of that beside the straight line: it stays off the numbers above a lane. */
const MOST_BEND_PX = 24;

function columnsOf({ width }: LaneBox): number {
  return Math.max(1, Math.floor((width + DOT_STEP_PX - DOT_PX) / DOT_STEP_PX));
}

/** How many dots a lane has room for; none while it has not been measured. */
export function lanesFit(box: LaneBox | undefined): number {
  if (box === undefined) return 0;
  const rows = Math.max(1, Math.floor((box.height + DOT_STEP_PX - DOT_PX) / DOT_STEP_PX));
  return columnsOf(box) * rows;
}

/** The upper left corner of a place in a lane: row by row. */
export function dotAt(box: LaneBox, slot: number): Point {
  const columns = columnsOf(box);
  return {
    x: Math.round(box.x + (slot % columns) * DOT_STEP_PX),
    y: Math.round(box.y + Math.floor(slot / columns) * DOT_STEP_PX),
  };
}

/** The middle of a place in a lane; without one, of the lane. */
export function middleOf(box: LaneBox, slot: number | null): Point {
  if (slot === null || slot >= lanesFit(box)) return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const { x, y } = dotAt(box, slot);
  return { x: x + DOT_PX / 2, y: y + DOT_PX / 2 };
}

/** A curve from one place to another, as an SVG path. It bends, so that two ways are two lines. */
export function wayPath({ x: x1, y: y1 }: Point, { x: x2, y: y2 }: Point): string {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length = Math.hypot(dx, dy);
  const bend = length === 0 ? 0 : Math.min(MOST_BEND_PX, length / 5) / length;
  const [cx, cy] = [(x1 + x2) / 2 + dy * bend, (y1 + y2) / 2 - dx * bend];
  return `M${round(x1)} ${round(y1)}Q${round(cx)} ${round(cy)} ${round(x2)} ${round(y2)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
