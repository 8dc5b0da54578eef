/**
 * Draws laid-out bars. Every outcome differs by shape as well as by colour:
 *
 *   kept       ▒▒████           light until the first token, then solid
 *   missed     ▒▒███╱╱╱         striped from the deadline on, or all along when the first token was late
 *   cut        ▒▒████▌          ends in a block
 *   rejected   ✕                a cross where it arrived
 *   expired    ┄┄┄✕             dashed outline, a cross where its deadline passed
 *   waiting    ▭                outline
 *   running    ▒▒███▷           open at the right end
 *   late       as running, striped
 *   cancelled  ▒▒██ in grey, ending in a short line; failed the same with a cross, in red
 */
import type { Bar, BarLayout } from "./bars.ts";
import type { Outcome } from "./outcome.ts";
import type { Palette } from "./palette.ts";

/** The part of a canvas context that is used. */
type Pen = CanvasRenderingContext2D;

const COLOUR: Readonly<Record<Outcome, keyof Palette>> = {
  kept: "accent",
  missed: "bad",
  cut: "warn",
  rejected: "bad",
  expired: "warn",
  waiting: "soft",
  running: "series-2",
  late: "bad",
  cancelled: "soft",
  failed: "bad",
};

/** The colour of an outcome, a name of the palette. */
export function colourOf(outcome: Outcome): keyof Palette {
  return COLOUR[outcome];
}

/** Draws all bars; `selected` gets a frame around it. */
export function drawBars(pen: Pen, layout: BarLayout, palette: Palette, selected: string | null): void {
  for (const bar of layout.bars) drawBar(pen, bar, palette);
  for (const bar of layout.bars) drawMarks(pen, bar, palette);
  for (const bar of layout.bars) drawTornEdges(pen, bar, palette);
  const chosen = selected === null ? undefined : layout.bars.find(({ id }) => id === selected);
  if (chosen !== undefined) drawFrame(pen, chosen, palette);
}

/** One bar, without the marks of its deadlines. */
export function drawBar(pen: Pen, bar: Bar, palette: Palette): void {
  const gap = bar.height > 8 ? 3 : 1;
  const [top, height] = [bar.y + gap / 2, bar.height - gap];
  const colour = palette[COLOUR[bar.outcome]];
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 1.25;
  switch (bar.outcome) {
    case "rejected":
      cross(pen, bar.x + 4, top + height / 2, Math.min(4, height / 2 - 0.5));
      return;
    case "expired":
      outline(pen, bar, top, height, [3, 2]);
      cross(pen, bar.endX, top + height / 2, Math.min(3.5, height / 2 - 0.5));
      return;
    case "waiting":
      outline(pen, bar, top, height, []);
      return;
    default:
      body(pen, bar, top, height, palette);
      ending(pen, bar, top, height);
  }
}

function body(pen: Pen, bar: Bar, top: number, height: number, palette: Palette): void {
  const alpha = pen.globalAlpha;
  const firstX = Math.max(bar.x, bar.firstX);
  pen.globalAlpha = alpha * 0.32;
  pen.fillRect(bar.x, top, firstX - bar.x, height);
  pen.globalAlpha = alpha * (bar.outcome === "cancelled" ? 0.75 : 0.9);
  pen.fillRect(firstX, top, bar.endX - firstX, height);
  pen.globalAlpha = alpha;
  if (bar.outcome !== "missed" && bar.outcome !== "late") return;
  // A miss of the whole answer starts at its deadline; one of the first token or of the pace is of the whole bar.
  const from = bar.deadlineX !== null && bar.deadlineX > bar.x && bar.deadlineX < bar.endX ? bar.deadlineX : bar.x;
  stripes(pen, from, top, bar.endX - from, height, palette.card);
}

function ending(pen: Pen, bar: Bar, top: number, height: number): void {
  switch (bar.outcome) {
    case "cut":
      pen.fillRect(bar.endX - 1, top - 1, 4, height + 2);
      return;
    case "failed":
      cross(pen, bar.endX + 4, top + height / 2, Math.min(3.5, height / 2));
      return;
    case "cancelled":
      pen.fillRect(bar.endX - 1, top + height * 0.25, 2, height * 0.5);
      return;
    case "running":
    case "late":
      pen.beginPath();
      pen.moveTo(bar.endX, top);
      pen.lineTo(bar.endX + Math.min(5, height / 2), top + height / 2);
      pen.lineTo(bar.endX, top + height);
      pen.fill();
      return;
    default:
  }
}

/** The time left over as a thread to the deadline; the deadline as a full line, the first token's as a short one at the foot of the lane. */
function drawMarks(pen: Pen, bar: Bar, palette: Palette): void {
  if (bar.deadlineX !== null && bar.deadlineX > bar.endX && bar.outcome !== "rejected") {
    pen.fillStyle = palette.edge;
    pen.fillRect(bar.endX, bar.y + bar.height / 2 - 0.5, bar.deadlineX - bar.endX, 1);
  }
  pen.fillStyle = palette.ink;
  if (bar.deadlineX !== null) pen.fillRect(Math.round(bar.deadlineX) - 0.5, bar.y, 1.5, bar.height - 1);
  if (bar.ttftX !== null)
    pen.fillRect(Math.round(bar.ttftX) - 0.5, bar.y + bar.height * 0.55, 1.5, bar.height * 0.45 - 1);
}

/** A bar that goes on beyond the window is notched there. */
function drawTornEdges(pen: Pen, bar: Bar, palette: Palette): void {
  const middle = bar.y + bar.height / 2;
  const depth = Math.min(5, bar.height / 2);
  const notch = (x: number, inwards: number): void => {
    pen.beginPath();
    pen.moveTo(x, middle - depth);
    pen.lineTo(x + inwards * depth, middle);
    pen.lineTo(x, middle + depth);
    pen.fill();
  };
  pen.fillStyle = palette.card;
  if (bar.isClippedLeft && bar.endX > bar.x) notch(bar.x, 1);
  if (bar.isClippedRight) notch(bar.endX, -1);
}

function drawFrame(pen: Pen, bar: Bar, palette: Palette): void {
  pen.strokeStyle = palette.ink;
  pen.lineWidth = 2;
  pen.strokeRect(bar.x - 2, bar.y - 0.5, Math.max(8, bar.endX - bar.x + 4), bar.height);
}

function outline(pen: Pen, bar: Bar, top: number, height: number, dash: number[]): void {
  pen.setLineDash(dash);
  pen.strokeRect(bar.x + 0.6, top + 0.6, Math.max(2, bar.endX - bar.x - 1.2), height - 1.2);
  pen.setLineDash([]);
}

function cross(pen: Pen, x: number, y: number, radius: number): void {
  const r = Math.max(1.5, radius);
  pen.lineWidth = 1.75;
  pen.beginPath();
  pen.moveTo(x - r, y - r);
  pen.lineTo(x + r, y + r);
  pen.moveTo(x + r, y - r);
  pen.lineTo(x - r, y + r);
  pen.stroke();
}

function stripes(pen: Pen, x: number, y: number, width: number, height: number, colour: string): void {
  if (width <= 0) return;
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (let at = x - height; at < x + width; at += 5) {
    pen.moveTo(at, y + height);
    pen.lineTo(at + height, y);
  }
  pen.stroke();
  pen.restore();
}
