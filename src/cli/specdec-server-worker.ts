/**
 * The server that `punctual bench specdec --serve` starts, once per arm, in a process of its own: one model, drafting
 * exactly so many tokens, or as many as pay ("auto"). Unlike `punctual serve` it can be told to draft when drafting is
 * a loss, which a benchmark has to see. No prefix cache: rounds ask the same prompts again.
 *
 *   MODEL PORT DRAFTER LENGTH MAX_RUNNING      DRAFTER: ngram, prediction, auto or draft:MODEL; LENGTH 0: no drafts
 */
import { assert } from "../core/index.ts";
import type { SpeculationOptions } from "../runtime/index.ts";
import { resolveModel } from "./models.ts";
import { reportFailure } from "./terminal.ts";

async function main(model: string, port: number, speculation: SpeculationOptions, maxRunning: number): Promise<void> {
  const [{ Engine }, { createServer }, { dir, name }] = await Promise.all([
    import("../runtime/index.ts"),
    import("../server/index.ts"),
    resolveModel(model, true),
  ]);
  const engine = await Engine.start({ model: { dir }, name, speculation, prefixCache: false, maxRunning });
  const server = createServer({ engines: [engine] });
  const stop = async (): Promise<void> => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
    process.exit(0);
  };
  process.once("SIGTERM", () => void stop());
  process.stdin.resume().once("end", () => void stop()); // whoever started this one is gone
  process.once("SIGINT", () => undefined); // a terminal's interrupt reaches the group; the benchmark ends this one itself
  const { url } = await server.listen({ port });
  console.log(url);
}

/** The engine's options for an arm. */
async function speculationOf(drafter: string, length: string): Promise<SpeculationOptions> {
  if (length === "0") return { method: "off" };
  const isAdaptive = !/^\d+$/.test(length);
  const common = { adaptive: isAdaptive, ...(isAdaptive ? {} : { tokens: Number(length) }) };
  if (!drafter.startsWith("draft:")) return { method: drafter as SpeculationOptions["method"], ...common };
  const { dir } = await resolveModel(drafter.slice("draft:".length), true);
  return { method: "draft", model: { dir }, ...common };
}

const [model, port, drafter, length, maxRunning] = process.argv.slice(2);
assert(model !== undefined && drafter !== undefined && length !== undefined, "bench specdec names the arm");
try {
  await main(model, Number(port), await speculationOf(drafter, length), Number(maxRunning));
} catch (error) {
  process.exitCode = reportFailure(error);
}
