/**
 * A TCP proxy that knows where frames begin and end, and does to them what networks do: it drops, doubles, swaps and delays
 * them, cuts connections, and parts the two sides for a while. What happens is decided by a rule that sees every frame, so a
 * test can also wait for a certain one and act at that moment.
 *
 * Within one direction of a connection order is kept unless a rule swaps: TCP would not do otherwise, applications that
 * number their frames must not care.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Frame, Splitter } from "./frames.ts";

/** `up`: from who connected to the proxy to the address behind it. */
export type Way = "up" | "down";

/** What becomes of a frame. `swap`: it goes after the next one. `cut`: the connection ends before it. */
export type Verdict = "pass" | "drop" | "double" | "swap" | "cut" | { readonly delayMs: number };

/** Decides for each frame. */
export type Rule = (frame: Frame, way: Way) => Verdict;

/** Nothing special happens. */
export const PASS: Rule = () => "pass";

/** How long a swapped frame waits for another one, milliseconds. */
const SWAP_MS = 200;
/** A side that does not take what is sent is not sent more. */
const BUFFER_BYTES = 1 << 20;

/** See the head of this file. */
export class FaultProxy implements AsyncDisposable {
  /** In force for frames that come from now on. */
  rule: Rule = PASS;
  readonly port: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #parted = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /**
   * A proxy on a free port of this machine before that one.
   * @param splitter made for each direction of each connection
   */
  static async start(targetPort: number, splitter: (way: Way) => Splitter): Promise<FaultProxy> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const proxy = new FaultProxy(server, (server.address() as AddressInfo).port);
    server.on("connection", (client) => proxy.#join(client, targetPort, splitter));
    return proxy;
  }

  /** Open connections. */
  get connections(): number {
    return this.#links.size;
  }

  /** Nothing goes through, nothing is lost, nobody is told: as when a cable is pulled. */
  part(): void {
    this.#parted = true;
    for (const link of this.#links) link.part();
  }

  /** Ends `part`; what was under way arrives now. */
  heal(): void {
    this.#parted = false;
    for (const link of this.#links) link.heal();
  }

  /** Ends every connection at once; new ones are taken. */
  cut(): void {
    for (const link of this.#links) link.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #join(client: Socket, targetPort: number, splitter: (way: Way) => Splitter): void {
    const target = connect(targetPort, "127.0.0.1");
    const link = new Link(client, target, splitter, (frame, way) => this.rule(frame, way));
    this.#links.add(link);
    link.onEnd = () => this.#links.delete(link);
    if (this.#parted) link.part();
    else link.heal();
  }
}

/** One connection: two directions that end together. */
class Link {
  onEnd: () => void = () => undefined;
  readonly #ways: readonly [Direction, Direction];
  readonly #sockets: readonly [Socket, Socket];
  #ended = false;

  constructor(client: Socket, target: Socket, splitter: (way: Way) => Splitter, rule: Rule) {
    this.#sockets = [client, target];
    const cut = (): void => this.end();
    this.#ways = [
      new Direction(client, target, splitter("up"), (frame) => rule(frame, "up"), cut),
      new Direction(target, client, splitter("down"), (frame) => rule(frame, "down"), cut),
    ];
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on("error", cut); // refused or reset: the other side sees an end
      socket.on("close", cut);
    }
  }

  part(): void {
    for (const way of this.#ways) way.hold();
  }

  heal(): void {
    for (const way of this.#ways) way.release();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const way of this.#ways) way.end();
    for (const socket of this.#sockets) socket.destroy();
    this.onEnd();
  }
}

interface Waiting {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** One direction: frames in, frames out, in order of their due times. */
class Direction {
  readonly #to: Socket;
  readonly #from: Socket;
  readonly #queue: Waiting[] = [];
  #swapped: Buffer | null = null;
  #held = true;
  #timer: NodeJS.Timeout | undefined;
  #swapTimer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, splitter: Splitter, rule: (frame: Frame) => Verdict, cut: () => void) {
    this.#from = from;
    this.#to = to;
    from.on("data", (chunk: Buffer) => {
      for (const frame of splitter.push(chunk)) {
        const verdict = frame.isMessage ? rule(frame) : "pass";
        if (verdict === "cut") return cut();
        this.#take(frame.bytes, verdict);
      }
    });
    from.on("end", () => {
      this.#unswap();
      if (this.#queue.length === 0 && !this.#held) to.end();
    });
    to.on("drain", () => this.#flow());
  }

  hold(): void {
    this.#held = true;
    this.#from.pause();
  }

  release(): void {
    this.#held = false;
    this.#send();
    this.#flow();
  }

  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#swapTimer);
    this.#queue.length = 0;
  }

  #take(bytes: Buffer, verdict: Exclude<Verdict, "cut">): void {
    switch (verdict) {
      case "drop":
        return;
      case "swap":
        this.#unswap();
        this.#swapped = bytes;
        this.#swapTimer = setTimeout(() => this.#unswap(), SWAP_MS);
        return;
      case "pass":
        this.#enqueue(bytes, 0);
        break;
      case "double":
        this.#enqueue(bytes, 0);
        this.#enqueue(bytes, 0);
        break;
      default:
        this.#enqueue(bytes, verdict.delayMs);
    }
    this.#unswap();
  }

  #unswap(): void {
    clearTimeout(this.#swapTimer);
    const bytes = this.#swapped;
    this.#swapped = null;
    if (bytes !== null) this.#enqueue(bytes, 0);
  }

  #enqueue(bytes: Buffer, delayMs: number): void {
    const dueMs = Math.max(performance.now() + delayMs, this.#queue.at(-1)?.dueMs ?? 0);
    this.#queue.push({ bytes, dueMs });
    this.#send();
  }

  #send(): void {
    clearTimeout(this.#timer);
    if (this.#held || this.#to.destroyed) return;
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const waitMs = first.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#send(), waitMs);
        break;
      }
      this.#queue.shift();
      this.#to.write(first.bytes);
    }
    if (this.#queue.length === 0 && this.#from.readableEnded) this.#to.end();
    this.#flow();
  }

  #flow(): void {
    if (this.#held) return;
    const pendingBytes = this.#queue.reduce((sum, { bytes }) => sum + bytes.length, this.#to.writableLength);
    if (pendingBytes > BUFFER_BYTES) this.#from.pause();
    else this.#from.resume();
  }
}
