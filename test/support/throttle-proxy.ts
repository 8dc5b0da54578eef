/** A TCP proxy whose way back carries no more than a rate, which may change at any moment or after a number of bytes. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

const TICK_MS = 5;
/** What a link holds: beyond it, who sends waits. */
const BUFFER_BYTES = 16 * 1024;

/** See the head of this file. */
export class ThrottleProxy implements AsyncDisposable {
  /** Bytes per millisecond on the way back; Infinity: as they come. */
  rate = Infinity;
  /** Set before anybody connects. */
  targetPort = 0;
  readonly port: number;
  /** On the way back, since it began. */
  carriedBytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: { left: number; readonly rate: number } | null = null;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => this.#join(client));
  }

  /** On a free port of this machine. */
  static async start(): Promise<ThrottleProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new ThrottleProxy(server);
  }

  /** When so many more bytes have come back, the rate is another one. */
  after(bytes: number, rate: number): void {
    this.#next = { left: bytes, rate };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket): void {
    const target = connect(this.targetPort, "127.0.0.1");
    client.pipe(target);
    const back = new Back(target, client, (bytes) => this.#carry(bytes));
    const ticking = setInterval(() => back.tick(this.rate * TICK_MS), TICK_MS);
    const end = (): void => {
      clearInterval(ticking);
      for (const socket of [client, target]) {
        socket.destroy();
        this.#sockets.delete(socket);
      }
    };
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
  }

  #carry(bytes: number): void {
    this.carriedBytes += bytes;
    const next = this.#next;
    if (next === null) return;
    next.left -= bytes;
    if (next.left > 0) return;
    this.rate = next.rate;
    this.#next = null;
  }
}

/** One way of one connection. */
class Back {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #carried: (bytes: number) => void;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;
  /** Bytes that may go now. */
  #allowed = 0;

  constructor(from: Socket, to: Socket, carried: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#carried = carried;
    from.on("data", (data) => {
      this.#waiting.push(data);
      this.#bytes += data.length;
      if (this.#bytes > BUFFER_BYTES) from.pause();
    });
  }

  tick(more: number): void {
    // Nothing is saved up while nothing is sent, nor from before a rate fell.
    this.#allowed = (this.#bytes === 0 ? 0 : Math.min(this.#allowed, BUFFER_BYTES)) + more;
    while (this.#waiting.length > 0 && this.#allowed >= 1) {
      const [first] = this.#waiting;
      const count = Math.min(first!.length, Math.floor(this.#allowed));
      this.#to.write(first!.subarray(0, count));
      if (count === first!.length) this.#waiting.shift();
      else this.#waiting[0] = first!.subarray(count);
      this.#allowed -= count;
      this.#bytes -= count;
      this.#carried(count);
    }
    if (this.#bytes <= BUFFER_BYTES && this.#from.isPaused()) this.#from.resume();
  }
}
