/** What a server says about itself before a run: its first model, and how its tokens relate to words. */
import { fail, type RandomStream } from "../core/index.ts";
import { endpointUrl } from "./http-client.ts";
import { PLAIN_SCALE, sampleText, type TextScale } from "./prompts.ts";
import type { EndpointKind } from "./types.ts";

/** Where and how to ask. */
export interface ServerAddress {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const ASK_TIMEOUT_MS = 10_000;

/** The name of the first model. @throws PunctualError download_failed when the server cannot be asked. */
export async function firstModel(server: ServerAddress): Promise<string> {
  const answer = await ask(server, "/v1/models", null);
  const first = (answer as { readonly data?: readonly { readonly id?: unknown }[] } | null)?.data?.[0]?.id;
  if (typeof first === "string") return first;
  return fail(
    "download_failed",
    `${server.url}: expected a list of models at /v1/models, got none; name one by --model`,
  );
}

const SAMPLE_WORDS = 400;

/**
 * Tokens per word of made-up text and the tokens around it, measured by /tokenize; null where the server has no such
 * endpoint.
 */
export async function measureTextScale(
  server: ServerAddress,
  model: string,
  endpoint: EndpointKind,
  random: RandomStream,
): Promise<TextScale | null> {
  const count = async (words: number): Promise<number | null> => {
    const text = sampleText(words, random.fork("sample"));
    const prompt = endpoint === "chat" ? { messages: [{ role: "user", content: text }] } : { prompt: text };
    const answer = await ask(server, "/tokenize", { model, ...prompt }).catch(() => null);
    const tokens = (answer as { readonly count?: unknown } | null)?.count;
    return typeof tokens === "number" && tokens > 0 ? tokens : null;
  };
  const [few, many] = [await count(SAMPLE_WORDS / 10), await count(SAMPLE_WORDS)];
  if (few === null || many === null || many <= few) return null;
  const tokensPerWord = (many - few) / (SAMPLE_WORDS * 0.9);
  return { tokensPerWord, overheadTokens: Math.max(0, Math.round(few - tokensPerWord * (SAMPLE_WORDS / 10))) };
}

/** Most ids of an answer of /tokenize that are read. */
const MAX_IDS = 4_000_000;

/** Token ids by /tokenize; null where the server has no such endpoint or refuses. */
export async function tokenIds(server: ServerAddress, body: object): Promise<readonly number[] | null> {
  const answer = await ask(server, "/tokenize", body).catch(() => null);
  const ids = (answer as { readonly tokens?: unknown } | null)?.tokens;
  if (!Array.isArray(ids) || ids.length > MAX_IDS) return null;
  return ids.every((id) => Number.isSafeInteger(id) && id >= 0) ? (ids as readonly number[]) : null;
}

/** The scale to use when the server does not say. */
export const UNKNOWN_SCALE: TextScale = PLAIN_SCALE;

async function ask({ url, headers }: ServerAddress, path: string, body: object | null): Promise<unknown> {
  const isPost = body !== null;
  let response: Response;
  try {
    response = await fetch(serverPath(url, path), {
      method: isPost ? "POST" : "GET",
      headers: { ...headers, ...(isPost ? { "content-type": "application/json" } : {}) },
      ...(isPost ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
  } catch (cause) {
    const reason = (cause as { readonly cause?: unknown }).cause ?? cause;
    return fail("download_failed", `${url}: no answer (${reason instanceof Error ? reason.message : String(reason)})`, {
      cause,
    });
  }
  if (!response.ok) return fail("download_failed", `${url}${path}: expected status 200, got ${response.status}`);
  return await response.json();
}

/** /tokenize lies beside /v1, not in it. */
function serverPath(url: string, path: string): URL {
  return endpointUrl(path.startsWith("/v1/") ? url : url.replace(/\/v1\/*$/, ""), path);
}
