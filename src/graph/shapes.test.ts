/** Arithmetic on named sizes: one spelling for equal sizes, checked against arithmetic on numbers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluateShape } from "./ops.conformance.ts";
import { canonicalDim, dimAdd, dimDivide, dimMul, dimSub } from "./shapes.ts";
import type { Dim } from "./types.ts";

const sizes = { A: 3, B: 5, T: 7 };
const leaf: fc.Arbitrary<Dim> = fc.oneof(fc.constantFrom("A", "B", "T"), fc.integer({ min: 1, max: 4 }));
const { dim } = fc.letrec<{ dim: Dim }>((tie) => ({
  dim: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.tuple(tie("dim"), tie("dim")).map(([a, b]) => dimAdd(a, b)),
    fc.tuple(tie("dim"), tie("dim")).map(([a, b]) => dimMul(a, b)),
  ),
}));
const valueOf = (size: Dim): number => evaluateShape([size], sizes)[0]!;

describe("named sizes", () => {
  test("calculate as their numbers do", () => {
    const property = fc.property(dim, dim, (a, b) => {
      expect(valueOf(dimAdd(a, b))).toBe(valueOf(a) + valueOf(b));
      expect(valueOf(dimMul(a, b))).toBe(valueOf(a) * valueOf(b));
      expect(valueOf(dimSub(a, b))).toBe(valueOf(a) - valueOf(b));
    });
    fc.assert(property, { seed: 1, numRuns: 300 });
  });

  test("have one spelling, whatever the order", () => {
    const property = fc.property(dim, dim, dim, (a, b, c) => {
      expect(dimAdd(a, dimAdd(b, c))).toBe(dimAdd(dimAdd(c, b), a));
      expect(dimMul(a, dimAdd(b, c))).toBe(dimAdd(dimMul(c, a), dimMul(b, a)));
      expect(dimSub(dimAdd(a, b), b)).toBe(a);
      expect(canonicalDim(a)).toBe(a);
    });
    fc.assert(property, { seed: 2, numRuns: 300 });
  });

  test("division undoes multiplication by one term, and refuses the rest", () => {
    const term = fc.array(leaf, { minLength: 1, maxLength: 3 }).map((parts) => parts.reduce(dimMul));
    fc.assert(
      fc.property(dim, term, (a, b) => {
        expect(dimDivide(dimMul(a, b), b)).toBe(a);
      }),
      { seed: 3, numRuns: 300 },
    );
    expect(dimDivide("T", 2)).toBeNull();
    expect(dimDivide("A+1", "A")).toBeNull();
    expect(dimDivide(7, 2)).toBeNull();
  });

  test("are written by people in any form", () => {
    expect(canonicalDim("T*B*2")).toBe("2*B*T");
    expect(canonicalDim("1+T-1")).toBe("T");
    expect(() => canonicalDim("batch size")).toThrow(expect.objectContaining({ code: "invalid_graph" }));
  });
});
