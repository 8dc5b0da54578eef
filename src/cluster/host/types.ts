/**
 * What serves an engine on a bus (`InstanceHost`), as others see it: its options, the port for what is added to it
 * (migration, contexts), and the state of an answer that goes on at another instance. Types only.
 */
import type { LoadReport, WireEvent, WireRequest } from "../../protocol/index.ts";
import type { Engine, SubmitOptions, TokenStream } from "../../runtime/index.ts";
import type { Bus } from "../bus/types.ts";
import type { FleetNames } from "../registry/names.ts";

/** Where an answer stands with its reader: all that another instance needs to go on telling it. Plain JSON. */
export interface DeliveryState {
  readonly requestId: string;
  /** Of the instance that has it; who adopts it speaks under a higher one. */
  readonly epoch: number;
  readonly router: string;
  readonly inbox: string;
  readonly observe: boolean;
  /** Events that the reader has not acknowledged, in order of index. */
  readonly unacknowledged: readonly WireEvent[];
  /** Index of the next event to be made. */
  readonly nextIndex: number;
  /** The reader takes items below this index. */
  readonly windowEnd: number;
  /** Who adopts it sends again what is not acknowledged from here on, and the rest when it is asked for; all of it when absent. */
  readonly resendFrom?: number;
  readonly ageMs: number;
}

/** An open request of a host. */
export interface HostedRequest {
  readonly requestId: string;
  readonly router: string;
  readonly inbox: string;
  readonly epoch: number;
  /** Since it arrived where it was accepted, milliseconds. */
  readonly ageMs: number;
  readonly promptTokens: number;
  /** Index of the next event to be made: tokens so far. */
  readonly nextIndex: number;
  /** From the work queue: nobody reads its events as they come. */
  readonly isDurable: boolean;
  /** What was asked. */
  readonly request: WireRequest;
}

/** What an extension is given of its host. */
export interface HostPort {
  readonly id: string;
  readonly bus: Bus;
  readonly names: FleetNames;
  readonly engine: Engine;
  readonly isDraining: boolean;
  requests(): readonly HostedRequest[];
  request(requestId: string): HostedRequest | null;
  /** Where a request stands with its reader now; null when it is not here. What `suspend` says later goes on from there. */
  standing(requestId: string): DeliveryState | null;
  /**
   * Takes in all events of a request below `nextIndex` (the tokens that its snapshot has), whatever its reader's window, and
   * says where it stands: called when its sequence has left the schedule and before another instance adopts it. `settle` has
   * to follow. Errors: `not_found` when it is not here or ends meanwhile, `busy` when it is suspended already.
   */
  suspend(requestId: string, nextIndex: number): Promise<DeliveryState>;
  /**
   * Ends a suspension: it stays here and goes on, under a higher epoch if one is named (another instance may hold itself for
   * its owner), or it is at another instance from now on, which the reader is told (`moved`). What the reader has not
   * acknowledged can be asked of this host for a while after.
   */
  settle(
    requestId: string,
    outcome: { readonly kind: "stays"; readonly epoch?: number } | { readonly kind: "moved"; readonly to: string },
  ): void;
  /** What the engine still computes of a request that has moved from here is ended: it was not freed as one that leaves is. */
  quit(requestId: string): void;
  /**
   * Tells a sequence's events from now on, under the state's epoch plus one: tells the reader (`adopted`), sends what it has
   * not acknowledged again (see `resendFrom`), then what the stream yields.
   * @param begin makes the stream go on here, with these options (`SequenceImport.commit`); what it throws is thrown
   * @throws PunctualError invalid_request when the state does not fit, busy when the request is here under a later epoch.
   */
  adopt(
    request: WireRequest,
    state: DeliveryState,
    begin: (options: SubmitOptions) => Promise<TokenStream>,
  ): Promise<void>;
  /** Migrations under way, for load reports. */
  setMoving(counts: { readonly outgoing: number; readonly incoming: number }): void;
}

/** Something added to a host: it gets the control messages of its name. All parts are optional but the name. */
export interface HostExtension {
  readonly name: string;
  /** Before the host is announced. What it answers becomes part of the card. */
  start?(host: HostPort): Promise<{
    readonly kv?: { readonly host: string; readonly port: number };
    readonly contexts?: true;
  }>;
  /**
   * A control message of kind "extension" with its name. The answer, if one was asked for, is what this resolves to; a
   * PunctualError is answered as `failed`. `body` is unchecked.
   */
  control?(body: unknown): unknown;
  /** What is told with every load report. */
  report?(): Pick<LoadReport, "contexts">;
  /** The host drains: move away what can be moved. Resolves when nothing more can be done; aborted when time is up. */
  evacuate?(signal: AbortSignal): Promise<void>;
  /** The host leaves, after all requests have ended. */
  stop?(): Promise<void>;
}

/** How to serve an engine on a bus. */
export interface InstanceHostOptions {
  readonly engine: Engine;
  readonly bus: Bus;
  /** "default" when absent. */
  readonly fleet?: string;
  /** Letters, digits, `_` and `-`, unique in the fleet; made up when absent. */
  readonly id?: string;
  /** What it is for; "any" when absent. */
  readonly role?: "any" | "prefill" | "decode";
  readonly extensions?: readonly HostExtension[];
  /** How often the card is put again, milliseconds; 1000 when absent. Leases last three times as long. */
  readonly renewMs?: number;
  /** How often the load is told, milliseconds; 250 when absent. */
  readonly heartbeatMs?: number;
  /** A router that is not heard of for so long while the bus is there has its requests cancelled; 10 000 when absent. */
  readonly routerSilenceMs?: number;
  /** Most events kept for a reader that has not acknowledged them; 1024 when absent. */
  readonly keptEvents?: number;
  /** How long the ends of answers are kept for readers that have not acknowledged them; 30 000 when absent. */
  readonly keptMs?: number;
  /** Most pieces of durable work at once; half of what the engine runs at once when absent, 0 for none. */
  readonly workItems?: number;
  /** How long results of durable work are kept, milliseconds; 600 000 when absent. */
  readonly resultMs?: number;
  /** Told what goes wrong without a request to blame: a lost bus, a bad message. */
  readonly log?: (message: string) => void;
}
