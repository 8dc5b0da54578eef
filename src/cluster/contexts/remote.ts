/**
 * A context store over the wire: any instance serves what it has through its KvServer, any other pulls it. A thing of
 * the store is one resource, `contexts/chunk/<key>/<level>`, `contexts/levels/<key>`, `contexts/name/<name>` or
 * `contexts/tables/<id>`; it goes as pages of 4 KiB that begin with the length of what they hold. Keys are hashes of
 * tokens, so that who knows the tokens knows what to ask for.
 */
import { fail, PunctualError } from "../../core/index.ts";
import type { KvClient } from "../kv/client.ts";
import type { KvServer } from "../kv/server.ts";
import type { KvAddress, KvResource } from "../kv/types.ts";
import type { ContextStore } from "./store.ts";
import type { ChunkPlace, NamedContext } from "./types.ts";

const PREFIX = "contexts/";
const PAGE_BYTES = 4096;
const LENGTH_BYTES = 4;
/** Nothing in a store is larger. */
const BLOB_BYTES_MAX = 2 ** 28;

/** Offers a store to whoever has the secret. Answers the undo. */
export function serveContexts(server: KvServer, store: ContextStore, token: string): () => void {
  return server.serve(PREFIX, (resource) => {
    const read = readerOf(store, resource.slice(PREFIX.length));
    return read === null ? null : blobResource(token, read);
  });
}

/** What a resource is read with; null when nothing has such a name. */
function readerOf(store: ContextStore, name: string): (() => Promise<Uint8Array | null>) | null {
  const [kind, id, level] = name.split("/") as [string, string | undefined, string | undefined];
  if (id === undefined) return null;
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  switch (kind) {
    case "chunk": {
      const place = store.place(id);
      return place === null || level === undefined ? null : () => store.get(place, level);
    }
    case "levels": {
      const place = store.place(id);
      return place === null ? null : async () => json([...(store.levels(place) ?? [])]);
    }
    case "name":
      return async () => {
        const named = await store.named(id);
        // Its chunks are asked for next; another process may have put them there.
        if (named !== null) await store.renew();
        return named === null ? null : json(named);
      };
    case "tables":
      return () => store.tables(id);
    default:
      return null;
  }
}

/** A blob that is read once, when its first page is asked for. */
function blobResource(token: string, read: () => Promise<Uint8Array | null>): KvResource {
  let blob: Promise<Uint8Array> | undefined;
  const load = async (): Promise<Uint8Array> => {
    const bytes = (await read()) ?? fail("not_found", "That is not in the store any more.");
    const padded = new Uint8Array(Math.ceil((LENGTH_BYTES + bytes.length) / PAGE_BYTES) * PAGE_BYTES);
    new DataView(padded.buffer).setUint32(0, bytes.length, true);
    padded.set(bytes, LENGTH_BYTES);
    return padded;
  };
  const source = {
    pageBytes: PAGE_BYTES,
    pages: Math.ceil((LENGTH_BYTES + BLOB_BYTES_MAX) / PAGE_BYTES),
    read: async (first: number, count: number): Promise<Uint8Array> => {
      const bytes = await (blob ??= load());
      if ((first + count) * PAGE_BYTES > bytes.length)
        fail("invalid_request", `expected pages within ${bytes.length} bytes`);
      return bytes.slice(first * PAGE_BYTES, (first + count) * PAGE_BYTES);
    },
  };
  return { token, source };
}

/** Another instance's store. */
export class RemoteContexts {
  readonly #client: KvClient;
  readonly #address: KvAddress;
  readonly #token: string;

  /** @param client of the same model as the other side */
  constructor(client: KvClient, address: KvAddress, token: string) {
    this.#client = client;
    this.#address = address;
    this.#token = token;
  }

  /**
   * A chunk at a level as it was put, unchecked; null when it is not there.
   * @param bytes what it has, where that is known: it is then had in one question instead of two
   */
  chunk(place: ChunkPlace, level: string, signal?: AbortSignal, bytes = 0): Promise<Uint8Array | null> {
    return this.#pull(`chunk/${place.key}/${level}`, signal, bytes);
  }

  /** Bytes of a chunk by level; null when it is not there. */
  async levels(place: ChunkPlace): Promise<ReadonlyMap<string, number> | null> {
    const rows = await this.#json(`levels/${place.key}`);
    if (rows === null) return null;
    const isRow = (row: unknown): row is [string, number] =>
      Array.isArray(row) && typeof row[0] === "string" && Number.isInteger(row[1]) && row.length === 2;
    if (!Array.isArray(rows) || !rows.every(isRow)) fail("invalid_file", "expected pairs of levels and bytes");
    return new Map(rows);
  }

  /** A named prefix; null when there is none. */
  async named(name: string): Promise<NamedContext | null> {
    const value = (await this.#json(`name/${name}`)) as Partial<NamedContext> | null;
    if (value === null) return null;
    const isTokens =
      Array.isArray(value.tokens) && value.tokens.every((token) => Number.isInteger(token) && token >= 0);
    if (value.name !== name || !isTokens) fail("invalid_file", `expected the context "${name}"`);
    return value as NamedContext;
  }

  /** Profiled tables by id, unchecked; null when they are not there. */
  tables(id: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    return this.#pull(`tables/${id}`, signal);
  }

  async #json(resource: string): Promise<unknown> {
    const bytes = await this.#pull(resource);
    if (bytes === null) return null;
    try {
      return JSON.parse(Buffer.from(bytes).toString("utf8"));
    } catch (cause) {
      return fail("invalid_file", `expected JSON for ${resource}`, { cause });
    }
  }

  async #pull(resource: string, signal?: AbortSignal, expectedBytes = 0): Promise<Uint8Array | null> {
    if (expectedBytes > BLOB_BYTES_MAX) fail("invalid_file", `expected up to ${BLOB_BYTES_MAX} bytes`);
    try {
      const expected = Math.max(1, Math.ceil((LENGTH_BYTES + expectedBytes) / PAGE_BYTES));
      const first = await this.#pages(resource, 0, expected, signal);
      const length = new DataView(first.buffer, first.byteOffset).getUint32(0, true);
      if (length > BLOB_BYTES_MAX) fail("invalid_file", `expected up to ${BLOB_BYTES_MAX} bytes, got ${length}`);
      const pages = Math.ceil((LENGTH_BYTES + length) / PAGE_BYTES);
      const more = pages > expected ? pages - expected : 0;
      const rest = more > 0 ? await this.#pages(resource, expected, more, signal) : new Uint8Array(0);
      return Buffer.concat([first, rest]).subarray(LENGTH_BYTES, LENGTH_BYTES + length);
    } catch (error) {
      if (error instanceof PunctualError && error.code === "not_found") return null;
      throw error;
    }
  }

  async #pages(resource: string, first: number, count: number, signal?: AbortSignal): Promise<Uint8Array> {
    const out = new Uint8Array(count * PAGE_BYTES);
    const write = async (at: number, bytes: Uint8Array): Promise<void> => out.set(bytes, (at - first) * PAGE_BYTES);
    const request = {
      address: this.#address,
      resource: PREFIX + resource,
      token: this.#token,
      pageBytes: PAGE_BYTES,
      ...(signal === undefined ? {} : { signal }),
    };
    await this.#client.pull(request, { pageBytes: PAGE_BYTES, write }, first, count);
    return out;
  }
}

/**
 * Copies chunks from another store, at one level or at all that it has, with the tables they were coded with; what is
 * here already is not asked for. Stops at the first chunk that the other side does not have.
 * @returns leading chunks that are here now
 */
export async function copyContext(
  remote: RemoteContexts,
  store: ContextStore,
  places: readonly ChunkPlace[],
  level?: string,
): Promise<number> {
  for (const [i, place] of places.entries()) {
    const offered = await remote.levels(place);
    const wanted = [...(offered?.keys() ?? [])].filter((name) => level === undefined || name === level);
    if (wanted.length === 0) return i;
    for (const name of wanted) {
      if (store.levels(place)?.has(name) === true) continue;
      const bytes = await remote.chunk(place, name);
      if (bytes === null) return i;
      await store.put(place, name, bytes);
      await bringTables(remote, store, bytes);
    }
  }
  return places.length;
}

async function bringTables(remote: RemoteContexts, store: ContextStore, chunk: Uint8Array): Promise<void> {
  const { tables } = store.headerOf(chunk);
  if (tables === null || (await store.tables(tables)) !== null) return;
  const bytes = await remote.tables(tables);
  if (bytes !== null) await store.putTables(tables, bytes);
}
