/**
 * Claim `26`, DeepSpeed-FastGen (2401.08671): what Dynamic SplitFuse does for the streams that run while long prompts come,
 * against whole prompts first (vLLM of 2023) and whole prompts in the batch (Orca). All arms have the same engine, kernels,
 * pages and requests, so that what differs is scheduling. Live with 1 and 2 threads and f32 and int4 weights, and at the
 * paper's scale in the simulator; the two ways to deploy are compared beside it.
 */
import type { Claim, ClaimContext, ClaimMode, Measured } from "./framework.ts";
import { askLibrary, askServer, drawQuestions, type DeploymentRun } from "./fastgen/deployments.ts";
import { deploymentLines, liveLines, simulatedLines } from "./fastgen/lines.ts";
import { measureSetUp } from "./fastgen/live.ts";
import { extentOf } from "./fastgen/setup.ts";
import { simulatePaper, type SimulatedSamples } from "./fastgen/simulated.ts";

const DEPLOYMENT_PAIRS: Readonly<Record<ClaimMode, number>> = { full: 5, quick: 1, smoke: 1 };
const QUESTIONS = 4;

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  // A smoke test wants answers, not times: everything at once.
  if (context.mode === "smoke") {
    const [lines, pairs] = await Promise.all([measureEngines(context), measureDeployments(context)]);
    return [...lines, ...deploymentLines(pairs)];
  }
  const lines = await measureEngines(context);
  return [...lines, ...deploymentLines(await measureDeployments(context))];
}

async function measureEngines(context: ClaimContext): Promise<Measured[]> {
  const extent = extentOf(context.mode);
  const lines: Measured[] = [];
  for (const setUp of extent.setUps) {
    lines.push(...liveLines(await measureSetUp(context, extent, setUp), extent.modelName));
  }
  const samples: SimulatedSamples[] = [];
  for (let seed = 0; seed < extent.simulatedSeeds; seed++) {
    context.progress(`the paper's scale, seed ${seed}`);
    samples.push(simulatePaper(extent, `${context.seed} ${seed}`));
  }
  return [...lines, ...simulatedLines(samples)];
}

async function measureDeployments(context: ClaimContext) {
  const { mode, clock, seed } = context;
  const pairs: { library: DeploymentRun; server: DeploymentRun }[] = [];
  for (let pair = 0; pair < DEPLOYMENT_PAIRS[mode]; pair++) {
    context.progress(`library and server, pair ${pair + 1}`);
    const questions = drawQuestions(QUESTIONS, seed + pair);
    const asked = askLibrary(questions, clock);
    if (mode !== "smoke") await asked;
    const [library, server] = await Promise.all([asked, askServer(questions, clock)]);
    pairs.push({ library, server });
  }
  return pairs;
}

export const fastgen: Claim = {
  id: "26",
  name: "fastgen",
  headline:
    "Cutting prompts to steps of one size keeps streams smooth while long prompts come, at the same throughput.",
  baseline:
    "whole prompts before everything (vLLM of 2023) and whole prompts in the batch (Orca), on the same engine, kernels, pages and requests",
  source: "DeepSpeed-FastGen, arXiv 2401.08671",
  targets:
    "against whole prompts first, in each of four set-ups and simulated at the paper's scale: P95 gap between tokens at least 3.7 times lower, mean latency at 80 % of its peak load at least 2 times lower, effective throughput at 10 tokens/s in the paper's time at least 2.3 times, tokens computed at least 0.95 times; step times vary by at most 0.15; library and server give the same answers",
  measure,
};
