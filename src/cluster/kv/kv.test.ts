/** Keys and values over real sockets: pushed and pulled, through a link that breaks, cuts and falsifies. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import { createRandom, PunctualError } from "../../core/index.ts";
import { KvClient, type KvClientOptions } from "./client.ts";
import { encodeFrame, fingerprintHash, frame } from "./frames.ts";
import { encodeNote } from "./notes.ts";
import { KvServer, type KvServerOptions } from "./server.ts";
import type { FrameCodec, KvSink, KvSource } from "./types.ts";

const PAGE_BYTES = 4096;
const FINGERPRINT = "model-a";
const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function serverOf(options: Partial<KvServerOptions> = {}): Promise<KvServer> {
  const server = await KvServer.listen({ fingerprint: FINGERPRINT, ...options });
  open.push(server);
  return server;
}

function clientOf(options: Partial<KvClientOptions> = {}): KvClient {
  const client = new KvClient({ fingerprint: FINGERPRINT, ...options });
  open.push(client);
  return client;
}

class Memory implements KvSink {
  readonly pageBytes = PAGE_BYTES;
  readonly bytes: Uint8Array;
  writes = 0;
  delayMs = 0;
  constructor(pages: number) {
    this.bytes = new Uint8Array(pages * PAGE_BYTES);
  }
  async write(first: number, bytes: Uint8Array): Promise<void> {
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    this.writes += 1;
    this.bytes.set(bytes, first * PAGE_BYTES);
  }
}

/** Keeps notes, and whether all pages below the end of theirs were there by then. */
class Listener extends Memory {
  readonly notes: string[] = [];
  async writeLast(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void> {
    await this.write(first, bytes);
    this.notes.push(new TextDecoder().decode(note));
  }
}

function randomPages(pages: number, seed: string): Uint8Array {
  const random = createRandom(seed, "pages");
  return Uint8Array.from({ length: pages * PAGE_BYTES }, () => random.uint32() & 0xff);
}

const sourceOf = (bytes: Uint8Array) => ({
  pageBytes: PAGE_BYTES,
  pages: bytes.length / PAGE_BYTES,
  read: async (first: number, count: number): Promise<Uint8Array> =>
    await Promise.resolve(bytes.slice(first * PAGE_BYTES, (first + count) * PAGE_BYTES)),
});

/** A link that does to the bytes what it is told. */
class Link implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Of each connection, by its number: what becomes of its bytes towards the server. */
  harm: (connection: number, chunk: Buffer, total: number) => Buffer | null = (_, chunk) => chunk;
  connections = 0;

  private constructor(port: number) {
    this.#server = createServer((socket) => {
      const number = this.connections++;
      const behind = connect(port, "127.0.0.1");
      let total = 0;
      for (const one of [socket, behind]) {
        this.#sockets.add(one);
        one.on("error", () => undefined);
        one.on("close", () => {
          socket.destroy();
          behind.destroy();
        });
      }
      socket.on("data", (chunk) => {
        total += chunk.length;
        const passed = this.harm(number, chunk, total);
        if (passed === null) socket.destroy();
        else behind.write(passed);
      });
      behind.on("data", (chunk) => socket.write(chunk));
    });
  }

  static async to(port: number): Promise<Link> {
    const link = new Link(port);
    await new Promise<void>((resolve) => link.#server.listen(0, "127.0.0.1", resolve));
    open.push(link);
    return link;
  }

  get address(): { host: string; port: number } {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

describe("push", () => {
  test("pages arrive, in stages over one transfer and many at once over one connection", async () => {
    const server = await serverOf();
    const client = clientOf();
    const all = Array.from({ length: 4 }, (_, i) => ({ data: randomPages(600, `push ${i}`), sink: new Memory(600) }));
    await Promise.all(
      all.map(async ({ data, sink }, i) => {
        server.offer(`r${i}`, { token: `t${i}`, sink });
        const request = { address: server.address, resource: `r${i}`, token: `t${i}`, pageBytes: PAGE_BYTES };
        const push = await client.push(request);
        await Promise.all([
          push.send(0, data.subarray(0, 400 * PAGE_BYTES)),
          push.send(400, data.subarray(400 * PAGE_BYTES, 599 * PAGE_BYTES)),
        ]);
        await push.send(599, data.subarray(599 * PAGE_BYTES));
        expect(push.report()).toMatchObject({ pages: 600, bytes: data.length, reconnects: 0 });
        push.close();
      }),
    );
    for (const { data, sink } of all) expect(Buffer.compare(sink.bytes, data)).toBe(0);
    expect(server.stats).toMatchObject({ connections: 1, pagesIn: 2400, bytesIn: 2400 * PAGE_BYTES, faults: 0 });
  });

  test("a note comes in the very frame of the last pages, once; only where somebody listens", async () => {
    const server = await serverOf();
    const data = randomPages(300, "noted");
    const [sink, deaf] = [new Listener(300), new Memory(300)];
    server.offer("r", { token: "t", sink });
    server.offer("deaf", { token: "t", sink: deaf });
    const client = clientOf();
    const to = (resource: string) =>
      client.push({ address: server.address, resource, token: "t", pageBytes: PAGE_BYTES });
    const push = await to("r");
    expect(push.takesLast).toBe(true);
    await push.send(0, data.subarray(0, 20 * PAGE_BYTES));
    const note = new TextEncoder().encode('{"it":"is yours"}');
    await push.sendLast(20, data.subarray(20 * PAGE_BYTES), note);
    expect(Buffer.compare(sink.bytes, data)).toBe(0);
    expect(sink.notes).toEqual(['{"it":"is yours"}']);
    expect(sink.writes).toBe(4); // 20 pages, then 128 a frame: the note needed none of its own
    const unheard = await to("deaf");
    expect(unheard.takesLast).toBe(false);
    expect(await codeOf(unheard.sendLast(0, data, note))).toBe("unsupported");
    push.close();
    unheard.close();
  });

  test("a slow sink holds the sender back: at most a window is under way", async () => {
    const windowBytes = 64 * PAGE_BYTES;
    const server = await serverOf({ windowBytes });
    const client = clientOf();
    const sink = new Memory(512);
    sink.delayMs = 2;
    server.offer("r", { token: "t", sink });
    const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    const push = await client.push(request);
    const sent = push.send(0, randomPages(512, "slow"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    // Half a megabyte a frame: no further frame goes out than the window and what has been written allow.
    expect(push.report().bytes).toBeLessThanOrEqual(Math.max(windowBytes, 512 * 1024) + (sink.writes + 1) * 512 * 1024);
    await sent;
    expect(push.report().pages).toBe(512);
  });

  test("a wrong secret, a wrong name, another model and another page size are refused, in words", async () => {
    const server = await serverOf();
    const client = clientOf();
    server.offer("r", { token: "t", sink: new Memory(1) });
    const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    expect(await codeOf(client.push({ ...request, token: "x" }))).toBe("not_found");
    expect(await codeOf(client.push({ ...request, resource: "x" }))).toBe("not_found");
    expect(await codeOf(client.push({ ...request, pageBytes: 1 }))).toBe("unsupported");
    expect(await codeOf(clientOf({ fingerprint: "model-b" }).push(request))).toBe("unsupported");
    expect(await codeOf(client.pull(request, new Memory(1), 0, 1))).toBe("unsupported");
    expect(await codeOf(client.push(request))).toBeNull();
  });

  test("nobody there is unavailable at once", async () => {
    const server = await KvServer.listen({ fingerprint: FINGERPRINT });
    const { address } = server;
    await server.close();
    const request = { address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    expect(await codeOf(clientOf().push(request))).toBe("unavailable");
  });

  test("what the sink says ends the transfer at the sender", async () => {
    const server = await serverOf();
    const sink: KvSink = {
      pageBytes: PAGE_BYTES,
      write: async () => await Promise.reject(new PunctualError("out_of_memory", "no room")),
    };
    server.offer("r", { token: "t", sink });
    const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    const push = await clientOf().push(request);
    expect(await codeOf(push.send(0, randomPages(3, "refused")))).toBe("out_of_memory");
    expect(await codeOf(push.send(3, randomPages(1, "refused")))).toBe("out_of_memory");
  });

  test("a transfer is cancelled by its signal, and by closing", async () => {
    const server = await serverOf();
    const client = clientOf();
    const sink = new Memory(512);
    sink.delayMs = 5;
    server.offer("r", { token: "t", sink });
    const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    const controller = new AbortController();
    const push = await client.push({ ...request, signal: controller.signal });
    const sent = push.send(0, randomPages(512, "cancelled"));
    controller.abort();
    expect(await codeOf(sent)).toBe("cancelled");
    const other = await client.push(request);
    const sending = other.send(0, randomPages(512, "closed"));
    other.close();
    expect(await codeOf(sending)).toBe("cancelled");
  });

  test("a codec that both have is used; one that only one has is not", async () => {
    const flip: FrameCodec = {
      id: 7,
      name: "flip",
      encode: (bytes) => bytes.map((byte) => byte ^ 0xff),
      decode: (bytes) => bytes.map((byte) => byte ^ 0xff),
    };
    const data = randomPages(200, "coded");
    for (const codecs of [[flip], []]) {
      const server = await serverOf({ codecs });
      const sink = new Memory(200);
      server.offer("r", { token: "t", sink });
      const client = clientOf({ codecs: [flip] });
      const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES, codec: flip };
      const push = await client.push(request);
      await push.send(0, data);
      expect(Buffer.compare(sink.bytes, data)).toBe(0);
    }
  });
});

describe("pull", () => {
  test("pages come, any part of them", async () => {
    const server = await serverOf();
    const data = randomPages(700, "pull");
    server.serve("ctx/", (name) => (name === "ctx/1" ? { token: "t", source: sourceOf(data) } : null));
    const client = clientOf();
    const request = { address: server.address, resource: "ctx/1", token: "t", pageBytes: PAGE_BYTES };
    const sink = new Memory(700);
    const report = await client.pull(request, sink, 100, 500);
    expect(report).toMatchObject({ pages: 500, bytes: 500 * PAGE_BYTES, reconnects: 0 });
    const part = (bytes: Uint8Array): Uint8Array => bytes.subarray(100 * PAGE_BYTES, 600 * PAGE_BYTES);
    expect(Buffer.compare(part(sink.bytes), part(data))).toBe(0);
    expect(await codeOf(client.pull(request, sink, 600, 101))).toBe("invalid_request");
    expect(await codeOf(client.pull({ ...request, resource: "ctx/2" }, sink, 0, 1))).toBe("not_found");
    expect(await client.pull(request, sink, 0, 0)).toMatchObject({ pages: 0 });
  });

  test("pages that are not there yet are waited for, over whatever connection; what is urgent goes as it is", async () => {
    let coded = 0;
    const encode: FrameCodec["encode"] = (bytes, { count }) => {
      coded += count;
      return bytes;
    };
    const codec: FrameCodec = { id: 7, name: "same", encode, decode: (bytes) => bytes };
    const server = await serverOf({ codecs: [codec] });
    const data = randomPages(40, "growing");
    let [there, isGone] = [0, false];
    const waiting: (() => void)[] = [];
    const growing: KvSource = {
      ...sourceOf(data),
      available: async (first) => {
        while (there <= first) {
          if (isGone) throw new PunctualError("not_found", "over");
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
          });
        }
        return there - first;
      },
      isUrgent: () => there === 40,
    };
    server.offer("r", { token: "t", source: growing });
    const link = await Link.to(server.address.port);
    const client = clientOf({ codecs: [codec] });
    const request = { address: link.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    const sink = new Memory(40);
    const pulled = client.pull(request, sink, 4, 36);
    const grow = async (pages: number): Promise<void> => {
      there = pages;
      for (const wake of waiting.splice(0)) wake();
      const last = (bytes: Uint8Array): Uint8Array => bytes.subarray((pages - 1) * PAGE_BYTES, pages * PAGE_BYTES);
      while (Buffer.compare(last(sink.bytes), last(data)) !== 0) await new Promise((resolve) => setImmediate(resolve));
    };
    await grow(9);
    await grow(10);
    // The next acknowledgement breaks the link: the pull waits over another connection.
    link.harm = (connection, chunk) => (connection === 0 ? null : chunk);
    await grow(25);
    await grow(40);
    const report = await pulled;
    expect(report.pages).toBe(36);
    expect(report.reconnects).toBe(1);
    expect(coded).toBe(21);
    expect(Buffer.compare(sink.bytes.subarray(4 * PAGE_BYTES), data.subarray(4 * PAGE_BYTES))).toBe(0);
    there = 10;
    const late = codeOf(client.pull(request, new Memory(40), 0, 40));
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    isGone = true;
    for (const wake of waiting.splice(0)) wake();
    expect(await late).toBe("not_found");
  });

  test("a source that fails ends it with its own words", async () => {
    const server = await serverOf();
    const read = async (): Promise<Uint8Array> => await Promise.reject(new PunctualError("busy", "preempted"));
    server.offer("r", { token: "t", source: { pageBytes: PAGE_BYTES, pages: 9, read } });
    const request = { address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    expect(await codeOf(clientOf().pull(request, new Memory(9), 0, 9))).toBe("busy");
  });
});

describe("a bad link", () => {
  test("a push goes on where it was, whether the link breaks or falsifies", async () => {
    const random = createRandom("harm", "kv");
    const data = randomPages(900, "harmed");
    for (const kind of ["cut", "falsify", "swallow"]) {
      const server = await serverOf({ windowBytes: 1 << 20 });
      const sink = new Listener(900);
      server.offer("r", { token: "t", sink });
      const link = await Link.to(server.address.port);
      link.harm = (connection, chunk, total) => {
        if (connection >= 3 || total < 400_000 * (connection + 1)) return chunk;
        if (kind === "cut") return null;
        if (kind === "swallow") return chunk.subarray(1);
        chunk[random.int(0, chunk.length - 1)]! ^= 1 << random.int(0, 7);
        return chunk;
      };
      const client = clientOf({ stallMs: 400 });
      const request = { address: link.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
      const push = await client.push(request);
      await push.send(0, data.subarray(0, 500 * PAGE_BYTES));
      await push.sendLast(500, data.subarray(500 * PAGE_BYTES), new TextEncoder().encode("all"));
      expect(Buffer.compare(sink.bytes, data), kind).toBe(0);
      expect(sink.notes, kind).toEqual(["all"]);
      expect(push.report().reconnects, kind).toBeGreaterThan(0);
      push.close();
    }
  });

  test("a pull goes on where it was", async () => {
    const server = await serverOf();
    const data = randomPages(900, "pulled");
    server.offer("r", { token: "t", source: sourceOf(data) });
    const link = await Link.to(server.address.port);
    // Acknowledgements are 64 bytes each: cut after some of them.
    link.harm = (connection, chunk, total) => (connection < 3 && total > 300 ? null : chunk);
    const client = clientOf({ windowBytes: 1 << 19 });
    const sink = new Memory(900);
    const request = { address: link.address, resource: "r", token: "t", pageBytes: PAGE_BYTES };
    const report = await client.pull(request, sink, 0, 900);
    expect(Buffer.compare(sink.bytes, data)).toBe(0);
    expect(report.pages).toBe(900);
    expect(report.reconnects).toBeGreaterThan(0);
  });

  test("a link that stays away fails the transfer after a while", async () => {
    const server = await serverOf();
    server.offer("r", { token: "t", sink: new Memory(900) });
    const link = await Link.to(server.address.port);
    link.harm = (_, chunk, total) => (total > 400_000 ? null : chunk);
    const client = clientOf({ resumeMs: 200 });
    const push = await client.push({ address: link.address, resource: "r", token: "t", pageBytes: PAGE_BYTES });
    const sent = push.send(0, randomPages(900, "away"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await server.close();
    expect(await codeOf(sent)).toBe("unavailable");
  });

  test("anything that is no frame ends the connection and nothing else", async () => {
    const faults: string[] = [];
    const server = await serverOf({ log: (message) => faults.push(message) });
    const model = fingerprintHash(FINGERPRINT);
    const transfer = "0".repeat(32);
    const note = { resource: "r", token: "t", direction: "push" as const, codecs: [] };
    const opening = encodeFrame(frame({ kind: "open", model, transfer, payload: encodeNote(note) }));
    const pages = encodeFrame(
      frame({ kind: "pages", model, transfer, sequence: 5, pages: 1, payload: new Uint8Array(PAGE_BYTES) }),
    );
    server.offer("r", { token: "t", sink: new Memory(8) });
    const bad = [
      Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4)),
      pages,
      Buffer.concat([opening, pages]),
      encodeFrame(frame({ kind: "opened", model, transfer })),
      encodeFrame(frame({ kind: "open", model, transfer, payload: Buffer.from("not json") })),
    ];
    for (const bytes of bad) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.address.port, "127.0.0.1", () => socket.end(bytes));
        socket.on("data", () => undefined);
        socket.on("close", () => resolve());
        socket.on("error", () => undefined);
      });
    }
    expect(faults).toHaveLength(4); // the last is answered by a refusal
    expect(server.stats).toMatchObject({ faults: 4, pagesIn: 0 });
    const push = await clientOf().push({ address: server.address, resource: "r", token: "t", pageBytes: PAGE_BYTES });
    await push.send(0, randomPages(1, "after"));
    expect(server.stats.pagesIn).toBe(1);
  });
});
