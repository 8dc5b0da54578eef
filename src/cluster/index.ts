/**
 * cluster: many processes and machines as one fleet. The bus that they talk over, in memory or NATS; the directory of
 * instances; what serves an engine on a bus.
 *
 *   await using bus = await connectBus("nats://127.0.0.1:4222");
 *   await using host = await InstanceHost.start({ bus, engine, fleet: "default" });
 */
export { connectBus } from "./bus/connect.ts";
export { MemoryBroker } from "./bus/memory.ts";
export type {
  Bus,
  BusMessage,
  BusOptions,
  BusStatus,
  BusSubscription,
  KeyValue,
  KeyValueChange,
  KeyValueEntry,
  KeyValueOptions,
  WorkItem,
  WorkQueue,
  WorkQueueOptions,
  WorkTaker,
  WorkTakeOptions,
} from "./bus/types.ts";
export type { DeliveryState, HostedRequest, HostExtension, HostPort, InstanceHostOptions } from "./host/types.ts";
export type { FleetOptions } from "./fleet/types.ts";
export { DEFAULT_FLEET, fleetNames, subjectWord, type FleetNames } from "./registry/names.ts";
export { checkRouter, DEFAULT_ROUTER, Router, ROUTER_NAMES, type Route } from "./routing/router.ts";
export { decodeMessage, encodeMessage } from "./wire.ts";
