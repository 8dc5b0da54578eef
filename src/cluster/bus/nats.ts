/**
 * The bus over NATS: what the port promises on top of its client, which keeps the connection and the subscriptions. Only
 * this file and those beside it with its name load the client, when a NATS server is first asked for.
 *
 * Debian's server is 2.9, so nothing newer is used. What the client would keep for later while the connection is lost is
 * dropped instead: after a reconnect nobody wants to hear the heartbeats of the last minute.
 */
import type { ConnectionOptions, Msg, NatsConnection, nkeyAuthenticator } from "@nats-io/transport-node";
import { fail, PunctualError } from "../../core/index.ts";
import { sleep } from "../../runtime/index.ts";
import { NatsKeyValue } from "./nats-key-value.ts";
import { toFailure, type NatsLink } from "./nats-link.ts";
import { NatsWorkQueue } from "./nats-work.ts";
import { checkPattern, checkSize, checkSubject } from "./subjects.ts";
import type {
  Bus,
  BusMessage,
  BusOptions,
  BusStatus,
  BusSubscription,
  KeyValue,
  KeyValueOptions,
  WorkQueue,
  WorkQueueOptions,
} from "./types.ts";

const DEFAULT_CONNECT_MS = 5000;
/** A peer that has vanished without a word is noticed after three of these. */
const PING_MS = 2000;
const PINGS_OUT = 2;
const RETRY_MS = 200;
const RETRY_JITTER_MS = 200;
const END_MS = 2000;

/** nats://, tls:// or plain host:port, several with commas; user and password, or a token, before an @. */
interface Address {
  readonly servers: string[];
  readonly isTls: boolean;
  readonly user: string | null;
  readonly password: string | null;
}

/** @throws PunctualError invalid_request */
function readAddress(text: string): Address {
  let isTls = false;
  let [user, password]: (string | null)[] = [null, null];
  const servers = text.split(",").map((part) => {
    const match =
      /^(?:(nats|tls):\/\/)?(?:([^:@/\s]+)(?::([^@/\s]*))?@)?(\[[0-9a-fA-F:]+\]|[^:@/[\]\s]+)(?::(\d+))?\/?$/.exec(
        part,
      );
    if (match === null) {
      // Never the text itself: it may hold a password.
      return fail("invalid_request", "Expected a bus as nats://host:4222 or tls://host:4222.", { param: "bus" });
    }
    const [, scheme, name, secret, host, port = "4222"] = match;
    isTls ||= scheme === "tls";
    user = name === undefined ? user : decodeURIComponent(name);
    password = secret === undefined ? password : decodeURIComponent(secret);
    return `${host}:${port}`;
  });
  return { servers, isTls, user: user ?? null, password: password ?? null };
}

type ReadSeed = typeof nkeyAuthenticator;

function connectionOptions(readSeed: ReadSeed, address: Address, options: BusOptions): ConnectionOptions {
  const { token, nkeySeed, tls, name = "punctual" } = options;
  if (token !== undefined && nkeySeed !== undefined) {
    fail("invalid_request", "Expected a token or an nkey, not both.", { param: "bus" });
  }
  const { servers, isTls, user, password } = address;
  const fromAddress = user === null ? {} : password === null ? { token: user } : { user, pass: password };
  return {
    servers,
    name,
    ...fromAddress,
    ...(token === undefined ? {} : { token }),
    ...(nkeySeed === undefined ? {} : { authenticator: nkey(readSeed, nkeySeed) }),
    ...(tls === undefined ? (isTls ? { tls: {} } : {}) : { tls: { ...tls } }),
    timeout: options.connectTimeoutMs ?? DEFAULT_CONNECT_MS,
    // It never gives up: an instance without its bus computes on and comes back.
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_JITTER_MS,
    reconnectJitterTLS: RETRY_JITTER_MS,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
  };
}

/** @throws PunctualError invalid_request for what is no seed */
function nkey(readSeed: ReadSeed, seed: string): NonNullable<ConnectionOptions["authenticator"]> {
  const text = /S[A-Z2-7]{57,}/.exec(seed)?.[0] ?? "";
  try {
    const authenticator = readSeed(new TextEncoder().encode(text));
    authenticator(""); // reads the seed now rather than at some reconnect
    return authenticator;
  } catch {
    return fail("invalid_request", "The nkey seed cannot be read: expected SU and 56 letters and digits.", {
      param: "nkey",
    });
  }
}

/**
 * Connects to a NATS server.
 * @throws PunctualError invalid_request (the address or the options), unauthorized, unavailable.
 */
export async function connectNats(url: string, options: BusOptions = {}): Promise<Bus> {
  const address = readAddress(url);
  const client = await import("@nats-io/transport-node");
  const settings = connectionOptions(client.nkeyAuthenticator, address, options);
  try {
    return new NatsBus(await client.connect(settings), client.createInbox);
  } catch (error) {
    return toFailure(error, `No bus at ${address.servers.join(", ")}`);
  }
}

/** A connection to a NATS server. */
class NatsBus implements Bus, NatsLink {
  readonly kind = "nats";
  readonly connection: NatsConnection;
  readonly inbox: () => string;
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  readonly #closers = new Set<() => void>();
  #status: BusStatus = "connected";

  constructor(connection: NatsConnection, createInbox: () => string) {
    this.connection = connection;
    this.inbox = () => createInbox();
    void this.#followStatus();
  }

  get status(): BusStatus {
    return this.#status;
  }

  get maxMessageBytes(): number {
    return this.connection.info?.max_payload ?? 1024 * 1024;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#checkMessage(subject, data);
    if (this.#status !== "connected") return;
    try {
      this.connection.publish(subject, data, reply === undefined ? {} : { reply });
    } catch (error) {
      toFailure(error, `Nothing could be sent to '${subject}'`);
    }
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    this.#checkOpen();
    checkPattern(subject);
    const subscription = this.connection.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (error === null) handler(this.#message(message));
      },
    });
    const drain = async (): Promise<void> => {
      const timer = new AbortController();
      if (this.#status === "connected") {
        await Promise.race([subscription.drain().catch(() => undefined), sleep(END_MS, timer.signal)]);
        timer.abort();
      }
      subscription.unsubscribe();
    };
    return { unsubscribe: () => subscription.unsubscribe(), drain };
  }

  async request(subject: string, data: Uint8Array, { timeoutMs }: { readonly timeoutMs: number }): Promise<BusMessage> {
    this.#checkMessage(subject, data);
    this.checkReachable();
    try {
      return this.#message(await this.connection.request(subject, data, { timeout: timeoutMs }));
    } catch (error) {
      return toFailure(error, `'${subject}' did not answer`);
    }
  }

  keyValue(bucket: string, options: KeyValueOptions): Promise<KeyValue> {
    this.checkReachable();
    return NatsKeyValue.open(this, bucket, options);
  }

  work(stream: string, options: WorkQueueOptions): Promise<WorkQueue> {
    this.checkReachable();
    return NatsWorkQueue.open(this, stream, options);
  }

  async flush(): Promise<void> {
    this.checkReachable();
    try {
      await this.connection.flush();
    } catch (error) {
      toFailure(error, "The bus was lost");
    }
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** @throws PunctualError unavailable */
  checkReachable(): void {
    this.#checkOpen();
    if (this.#status !== "connected") fail("unavailable", "The bus cannot be reached.");
  }

  onClose(close: () => void): () => void {
    this.#closers.add(close);
    return () => this.#closers.delete(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.connection.isClosed()) return;
    for (const close of this.#closers) close();
    // What was sent gets there, unless the server is away or mute.
    const timer = new AbortController();
    if (this.#status === "connected") {
      await Promise.race([this.connection.flush().catch(() => undefined), sleep(END_MS, timer.signal)]);
      timer.abort();
    }
    this.#setStatus("disconnected");
    this.#statusListeners.clear();
    await this.connection.close();
  }

  #message(message: Msg): BusMessage {
    return {
      subject: message.subject,
      data: message.data,
      reply: message.reply === undefined || message.reply === "" ? null : message.reply,
      respond: (data) => {
        if (message.reply !== undefined && message.reply !== "") this.publish(message.reply, data);
      },
    };
  }

  async #followStatus(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === "disconnect" || type === "staleConnection" || type === "close") this.#setStatus("disconnected");
      else if (type === "reconnect") this.#setStatus("connected");
    }
    this.#setStatus("disconnected");
  }

  #setStatus(status: BusStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }

  #checkOpen(): void {
    if (this.connection.isClosed()) throw new PunctualError("unavailable", "The bus is closed.");
  }

  #checkMessage(subject: string, data: Uint8Array): void {
    this.#checkOpen();
    checkSubject(subject);
    checkSize(data, this.maxMessageBytes);
  }
}
