/** What a router is told of its fleet, and what it tells. Types only. */
import type { Clock, RandomStream } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";
import type { Bus } from "../bus/types.ts";
import type { HeartbeatOptions } from "../routing/heartbeats.ts";
import type { ScalingOptions } from "../scaling/types.ts";

/** How a router works. */
export interface FleetOptions {
  readonly bus: Bus;
  /** Which fleet of the bus; "default" when absent. */
  readonly fleet?: string;
  /** One of ROUTER_NAMES; "kv-aware" when absent. */
  readonly router?: string;
  /** Letters, digits, `_` and `-`, unique in the fleet; made up when absent. */
  readonly id?: string;
  /** Told of every model that comes, as an engine: its first instance is there and its vocabulary is read. */
  readonly onModel?: (engine: Engine) => void;
  /** Told of a model that no instance has served for `forgetMs`. */
  readonly onModelGone?: (name: string) => void;
  /** How long a model without instances is still known (and refused with 503), milliseconds; 600 000 when absent. */
  readonly forgetMs?: number;
  readonly heartbeats?: HeartbeatOptions;
  /** How long a request whose instance was lost waits for another one, milliseconds; 10 000 when absent. */
  readonly recoverMs?: number;
  /** An instance is asked for requests that nothing was heard of for so long, milliseconds; 3000 when absent. */
  readonly askAfterMs?: number;
  /** Most items that are on their way or unread for one stream; 256 when absent. */
  readonly window?: number;
  /** How long a stream may stay full and unread before it is ended, milliseconds; 30 000 when absent. */
  readonly stallMs?: number;
  /** Most open requests; the next is refused with `queue_full`. 10 000 when absent. */
  readonly maxOpen?: number;
  /**
   * Which requests whose answers are wanted whole are kept by the bus until they are done: those with a key, all, or none.
   * "keyed" over NATS and "none" in one process when absent. Such work is taken by instances as they have room, not routed.
   */
  readonly durable?: "keyed" | "all" | "none";
  /** Starts and stops instances as load asks for; of several routers one does. Nobody does when absent. */
  readonly scaling?: ScalingOptions;
  /** Told what goes wrong without a request to blame. Never a prompt. */
  readonly log?: (message: string) => void;
  /** `liveClock` when absent. */
  readonly clock?: Clock;
  /** Seeds and drawn choices; seeded by the clock when absent. */
  readonly random?: RandomStream;
}
