/** Who is asking: finds the key of a request and holds what each key has used. */
import { fail, type Clock } from "../../core/index.ts";
import { findKey, type ApiKey } from "./keys.ts";
import { KeyUsage } from "./limits.ts";

/** A key with what it has used. */
export interface Caller {
  readonly key: ApiKey;
  readonly usage: KeyUsage;
}

type Header = (name: string) => string | undefined;

/** The keys of one server. */
export class Callers {
  readonly #callers: readonly Caller[];

  constructor(keys: readonly ApiKey[], clock: Clock) {
    this.#callers = keys.map((key) => ({ key, usage: new KeyUsage(key.limits, clock.nowMs()) }));
  }

  /**
   * The caller of a request, by `Authorization: Bearer` or `x-api-key` (as Anthropic's clients send it).
   * Errors: `unauthorized`; a wrong key and no key are told apart, nothing more.
   */
  identify(header: Header): Caller {
    const bearer = /^bearer +(\S+) *$/i.exec(header("authorization") ?? "")?.[1];
    const presented = [bearer, header("x-api-key")].filter((key) => key !== undefined && key !== "") as string[];
    for (const key of presented) {
      const caller = findKey(this.#callers, key);
      if (caller !== null) return caller;
    }
    const what = presented.length === 0 ? "No API key was given" : "The API key is not known";
    return fail("unauthorized", `${what}: expected one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'.`);
  }
}
