/**
 * Token ids under a secret: equal ids stay equal, nothing else of them is left, and who does not know the secret cannot tell
 * which token an id stands for by trying them all. For what a recording keeps of prompts, and for nothing that has to be
 * quick: each token is hashed once (HMAC-SHA-256, cut to 32 bits) and remembered.
 */
import { createHmac } from "node:crypto";

/** See the head of this file. */
export class SecretIds {
  readonly #secret: string;
  readonly #known = new Map<number, number>();

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** In the same order. At most one hash per word of the vocabulary. */
  of(tokens: ArrayLike<number>): Int32Array {
    return Int32Array.from(tokens, (token) => {
      let id = this.#known.get(token);
      if (id === undefined) {
        id = createHmac("sha256", this.#secret).update(String(token)).digest().readInt32LE();
        this.#known.set(token, id);
      }
      return id;
    });
  }
}
