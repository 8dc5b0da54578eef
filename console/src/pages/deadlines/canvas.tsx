/**
 * A canvas that is as wide as its place, sharp on any screen, and drawn again when its drawing changes. What matters on it
 * must also stand beside it as text.
 */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Draws into a space of that size, pixels of the page, upper left corner 0, 0. */
export type Drawing = (pen: CanvasRenderingContext2D, widthPx: number, heightPx: number) => void;

/** The width of an element as it changes; 0 before it is laid out. */
export function useWidth<T extends HTMLElement>(): [{ current: T | null }, number] {
  const place = useRef<T>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current!;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}

/** The canvas. Drawn after every render of its parent. */
export function Canvas(props: {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly draw: Drawing;
}): JSX.Element {
  const { widthPx, heightPx, draw } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const element = canvas.current!;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(widthPx * ratio), Math.round(heightPx * ratio)];
    if (element.width !== width) element.width = width;
    if (element.height !== height) element.height = height;
    const pen = element.getContext("2d");
    if (pen === null) return; // a browser without canvases shows the table beside it
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, widthPx, heightPx);
    draw(pen, widthPx, heightPx);
  });
  return (
    <canvas
      ref={canvas}
      aria-hidden="true"
      style={{ width: `${widthPx}px`, height: `${heightPx}px`, display: "block" }}
    />
  );
}
