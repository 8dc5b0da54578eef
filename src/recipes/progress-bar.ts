/** A bar on standard error for a training run; silent when that is not a terminal. */
import { Presets, SingleBar } from "cli-progress";
import type { TrainingProgress } from "../nn/index.ts";

/** The bar of one run; it appears with the first update, and `stop` gives the terminal back. */
export interface ProgressBar {
  readonly update: (progress: TrainingProgress) => void;
  readonly stop: () => void;
}

/** A bar that is not drawn yet; `name` stands before it. */
export function createProgressBar(name: string): ProgressBar {
  const format = `${name} {bar} {value}/{total} steps | loss {loss} | {rate} tokens/s | {eta_formatted} left`;
  const bar = new SingleBar(
    { format, stream: process.stderr, hideCursor: true, etaBuffer: 50 },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update({ step, totalSteps, loss, tokensPerSecond }) {
      const payload = { loss: loss.toFixed(3), rate: Math.round(tokensPerSecond) };
      if (started) bar.update(step + 1, payload);
      else bar.start(totalSteps, step + 1, payload);
      started = true;
    },
    stop() {
      if (started) bar.stop();
    },
  };
}
