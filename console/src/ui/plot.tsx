/**
 * uPlot as a component: as wide as its place, in the colours of the theme, redrawn when either changes. The canvas is
 * told to screen readers by `label`; what matters must also stand beside it as text.
 */
import { effect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { shownTheme } from "../lib/theme.ts";

/** The colours of a chart, resolved for the theme that is shown. */
export interface PlotColours {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly card: string;
  readonly bad: string;
  /** Five colours that can be told apart, the accent first. */
  readonly series: readonly string[];
}

/** Options without what the wrapper decides: size and the colours of axes. */
export type PlotOptions = Omit<uPlot.Options, "width" | "height" | "axes"> & { readonly axes?: uPlot.Axis[] };

/** The colours at an element. A custom property's own text is of no use to a canvas: a probe's colour is. */
export function plotColours(at: HTMLElement): PlotColours {
  const probe = document.createElement("i");
  // Hidden, it has no transitions: a colour that is on its way is still the one before.
  probe.hidden = true;
  at.append(probe);
  const resolve = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours: PlotColours = {
    ink: resolve("ink"),
    soft: resolve("soft"),
    line: resolve("line"),
    card: resolve("card"),
    bad: resolve("bad"),
    series: [1, 2, 3, 4, 5].map((n) => resolve(`series-${n}`)),
  };
  probe.remove();
  return colours;
}

function axesIn(colours: PlotColours, axes: readonly uPlot.Axis[]): uPlot.Axis[] {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const common: uPlot.Axis = {
    stroke: colours.soft,
    font,
    grid: { stroke: colours.line, width: 1 },
    ticks: { show: false },
  };
  return axes.map((axis) => ({ ...common, ...axis }));
}

/**
 * A chart. `options` is asked for again when the theme changes; `data` may change as often as it likes. Give both by
 * reference: a new `options` function builds the chart anew.
 */
export function Plot(props: {
  readonly label: string;
  readonly height: number;
  readonly options: (colours: PlotColours) => PlotOptions;
  readonly data: uPlot.AlignedData;
}): JSX.Element {
  const { label, height, options, data } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const element = place.current!;
    const build = (): void => {
      chart.current?.destroy();
      const colours = plotColours(element);
      const { axes = [{}, {}], ...rest } = options(colours);
      const size = { width: Math.max(element.clientWidth, 50), height };
      chart.current = new uPlot({ ...rest, ...size, axes: axesIn(colours, axes) }, latest.current, element);
    };
    const stop = effect(() => {
      void shownTheme.value;
      build();
    });
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && chart.current !== null && width !== chart.current.width)
        chart.current.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      stop();
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [options, height]);
  useEffect(() => {
    chart.current?.setData(data);
  }, [data]);
  return <div ref={place} class="plot" role="img" aria-label={label} style={{ minHeight: `${height}px` }} />;
}
