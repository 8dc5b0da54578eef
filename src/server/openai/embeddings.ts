/** POST /v1/embeddings: each text goes through the engine's queue as a request of its own, some at once. */
import { fail } from "../../core/index.ts";
import { parseEmbeddingRequest, readSlo, type EmbeddingList } from "../../protocol/index.ts";
import { checkDimensions, unitVector, type Engine, type GenerateRequest } from "../../runtime/index.ts";
import { parseSlo, type Slo } from "../../sched/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type OpenRequest, type ServerContext } from "../context.ts";
import type { IncomingGeneration } from "./endpoint.ts";
import { mergeStreams, submitAll } from "./generate.ts";

/** Texts of one request in the queue at once: enough to fill a step, too few to fill the queue. */
const TOGETHER = 32;

type EmbeddingInfo = NonNullable<Engine["info"]["embedding"]>;

/**
 * Answers one request. Texts are encoded with the tokens that the model wants around them; token ids are taken as they
 * are. Errors: `unsupported` for a model that generates, `invalid_request` for `dimensions` it does not allow,
 * `context_length_exceeded`, and those of the engine's queue.
 */
export async function answerEmbeddings(context: ServerContext, incoming: IncomingGeneration): Promise<Response> {
  const open = context.requests.open(incoming.request.signal);
  try {
    const body = parseEmbeddingRequest(await readJson(incoming.request, context.bodyLimitBytes));
    const engine = findEngine(context, body.model);
    const info = embeddingInfo(engine, body.model);
    const dimensions = body.dimensions ?? info.width;
    const texts = body.input.map((input) => tokensOf(engine, info, input));
    const limit = Math.min(engine.info.contextTokens, context.contextTokens) - 1;
    for (const [i, { length }] of texts.entries()) checkLength(i, length, limit);
    checkDimensions(info, dimensions);
    const slo = requestedSlo(incoming.header);
    const requests = texts.map((promptTokens, i): GenerateRequest => {
      const id = i === 0 ? incoming.requestId : `${incoming.requestId}-${i}`;
      const { arrivalMs } = incoming;
      return { id, promptTokens, maxTokens: 1, arrivalMs, embedding: true, ...(slo === undefined ? {} : { slo }) };
    });
    const vectors: Float32Array[] = [];
    for (let from = 0; from < requests.length; from += TOGETHER) {
      const states = await statesOf(engine, requests.slice(from, from + TOGETHER), open);
      vectors.push(...states.map((state) => unitVector(state, dimensions)));
    }
    const tokens = texts.reduce((sum, { length }) => sum + length, 0);
    const base64 = body.encoding_format === "base64";
    const answer: EmbeddingList = {
      object: "list",
      data: vectors.map((vector, index) => {
        return { object: "embedding", index, embedding: base64 ? base64Of(vector) : Array.from(vector) };
      }),
      model: body.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
    return Response.json(answer);
  } finally {
    open.done();
  }
}

/** The last states of some texts, in order. Errors: `deadline_expired` for one that was cut. */
async function statesOf(
  engine: Engine,
  requests: readonly GenerateRequest[],
  open: OpenRequest,
): Promise<Float32Array[]> {
  const states: Float32Array[] = [];
  for await (const { choice, event } of mergeStreams(await submitAll(engine, requests, open), open.signal)) {
    const state = event.kind === "finish" ? event.embedding : undefined;
    if (state === undefined) fail("deadline_expired", "The deadline passed before every text was embedded.");
    states[choice] = state;
  }
  return states;
}

function embeddingInfo(engine: Engine, model: string): EmbeddingInfo {
  const { embedding } = engine.info;
  if (embedding !== undefined) return embedding;
  return fail(
    "unsupported",
    `The model '${model}' generates text and is not served for embeddings: that takes a decoder that was trained to embed, with last-token pooling.`,
    { param: "model" },
  );
}

function tokensOf(engine: Engine, info: EmbeddingInfo, input: string | readonly number[]): readonly number[] {
  if (typeof input === "string") return [...info.before, ...engine.tokenizer.encode(input), ...info.after];
  const beyond = input.find((id) => id >= engine.info.vocabSize);
  if (beyond === undefined) return input;
  return fail("invalid_request", `Invalid 'input': expected token ids below ${engine.info.vocabSize}, got ${beyond}.`, {
    param: "input",
  });
}

function checkLength(index: number, length: number, limit: number): void {
  if (length >= 1 && length <= limit) return;
  const what = `Invalid 'input[${index}]'`;
  if (length === 0) fail("invalid_request", `${what}: expected at least one token.`, { param: `input[${index}]` });
  fail("context_length_exceeded", `${what}: this model embeds at most ${limit} tokens; the text has ${length}.`, {
    param: `input[${index}]`,
  });
}

/** By headers: the embeddings interface has no field for it. */
function requestedSlo(header: IncomingGeneration["header"]): Slo | undefined {
  const asked = readSlo(header, null);
  return Object.values(asked).some((value) => value !== undefined) ? parseSlo(asked) : undefined;
}

/** The bytes of float32 numbers, little-endian whatever the machine, as OpenAI's clients read them. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}
