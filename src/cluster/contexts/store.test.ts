import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import { plainEnvironment, root } from "../../../test/support/process.ts";
import { createRandom } from "../../core/index.ts";
import { sealChunk } from "../codec/header.ts";
import { ContextStore, type ContextStoreOptions } from "./store.ts";
import { chunkPlaces, levelName, parseLevel, type ChunkPlace } from "./types.ts";

const FINGERPRINT = "store-test";
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-contexts-"));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

/** Another process that puts a chunk, and stands still when half of it is on disk. */
const WRITER = `
  import { readFile, writeFile } from "node:fs/promises";
  import { ContextStore } from ${JSON.stringify(join(root, "dist/cluster/index.js"))};
  const { dir, fingerprint, place, file } = JSON.parse(process.env.STORE);
  const write = async (path, bytes) => {
    if (!path.includes(".lossless.")) return writeFile(path, bytes);
    await writeFile(path, bytes.subarray(0, bytes.length / 2));
    await new Promise((resolve) => {
      process.stdin.once("data", resolve);
      process.stdout.write("half");
    });
    await writeFile(path, bytes.subarray(bytes.length / 2), { flag: "a" });
  };
  const store = await ContextStore.open({ dir, fingerprint, write });
  await store.put(place, "lossless", await readFile(file));
  process.exit(0);
`;

const open = (options: Partial<ContextStoreOptions> = {}): Promise<ContextStore> =>
  ContextStore.open({ dir, fingerprint: FINGERPRINT, ...options });

const tokensOf = (seed: number, count: number): number[] => {
  const random = createRandom(seed, "tokens");
  return Array.from({ length: count }, () => random.int(0, 999));
};

function sealed(place: ChunkPlace, bytes = 100, fingerprint = FINGERPRINT): Uint8Array {
  const { firstPosition, tokens } = place;
  const header = { variant: "lossless" as const, level: 0, tables: null, firstPosition, tokens: tokens.length };
  return sealChunk(header, fingerprint, new Uint8Array(bytes).fill(firstPosition % 251));
}

async function chunkFiles(): Promise<string[]> {
  const [model] = await readdir(dir);
  const folder = join(dir, model!, "chunks");
  return (await readdir(folder)).map((file) => join(folder, file));
}

describe("places", () => {
  it("are shared by prefixes that begin alike, and leave out what fills no page", () => {
    const a = chunkPlaces(tokensOf(1, 100), 32, 8);
    const b = chunkPlaces([...tokensOf(1, 64), ...tokensOf(2, 40)], 32, 8);
    expect(a.map(({ firstPosition, tokens }) => [firstPosition, tokens.length])).toEqual([
      [0, 32],
      [32, 32],
      [64, 32],
    ]);
    expect(b.map(({ tokens }) => tokens.length)).toEqual([32, 32, 32, 8]);
    expect(a.map(({ key }, i) => key === b[i]!.key)).toEqual([true, true, false]);
    expect(chunkPlaces(tokensOf(1, 7), 32, 8)).toEqual([]);
  });

  it("levels have names", () => {
    for (const name of ["lossless", "anchored-0", "released-2"]) expect(levelName(parseLevel(name)!)).toBe(name);
    for (const name of ["", "lossy", "anchored", "anchored-12"]) expect(parseLevel(name)).toBeNull();
  });
});

describe("a store", () => {
  it("keeps chunks over a restart, at each level, and knows them by their tokens", async () => {
    const places = chunkPlaces(tokensOf(3, 96), 32, 8);
    const store = await open();
    for (const place of places) await store.put(place, "lossless", sealed(place));
    await store.put(places[0]!, "anchored-1", sealed(places[0]!, 40));
    const again = await open();
    await again.checkIntegrity();
    expect(again.leading(places, "lossless")).toBe(3);
    expect(again.leading(places, "anchored-1")).toBe(1);
    expect(await again.get(places[1]!, "lossless")).toEqual(Buffer.from(sealed(places[1]!)));
    const collision = { ...places[1]!, tokens: places[1]!.tokens.map((token) => token + 1) };
    expect(again.levels(collision)).toBeNull();
    expect(await again.get(collision, "lossless")).toBeNull();
    const other = await ContextStore.open({ dir, fingerprint: "another model" });
    expect(other.levels(places[0]!)).toBeNull();
  });

  it("keeps within its bytes; ends of prefixes go before their beginnings, unused ones before used ones", async () => {
    const store = await open({ maxBytes: 148 * 5 });
    const [old, used, fresh] = [4, 5, 6].map((seed) => chunkPlaces(tokensOf(seed, 64), 32, 8));
    for (const place of [...old!, ...used!]) await store.put(place, "lossless", sealed(place));
    await store.get(old![0]!, "lossless");
    await store.get(used![1]!, "lossless");
    for (const place of fresh!) await store.put(place, "lossless", sealed(place));
    await store.checkIntegrity();
    expect(store.stats.evictions).toBe(1);
    expect(store.leading(old!, "lossless")).toBe(1);
    expect([used!, fresh!].map((places) => store.leading(places, "lossless"))).toEqual([2, 2]);
    await store.flush(Date.UTC(2026, 0, 1));
    const again = await open({ maxBytes: 148 * 3 });
    expect(again.stats.bytes).toBeLessThanOrEqual(148 * 3);
    expect(again.leading(fresh!, "lossless")).toBe(2);
    expect(await codeOf(again.put(old![0]!, "lossless", sealed(old![0]!, 1000)))).toBe("out_of_space");
    await again.checkIntegrity();
  });

  it("finds damage when it reads, removes it, and goes on", async () => {
    const places = chunkPlaces(tokensOf(7, 64), 32, 8);
    const store = await open();
    for (const place of places) await store.put(place, "lossless", sealed(place));
    for (const path of (await chunkFiles()).filter((file) => file.endsWith(".lossless"))) {
      const bytes = await readFile(path);
      bytes[60]! ^= 1;
      await writeFile(path, bytes);
    }
    expect(await store.get(places[0]!, "lossless")).toBeNull();
    expect(store.stats.damaged).toBe(1);
    expect(store.levels(places[0]!)).toBeNull();
    await store.checkIntegrity();
    await store.put(places[0]!, "lossless", sealed(places[0]!));
    expect(await store.get(places[0]!, "lossless")).not.toBeNull();
  });

  it("a write that was cut off long ago, and files that are not its own, are gone after a restart", async () => {
    const [place] = chunkPlaces(tokensOf(8, 32), 32, 8);
    await (await open()).put(place!, "lossless", sealed(place!));
    const folder = join((await chunkFiles())[0]!, "..");
    const strays = [
      join(folder, `${place!.key}.lossless.1234.part`),
      join(folder, `${"1".repeat(32)}.lossless`),
      join(folder, "..", "contexts", "name.json.5678.part"),
    ];
    for (const path of strays) await writeFile(path, "half");
    await writeFile(join(folder, `${"0".repeat(32)}.json`), "{ not json"); // damaged: nobody writes a file like that
    const young = await open();
    expect(young.stats.chunks).toBe(1);
    expect((await readdir(folder)).length).toBe(4); // who knows who is writing them
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const path of strays) await utimes(path, longAgo, longAgo);
    const again = await open();
    await again.checkIntegrity();
    expect(again.stats.chunks).toBe(1);
    expect(await readdir(join(folder, "..", "contexts"))).toEqual([]);
  });

  it("what another process is writing stays when it is opened here, and is whole afterwards", async () => {
    const [place] = chunkPlaces(tokensOf(13, 32), 32, 8);
    const file = join(dir, "chunk");
    await writeFile(file, sealed(place!));
    const writer = spawn(process.execPath, ["--input-type=module", "-e", WRITER], {
      stdio: ["pipe", "pipe", "inherit"],
      env: plainEnvironment({
        STORE: JSON.stringify({ dir: join(dir, "store"), fingerprint: FINGERPRINT, place, file }),
      }),
    });
    const ended = once(writer, "exit");
    await once(writer.stdout, "data"); // the place is there, of the chunk the half
    const options = { dir: join(dir, "store") };
    expect((await open(options)).stats.chunks).toBe(0);
    writer.stdin.write("go on");
    expect(await ended).toEqual([0, null]);
    const after = await open(options);
    await after.checkIntegrity();
    expect(await after.get(place!, "lossless")).toEqual(Buffer.from(sealed(place!)));
  });

  it("refuses chunks of another model or other tokens, and names that are paths", async () => {
    const store = await open();
    const [place] = chunkPlaces(tokensOf(9, 32), 32, 8);
    expect(await codeOf(store.put(place!, "lossless", sealed(place!, 10, "another")))).toBe("unsupported");
    expect(await codeOf(store.put({ ...place!, firstPosition: 8 }, "lossless", sealed(place!)))).toBe("invalid_file");
    expect(await codeOf(store.put(place!, "lossless", new Uint8Array(10)))).toBe("invalid_file");
    expect(await codeOf(store.name("../x", [1], 0))).toBe("invalid_request");
    expect(store.stats.chunks).toBe(0);
  });

  it("makes room on a full disk, once; then says so, and keeps what it has", async () => {
    let room = Infinity;
    const write = async (path: string, bytes: Uint8Array | string): Promise<void> => {
      if (room <= 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      room -= 1;
      await writeFile(path, bytes);
    };
    const store = await open({ write });
    const places = chunkPlaces(tokensOf(10, 128), 32, 8);
    for (const place of places.slice(0, 3)) await store.put(place, "lossless", sealed(place));
    room = 0;
    expect(await codeOf(store.put(places[3]!, "lossless", sealed(places[3]!)))).toBe("out_of_space");
    await store.checkIntegrity();
    expect(store.stats.evictions).toBeGreaterThan(0);
    expect(store.leading(places, "lossless")).toBeGreaterThan(0);
    room = Infinity;
    await store.put(places[3]!, "lossless", sealed(places[3]!));
    await store.checkIntegrity();
  });

  it("names prefixes, lists them, and removes a name with the chunks that nobody else needs", async () => {
    const store = await open();
    const [a, b] = [tokensOf(11, 64), [...tokensOf(11, 32), ...tokensOf(12, 32)]];
    const [inA, inB] = [chunkPlaces(a, 32, 8), chunkPlaces(b, 32, 8)];
    for (const place of [...inA, ...inB]) await store.put(place, "lossless", sealed(place));
    await store.name("first", a, 1);
    await store.name("second", b, 2);
    expect((await store.list()).map(({ name }) => name)).toEqual(["first", "second"]);
    const needed = new Set(inB.map(({ key }) => key));
    expect(await store.remove("first", inA, new Set(needed))).toBe(148);
    expect(await store.named("first")).toBeNull();
    expect(store.leading(inB, "lossless")).toBe(2);
    expect(await store.remove("first", inA, new Set())).toBeNull();
    await store.checkIntegrity();
  });

  it("many writers at once leave it whole", async () => {
    const store = await open({ maxBytes: 148 * 10 });
    const all = Array.from({ length: 12 }, (_, seed) => chunkPlaces(tokensOf(seed + 20, 64), 32, 8)).flat();
    await Promise.all(all.map((place) => store.put(place, "lossless", sealed(place))));
    await Promise.all(all.map((place) => store.get(place, "lossless")));
    await store.checkIntegrity();
    expect(store.stats.chunks).toBe(10);
  });
});
