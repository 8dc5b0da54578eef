/** Which prefixes a sequence shares: the name of the root that its pages hang from in the prefix cache. */

/**
 * Sequences of one root share equal prefixes, those of two never do: keys and values under an adapter are others, and what is
 * under a salt may not be exact.
 * @param salt the request's own; absent or "": everybody's
 * @param adapter number of its adapter; absent: none
 */
export function cacheRoot(salt: string | undefined, adapter?: number): string {
  const own = salt === undefined || salt === "" ? "" : `salt/${salt}`;
  return adapter === undefined ? own : `adapter/${adapter}/${own}`;
}
