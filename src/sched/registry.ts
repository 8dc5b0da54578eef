/** Policies by name, for options that cross a thread border or come from a command line. */
import { fail } from "../core/index.ts";
import { fifo } from "./fifo.ts";
import type { BatchPolicy } from "./types.ts";

const POLICIES: Readonly<Record<string, () => BatchPolicy>> = { fifo };

/** The names that createPolicy knows. */
export const POLICY_NAMES: readonly string[] = Object.keys(POLICIES);

/** @throws PunctualError invalid_request when there is no policy of that name. */
export function createPolicy(name: string): BatchPolicy {
  const create = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (create === undefined) {
    return fail("invalid_request", `policy: expected one of ${POLICY_NAMES.join(", ")}, got "${name}"`, {
      param: "policy",
    });
  }
  return create();
}
