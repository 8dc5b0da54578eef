/**
 * Errors about a request that was translated into another endpoint's words, told in the words that the client used.
 */
import { PunctualError } from "../core/index.ts";

/** Pairs of a field as the inner endpoint calls it and as the client does; the first that begins the path counts. */
export type FieldNames = readonly (readonly [inner: string, outer: string])[];

/** Runs `work`; a PunctualError about an inner field leaves it as one about the outer field. */
export function inWordsOf<T>(names: FieldNames, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw renamed(names, error);
  }
}

/** The same error, naming the client's field. Anything else passes through. */
export function renamed(names: FieldNames, error: unknown): unknown {
  if (!(error instanceof PunctualError) || error.param === null) return error;
  const { code, message, param, retryAfterMs, cause } = error;
  const found = names.find(
    ([inner]) => param === inner || param.startsWith(`${inner}.`) || param.startsWith(`${inner}[`),
  );
  if (found === undefined) return error;
  const [, outer] = found;
  return new PunctualError(code, message.replace(`'${param}'`, `'${outer}'`), {
    param: outer,
    cause,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}
