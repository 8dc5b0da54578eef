/** checkpoint: model folders and GGUF files, opened without Python and without trust. */
export type { CheckpointFacts } from "./folder-facts.ts";
export { openCheckpoint, readCheckpointFacts } from "./open.ts";
export type { Checkpoint, TokenizerSource } from "./types.ts";
