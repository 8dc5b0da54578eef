/**
 * Where other instances push keys and values to and pull them from, over TCP. What is offered is known by name and needs
 * its secret (which the bus carries), so that knowing an address gives nobody anything. Transfers outlive connections: an
 * opener that comes back with the same transfer is told which frame is expected.
 *
 *   opener: open ─▶    ◀─ opened | refuse       pages, last ─▶  ◀─ ack         close ─▶      (a push; in a pull pages come back)
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { assert, fail, PunctualError } from "../../core/index.ts";
import { FrameSocket } from "./frame-socket.ts";
import { fingerprintHash, frame, MAX_PAYLOAD_BYTES, type Frame } from "./frames.ts";
import { decodeNote, encodeNote, encodeRefusal, openNoteSchema, type OpenNote } from "./notes.ts";
import { FrameReceiver } from "./receiver.ts";
import { FrameSender } from "./sender.ts";
import type { FrameCodec, KvAddress, KvResource, KvTls } from "./types.ts";

/** How to serve keys and values. */
export interface KvServerOptions {
  /** Where to listen; 127.0.0.1 when absent. */
  readonly host?: string;
  /** 0, or absent: any free one. */
  readonly port?: number;
  /** Of the engine's model: pages of another one are refused. */
  readonly fingerprint: string;
  readonly codecs?: readonly FrameCodec[];
  /** Bytes that may be under way per transfer; 4 MiB when absent. */
  readonly windowBytes?: number;
  /** Most connections at once; 64 when absent. */
  readonly maxConnections?: number;
  readonly tls?: KvTls;
  /** Told what others sent that is wrong. */
  readonly log?: (message: string) => void;
}

/** What a server has carried. */
export interface KvServerStats {
  readonly connections: number;
  /** Pages and their payload bytes, as they were taken and given. */
  readonly pagesIn: number;
  readonly bytesIn: number;
  readonly pagesOut: number;
  readonly bytesOut: number;
  /** Connections that ended over something that is no frame, or out of its turn. */
  readonly faults: number;
}

/** Transfers of a connection at once. */
const MAX_TRANSFERS = 64;
/** Pages that a pull reads at once. */
const READ_BYTES = 1024 * 1024;
const DEFAULT_WINDOW_BYTES = 4 * 1024 * 1024;

interface Offered extends KvResource {
  /** Pushes by transfer: they go on over other connections. */
  readonly receivers: Map<string, FrameReceiver>;
}

/** What a transfer is to the connection that it came over last. */
type Open =
  | { readonly kind: "push"; readonly receiver: FrameReceiver; readonly offered: Offered }
  | { readonly kind: "pull"; readonly sender: FrameSender; readonly offered: Offered };

/** See the head of this file. */
export class KvServer implements AsyncDisposable {
  readonly #options: KvServerOptions;
  readonly #server: Server;
  readonly #model: string;
  readonly #codecs: ReadonlyMap<number, FrameCodec>;
  readonly #offers = new Map<string, Offered>();
  readonly #finders = new Map<string, (name: string) => KvResource | null>();
  readonly #sockets = new Set<Socket>();
  readonly #counts = { pagesIn: 0, bytesIn: 0, pagesOut: 0, bytesOut: 0, faults: 0 };

  private constructor(options: KvServerOptions) {
    this.#options = options;
    this.#model = fingerprintHash(options.fingerprint);
    this.#codecs = new Map(options.codecs?.map((codec) => [codec.id, codec]));
    const accept = (socket: Socket): void => void this.#serve(socket);
    const { tls } = options;
    const trust = tls?.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
    this.#server = tls === undefined ? createTcpServer(accept) : createTlsServer({ ...tls, ...trust }, accept);
    this.#server.maxConnections = options.maxConnections ?? 64;
  }

  /** Listens. @throws PunctualError address_in_use, unavailable when it cannot be listened there. */
  static async listen(options: KvServerOptions): Promise<KvServer> {
    const one = new KvServer(options);
    await new Promise<void>((resolve, reject) => {
      one.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const code = cause.code === "EADDRINUSE" ? "address_in_use" : "unavailable";
        reject(new PunctualError(code, `Keys and values cannot be served: ${cause.message}.`, { cause }));
      });
      one.#server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve);
    });
    return one;
  }

  /** Where it listens. */
  get address(): KvAddress {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  get stats(): KvServerStats {
    return { connections: this.#sockets.size, ...this.#counts };
  }

  /** Takes or gives one thing until the undo is called; transfers of it end then. */
  offer(name: string, resource: KvResource): () => void {
    assert(!this.#offers.has(name), `"${name}" is offered once`);
    const offered: Offered = { ...resource, receivers: new Map() };
    this.#offers.set(name, offered);
    return () => {
      if (this.#offers.get(name) === offered) this.#offers.delete(name);
    };
  }

  /** Asks `find` for things whose name begins with `prefix`, each time someone wants one. Answers the undo. */
  serve(prefix: string, find: (name: string) => KvResource | null): () => void {
    assert(!this.#finders.has(prefix), `"${prefix}" is served once`);
    this.#finders.set(prefix, find);
    return () => void this.#finders.delete(prefix);
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    const connection = new FrameSocket(socket);
    const opens = new Map<string, Open>();
    try {
      await connection.read(async (one) => await this.#handle(connection, opens, one));
    } catch (error) {
      this.#counts.faults += 1;
      this.#options.log?.(`keys and values: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#sockets.delete(socket);
      const gone = new PunctualError("unavailable", "The connection that pulled is gone.");
      for (const open of opens.values()) if (open.kind === "pull") open.sender.fail(gone);
    }
  }

  async #handle(connection: FrameSocket, opens: Map<string, Open>, one: Frame): Promise<void> {
    const { kind, transfer } = one;
    const open = opens.get(transfer);
    switch (kind) {
      case "open":
        return this.#refusing(connection, one, async () => this.#open(connection, opens, one));
      case "pages":
      case "last":
        if (open?.kind !== "push") fail("invalid_request", "Pages of a transfer that was not opened.");
        return await this.#takePages(connection, opens, open, one);
      case "ack":
        if (open?.kind === "pull") open.sender.acknowledge(one.sequence);
        return;
      case "close":
        if (opens.delete(transfer)) open?.offered.onClosed?.();
        return;
      case "refuse":
        opens.delete(transfer);
        return;
      case "opened":
        return fail("invalid_request", "A server opens nothing.");
      default:
        return kind satisfies never;
    }
  }

  /** What goes wrong with one transfer ends that one, not the connection. */
  async #refusing(connection: FrameSocket, one: Frame, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const { model, transfer } = one;
      connection.send(frame({ kind: "refuse", model, transfer, payload: encodeRefusal(error) }));
    }
  }

  async #open(connection: FrameSocket, opens: Map<string, Open>, one: Frame): Promise<void> {
    const note = decodeNote(openNoteSchema, one.payload);
    if (one.model !== this.#model) fail("unsupported", "These pages are of another model.");
    if (opens.size >= MAX_TRANSFERS) fail("busy", `A connection carries at most ${MAX_TRANSFERS} transfers.`);
    const offered = this.#find(note);
    connection.allow(MAX_PAYLOAD_BYTES);
    if (note.direction === "push") this.#openPush(connection, opens, offered, one, note);
    else this.#openPull(connection, opens, offered, one, note);
  }

  #find({ resource, token }: OpenNote): Offered {
    const found = this.#offers.get(resource) ?? this.#ask(resource);
    // The same answer whether it is not there or the secret is wrong: nothing is told to who may not know.
    if (found === null || !isEqual(found.token, token)) return fail("not_found", `There is no "${resource}" here.`);
    return found;
  }

  #ask(resource: string): Offered | null {
    for (const [prefix, find] of this.#finders) {
      const found = resource.startsWith(prefix) ? find(resource) : null;
      if (found !== null) return { ...found, receivers: new Map() };
    }
    return null;
  }

  #shared(note: OpenNote): number[] {
    return note.codecs.filter((id) => this.#codecs.has(id));
  }

  #openPush(connection: FrameSocket, opens: Map<string, Open>, offered: Offered, one: Frame, note: OpenNote): void {
    const { sink, receivers } = offered;
    if (sink === undefined) return fail("unsupported", `"${note.resource}" takes nothing.`);
    let receiver = receivers.get(one.transfer);
    if (receiver === undefined) {
      if (receivers.size >= MAX_TRANSFERS) fail("busy", `At most ${MAX_TRANSFERS} transfers push to one thing.`);
      receiver = new FrameReceiver(sink, this.#codecs);
      receivers.set(one.transfer, receiver);
    }
    opens.set(one.transfer, { kind: "push", receiver, offered });
    const { windowBytes = DEFAULT_WINDOW_BYTES } = this.#options;
    const takesLast = sink.writeLast !== undefined;
    const opened = {
      pageBytes: sink.pageBytes,
      next: receiver.next,
      windowBytes,
      codecs: this.#shared(note),
      takesLast,
    };
    this.#say(connection, one, encodeNote(opened));
  }

  #say(connection: FrameSocket, { model, transfer }: Frame, payload: Uint8Array): void {
    connection.send(frame({ kind: "opened", model, transfer, payload }));
  }

  async #takePages(
    connection: FrameSocket,
    opens: Map<string, Open>,
    { receiver, offered }: Extract<Open, { kind: "push" }>,
    one: Frame,
  ): Promise<void> {
    const { model, transfer } = one;
    if (one.sequence > receiver.next) return fail("invalid_request", "A frame came ahead of its turn.");
    const before = { pages: receiver.pages, bytes: receiver.bytes };
    try {
      await receiver.take(one);
    } catch (error) {
      opens.delete(transfer);
      offered.receivers.delete(transfer);
      connection.send(frame({ kind: "refuse", model, transfer, payload: encodeRefusal(error) }));
      return;
    }
    this.#counts.pagesIn += receiver.pages - before.pages;
    this.#counts.bytesIn += receiver.bytes - before.bytes;
    connection.send(frame({ kind: "ack", model, transfer, sequence: receiver.next }));
  }

  #openPull(connection: FrameSocket, opens: Map<string, Open>, offered: Offered, one: Frame, note: OpenNote): void {
    const { source } = offered;
    if (source === undefined) return fail("unsupported", `"${note.resource}" gives nothing.`);
    const { first = 0, count = source.pages - first, windowBytes = DEFAULT_WINDOW_BYTES } = note;
    if (first + count > source.pages) {
      return fail("invalid_request", `Pages ${first} to ${first + count} of ${source.pages} are not there.`);
    }
    const { model, transfer } = one;
    const shared = this.#shared(note);
    const sender = new FrameSender({ model, transfer, pageBytes: source.pageBytes, windowBytes });
    sender.codec = shared[0] === undefined ? null : this.#codecs.get(shared[0])!;
    sender.attach(0, windowBytes, (out) => {
      this.#counts.pagesOut += out.pages;
      this.#counts.bytesOut += out.payload.length;
      connection.send(out);
    });
    opens.set(transfer, { kind: "pull", sender, offered });
    this.#say(connection, one, encodeNote({ pageBytes: source.pageBytes, next: 0, windowBytes, codecs: shared }));
    void this.#give(offered, sender, first, count).catch((error: unknown) => {
      opens.delete(transfer);
      connection.send(frame({ kind: "refuse", model, transfer, payload: encodeRefusal(error) }));
    });
  }

  async #give({ source }: Offered, sender: FrameSender, first: number, count: number): Promise<void> {
    const { pageBytes } = source!;
    const step = Math.max(1, Math.floor(READ_BYTES / pageBytes));
    let last: Promise<void> = Promise.resolve();
    for (let at = first; at < first + count;) {
      const there = (await source!.available?.(at)) ?? step;
      const pages = Math.min(step, there, first + count - at);
      const bytes = await source!.read(at, pages);
      await last;
      last = sender.send(at, bytes, source!.isUrgent?.() === true);
      // Read ahead by one; its failure is seen at the next await.
      last.catch(() => undefined);
      at += pages;
    }
    await last;
  }

  /** Ends all connections; transfers under way fail at their openers. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** In a time that does not tell how much of it is right. */
function isEqual(expected: string, given: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}
