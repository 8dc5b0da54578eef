/** The store against a server that speaks the hub's protocol: breaks, lies, silence, cancellation, other processes. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { sha256, startFakeHub, type FakeHub, type FakeRepo } from "../../../test/support/hub.ts";
import { takeLock } from "./lock.ts";
import { checkRepoPath, formatHubReference, parseHubReference } from "./reference.ts";
import { matchingGgufs } from "./select.ts";
import { ModelStore, type ModelStoreOptions, type PullProgress } from "./store.ts";

let hub: FakeHub;
let cacheDir: string;
beforeAll(async () => {
  hub = await startFakeHub();
});
afterAll(() => hub.close());
beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), "punctual-hub-"));
  hub.repos.clear();
  hub.requests.length = 0;
  hub.cdnTokens.length = 0;
});
afterEach(() => rmSync(cacheDir, { recursive: true, force: true }));

const REFERENCE = parseHubReference("hf:acme/tiny");
const WEIGHTS = noise(200_000);

function noise(bytes: number, seed = 1): Buffer {
  const random = createRandom(seed, "contents");
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random.uint32() & 255));
}

function addTiny(extra: Record<string, string | Buffer> = {}): FakeRepo {
  const files = {
    "config.json": '{"model_type":"llama"}',
    "tokenizer.json": "{}",
    "chat_template.jinja": "{{ messages }}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": "pickle",
    "README.md": "read me",
    "onnx/model.onnx": "other format",
    ...extra,
  };
  return hub.add("acme/tiny", files, ["model.safetensors"]);
}

function store(options: Partial<ModelStoreOptions> = {}): ModelStore {
  const retry = { attempts: 3, backoffMs: 1 };
  return new ModelStore({ cacheDir, hub: { url: hub.url, stallMs: 5000 }, retry, ...options });
}

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const contentRequests = (): string[] => hub.requests.filter((line) => line.includes("/cdn/"));
const blobs = (): string[] => readdirSync(join(cacheDir, "models--acme--tiny", "blobs"));

describe("pull", () => {
  test("brings the files a model needs and no others, pinned to a commit, in the shared layout", async () => {
    const repo = addTiny();
    const progress: PullProgress[] = [];
    const model = await store().pull(REFERENCE, { onProgress: (report) => progress.push(report) });
    expect(model).toMatchObject({ format: "safetensors", commit: repo.commit, revisions: ["main"], missing: [] });
    expect(model.path).toBe(join(cacheDir, "models--acme--tiny", "snapshots", repo.commit));
    expect(readdirSync(model.path).toSorted()).toEqual([
      "chat_template.jinja",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(blobs()).toContain(sha256(WEIGHTS));
    expect(readFileSync(join(cacheDir, "models--acme--tiny/refs/main"), "utf8")).toBe(repo.commit);
    const last = progress.at(-1)!;
    expect(last).toMatchObject({ kind: "bytes", doneBytes: model.bytes, totalBytes: model.bytes });
    expect(readdirSync(join(cacheDir, ".locks/models--acme--tiny"))).toEqual([]);
  });

  test("what is there is used without a request, and without a hub", async () => {
    addTiny();
    const pulled = await store().pull(REFERENCE);
    hub.requests.length = 0;
    expect(await store().ensure(REFERENCE)).toEqual(pulled);
    expect(hub.requests).toEqual([]);
    const offline = store({ hub: null });
    expect((await offline.ensure(REFERENCE)).path).toBe(pulled.path);
    await expect(offline.ensure(parseHubReference("hf:acme/other"))).rejects.toEqual(code("model_not_found"));
  });

  test("a second pull fetches only what changed, and keeps the commit that was there", async () => {
    const repo = addTiny();
    const first = await store().pull(REFERENCE);
    repo.commit = "b".repeat(40);
    repo.files.set("chat_template.jinja", { content: Buffer.from("new"), lfs: false });
    hub.requests.length = 0;
    const second = await store().pull(REFERENCE);
    expect(second.commit).not.toBe(first.commit);
    expect(contentRequests()).toEqual([]);
    expect(hub.requests.filter((line) => line.includes("/resolve/"))).toHaveLength(1);
    const pinned = await store().find(parseHubReference(`hf:acme/tiny@${first.commit}`));
    expect(readFileSync(join(pinned!.path, "chat_template.jinja"), "utf8")).toBe("{{ messages }}");
    expect(readFileSync(join(second.path, "chat_template.jinja"), "utf8")).toBe("new");
  });

  test("shards are those the index names", async () => {
    const [one, two] = [noise(1000, 2), noise(2000, 3)];
    const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } };
    const repo = addTiny({
      "model.safetensors.index.json": JSON.stringify(index),
      "model-00001-of-00002.safetensors": one,
      "model-00002-of-00002.safetensors": two,
      "model-00009-of-00009.safetensors": "left over",
    });
    repo.files.delete("model.safetensors");
    const model = await store().pull(REFERENCE);
    expect(readdirSync(model.path).filter((name) => name.startsWith("model-"))).toHaveLength(2);
    rmSync(join(model.path, "model-00002-of-00002.safetensors"));
    expect(await store().find(REFERENCE)).toBeNull();
    expect((await store().list())[0]!.missing).toEqual(["model-00002-of-00002.safetensors"]);
  });

  test.each([
    ['{"weight_map":{"a":"../../../x.safetensors"}}', "invalid_file"],
    ['{"weight_map":{"a":"absent.safetensors"}}', "invalid_file"],
    ['{"weight_map":{"a":7}}', "invalid_file"],
    ["[]", "invalid_file"],
    ["{", "invalid_file"],
  ])("an index that says %s is refused", async (text, expected) => {
    const repo = addTiny({ "model.safetensors.index.json": text });
    repo.files.delete("model.safetensors");
    await expect(store().pull(REFERENCE)).rejects.toEqual(code(expected));
    expect(await store().find(REFERENCE)).toBeNull();
  });

  test("a .gguf file is chosen by name or by tag, and several without a choice are an error that lists them", async () => {
    const files = { "tiny-Q4_0.gguf": noise(500, 4), "tiny-Q4_K_M.gguf": noise(600, 5), "sub/tiny-Q8_0.gguf": "8" };
    hub.add("acme/tiny", files, ["tiny-Q4_0.gguf", "tiny-Q4_K_M.gguf"]);
    await expect(store().pull(REFERENCE)).rejects.toThrow(/tiny-Q4_0.gguf, tiny-Q4_K_M.gguf/);
    const byTag = await store().pull(parseHubReference("hf:acme/tiny:q4_k_m"));
    expect(byTag).toMatchObject({ format: "gguf", name: "hf:acme/tiny:tiny-Q4_K_M.gguf", bytes: 600 });
    const byName = await store().pull(parseHubReference("hf:acme/tiny:sub/tiny-Q8_0.gguf"));
    expect(readFileSync(byName.path, "utf8")).toBe("8");
    expect(await store().find(parseHubReference("hf:acme/tiny:Q4_0"))).toBeNull();
    await expect(store().pull(parseHubReference("hf:acme/tiny:Q5_K_S"))).rejects.toEqual(code("model_not_found"));
    hub.add("acme/split", { "m-Q4_0-00001-of-00002.gguf": "1", "m-Q4_0-00002-of-00002.gguf": "2" });
    await expect(store().pull(parseHubReference("hf:acme/split:Q4_0"))).rejects.toEqual(code("unsupported"));
  });

  test("repositories without loadable weights or without a tokenizer say so", async () => {
    hub.add("acme/tiny", { "config.json": "{}", "pytorch_model.bin": "x" });
    await expect(store().pull(REFERENCE)).rejects.toThrow(/neither model.safetensors nor .gguf/);
    hub.add("acme/tiny", { "config.json": "{}", "model.safetensors": "x" });
    await expect(store().pull(REFERENCE)).rejects.toMatchObject({ code: "unsupported", param: "tokenizer.json" });
  });

  test("inspect tells size and configuration without keeping anything", async () => {
    addTiny();
    const remote = await store().inspect(REFERENCE);
    expect(remote).toMatchObject({ format: "safetensors", config: '{"model_type":"llama"}' });
    expect(remote.bytes).toBeGreaterThan(WEIGHTS.length);
    expect(readdirSync(cacheDir)).toEqual([]);
  });
});

describe("a bad line", () => {
  test("breaks in the middle are continued where they were", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { breakAfter: [50_000, 1000, 70_000] });
    const model = await store().pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    const starts = contentRequests().map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1] ?? 0));
    expect(starts[0]).toBe(0);
    expect(starts).toHaveLength(4);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.at(-1)).toBeGreaterThan(0);
  });

  test("a pull that gave up is continued by the next one", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { breakAfter: [60_000, 0, 0, 0] });
    await expect(store().pull(REFERENCE)).rejects.toEqual(code("download_failed"));
    expect(await store().find(REFERENCE)).toBeNull();
    const partial = statSync(join(cacheDir, "models--acme--tiny/blobs", `${sha256(WEIGHTS)}.punctual-partial`)).size;
    expect(partial).toBeGreaterThan(0);
    hub.requests.length = 0;
    await store().pull(REFERENCE);
    expect(contentRequests()[0]).toContain(`bytes=${partial}-`);
  });

  test("answers that end early count as breaks", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { truncateTo: [100_000, 10] });
    repo.faults.set("config.json", { truncateTo: [3] });
    const model = await store().pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(join(model.path, "config.json"), "utf8")).toBe('{"model_type":"llama"}');
  });

  test("a wrong byte is fetched again once, then it is an error, and nothing wrong is kept", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { corrupt: 1 });
    expect(readFileSync(join((await store().pull(REFERENCE)).path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    rmSync(cacheDir, { recursive: true });
    repo.faults.set("model.safetensors", { corrupt: 2 });
    await expect(store().pull(REFERENCE)).rejects.toThrow(/another checksum/);
    expect(blobs().filter((name) => name.startsWith(sha256(WEIGHTS)))).toEqual([]);
    expect(await store().find(REFERENCE)).toBeNull();
  });

  test("a partial file of something else is noticed", async () => {
    addTiny();
    const folder = join(cacheDir, "models--acme--tiny/blobs");
    mkdirSync(folder, { recursive: true });
    const partial = join(folder, `${sha256(WEIGHTS)}.punctual-partial`);
    writeFileSync(partial, noise(5000, 9));
    const model = await store().pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    // Longer than the file itself, and a whole file cut short afterwards, as a crash of the machine leaves it.
    truncateSync(join(folder, sha256(WEIGHTS)), 777);
    writeFileSync(partial, noise(WEIGHTS.length + 1, 9));
    await store().pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  test("a server without ranges is read from the start again", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { breakAfter: [50_000], noRanges: true });
    const model = await store().pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  test("silence ends an attempt, slowness does not", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { silentAfter: [80_000] });
    const patient = store({ hub: { url: hub.url, stallMs: 400 } });
    const model = await patient.pull(REFERENCE);
    expect(readFileSync(join(model.path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    rmSync(cacheDir, { recursive: true });
    repo.faults.set("model.safetensors", { slow: { pieceBytes: 20_000, pauseMs: 60 } });
    await patient.pull(REFERENCE); // 600 ms in all
  });

  test("cancellation ends it at once and keeps what came", async () => {
    const repo = addTiny();
    repo.faults.set("model.safetensors", { slow: { pieceBytes: 10_000, pauseMs: 20 } });
    const controller = new AbortController();
    const pulling = store().pull(REFERENCE, {
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.kind === "bytes" && progress.doneBytes > 40_000) controller.abort();
      },
    });
    await expect(pulling).rejects.toEqual(code("cancelled"));
    expect(blobs()).toContain(`${sha256(WEIGHTS)}.punctual-partial`);
    expect(readdirSync(join(cacheDir, ".locks/models--acme--tiny"))).toEqual([]);
    repo.faults.clear();
    await store().pull(REFERENCE);
  });

  test("a file of any size arrives whole through any breaks", async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 40_000 }), sizes, async (bytes, breakAfter) => {
        rmSync(cacheDir, { recursive: true, force: true });
        const content = noise(bytes, bytes + 1);
        const repo = addTiny({ "model.safetensors": content });
        repo.faults.set("model.safetensors", { breakAfter });
        const model = await store({ retry: { attempts: 9, backoffMs: 0 } }).pull(REFERENCE);
        return readFileSync(join(model.path, "model.safetensors")).equals(content);
      }),
      { numRuns: 12, seed: 39 },
    );
  });
});

describe("refusals", () => {
  test("gated, wrong token, missing, no such revision", async () => {
    const repo = addTiny();
    repo.token = "secret";
    await expect(store().pull(REFERENCE)).rejects.toThrow(/gated: accept its terms .* HF_TOKEN/);
    const withToken = (token: string): ModelStore => store({ hub: { url: hub.url, token } });
    await expect(withToken("wrong").pull(REFERENCE)).rejects.toEqual(code("unauthorized"));
    await withToken("secret").pull(REFERENCE);
    expect(hub.cdnTokens).toEqual([]); // the token stays with the hub
    await expect(store().pull(parseHubReference("hf:acme/none"))).rejects.toThrow(/There is no .*HF_TOKEN is not set/);
    const revision = parseHubReference("hf:acme/tiny@v9");
    await expect(withToken("secret").pull(revision)).rejects.toThrow(/no revision 'v9'/);
  });

  test("an overloaded hub is asked again later", async () => {
    const repo = addTiny();
    repo.refusal = { status: 503 };
    await expect(store().pull(REFERENCE)).rejects.toMatchObject({ code: "download_failed", retryable: true });
    repo.refusal = { status: 429, retryAfter: "3" };
    await expect(store().pull(REFERENCE)).rejects.toMatchObject({ code: "download_failed", retryAfterMs: 3000 });
  });

  test("a hub that nobody answers at is said", async () => {
    const gone = await startFakeHub();
    await gone.close();
    await expect(store({ hub: { url: gone.url } }).pull(REFERENCE)).rejects.toThrow(/cannot be reached/);
    await expect(store({ hub: { url: "ftp://x" } }).pull(REFERENCE)).rejects.toEqual(code("invalid_request"));
  });

  test.each([
    [{ linkedSize: 5 }, /expected bytes 200000, the hub says 5/],
    [{ linkedEtag: "0".repeat(64) }, /expected SHA-256/],
    [{ repoCommit: "0".repeat(40) }, /expected commit/],
  ])("headers that contradict the listing (%j) end it before the content is fetched", async (fault, says) => {
    addTiny().faults.set("model.safetensors", fault);
    await expect(store().pull(REFERENCE)).rejects.toThrow(says);
    expect(contentRequests()).toEqual([]);
  });

  test.each(["../evil.json", "/etc/passwd", "a/../../b", String.raw`a\b`, "C:x", "a//b", "./a", "a\u0000b"])(
    "a repository with a file named %j is refused whole",
    async (path) => {
      addTiny({ [path]: "x" });
      await expect(store().pull(REFERENCE)).rejects.toEqual(code("invalid_file"));
      expect(readdirSync(cacheDir)).toEqual([]);
    },
  );

  test("a disk without room is told before a byte is fetched", async () => {
    addTiny();
    const full = store({ freeBytes: () => Promise.resolve(100_000) });
    await expect(full.pull(REFERENCE)).rejects.toEqual(code("out_of_space"));
    expect(contentRequests()).toEqual([]);
  });
});

describe("two at once", () => {
  test("pulls of one repository take turns, and the second finds it all there", async () => {
    addTiny().faults.set("model.safetensors", { slow: { pieceBytes: 40_000, pauseMs: 20 } });
    const waits: PullProgress[] = [];
    const pulls = [1, 2].map(() =>
      store().pull(REFERENCE, {
        onProgress: (progress) => {
          if (progress.kind === "waiting") waits.push(progress);
        },
      }),
    );
    const [first, second] = await Promise.all(pulls);
    expect(second).toEqual(first);
    expect(contentRequests()).toHaveLength(1);
    expect(waits).toHaveLength(1);
  });

  const lockPath = (): string => join(cacheDir, "a.lock");
  const holder = (pid: number, host: string): string => JSON.stringify({ token: "t", host, pid, beat: 1 });

  test("the lock of a dead process of this machine is taken at once, of a silent one elsewhere after a while", async () => {
    writeFileSync(lockPath(), holder(2 ** 22 + 1, hostname()));
    await (await takeLock(lockPath(), { waitMs: 0 }))[Symbol.asyncDispose]();
    writeFileSync(lockPath(), holder(1, "elsewhere"));
    await expect(takeLock(lockPath(), { waitMs: 0 })).rejects.toEqual(code("request_timeout"));
    await using lock = await takeLock(lockPath(), { staleMs: 150 });
    expect(lock.lost.aborted).toBe(false);
  });

  test("a holder that counts keeps its lock, and one that lost it is told", async () => {
    const lock = await takeLock(lockPath(), { beatMs: 20 });
    await expect(takeLock(lockPath(), { waitMs: 400, staleMs: 300 })).rejects.toEqual(code("request_timeout"));
    // As one that takes it over does: a file of its own under the name.
    writeFileSync(`${lockPath()}.new`, holder(1, "elsewhere"));
    renameSync(`${lockPath()}.new`, lockPath());
    await new Promise((resolve) => lock.lost.addEventListener("abort", resolve));
    await lock[Symbol.asyncDispose]();
    expect(readFileSync(lockPath(), "utf8")).toContain("elsewhere"); // not ours to remove
  });
});

describe("remove", () => {
  test("removes a repository, a revision or a file, with the contents nobody else names", async () => {
    const repo = addTiny();
    const first = await store().pull(REFERENCE);
    repo.commit = "b".repeat(40);
    const other = noise(1000, 8);
    repo.files.set("model.safetensors", { content: other, lfs: true });
    const second = await store().pull(REFERENCE);
    expect(await store().remove(parseHubReference(`hf:acme/tiny@${first.commit}`))).toBe(WEIGHTS.length);
    expect((await store().list()).map(({ commit }) => commit)).toEqual([second.commit]);
    expect(readFileSync(join(second.path, "model.safetensors")).equals(other)).toBe(true);
    expect(await store().remove(REFERENCE)).toBeGreaterThanOrEqual(1000);
    expect(await store().list()).toEqual([]);
    await expect(store().remove(REFERENCE)).rejects.toEqual(code("model_not_found"));
    hub.add("acme/tiny", { "a-Q4_0.gguf": noise(300, 4), "a-Q8_0.gguf": noise(400, 5) });
    for (const tag of ["Q4_0", "Q8_0"]) await store().pull(parseHubReference(`hf:acme/tiny:${tag}`));
    expect(await store().remove(parseHubReference("hf:acme/tiny:Q8_0"))).toBe(400);
    expect((await store().list()).map(({ name }) => name)).toEqual(["hf:acme/tiny:a-Q4_0.gguf"]);
    await expect(store().remove(parseHubReference("hf:acme/tiny:Q8_0"))).rejects.toEqual(code("model_not_found"));
    await store().remove(parseHubReference("hf:acme/tiny:Q4_0"));
    expect(readdirSync(cacheDir).filter((name) => name !== ".locks")).toEqual([]);
  });
});

describe("names", () => {
  test.each(["hf:a/b", "hf:Qwen/Qwen3-0.6B@main", "hf:a/b@refs/pr/3:x-Q4_K_M.gguf", "hf:a/b:Q8_0"])("%s", (text) => {
    expect(formatHubReference(parseHubReference(text))).toBe(text);
  });

  test.each([
    "hf:",
    "hf:a",
    "hf:a/b/c",
    "hf:../b",
    "hf:a/b@",
    "hf:a/b@../x",
    "hf:a/b:",
    "hf:a/b:../x",
    "a/b",
    "hf:a/b--c",
  ])("%s is refused", (text) =>
    expect(() => parseHubReference(text)).toThrow(expect.objectContaining({ code: "invalid_request" })),
  );

  test("no text gets a path out of its folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", ".", "/", "\\", ":", "\0", "-") }), (path) => {
        try {
          checkRepoPath(path);
        } catch {
          return true;
        }
        return join("/root/x", path).startsWith("/root/x/") && !path.includes("\\") && !path.includes(":");
      }),
      { seed: 39 },
    );
  });

  test("a tag means the end of a name, between separators", () => {
    const paths = ["m-Q4_K_M.gguf", "m-Q4_K.gguf", "m.Q8_0.gguf", "d/m-f16.gguf"];
    expect(matchingGgufs(paths, "Q4_K")).toEqual(["m-Q4_K.gguf"]);
    expect(matchingGgufs(paths, "q8_0")).toEqual(["m.Q8_0.gguf"]);
    expect(matchingGgufs(paths, "m-f16.gguf")).toEqual(["d/m-f16.gguf"]);
    expect(matchingGgufs(paths, "4_K")).toEqual([]);
  });
});
