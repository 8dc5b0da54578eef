/**
 * Example bodies that show what a route is good for, where the document brings none: a schema alone would only say what it
 * demands. `withModel` puts in a model that is there.
 */

const QUESTION = "What is 12 + 7?";

/** By method and path. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  "POST /v1/chat/completions": {
    model: "punctual-small",
    messages: [{ role: "user", content: QUESTION }],
    stream: true,
    stream_options: { include_usage: true },
    slo: { class: "latency", ttft_ms: 200 },
  },
  "POST /v1/completions": { model: "punctual-small", prompt: "The shop opens at", max_tokens: 16 },
  "POST /v1/responses": { model: "punctual-small", input: QUESTION, stream: true },
  "POST /v1/responses/input_tokens": { model: "punctual-small", input: QUESTION },
  "POST /v1/messages": {
    model: "punctual-small",
    max_tokens: 64,
    messages: [{ role: "user", content: QUESTION }],
    stream: true,
  },
  "POST /v1/messages/count_tokens": { model: "punctual-small", messages: [{ role: "user", content: QUESTION }] },
  "POST /v1/embeddings": { model: "punctual-small", input: "A lamp for the kitchen." },
  "POST /tokenize": { model: "punctual-small", prompt: QUESTION },
  "POST /detokenize": { model: "punctual-small", tokens: [1, 2, 3] },
  "POST /admin/models/{id}/policy": { policy: "edf" },
  "POST /admin/models/pull": { source: "hf:org/name" },
};

/** The example of a route, or undefined. */
export function curatedExample(id: string): unknown {
  return Object.hasOwn(EXAMPLES, id) ? EXAMPLES[id] : undefined;
}
