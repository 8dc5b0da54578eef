/**
 * The bounds of what a request may ask for. They keep one request from costing unbounded memory before
 * it has even been scheduled; the model's own context length is checked later, by the server.
 */
export const LIMITS = {
  /** Bytes of a request body; a server may choose fewer or more. */
  bodyBytes: 4 * 1024 * 1024,
  /** Nesting of a JSON body: deeper ones are refused before they are parsed. */
  jsonDepth: 32,
  messages: 1024,
  partsPerMessage: 256,
  callsPerMessage: 128,
  tools: 128,
  textCharacters: 2_000_000,
  modelNameCharacters: 256,
  nameCharacters: 256,
  choices: 8,
  promptsPerRequest: 32,
  promptTokens: 1_000_000,
  maxTokens: 1_000_000,
  stopSequences: 4,
  stopCharacters: 256,
  logitBiasEntries: 1024,
  topLogprobs: 20,
  topK: 1_000_000,
  patternCharacters: 16_384,
  guidedChoices: 1024,
  choiceCharacters: 4096,
  embeddingInputs: 2048,
  embeddingDimensions: 65_536,
  metadataEntries: 16,
  metadataKeyCharacters: 64,
  metadataValueCharacters: 512,
  sloMs: 86_400_000,
  taskIdCharacters: 128,
  taskStages: 1000,
} as const;
