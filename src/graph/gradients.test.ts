/**
 * Every gradient rule against central finite differences, at random sizes, with sizes written into the graph
 * and with named ones. The loss is a fixed random weighting of all outputs, so no error can cancel.
 */
import { expect, test } from "vitest";
import { createRandom, type RandomStream } from "../core/index.ts";
import { gradients } from "./autodiff.ts";
import { add, mul, sin } from "./ops/elementwise.ts";
import {
  buildCase,
  drawSizes,
  evaluateShape,
  OP_CASES,
  type BuiltCase,
  type OpCase,
  type Sizes,
} from "./ops.conformance.ts";
import { reduceSum } from "./ops/reduce.ts";
import { createSession } from "./session.ts";
import { OPS, type OpName } from "./table.ts";
import { isFloat, type Tensor } from "./tensor.ts";
import type { TensorData } from "./types.ts";

/** sum of y * sin(y's own place): weights that depend on the place, written for any shape. */
function weighted(outputs: readonly Tensor[], built: BuiltCase, sizes: Sizes, random: RandomStream): Tensor {
  const parts = outputs.map((output, i) => {
    const dims = evaluateShape(output.shape, sizes);
    const length = dims.reduce((product, dim) => product * dim, 1);
    const data = Array.from({ length }, () => random.normal());
    const feed: TensorData = {
      dtype: output.dtype,
      dims,
      data: output.dtype === "float64" ? Float64Array.from(data) : Float32Array.from(data),
    };
    (built.feeds as Record<string, TensorData>)[`weight${i}`] = feed;
    return reduceSum(mul(output, built.builder.input(`weight${i}`, output.dtype, output.shape)));
  });
  return parts.reduce((left, right) => add(left, right));
}

async function checkGradients(op: OpName, example: OpCase, sizes: Sizes, named: boolean, random: RandomStream) {
  const built = buildCase(example, sizes, named, random);
  const loss = weighted(built.outputs, built, sizes, random);
  built.builder.output("loss", loss);
  const wrt = built.inputs.filter((input) => isFloat(input.dtype));
  gradients(loss, wrt).forEach((gradient, i) => {
    expect(gradient.shape).toEqual(wrt[i]!.shape);
    built.builder.output(`d_${wrt[i]!.name}`, gradient);
  });
  await using session = await createSession(built.builder.build(), { threads: 1 });
  const found = session.runSync(built.feeds);
  const single = example.dtype === "float32";
  const [step, tolerance] = single ? [1e-2, 3e-3] : [1e-5, 1e-7];
  const value = (): number => Number(session.runSync(built.feeds, ["loss"])["loss"]!.data[0]);
  for (const input of wrt) {
    const data = built.feeds[input.name]!.data as Float64Array;
    const gradient = found[`d_${input.name}`]!;
    expect(gradient.dims, op).toEqual(built.feeds[input.name]!.dims);
    for (let i = 0; i < data.length; i++) {
      const centre = data[i]!;
      data[i] = centre + step;
      const [up, high] = [value(), data[i]!];
      data[i] = centre - step;
      const [down, low] = [value(), data[i]!];
      data[i] = centre;
      const slope = (up - down) / (high - low);
      const error = Math.abs(Number(gradient.data[i]) - slope) / (1 + Math.abs(slope));
      expect(error, `${op}: d ${input.name}[${i}] is ${gradient.data[i]}, slope ${slope}`).toBeLessThan(tolerance);
    }
  }
  return built.builder.nodes.map((node) => node.definition.name);
}

const smooth = (Object.keys(OPS) as OpName[]).filter((op) => OPS[op].gradient !== "none");

test.each(smooth)("gradient of %s", async (op) => {
  const random = createRandom(1, op);
  const emitted = new Set<string>();
  for (const example of OP_CASES[op]) {
    for (const named of [false, true]) {
      for (const name of await checkGradients(op, example, drawSizes(random), named, random)) emitted.add(name);
    }
  }
  expect([...emitted]).toContain(op);
});

const flat = (Object.keys(OPS) as OpName[]).filter((op) => OPS[op].gradient === "none");

test.each(flat)("no gradient flows through %s", (op) => {
  const random = createRandom(1, op);
  for (const example of OP_CASES[op]) {
    const { builder, inputs, outputs } = buildCase(example, drawSizes(random), true, random);
    const x = inputs.find((input) => isFloat(input.dtype));
    if (x === undefined || !isFloat(outputs[0]!.dtype) || op === "range") continue;
    const before = builder.nodes.length;
    gradients(reduceSum(sin(outputs[0]!)), [x]);
    const added = builder.nodes.slice(before).map((node) => node.definition.name);
    expect(added.filter((name) => !["sin", "reduceSum", "expand", "shapeOf", "concat"].includes(name))).toEqual([]);
  }
});
