/**
 * How far a fit has come, on standard error: a bar for each stage where somebody watches, else a line when a stage begins and
 * one every half minute, so that a log of hours says something.
 */
import type { TrainingProgress } from "../nn/index.ts";
import type { ProgressBar } from "../recipes/index.ts";

/** What a fit tells of itself; see the head of this file. */
export interface FitProgress {
  /** Something has been found out or begun. */
  note(text: string): void;
  update(stage: string, progress: TrainingProgress): void;
  /** Gives the terminal back. */
  stop(): void;
}

const LINE_EVERY_MS = 30_000;

/**
 * @param name of what is fitted to
 * @param createBar the bar of one stage
 */
export function createFitProgress(name: string, createBar: (label: string) => ProgressBar): FitProgress {
  const watched = process.stderr.isTTY === true;
  let stage: string | null = null;
  let bar: ProgressBar | null = null;
  let dueMs = 0;
  const stop = (): void => {
    bar?.stop();
    bar = null;
  };
  return {
    stop,
    note(text) {
      stop();
      console.error(`${name}: ${text}`);
    },
    update(next, progress) {
      if (next !== stage) {
        stop();
        stage = next;
        dueMs = 0;
      }
      if (watched) {
        bar ??= createBar(`${next} of ${name}`);
        bar.update(progress);
        return;
      }
      if (performance.now() < dueMs) return;
      dueMs = performance.now() + LINE_EVERY_MS;
      console.error(`${name}: ${line(next, progress)}`);
    },
  };
}

function line(stage: string, { step, totalSteps, loss, tokensPerSecond }: TrainingProgress): string {
  const rate = Math.round(tokensPerSecond);
  return `${stage}, step ${step + 1} of ${totalSteps}, loss ${loss.toFixed(3)}, ${rate} tokens/s`;
}
