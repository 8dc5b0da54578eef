import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { MeasuredLine } from "@protocol";
import { columnText, curveShape, type CurvePoints } from "./curve.ts";
import {
  countStates,
  figure,
  filterPapers,
  lineState,
  linesOf,
  monthText,
  stripOf,
  targetText,
  type Claim,
  type Paper,
} from "./rows.ts";

const line = (over: Partial<MeasuredLine> = {}): MeasuredLine => ({
  metric: "gap",
  unit: "ms",
  better: "lower",
  ours: 2,
  baseline: 8,
  ratio: 4,
  target: 3.7,
  target_on: "ratio",
  samples: 5,
  interval95: [3.5, 4.5],
  holds: null,
  kind: "live",
  paper_says: null,
  note: "",
  ...over,
});
const claim = (over: Partial<Claim> = {}): Claim => ({
  id: "26",
  name: "fastgen",
  headline: "Streams keep flowing.",
  baseline: "whole prompts first",
  source: "a paper",
  targets: "3.7",
  state: "undecided",
  mode: "quick",
  seconds: 40,
  machine: null,
  measured: [line()],
  repeat: "npm run -s claim -- 26",
  ...over,
});
const paper = (over: Partial<Paper> = {}): Paper => ({
  number: "26",
  title: "DeepSpeed-FastGen",
  date: "2024-01",
  arxiv: "2401.08671",
  speedsUp: "Keeps streams flowing.",
  verb: "serve",
  module: "sched/splitfuse.ts",
  state: "undecided",
  ratio: { value: 4, target: 3.7, metric: "gap" },
  claims: [claim()],
  ...over,
});

describe("which papers are shown", () => {
  const papers = [
    paper(),
    paper({ number: "27", title: "Moonshine v2", arxiv: "2602.12241", verb: "talk", state: "not-built", claims: [] }),
  ];
  const found = (text: string, state: Paper["state"] | null = null, verb: Paper["verb"] | null = null): string =>
    filterPapers(papers, { text, state, verb })
      .map(({ number }) => number)
      .join();

  test("every word is somewhere: title, sentence, module, number, claim, state", () => {
    expect(found("")).toBe("26,27");
    expect(found("  FASTGEN streams")).toBe("26");
    expect(found("fastgen moonshine")).toBe("");
    expect(found("not built")).toBe("27");
    expect(found("2401.08671")).toBe("26");
  });

  test("state and verb narrow it", () => {
    expect(found("", "not-built")).toBe("27");
    expect(found("", null, "serve")).toBe("26");
    expect(found("", "holds", "serve")).toBe("");
    expect(countStates(papers)).toEqual({ holds: 0, "does-not-hold": 0, undecided: 1, "not-built": 1 });
  });
});

describe("what a line says", () => {
  test("figures, months, targets", () => {
    expect([figure(3.3636), figure(122_400), figure(0.06431), figure(8.000001)]).toEqual([
      "3.36",
      "122,400",
      "0.0643",
      "8",
    ]);
    expect([monthText("2024-03"), monthText("2011-10")]).toEqual(["Mar 2024", "Oct 2011"]);
    expect(targetText(line())).toBe("≥ 3.7×");
    expect(targetText(line({ target_on: "ours", target: 5 }))).toBe("≤ 5 ms");
    expect(targetText(line({ target: null }))).toBeNull();
  });

  test("its state", () => {
    const states = [line(), line({ holds: true }), line({ holds: false }), line({ target: null })].map(lineState);
    expect(states).toEqual(["undecided", "holds", "does-not-hold", "published"]);
  });

  test("lines with a target come first, in their order", () => {
    const measured = [line({ metric: "a", target: null }), line({ metric: "b" }), line({ metric: "c" })];
    expect(linesOf(claim({ measured })).map(({ metric }) => metric)).toEqual(["b", "c", "a"]);
  });

  test("its strip keeps the order of its marks within the strip", () => {
    const strip = stripOf(line())!;
    const marks = [strip.even!, strip.low, strip.target!, strip.at, strip.high];
    expect(marks).toEqual(marks.toSorted((a, b) => a - b));
    expect(marks[0]).toBeGreaterThan(0);
    expect(marks.at(-1)).toBeLessThan(1);
    expect(stripOf(line({ interval95: null }))).toBeNull();
    expect(stripOf(line({ interval95: [0, 1] }))).toBeNull();
    const alone = stripOf(line({ interval95: [1, 1], ratio: 1, target: null }))!;
    expect(alone.at).toBeCloseTo(0.5);
  });
});

describe("a curve", () => {
  test("lines over a rising number, shares apart from sizes", () => {
    const points = [1, 2, 3].map((load) => ({ load, a: 0.5, b: 900, c: 1000, d: 2 }));
    const { drawn } = curveShape(points);
    expect(drawn!.x).toEqual([1, 2, 3]);
    expect(drawn!.charts.map(({ series }) => series.join())).toEqual(["a", "d", "b,c"]);
    expect(drawn!.charts.map(({ isShare }) => isShare)).toEqual([true, false, false]);
  });

  test("what falls is turned round, a wide range is logarithmic", () => {
    const { drawn } = curveShape([8192, 1024, 256].map((tokens) => ({ tokens, ms: tokens / 100 })));
    expect(drawn).toMatchObject({ x: [256, 1024, 8192], isLog: true });
    expect(drawn!.charts[0]!.values).toEqual([[2.56, 10.24, 81.92]]);
  });

  test("words, repeated places and single points are a table", () => {
    for (const points of [
      [{ arm: "a", ms: 1 }],
      [1, 1, 2].map((load) => ({ load, ms: 1 })),
      ["a", "b", "c"].map((arm) => ({ arm, ms: 1 })),
      [],
    ] satisfies CurvePoints[]) {
      expect(curveShape(points).drawn).toBeNull();
    }
  });

  test("what was published is shown whole, drawn or not", () => {
    const published = JSON.parse(
      readFileSync(new URL("../../../../docs/claims.json", import.meta.url), "utf8"),
    ) as readonly { readonly measured: readonly { readonly curve?: CurvePoints }[] }[];
    const curves = published.flatMap(({ measured }) =>
      measured.flatMap(({ curve }) => (curve === undefined ? [] : [curve])),
    );
    const shapes = curves.map(curveShape);
    for (const [i, { columns, drawn }] of shapes.entries()) {
      for (const point of curves[i]!) for (const key of Object.keys(point)) expect(columns).toContain(key);
      for (const { series, values } of drawn?.charts ?? []) {
        expect(values).toHaveLength(series.length);
        for (const one of values) expect(one).toHaveLength(drawn!.x.length);
      }
    }
    expect(shapes.some(({ drawn }) => drawn !== null)).toBe(true);
    expect(columnText("req_per_s_device")).toBe("req per s device");
  });
});
