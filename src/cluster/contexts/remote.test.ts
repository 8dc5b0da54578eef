import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import { createRandom } from "../../core/index.ts";
import { KvCodec } from "../codec/codec.ts";
import { losslessFrameCodec } from "../codec/frame-codec.ts";
import { sealChunk } from "../codec/header.ts";
import { pageLayout, type CacheShape } from "../codec/shape.ts";
import { KvClient } from "../kv/client.ts";
import { KvServer } from "../kv/server.ts";
import { RemoteContexts, serveContexts } from "./remote.ts";
import { ContextStore } from "./store.ts";
import { chunkPlaces } from "./types.ts";

const FINGERPRINT = "remote-test";
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-remote-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

it("another instance gets chunks, levels, names and tables over TCP, byte by byte, and nothing without the secret", async () => {
  const store = await ContextStore.open({ dir, fingerprint: FINGERPRINT });
  const random = createRandom(1, "remote");
  const tokens = Array.from({ length: 64 }, () => random.int(0, 999));
  const places = chunkPlaces(tokens, 32, 8);
  const bodies = [10, 50_000].map((size) => Uint8Array.from({ length: size }, () => random.int(0, 255)));
  const sealed = places.map(({ firstPosition, tokens: own }, i) => {
    const header = { variant: "lossless" as const, level: 0, tables: null, firstPosition, tokens: own.length };
    return sealChunk(header, FINGERPRINT, bodies[i]!);
  });
  for (const [i, place] of places.entries()) await store.put(place, "lossless", sealed[i]!);
  await store.name("greeting", tokens, 5);
  await using server = await KvServer.listen({ fingerprint: FINGERPRINT });
  const undo = serveContexts(server, store, "secret");
  await using client = new KvClient({ fingerprint: FINGERPRINT });
  const remote = new RemoteContexts(client, server.address, "secret");
  for (const [i, place] of places.entries()) {
    expect(Buffer.from((await remote.chunk(place, "lossless"))!).equals(sealed[i]!)).toBe(true);
  }
  expect(await remote.levels(places[1]!)).toEqual(new Map([["lossless", sealed[1]!.length]]));
  expect((await remote.named("greeting"))!.tokens).toEqual(tokens);
  expect(await remote.chunk(places[0]!, "anchored-1")).toBeNull();
  expect(await remote.chunk({ ...places[0]!, key: places[0]!.key.replace(/./g, "0") as never }, "lossless")).toBeNull();
  expect(await remote.named("nobody")).toBeNull();
  expect(await remote.tables("0123456789abcdef")).toBeNull();
  // Another process puts something into the folder: with its name it is found.
  const other = await ContextStore.open({ dir, fingerprint: FINGERPRINT });
  const later = chunkPlaces(tokens.toReversed(), 32, 8);
  await other.put(later[0]!, "lossless", sealed[0]!);
  await other.name("later", later[0]!.tokens, 6);
  expect(await remote.levels(later[0]!)).toBeNull();
  expect((await remote.named("later"))!.tokens).toEqual(later[0]!.tokens);
  expect(await remote.levels(later[0]!)).toEqual(new Map([["lossless", sealed[0]!.length]]));
  await store.checkIntegrity();
  const stranger = new RemoteContexts(client, server.address, "guess");
  expect(await stranger.chunk(places[0]!, "lossless")).toBeNull();
  undo();
  expect(await remote.chunk(places[0]!, "lossless")).toBeNull();
});

it("pages under way may be coded exactly: they arrive as they were, in fewer bytes", async () => {
  const perPosition = Float64Array.of(1, 0.1);
  const rotations = [{ perPosition, factor: 1 }];
  const shape: CacheShape = {
    fingerprint: FINGERPRINT,
    layers: 1,
    kvHeads: 2,
    headDim: 4,
    pageTokens: 64,
    format: "f32",
    rotations,
  };
  const codec = losslessFrameCodec(await KvCodec.create(shape));
  const { pageBytes } = pageLayout(shape);
  const random = createRandom(2, "frames");
  const data = new Uint8Array(Float32Array.from({ length: (20 * pageBytes) / 4 }, () => random.normal()).buffer);
  await using server = await KvServer.listen({ fingerprint: FINGERPRINT, codecs: [codec] });
  const got = new Uint8Array(data.length);
  server.offer("pages", {
    token: "t",
    source: {
      pageBytes,
      pages: 20,
      read: async (first, count) => data.slice(first * pageBytes, (first + count) * pageBytes),
    },
  });
  await using client = new KvClient({ fingerprint: FINGERPRINT, codecs: [codec] });
  const sink = { pageBytes, write: async (first: number, bytes: Uint8Array) => got.set(bytes, first * pageBytes) };
  const report = await client.pull({ address: server.address, resource: "pages", token: "t", pageBytes }, sink, 0, 20);
  expect(Buffer.from(got).equals(data)).toBe(true);
  expect(report.bytes).toBeLessThan(0.95 * data.length);
  const coded = codec.encode(data.slice(0, pageBytes), { first: 0, count: 1, pageBytes });
  expect(await codeOf((async () => codec.decode(coded, { first: 1, count: 1, pageBytes }))())).toBe("invalid_request");
  expect(await codeOf((async () => codec.decode(coded.slice(0, -1), { first: 0, count: 1, pageBytes }))())).toBe(
    "invalid_request",
  );
});
