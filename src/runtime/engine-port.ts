/** What others see of an engine: a model that serves requests, whether it runs already or is loaded when it is asked. */
import { Engine as LiveEngine } from "./engine.ts";
import type { TextProxy } from "./text-proxy.ts";
import type { EngineOptions } from "./types.ts";

/**
 * A model that serves requests. `Engine.start` runs one in a worker thread of its own; those of a `ModelPool` are loaded
 * when they are asked and make room for others when they are not.
 */
export interface Engine extends Pick<LiveEngine, keyof LiveEngine> {
  /** Of a model that is asked in text: `submit` and `embed` refuse then, and there is no vocabulary. */
  readonly proxy?: TextProxy;
}

/** Starts engines. */
export const Engine = {
  /**
   * Loads a model in a worker of its own and measures what a step costs. Ended by `stop`, or at once by `await using`.
   * @throws PunctualError invalid_request (an option), model_not_found, invalid_file, unsupported, engine_failed.
   */
  start: (options: EngineOptions): Promise<Engine> => LiveEngine.start(options),
};
