/** Questions about transfers to the worker of an engine, as calls. */
import { fail, fromErrorRecord } from "../../core/index.ts";
import type { EngineLink } from "../worker-link.ts";
import type { TransferCall, TransferKind, TransferProtocol } from "./protocol.ts";

/** Asks, and throws what was answered instead. @param buffers handed over instead of copied */
export type Ask = <K extends TransferKind>(
  ask: K,
  args: TransferProtocol[K]["args"],
  buffers?: readonly ArrayBuffer[],
) => Promise<TransferProtocol[K]["result"]>;

/** Questions to the worker that there is now: those after its end are not asked of the next one. */
export function askOf(link: EngineLink): Ask {
  return async (ask, args, buffers) => {
    const answer = await link.transfer({ ask, args } as TransferCall, buffers);
    if (answer === null) return fail("engine_failed", "the engine worker died");
    if (!answer.ok) throw fromErrorRecord(answer.error);
    return answer.result as never;
  };
}
