/**
 * Claim `rivals`, inside an arm's process: takes commands one at a time over the channel to the parent, times them, and
 * ends with the parent. What computes is handed in; rivals/ hands in others' libraries, arm-worker.ts our engine.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ArmAnswers, ArmCommand, ArmReply, Decoded, LoadOptions } from "./arm.ts";

/** A library under measurement. It imports what it needs inside `load`, so that the import is timed too. */
export interface ArmSide {
  load(options: LoadOptions): Promise<void>;
  /** The greedy token after a prompt that it has not seen. */
  firstToken(prompt: readonly number[]): Promise<number>;
  /** Decodes the prompts together, greedily, past any end; `performance.now()` of each token by stream. */
  decode(prompts: readonly (readonly number[])[], tokens: number): Promise<readonly (readonly number[])[]>;
  end(): Promise<void>;
}

const TIMER_MS = 1;
const NANOSECONDS_PER_MS = 1e6;

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const startMs = performance.now();
  const result = await work();
  return { ms: performance.now() - startMs, result };
}

async function watched(work: () => Promise<readonly (readonly number[])[]>): Promise<Decoded> {
  const delay = monitorEventLoopDelay({ resolution: TIMER_MS });
  delay.enable();
  try {
    const times = await work();
    const p99Ms = delay.percentile(99) / NANOSECONDS_PER_MS;
    return { times, lagMs: Math.max(0, p99Ms - TIMER_MS) };
  } finally {
    delay.disable();
  }
}

async function answer(side: ArmSide, command: ArmCommand): Promise<ArmAnswers[keyof ArmAnswers]> {
  switch (command.kind) {
    case "load":
      return { ms: (await timed(() => side.load(command.options))).ms };
    case "firstToken": {
      const { ms, result } = await timed(() => side.firstToken(command.prompt));
      return { ms, token: result };
    }
    case "decode":
      return watched(() => side.decode(command.prompts, command.tokens));
    case "end":
      await side.end();
      return null;
    default:
      return command satisfies never;
  }
}

/** Serves until the parent asks for the end or leaves. */
export function serveArm(side: ArmSide): void {
  process.on("message", (command: ArmCommand) => {
    const reply = (message: ArmReply): void => {
      process.send?.(message, () => {
        if (command.kind === "end") process.exit(0);
      });
    };
    answer(side, command).then(
      (result) => reply({ answer: result }),
      (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}
