import { describe, expect, it } from "vitest";
import { createSession } from "./session.ts";
import type { GraphModel } from "./types.ts";

const model: GraphModel = {
  name: "t",
  irVersion: 10,
  opsets: { "": 21, "com.microsoft": 1 },
  inputs: [{ name: "x", dtype: "float32", shape: ["rows", 2] }],
  outputs: [
    { name: "y", dtype: "float32", shape: ["rows", 2] },
    { name: "z", dtype: "float32", shape: ["rows", 2] },
  ],
  initializers: [{ name: "w", dtype: "float32", dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  nodes: [
    { op: "MatMul", domain: "", name: "mm", inputs: ["x", "w"], outputs: ["y"], attributes: {} },
    { op: "Neg", domain: "", name: "n", inputs: ["y"], outputs: ["z"], attributes: {} },
  ],
  metadata: {},
};
describe("session", () => {
  it("runs", async () => {
    for (const call of ["direct", "public"] as const) {
      const s = await createSession(model, { call });
      const out = await s.run({ x: { dtype: "float32", dims: [1, 2], data: Float32Array.of(1, 1) } }, ["y"]);
      expect(out["y"]!.data).toEqual(Float32Array.of(4, 6));
      if (call === "direct")
        expect(s.runSync({ x: { dtype: "float32", dims: [1, 2], data: Float32Array.of(1, 1) } })["z"]!.data).toEqual(
          Float32Array.of(-4, -6),
        );
      expect(() => s.runSync({ x: { dtype: "float32", dims: [1, 3], data: Float32Array.of(1, 1, 1) } })).toThrow();
      await s.release();
    }
  });
});
