/**
 * One listener per AbortSignal however many streams it cancels: a request for many answers, and clients that are all ended
 * together, share one signal, and a listener for each would look like a leak to Node. Every engine has a fan of its own.
 */
/** See the head of this file. */
export class SignalFan {
  readonly #callbacks = new WeakMap<AbortSignal, Set<() => void>>();

  /** Calls back when the signal fires, unless the answer has been called before. Not for fired signals. */
  listen(signal: AbortSignal, callback: () => void): () => void {
    let callbacks = this.#callbacks.get(signal);
    if (callbacks === undefined) {
      const own = new Set<() => void>();
      this.#callbacks.set(signal, own);
      signal.addEventListener("abort", () => own.forEach((call) => call()), { once: true });
      callbacks = own;
    }
    const own = callbacks;
    own.add(callback);
    return () => own.delete(callback);
  }
}
