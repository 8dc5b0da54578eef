import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ColumnRing, TimeSeries, type SeriesSizes } from "./series.ts";

const SIZES: SeriesSizes = { fineRows: 20, fineMs: 5_000, binMs: 1_000, bins: 10 };

describe("ColumnRing", () => {
  test("keeps the newest rows, as an array cut to the same length does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }),
        fc.integer({ min: 0, max: 3_000 }),
        (gaps, from) => {
          const ring = new ColumnRing(1, 13);
          const twin: [number, number][] = [];
          let timeMs = 0;
          for (const gap of gaps) {
            timeMs += gap;
            ring.push(timeMs, [gap]);
            twin.push([timeMs, gap]);
            if (twin.length > 13) twin.shift();
          }
          expect(ring.length).toBe(twin.length);
          for (const [row, [time, value]] of twin.entries()) {
            expect(ring.timeMs(row)).toBe(time);
            expect(ring.value(row, 0)).toBe(value);
          }
          const expected = twin.findIndex(([time]) => time >= from);
          expect(ring.firstFrom(from)).toBe(expected === -1 ? twin.length : expected);
        },
      ),
      { seed: 5 },
    );
  });
});

describe("TimeSeries", () => {
  test("a short window shows samples, a long one bins by each column's rule", () => {
    const series = new TimeSeries(["mean", "max", "last"], SIZES);
    for (let index = 0; index < 32; index += 1) series.push(index * 250, [index, index % 5, index]);
    const nowMs = 31 * 250;
    const fine = series.read(nowMs, 1_000);
    expect(fine.seconds.slice(-5)).toEqual([-1, -0.75, -0.5, -0.25, 0]);
    expect(fine.columns[0]!.slice(-5)).toEqual([27, 28, 29, 30, 31]);
    const coarse = series.read(nowMs, 60_000);
    // Bins of four samples: 0..3, 4..7, …; the last one is still being filled and stands at the newest sample.
    expect(coarse.columns[0]!.filter((value) => value !== null)).toEqual([1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]);
    expect(coarse.columns[1]!.filter((value) => value !== null)).toEqual([3, 4, 4, 4, 4, 3, 4, 4]);
    expect(coarse.columns[2]!.filter((value) => value !== null)).toEqual([3, 7, 11, 15, 19, 23, 27, 31]);
    expect(coarse.seconds.at(-1)).toBe(0);
  });

  test("what is not known is a gap, and so is a feed that was away", () => {
    const series = new TimeSeries(["mean"], SIZES);
    series.push(0, [1]);
    series.push(250, [Number.NaN]);
    series.push(20_000, [3]);
    expect(series.read(20_000, 4_000).columns[0]).toEqual([3]);
    const all = new TimeSeries(["mean"], { ...SIZES, fineMs: 60_000 });
    all.push(0, [1]);
    all.push(250, [Number.NaN]);
    all.push(20_000, [3]);
    expect(all.read(20_000, 30_000).columns[0]).toEqual([1, null, null, 3]);
  });

  test("shows what was known at an earlier moment", () => {
    const series = new TimeSeries(["mean"], SIZES);
    for (let index = 0; index < 8; index += 1) series.push(index * 250, [index]);
    expect(series.read(1_000, 500).columns[0]).toEqual([2, 3, 4]);
    expect([series.at(1_000, 0), series.at(1_100, 0), series.at(9_000, 0)]).toEqual([4, 4, 7]);
    expect(series.at(-1, 0)).toBeNaN();
    expect([series.knownMs(2_000, 1_000), series.knownMs(2_000, 5_000)]).toEqual([1_000, 2_000]);
    expect(new TimeSeries(["mean"], SIZES).knownMs(5, 1_000)).toBe(0);
  });

  test("times only go forward in what is drawn", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -300, max: 9_000 }), { maxLength: 80 }),
        fc.constantFrom(1_000, 60_000),
        (gaps, windowMs) => {
          const series = new TimeSeries(["mean"], SIZES);
          let [timeMs, newest] = [0, 0];
          for (const gap of gaps) {
            timeMs += gap;
            newest = Math.max(newest, timeMs);
            series.push(timeMs, [1]);
          }
          const { seconds, columns } = series.read(newest, windowMs);
          expect(columns[0]).toHaveLength(seconds.length);
          for (let index = 1; index < seconds.length; index += 1) {
            expect(seconds[index]! >= seconds[index - 1]!).toBe(true);
          }
        },
      ),
      { seed: 5 },
    );
  });
});
