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
  BusWatch,
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
export {
  compareRouters,
  routerTable,
  type CompareOptions,
  type RouterRow,
  type TimedRequest,
} from "./fleet/compare-routers.ts";
export { combinedView } from "./fleet/combined-view.ts";
export { Fleet } from "./fleet/fleet.ts";
export { FleetEngine } from "./fleet/fleet-engine.ts";
export type { FleetOptions } from "./fleet/types.ts";
export { DEFAULT_FLEET, fleetNames, subjectWord, type FleetNames } from "./registry/names.ts";
export { checkRouter, DEFAULT_ROUTER, Router, ROUTER_NAMES, type Route } from "./routing/router.ts";
export { parseUpstream, type UpstreamAddress } from "./upstream/address.ts";
export type { UpstreamTimeouts } from "./upstream/http.ts";
export { Upstreams, type UpstreamsOptions } from "./upstream/upstreams.ts";
export { fetchFacts } from "./registry/facts.ts";
export { InstanceHost } from "./host/instance-host.ts";
export { InstanceRegistry, type GoneReason, type RegistryListener, type RegistryOptions } from "./registry/registry.ts";
export { DurableWork } from "./work/durable-work.ts";
export { decodeMessage, encodeMessage } from "./wire.ts";
export {
  CODEC_LEVELS,
  KvCodec,
  type CodecLevel,
  type DecodeOptions,
  type KvChunk,
  type KvCodecOptions,
} from "./codec/codec.ts";
export type { ChunkHeader, CodecVariant } from "./codec/header.ts";
export { emptyPlanes, pagesToPlanes, planesToPages, type Planes } from "./codec/planes.ts";
export {
  cacheShape,
  channelCount,
  int8TokenBytes,
  pageLayout,
  planeCount,
  type CacheShape,
  type PageLayout,
} from "./codec/shape.ts";
export {
  PROFILE_TOKENS_MAX,
  PROFILE_TOKENS_MIN,
  readTables,
  TableProfiler,
  type ProfiledTables,
} from "./codec/tables.ts";
export { ERROR_STEPS } from "./codec/quantiser.ts";
export { isPrediction, PREDICTED_LEVELS, readPrediction, type PredictionTables } from "./codec/prediction.ts";
export { PREDICTION_TOKENS_MAX, PredictionProfiler, type PredictionOptions } from "./codec/prediction-fit.ts";
export { measureSensitivities, type SensitivitySample } from "./codec/sensitivity.ts";
export { frontierOf, type RatedLevel } from "./codec/frontier.ts";
export { KvClient, type KvClientOptions } from "./kv/client.ts";
export type { KvPush } from "./kv/push.ts";
export { KvServer, type KvServerOptions, type KvServerStats } from "./kv/server.ts";
export type { TransferReport, TransferRequest } from "./kv/transfer.ts";
export type { CodedPages, FrameCodec, KvAddress, KvResource, KvSink, KvSource, KvTls } from "./kv/types.ts";
export { FleetEye, type SeenInstance } from "./migration/fleet-eye.ts";
export type { MigrationStats } from "./migration/ledger.ts";
export { measureGap, type GapOptions, type GapSample } from "./migration/measure-gap.ts";
export type { PromptMemory } from "./migration/incoming.ts";
export { Migration, type BegunMove, type MigrationOptions } from "./migration/migration.ts";
export type { MoveReport } from "./migration/outgoing.ts";
export type { MigrationSettings } from "./migration/settings.ts";
export { MIGRATION_MODES, type MigrationMode, type StayReason } from "./migration/types.ts";
export {
  choicesOf,
  chooseChunk,
  costOf,
  GoodputMeter,
  LINK_CAUTION,
  loadMs,
  type ChunkChoice,
  type ChunkOffer,
  type Decision,
  type LoadProgress,
} from "./codec/controller.ts";
export { playLoad, transferMs, type LinkTrace, type LoadRecord, type LoadStrategy } from "./codec/link.ts";
export { findNamedContext } from "./contexts/find-named.ts";
export { ContextCodecs } from "./contexts/codecs.ts";
export { ContextLoader, type ContextLoaderOptions, type LoadedRequest, type LossyPrefix } from "./contexts/loader.ts";
export {
  FleetContexts,
  type ContextChoiceCount,
  type ContextsCarrier,
  type FleetContextsOptions,
  type FleetContextsStats,
  type PeerOffer,
} from "./contexts/fleet-contexts.ts";
export { withPrefixSpill, type SpillingEngine, type SpillOptions } from "./contexts/spill.ts";
export { CHUNK_TOKENS, PrefixStore, type PrefixStoreOptions, type SealedChunk } from "./contexts/prefix-store.ts";
export { copyContext, RemoteContexts, serveContexts } from "./contexts/remote.ts";
export { LOSSLESS_FRAME_CODEC, losslessFrameCodec } from "./codec/frame-codec.ts";
export {
  ContextStore,
  storedModels,
  type ContextStoreOptions,
  type ContextStoreStats,
  type StoredModel,
} from "./contexts/store.ts";
export { chunkPlaces, levelName, parseLevel, type ChunkPlace, type NamedContext } from "./contexts/types.ts";
export type { FleetWatchOptions } from "./migration/watch.ts";
export type { Launch, ScalingOptions } from "./scaling/types.ts";
