/** What crosses between the two workers of an engine whose phases are apart. The decode side decides, the other computes. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorRecord } from "../../core/index.ts";
import type { DecoderConfig, KeptRow, StepRow, TokenScores } from "../../llm/index.ts";
import type { Phase } from "../../sched/index.ts";
import type { EngineOptions } from "../types.ts";
import type { SlotUse } from "./options.ts";

/** `workerData` of the worker that computes prompts. */
export interface PrefillWorkerSetup {
  readonly options: EngineOptions;
  readonly config: DecoderConfig;
  readonly name: string;
  /** To the decode side. */
  readonly peer: MessagePort;
}

/** From the decode side. */
export type ToPrefillWorker =
  /** First of all: what to compute over. A cache to share, or null for one of its own. */
  | {
      readonly kind: "attach";
      readonly cache: { readonly memory: WebAssembly.Memory; readonly views: number; readonly view: number } | null;
      /** Where to tell how far a step of prompts has come; null when nobody asks. */
      readonly progress: SharedArrayBuffer | null;
      readonly ortRowThreshold: number;
      readonly threads: 1 | 2;
      /** Most sequences of a step of decodes. */
      readonly decodeRows: number;
    }
  /** A step of one phase; its pages are reserved. The answer is "done". */
  | { readonly kind: "step"; readonly phase: Phase; readonly rows: readonly StepRow[] }
  | { readonly kind: "tickets"; readonly tickets: Readonly<Record<Phase, number>> }
  /** Send these pages of the cache of its own. The answer is "pages". */
  | { readonly kind: "pull"; readonly transfer: number; readonly pages: Int32Array }
  | { readonly kind: "stop" };

/** To the decode side. */
export type FromPrefillWorker =
  | { readonly kind: "ready" }
  | {
      readonly kind: "done";
      readonly phase: Phase;
      readonly scores: readonly (readonly TokenScores[])[];
      /** Of each sequence whose scores are of best tokens only: the row they come from. */
      readonly kept: readonly (KeptRow | null)[];
      readonly use: Readonly<Record<Phase, SlotUse>>;
    }
  | { readonly kind: "pages"; readonly transfer: number; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly error: ErrorRecord };
