import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { paperOfClaim, paperRows } from "./paper-index.ts";
import { PAPERS } from "./papers.ts";
import { CLAIMS, type Claim, type ClaimResult, type Measured } from "./index.ts";

const published = JSON.parse(
  readFileSync(new URL("../../docs/claims.json", import.meta.url), "utf8"),
) as readonly ClaimResult[];

describe("the table of papers", () => {
  test("there are 41, in order, each told once", () => {
    expect(PAPERS.map(({ number }) => Number(number))).toEqual(Array.from({ length: 41 }, (_, i) => i + 1));
    for (const field of ["title", "arxiv", "speedsUp"] as const) {
      const values = PAPERS.map((paper) => paper[field]).filter((value) => value !== null);
      expect(new Set(values).size).toBe(values.length);
    }
  });

  test("dates are months, and an arXiv number is of that time", () => {
    for (const { number, date, arxiv } of PAPERS) {
      expect(date, number).toMatch(/^20\d\d-(0[1-9]|1[0-2])$/);
      if (arxiv === null) continue;
      expect(arxiv).toMatch(/^\d{4}\.\d{4,5}$/);
      const months = (Number(`20${arxiv.slice(0, 2)}`) - Number(date.slice(0, 4))) * 12;
      const after = months + Number(arxiv.slice(2, 4)) - Number(date.slice(5));
      expect(after, number).toBeGreaterThanOrEqual(0);
      expect(after, number).toBeLessThanOrEqual(2);
    }
  });

  test("what it speeds up is one sentence", () => {
    for (const { number, speedsUp } of PAPERS) {
      expect(speedsUp, number).toMatch(/^[A-Z].{20,140}[^.]\.$/);
      expect(speedsUp.slice(0, -1), number).not.toMatch(/[.!?] /);
    }
  });
});

describe("papers and claims", () => {
  const { papers, own } = paperRows(CLAIMS, published);

  test("each numbered claim belongs to a row, every other one is ours, none is lost", () => {
    for (const { id } of CLAIMS) {
      const number = paperOfClaim(id);
      const row = papers.find((paper) => paper.number === number);
      if (number !== null) expect(row?.claims.map((claim) => claim.id)).toContain(id);
      else expect(own.map((claim) => claim.id)).toContain(id);
    }
    expect(papers.flatMap(({ claims }) => claims).length + own.length).toBe(CLAIMS.length);
  });

  test("a row without a claim says that it is not built, one with a claim never does", () => {
    for (const { claims, state, ratio } of papers) {
      expect(state === "not-built").toBe(claims.length === 0);
      if (claims.length === 0) expect(ratio).toBeNull();
    }
  });

  test("a row says what docs/claims.json says", () => {
    for (const { claim, holds, measured } of published) {
      const row = papers.find(({ number }) => number === paperOfClaim(claim));
      const said = (row?.claims ?? own).find(({ id }) => id === claim);
      expect(said?.state).toBe(holds === null ? "undecided" : holds ? "holds" : "does-not-hold");
      expect(said?.measured).toEqual(measured);
    }
  });
});

describe("the state of a row", () => {
  const line = (holds: boolean | null, ratio: number | null, target: number | null = 1): Measured => ({
    metric: `m${ratio}`,
    unit: "ms",
    better: "lower",
    ours: 1,
    baseline: 1,
    ratio,
    target,
    target_on: "ratio",
    samples: 1,
    interval95: null,
    holds,
    kind: "live",
    paper_says: null,
    note: "",
  });
  const claim = (id: string): Claim => ({ ...CLAIMS[0]!, id });
  const result = (id: string, holds: boolean | null, measured: readonly Measured[] = []): ClaimResult => ({
    ...published[0]!,
    claim: id,
    holds,
    measured,
  });
  const rowOf = (ids: readonly string[], results: readonly ClaimResult[]) =>
    paperRows(ids.map(claim), results).papers.find(({ number }) => number === "29")!;

  test("all of its claims decide", () => {
    const both = ["29", "29-live"];
    expect(rowOf(both, [result("29", true), result("29-live", true)]).state).toBe("holds");
    expect(rowOf(both, [result("29", true), result("29-live", false)]).state).toBe("does-not-hold");
    expect(rowOf(both, [result("29", true), result("29-live", null)]).state).toBe("undecided");
    expect(rowOf(both, [result("29", true)]).state).toBe("undecided");
    expect(rowOf([], [result("29", true)]).state).toBe("not-built");
  });

  test("a claim that could not run decides nothing", () => {
    expect(rowOf(["29"], [{ ...result("29", true), error: "no room" }]).state).toBe("undecided");
  });

  test("its ratio is that of the first line with a target on one", () => {
    const measured = [line(null, 9, null), line(null, null), line(false, 0.5, 2), line(true, 4, 3)];
    expect(rowOf(["29"], [result("29", false, measured)]).ratio).toEqual({ value: 0.5, target: 2, metric: "m0.5" });
    expect(rowOf(["29"], [result("29", true, [line(true, null)])]).ratio).toBeNull();
  });
});
