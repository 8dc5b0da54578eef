/**
 * runtime: a live engine. Sessions, sampling and scheduling live in a worker thread; the main thread
 * submits requests and reads streams, and is never blocked by the model.
 *
 *   await using engine = await Engine.start({ model: { dir } });
 *   for await (const event of engine.submit({ promptTokens, maxTokens: 64 })) {
 *     if (event.kind === "token") write(event.text);
 *   }
 */
export { liveClock } from "./clock.ts";
export { Engine } from "./engine.ts";
export { measureDrift, type DriftOptions, type DriftReport, type DriftSide } from "./measure-drift.ts";
export { collect, type Completion } from "./collect.ts";
export {
  HISTOGRAM_NAMES,
  type Calibration,
  type EngineInfo,
  type EngineOptions,
  type EngineState,
  type EngineStats,
  type FinishCause,
  type FinishEvent,
  type GenerateEvent,
  type GenerateRequest,
  type HistogramName,
  type HistogramSnapshot,
  type ModelSource,
  type RandomModelSource,
  type RequestEnd,
  type Section,
  type SloCount,
  type TokenEvent,
  type TokenStream,
  type Usage,
} from "./types.ts";
