/** POST /v1/embeddings: each text goes through the engine's queue as a request of its own, some at once. */
import { fail } from "../../core/index.ts";
import { parseEmbeddingRequest, type EmbeddingList, type SloReport } from "../../protocol/index.ts";
import {
  checkDimensions,
  unitVector,
  type Engine,
  type FinishEvent,
  type GenerateRequest,
} from "../../runtime/index.ts";
import { readJson } from "../body.ts";
import { findEngine, type OpenRequest, type ServerContext } from "../context.ts";
import { requestObjective } from "../objective.ts";
import type { IncomingGeneration } from "./endpoint.ts";
import { mergeStreams, submitAll } from "./generate.ts";
import { answerProxied, proxiedEngine } from "./proxied.ts";
import { worstOutcome } from "./usage.ts";

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
    const json = await readJson(incoming.request, context.bodyLimitBytes);
    const proxied = proxiedEngine(context, json);
    if (proxied !== null) return await answerProxied(context, "embeddings", json, incoming, proxied, open);
    const body = parseEmbeddingRequest(json);
    const engine = findEngine(context, body.model);
    const info = embeddingInfo(engine, body.model);
    const dimensions = body.dimensions ?? info.width;
    const texts = body.input.map((input) => tokensOf(engine, info, input));
    const limit = Math.min(engine.info.contextTokens, context.contextTokens) - 1;
    for (const [i, { length }] of texts.entries()) checkLength(i, length, limit);
    checkDimensions(info, dimensions);
    // By headers: the interface has no field for it.
    const { slo, task } = requestObjective({}, incoming.header, context.tiers);
    const requests = texts.map((promptTokens, i): GenerateRequest => {
      const id = i === 0 ? incoming.requestId : `${incoming.requestId}-${i}`;
      const { arrivalMs } = incoming;
      const promised = { ...(slo === undefined ? {} : { slo }), ...(task === undefined ? {} : { task }) };
      return { id, promptTokens, maxTokens: 1, arrivalMs, embedding: true, ...promised };
    });
    const vectors: Float32Array[] = [];
    const outcomes: SloReport[] = [];
    for (let from = 0; from < requests.length; from += TOGETHER) {
      for (const { state, slo: outcome } of await embedAll(engine, requests.slice(from, from + TOGETHER), open)) {
        vectors.push(unitVector(state, dimensions));
        outcomes.push(outcome);
      }
    }
    const tokens = texts.reduce((sum, { length }) => sum + length, 0);
    const base64 = body.encoding_format === "base64";
    const answer: EmbeddingList = {
      object: "list",
      data: vectors.map((vector, index) => {
        return { object: "embedding", index, embedding: base64 ? base64Of(vector) : Array.from(vector) };
      }),
      model: body.model,
      usage: { prompt_tokens: tokens, total_tokens: tokens, slo: worstOutcome(outcomes) },
    };
    return Response.json(answer);
  } finally {
    open.done();
  }
}

interface Embedded {
  readonly state: Float32Array;
  readonly slo: FinishEvent["usage"]["slo"];
}

/** The last states of some texts, in order. Errors: `deadline_expired` for one that was cut. */
async function embedAll(engine: Engine, requests: readonly GenerateRequest[], open: OpenRequest): Promise<Embedded[]> {
  const embedded: Embedded[] = [];
  for await (const { choice, event } of mergeStreams(await submitAll(engine, requests, open), open.signal)) {
    const state = event.kind === "finish" ? event.embedding : undefined;
    if (event.kind !== "finish" || state === undefined) {
      return fail("deadline_expired", "The deadline passed before every text was embedded.");
    }
    embedded[choice] = { state, slo: event.usage.slo };
  }
  return embedded;
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

/** The bytes of float32 numbers, little-endian whatever the machine, as OpenAI's clients read them. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}
