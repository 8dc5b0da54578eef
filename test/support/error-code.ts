/** How work under test fails: by the code of an error of ours. An error that is not ours is a bug, and thrown on. */
import { PunctualError, type ErrorCode } from "../../src/core/index.ts";

/** The code that work ends with; null when it ends well. */
export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<ErrorCode | null> {
  try {
    await (typeof work === "function" ? work() : work);
    return null;
  } catch (error) {
    return codeIn(error);
  }
}

/** The same of work that nobody has to wait for. */
export function codeThrown(work: () => unknown): ErrorCode | null {
  try {
    work();
    return null;
  } catch (error) {
    return codeIn(error);
  }
}

/** What work answers, or the code of why it does not. */
export function valueOrCode<T>(work: () => T): T | ErrorCode {
  try {
    return work();
  } catch (error) {
    return codeIn(error);
  }
}

function codeIn(error: unknown): ErrorCode {
  if (error instanceof PunctualError) return error.code;
  throw error;
}
