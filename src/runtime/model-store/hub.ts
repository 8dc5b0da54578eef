/**
 * The hub as the store needs it: which commit a revision is, which files it has, and the bytes of one from any
 * offset. Speaks through @huggingface/hub, which is loaded at the first use.
 *
 * What is ours is the `fetch` below it, because a download has to survive what a library call need not: it sends the
 * token to the hub's own origin only, follows redirects itself (so that the headers about the linked file are seen,
 * and https never turns into http), bounds silence and the size of listings, and says each failure in our terms.
 * Large files come over plain HTTP ranges, also where the hub would offer its chunk protocol: one way to resume.
 */
import { fail, PunctualError } from "../../core/index.ts";
import { after } from "../clock.ts";
import { checkRepoPath, type HubReference } from "./reference.ts";
import type { HubFile } from "./select.ts";

/** Where the hub is and who asks. */
export interface HubOptions {
  /** Such as "https://huggingface.co". */
  readonly url: string;
  /** Sent to that origin only. */
  readonly token?: string;
  /** How long the hub may stay silent within an answer, milliseconds; 30 000 when absent. */
  readonly stallMs?: number;
}

/** The hub that is asked when no other is named. */
export const DEFAULT_HUB_URL = "https://huggingface.co";

const DEFAULT_STALL_MS = 30_000;
const MOST_REDIRECTS = 5;
const MOST_LISTING_BYTES = 32 * 1024 * 1024;
const MOST_FILES = 20_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** What one request is about, for its errors and its checks. */
interface Subject {
  readonly reference: HubReference;
  /** Listings are read whole here; files are passed on as they come. */
  readonly file: HubFile | null;
  readonly commit: string | null;
  readonly offset: number;
  readonly signal: AbortSignal | undefined;
}

/** The bytes of a file from an offset on. `keepAlive` is called for each piece that came; silence then starts anew. */
export interface HubBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** The failure behind an error of the stream, when it is known. */
  failure(): unknown;
  keepAlive(): void;
  close(): Promise<void>;
}

/** Thrown by `open` when the server sends the whole file though a part was asked for. */
export class RangeIgnored extends Error {}

/** One hub. */
export class Hub {
  readonly url: string;
  readonly #token: string | undefined;
  readonly #stallMs: number;

  /** @throws PunctualError invalid_request for a url that is none. */
  constructor(options: HubOptions) {
    this.url = options.url.replace(/\/+$/, "");
    if (!URL.canParse(this.url) || !/^https?:$/.test(new URL(this.url).protocol)) {
      fail("invalid_request", `Expected the hub's address to be an http or https URL, got '${options.url}'.`, {
        param: "HF_ENDPOINT",
      });
    }
    this.#token = options.token;
    this.#stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  }

  /** The commit that the reference's revision is now. @throws PunctualError model_not_found, unauthorized, download_failed. */
  async commitOf(reference: HubReference, signal?: AbortSignal): Promise<string> {
    const { modelInfo } = await import("@huggingface/hub");
    const fetch = this.#fetchFor({ reference, file: null, commit: null, offset: 0, signal });
    const { sha } = await readAnswer(() =>
      modelInfo({
        name: reference.repo,
        revision: reference.revision,
        additionalFields: ["sha"],
        hubUrl: this.url,
        fetch,
      }),
    );
    if (/^[0-9a-f]{40}$/.test(sha)) return sha;
    return fail("download_failed", `${this.url} did not say which commit ${reference.repo} is at.`);
  }

  /** Every file of the commit. @throws PunctualError as commitOf; invalid_file for an unsafe name. */
  async files(reference: HubReference, commit: string, signal?: AbortSignal): Promise<HubFile[]> {
    const { listFiles } = await import("@huggingface/hub");
    const fetch = this.#fetchFor({ reference, file: null, commit, offset: 0, signal });
    return readAnswer(async () => {
      const files: HubFile[] = [];
      const listing = listFiles({
        repo: { type: "model", name: reference.repo },
        revision: commit,
        recursive: true,
        hubUrl: this.url,
        fetch,
      });
      for await (const entry of listing) {
        if (entry.type !== "file") continue;
        files.push(toHubFile(entry));
        if (files.length > MOST_FILES) fail("unsupported", `${reference.repo} has more than ${MOST_FILES} files.`);
      }
      return files;
    });
  }

  /**
   * Asks for a file from `offset` on. The stream's errors are to be looked up with `failure()`.
   * @throws RangeIgnored, PunctualError as commitOf.
   */
  async open(
    reference: HubReference,
    commit: string,
    file: HubFile,
    offset: number,
    signal?: AbortSignal,
  ): Promise<HubBody> {
    const { downloadFile } = await import("@huggingface/hub");
    const silence = new Silence(this.#stallMs);
    let settle: (error: unknown) => void = () => undefined;
    let failure: unknown = null;
    const answered = new Promise<unknown>((resolve) => (settle = resolve));
    const inner = this.#fetchFor({ reference, file, commit, offset, signal }, silence);
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    const blob = await downloadFile({
      repo: { type: "model", name: reference.repo },
      path: file.path,
      xet: false,
      downloadInfo: {
        size: file.bytes,
        etag: file.hash.hex,
        url: `${this.url}/${reference.repo}/resolve/${commit}/${path}`,
      },
      fetch: async (input, init) => {
        try {
          const response = await inner(input, init);
          settle(null);
          return response;
        } catch (error) {
          failure = error;
          settle(error);
          throw error;
        }
      },
    });
    const stream = blob!.slice(offset, file.bytes).stream();
    const error = await answered;
    const close = async (): Promise<void> => {
      silence.end();
      await stream.cancel().catch(() => undefined); // already broken
    };
    if (error !== null) {
      await close();
      throw error;
    }
    return { stream, failure: () => failure ?? silence.failure, keepAlive: () => silence.broken(), close };
  }

  #fetchFor(subject: Subject, silence = new Silence(this.#stallMs)): typeof fetch {
    return async (input, init) => {
      const first = new URL(input instanceof Request ? input.url : input);
      const signals = [silence.signal, ...(subject.signal === undefined ? [] : [subject.signal])];
      silence.broken();
      let handedOver = false;
      try {
        const response = await this.#follow(first, { ...init, signal: AbortSignal.any(signals) }, subject);
        if (subject.file !== null) {
          checkRange(response, subject.offset, subject.file);
          handedOver = true;
          return response;
        }
        return await readListing(response, () => silence.broken());
      } catch (error) {
        throw silence.failure ?? asFailure(error, this.url, subject.signal);
      } finally {
        if (!handedOver) silence.end();
      }
    };
  }

  /** One request and the redirects it leads to, until an answer that is fine. */
  async #follow(first: URL, init: RequestInit, subject: Subject): Promise<Response> {
    const origin = new URL(this.url).origin;
    let url = first;
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      const headers = new Headers(init.headers);
      if (this.#token !== undefined && url.origin === origin) headers.set("authorization", `Bearer ${this.#token}`);
      const response = await fetch(url, { ...init, headers, redirect: "manual" });
      if (subject.file !== null && url.origin === origin) checkLinked(response, subject.file, subject.commit);
      const target = response.headers.get("location");
      if (!REDIRECTS.has(response.status) || target === null) {
        if (response.ok) return response;
        return refused(response, subject, this.url, this.#token !== undefined);
      }
      await response.body?.cancel();
      const next = new URL(target, url);
      if (url.protocol === "https:" && next.protocol !== "https:") {
        fail("download_failed", `${url.host} redirects to ${next.protocol}//, which is not encrypted.`);
      }
      url = next;
    }
    return fail("download_failed", `${first.host} redirects more than ${MOST_REDIRECTS} times.`);
  }
}

/** Aborts what listens to `signal` after so many milliseconds without `broken()`. */
class Silence {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #disarm: (() => void) | null = null;
  failure: PunctualError | null = null;

  constructor(ms: number) {
    this.#ms = ms;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came. */
  broken(): void {
    this.#disarm?.();
    this.#disarm = after(this.#ms, () => {
      this.failure = new PunctualError("download_failed", `The hub was silent for ${this.#ms} ms.`);
      this.#controller.abort(this.failure);
    });
  }

  /** Nothing is awaited any more. */
  end(): void {
    this.#disarm?.();
    this.#disarm = null;
  }
}

/** The library's own complaints (an answer without the expected form) in our terms. */
async function readAnswer<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof PunctualError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    return fail("download_failed", `The hub's answer cannot be read: ${message}`, { cause: error });
  }
}

async function readListing(response: Response, keepAlive: () => void): Promise<Response> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (response.body !== null) {
    for await (const piece of response.body) {
      keepAlive();
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > MOST_LISTING_BYTES) fail("download_failed", `The hub's listing exceeds ${MOST_LISTING_BYTES} bytes.`);
    }
  }
  const headers = new Headers(response.headers);
  headers.delete("content-encoding"); // undone already
  headers.delete("content-length");
  return new Response(Buffer.concat(pieces), { status: response.status, headers });
}

/** The headers about the file behind a link must be those of the listing, before gigabytes are fetched in vain. */
function checkLinked(response: Response, file: HubFile, commit: string | null): void {
  const size = response.headers.get("x-linked-size");
  const etag = response.headers.get("x-linked-etag")?.replaceAll(/^W\/|"/g, "");
  const from = response.headers.get("x-repo-commit");
  const differs = (what: string, expected: string, came: string): never =>
    fail("download_failed", `${file.path}: expected ${what} ${expected}, the hub says ${came}.`, { param: file.path });
  if (size !== null && size !== String(file.bytes)) differs("bytes", String(file.bytes), size);
  if (etag !== undefined && /^[0-9a-f]{64}$/.test(etag) && file.hash.kind === "sha256" && etag !== file.hash.hex) {
    differs("SHA-256", file.hash.hex, etag);
  }
  if (from !== null && commit !== null && from !== commit) differs("commit", commit, from);
}

function checkRange(response: Response, offset: number, file: HubFile): void {
  if (offset === 0) return;
  if (response.status !== 206) throw new RangeIgnored();
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (range !== null && Number(range[1]) === offset && (range[2] === "*" || Number(range[2]) === file.bytes)) return;
  throw new RangeIgnored();
}

async function refused(response: Response, subject: Subject, url: string, hasToken: boolean): Promise<never> {
  await response.body?.cancel();
  const { repo, revision } = subject.reference;
  const reason = response.headers.get("x-error-code");
  const page = `${url}/${repo}`;
  const options = { param: "model" };
  if (reason === "GatedRepo") {
    const login = hasToken ? "with the account of your token" : "and set HF_TOKEN to a token of your account";
    fail("unauthorized", `${repo} is gated: accept its terms at ${page} ${login}.`, options);
  }
  if (reason === "RevisionNotFound") fail("model_not_found", `${repo} has no revision '${revision}'.`, options);
  if (reason === "RepoNotFound" || (response.status === 404 && subject.file === null)) {
    const hint = hasToken ? "your token may not read it" : "it is private and HF_TOKEN is not set";
    fail("model_not_found", `There is no ${page}, or ${hint}.`, options);
  }
  if (response.status === 404) fail("model_not_found", `${repo} has no file ${subject.file?.path ?? ""}.`, options);
  if (response.status === 401 || response.status === 403) {
    const hint = hasToken ? "HF_TOKEN is not valid for it" : "set HF_TOKEN to a token that may read it";
    fail("unauthorized", `${page} answers ${response.status}: ${hint}.`, options);
  }
  if (response.status === 416) throw new RangeIgnored();
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return fail(
    "download_failed",
    `${new URL(url).host} answers ${response.status} for ${repo}.`,
    seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {},
  );
}

/** What went wrong below HTTP: the network, or the caller's own cancellation. */
function asFailure(error: unknown, url: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return new PunctualError("cancelled", "The download was cancelled.", { cause: error });
  if (error instanceof PunctualError || error instanceof RangeIgnored) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PunctualError("download_failed", `${url} cannot be reached: ${why}`, { cause: error });
}

function toHubFile(entry: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } }): HubFile {
  const path = checkRepoPath(String(entry.path));
  const bytes = entry.lfs?.size ?? entry.size;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    fail("download_failed", `The hub gives ${path} the size ${String(bytes)}.`, { param: path });
  }
  const sha256 = entry.lfs?.oid.replace(/^sha256:/, "");
  if (sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256)) {
    return { path, bytes, hash: { kind: "sha256", hex: sha256 } };
  }
  if (sha256 === undefined && entry.oid !== undefined && /^[0-9a-f]{40}$/.test(entry.oid)) {
    return { path, bytes, hash: { kind: "git-sha1", hex: entry.oid } };
  }
  return fail("download_failed", `The hub gives ${path} no checksum.`, { param: path });
}
