/** A reader of one answer, as small as the rules of protocol/fleet.ts allow: for tests of hosts without a router. */
import {
  FLEET_VERSION,
  streamMessageSchema,
  submitReplySchema,
  type ControlMessage,
  type StreamMessage,
  type SubmitMessage,
  type SubmitReply,
  type WireEvent,
  type WireRequest,
} from "../../protocol/index.ts";
import { until } from "../bus/bus.conformance.ts";
import type { Bus, BusSubscription } from "../bus/types.ts";
import type { FleetNames } from "../registry/names.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";

type Told = ControlMessage extends infer M ? (M extends unknown ? Omit<M, "version"> : never) : never;

/** Reads what comes to one inbox, acknowledges it, asks again for what is missing. */
export class TestReader {
  readonly events: WireEvent[] = [];
  readonly messages: StreamMessage[] = [];
  error: Extract<StreamMessage, { readonly kind: "error" }> | null = null;
  owner = "";
  epoch = -1;
  window: number;
  acknowledges = true;
  readonly #bus: Bus;
  readonly #names: FleetNames;
  readonly #subscription: BusSubscription;
  readonly #asking: ReturnType<typeof setInterval>;
  readonly id: string;
  readonly router: string;

  constructor(bus: Bus, names: FleetNames, id: string, options: { window?: number; router?: string } = {}) {
    this.#bus = bus;
    this.#names = names;
    this.id = id;
    this.window = options.window ?? 64;
    this.router = options.router ?? "reader";
    this.#subscription = bus.subscribe(names.inbox(this.router, id), (message) => {
      this.#take(decodeMessage(streamMessageSchema, message.data));
    });
    // What was lost is asked for; the same says that somebody is here.
    this.#asking = setInterval(() => {
      if (this.acknowledges && this.owner !== "" && !this.ended) this.ack(true);
    }, 100);
  }

  get ended(): boolean {
    return this.error !== null || this.events.at(-1)?.kind === "finish";
  }

  get tokens(): readonly number[] {
    return this.events.flatMap((event) => (event.kind === "token" ? [event.id] : []));
  }

  get text(): string {
    return this.events.map(({ text }) => text).join("");
  }

  message(request: Omit<WireRequest, "id">, over: Partial<SubmitMessage> = {}): SubmitMessage {
    return {
      version: FLEET_VERSION,
      request: { ...request, id: this.id },
      ageMs: 0,
      router: this.router,
      inbox: this.#names.inbox(this.router, this.id),
      window: this.window,
      ...over,
    };
  }

  /** Sends the request to a subject. */
  async submit(
    subject: string,
    request: Omit<WireRequest, "id">,
    over: Partial<SubmitMessage> = {},
  ): Promise<SubmitReply> {
    const bytes = encodeMessage(this.message(request, over));
    const answer = await this.#bus.request(subject, bytes, { timeoutMs: 20_000 });
    const reply = decodeMessage(submitReplySchema, answer.data);
    if (reply.kind === "accepted") this.#speaks(reply.instance, reply.epoch);
    return reply;
  }

  tell(instance: string, message: Told): void {
    this.#bus.publish(this.#names.control(instance), encodeMessage({ version: FLEET_VERSION, ...message }));
  }

  ack(resend = false): void {
    const nextIndex = this.events.length + (this.error === null ? 0 : 1);
    this.tell(this.owner, { kind: "ack", requestId: this.id, nextIndex, window: this.window, resend });
  }

  async end(limitMs = 60_000): Promise<void> {
    await until(() => this.ended, limitMs);
  }

  close(): void {
    clearInterval(this.#asking);
    this.#subscription.unsubscribe();
  }

  #speaks(instance: string, epoch: number): void {
    if (epoch < this.epoch) return;
    this.epoch = epoch;
    this.owner = instance;
  }

  #take(message: StreamMessage): void {
    this.messages.push(message);
    if (message.kind === "moved") this.#speaks(message.to, message.epoch + 1);
    else this.#speaks(message.instance, message.epoch);
    if (message.kind === "events") {
      for (const event of message.events) if (event.index === this.events.length) this.events.push(event);
    } else if (message.kind === "error" && message.index === this.events.length) this.error = message;
    if (this.acknowledges && message.kind !== "moved") this.ack();
  }
}
