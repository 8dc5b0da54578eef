/**
 * API keys: who may ask, for what, and how much. Keys are 256 random bits, so their plain SHA-256 is kept and no slow
 * hash is needed: what protects a password, guessing made dear, protects nothing that cannot be guessed. Neither a key
 * nor its hash is ever logged.
 *
 * A key file is JSON; only `name` and `sha256` are needed:
 *   { "keys": [ { "name": "kitchen", "sha256": "9f86…", "models": ["punctual-base"], "slo": "ttft=200ms,tpot=50ms",
 *                 "requests_per_minute": 60, "tokens_per_minute": 20000, "concurrent": 4 } ] }
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { fail } from "../../core/index.ts";
import { parseSlo, type Slo } from "../../sched/index.ts";

/** What a key may use at most; null: without a limit. */
export interface KeyLimits {
  readonly requestsPerMinute: number | null;
  /** Prompt and answer together. */
  readonly tokensPerMinute: number | null;
  /** Generation requests answered at once. */
  readonly concurrent: number | null;
}

/** One key as the server knows it: never the key itself. */
export interface ApiKey {
  /** For logs and metrics. */
  readonly name: string;
  /** SHA-256 of the key, 32 bytes. */
  readonly sha256: Uint8Array;
  /** Null: every model. */
  readonly models: ReadonlySet<string> | null;
  /** Objective of requests that bring none. */
  readonly slo: Slo | null;
  readonly limits: KeyLimits;
}

/** A key fewer characters long could be guessed. */
export const MIN_KEY_CHARACTERS = 16;
const MAX_KEYS = 1000;
const MAX_PER_MINUTE = 1_000_000_000;
const UNLIMITED: KeyLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrent: null };

const perMinute = z.number().int().min(1).max(MAX_PER_MINUTE).nullish();
// Strict: a limit whose name is misspelt must not become no limit.
const keySchema = z.strictObject({
  name: z.string().regex(/^[\w.@-]{1,64}$/, { error: "expected 1 to 64 letters, digits or ._@-" }),
  sha256: z.string().regex(/^[0-9a-f]{64}$/i, { error: "expected 64 hexadecimal digits" }),
  models: z.array(z.string().min(1)).min(1).nullish(),
  slo: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
  requests_per_minute: perMinute,
  tokens_per_minute: perMinute,
  concurrent: perMinute,
});
const fileSchema = z.strictObject({ keys: z.array(keySchema).min(1).max(MAX_KEYS) });
/** One key of a key file, as it is written there. */
export type KeyEntry = z.infer<typeof keySchema>;

/** SHA-256 of a key, 32 bytes. */
export function hashKey(key: string): Uint8Array {
  return createHash("sha256").update(key, "utf8").digest();
}

/** A new key of 256 random bits, `pk-` and 43 characters. */
export function newKey(): string {
  return `pk-${randomBytes(32).toString("base64url")}`;
}

/**
 * A key given as text, on a command line or by the environment; it may do everything.
 * Errors: `invalid_request` when it has fewer than MIN_KEY_CHARACTERS characters.
 */
export function plainKey(key: string, name: string): ApiKey {
  if (key.length < MIN_KEY_CHARACTERS || /\s/.test(key)) {
    fail("invalid_request", `An API key has at least ${MIN_KEY_CHARACTERS} characters and no spaces.`, {
      param: "api-key",
    });
  }
  return { name, sha256: hashKey(key), models: null, slo: null, limits: UNLIMITED };
}

/** The keys of a key file's text. Errors: `invalid_file`, naming the field. */
export function readKeyFile(text: string): ApiKey[] {
  return readKeyEntries(text).map((entry, i) => ({
    name: entry.name,
    sha256: Buffer.from(entry.sha256, "hex"),
    models: entry.models === null || entry.models === undefined ? null : new Set(entry.models),
    slo: entry.slo === null || entry.slo === undefined ? null : parseSlo(entry.slo, `keys[${i}].slo`),
    limits: {
      requestsPerMinute: entry.requests_per_minute ?? null,
      tokensPerMinute: entry.tokens_per_minute ?? null,
      concurrent: entry.concurrent ?? null,
    },
  }));
}

/** The entries of a key file's text, checked. Errors: `invalid_file`, naming the field. */
export function readKeyEntries(text: string): KeyEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail("invalid_file", "The key file is not JSON."); // its text may hold keys: it is not repeated
  }
  const result = fileSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const path = issue.path.map(String).join(".");
    return fail("invalid_file", `The key file is wrong at '${path}': ${issue.message}`, { param: path });
  }
  const { keys } = result.data;
  const twice = keys.find(({ name }, i) => keys.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined) fail("invalid_file", `The key file names '${twice.name}' twice.`, { param: "keys" });
  return keys;
}

/** The key whose hash fits, or null. Compares with every key in constant time, so that time tells nothing. */
export function findKey<K extends { readonly key: ApiKey }>(keys: readonly K[], presented: string): K | null {
  const sha256 = hashKey(presented);
  let found: K | null = null;
  for (const candidate of keys) if (timingSafeEqual(candidate.key.sha256, sha256)) found = candidate;
  return found;
}
