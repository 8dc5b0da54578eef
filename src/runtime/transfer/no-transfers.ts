/** Transfers of an engine whose sequences cannot be moved through it: nothing is listed, everything else is refused. */
import { fail } from "../../core/index.ts";
import type { SequenceTransfers } from "./types.ts";

/** @param why what every refusal says: `unsupported: sequences stay where they are: <why>` */
export function noTransfers(why: string): SequenceTransfers {
  const refuse = (): never => fail("unsupported", `sequences stay where they are: ${why}`);
  const refuseLater = async (): Promise<never> => refuse();
  return {
    list: async () => [],
    export: refuseLater,
    import: refuseLater,
    takeOver: refuseLater,
    resume: refuse,
    onLeaving: () => () => undefined,
    readPrefix: refuseLater,
    installPrefix: refuseLater,
  };
}
