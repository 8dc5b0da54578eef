/** The router's side of the bus: what it says to instances, and what comes to it. Bad messages are logged and dropped. */
import type { z } from "zod";
import {
  controlReplySchema,
  FLEET_VERSION,
  loadReportSchema,
  stepsMessageSchema,
  streamMessageSchema,
  submitReplySchema,
  type ControlMessage,
  type ControlReply,
  type LoadReport,
  type StepsMessage,
  type StreamMessage,
  type SubmitMessage,
  type SubmitReply,
} from "../../protocol/index.ts";
import type { Bus, BusMessage, BusSubscription } from "../bus/types.ts";
import type { FleetNames } from "../registry/names.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";

/** A control message without its version. */
export type Control = ControlMessage extends infer M ? (M extends unknown ? Omit<M, "version"> : never) : never;

/** What a router hears. */
export interface LinkHandlers {
  readonly load: (report: LoadReport) => void;
  readonly stream: (message: StreamMessage) => void;
  readonly steps: (message: StepsMessage) => void;
}

/** How long an instance may take to say whether it takes a request, milliseconds. */
const SUBMIT_TIMEOUT_MS = 5000;

/** See the head of this file. */
export class FleetLink implements Disposable {
  readonly router: string;
  readonly #bus: Bus;
  readonly #names: FleetNames;
  readonly #log: (message: string) => void;
  readonly #subscriptions: BusSubscription[];

  constructor(bus: Bus, names: FleetNames, router: string, handlers: LinkHandlers, log: (message: string) => void) {
    this.router = router;
    this.#bus = bus;
    this.#names = names;
    this.#log = log;
    this.#subscriptions = [
      bus.subscribe(names.loads, (message) => this.#take(loadReportSchema, message, handlers.load)),
      bus.subscribe(names.inboxes(router), (message) => this.#take(streamMessageSchema, message, handlers.stream)),
      bus.subscribe(names.steps(router), (message) => this.#take(stepsMessageSchema, message, handlers.steps)),
    ];
  }

  /** Where the stream messages of a request come to. */
  inbox(requestId: string): string {
    return this.#names.inbox(this.router, requestId);
  }

  /** Where steps come to that are watched. */
  get stepsInbox(): string {
    return this.#names.steps(this.router);
  }

  /** A subject of its own, for one answer. */
  ownInbox(): string {
    return this.#bus.inbox();
  }

  /** Errors: `unavailable` when nobody is there, `request_timeout`. */
  async submit(instance: string, message: Omit<SubmitMessage, "version">): Promise<SubmitReply> {
    const bytes = encodeMessage({ version: FLEET_VERSION, ...message });
    const reply = await this.#bus.request(this.#names.submit(instance), bytes, { timeoutMs: SUBMIT_TIMEOUT_MS });
    return decodeMessage(submitReplySchema, reply.data);
  }

  /** Errors: `unavailable` when nobody is there, `request_timeout`. */
  async ask(instance: string, message: Control, timeoutMs: number): Promise<ControlReply> {
    const bytes = encodeMessage({ version: FLEET_VERSION, ...message });
    const reply = await this.#bus.request(this.#names.control(instance), bytes, { timeoutMs });
    return decodeMessage(controlReplySchema, reply.data);
  }

  /** Said once; whether it comes is not known. */
  tell(instance: string, message: Control): void {
    this.#publish(this.#names.control(instance), message);
  }

  /** To every instance. */
  tellAll(message: Control): void {
    this.#publish(this.#names.controlAll, message);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #publish(subject: string, message: Control): void {
    try {
      this.#bus.publish(subject, encodeMessage({ version: FLEET_VERSION, ...message }));
    } catch (error) {
      this.#log(`${message.kind} was not said: ${String(error)}`); // the bus has ended
    }
  }

  #take<S extends z.ZodType>(schema: S, message: BusMessage, handler: (value: z.output<S>) => void): void {
    let value: z.output<S>;
    try {
      value = decodeMessage(schema, message.data);
    } catch (error) {
      this.#log(`${message.subject}: ${String(error)}`);
      return;
    }
    handler(value);
  }
}
