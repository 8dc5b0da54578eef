/**
 * The worker's end of a recording: lines become text, text goes to the main thread in batches. Decisions are nearly all
 * of the work, and they are written only while that work stays within a share of the time that steps take: beyond it
 * steps are written without, which a replay can do with. Everything else is always written.
 */
import { assert, type Clock } from "../core/index.ts";
import { recordingLine, type RecordingLine } from "../workload/index.ts";

const DEFAULT_SHARE = 0.03;
/** What may be written beyond the share in one go. */
const BURST_MS = 20;
const BATCH_CHARACTERS = 65_536;
const BATCH_MS = 250;

/** What of a StepLoop's life a sink is told, and by what it measures itself. */
export interface RecordingSinkOptions {
  readonly clock: Clock;
  readonly post: (text: string) => void;
  /** Of the time of steps, 0 to 1; 0.03 when absent. */
  readonly maxShare?: number;
  /** Loops whose steps run at the same time, so that the time of all steps is no more than that many times the clock's; 1 when absent. */
  readonly lanes?: number;
}

/** See the head of this file. */
export class RecordingSink {
  readonly #options: RecordingSinkOptions;
  readonly #share: number;
  #lines: string[] = [];
  #characters = 0;
  #firstMs = 0;
  /** Milliseconds that may be spent; below 0 nothing more is. */
  #creditMs = BURST_MS;

  constructor(options: RecordingSinkOptions) {
    this.#options = options;
    const { maxShare = DEFAULT_SHARE, lanes = 1 } = options;
    assert(maxShare >= 0 && maxShare <= 1, "a share is from 0 to 1");
    this.#share = maxShare / lanes;
  }

  /** Whether the next step may be written with its decision. */
  get wantsDecision(): boolean {
    return this.#creditMs > 0;
  }

  write(line: RecordingLine): void {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    const text = recordingLine(line);
    if (this.#lines.length === 0) this.#firstMs = startMs;
    this.#lines.push(text);
    this.#characters += text.length;
    if (this.#characters >= BATCH_CHARACTERS) this.flush();
    if (line.kind !== "step") return;
    const spentMs = line.decision === undefined ? 0 : clock.nowMs() - startMs;
    this.#creditMs = Math.min(BURST_MS, this.#creditMs + line.stepMs * this.#share) - spentMs;
  }

  /** Posts what has waited long enough. Between steps. */
  tick(): void {
    if (this.#lines.length > 0 && this.#options.clock.nowMs() - this.#firstMs >= BATCH_MS) this.flush();
  }

  /** Posts what there is. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join("");
    this.#lines = [];
    this.#characters = 0;
    this.#options.post(text);
  }
}
