/**
 * A plain batched greedy decoder for evaluation during training: every slot holds one sequence and
 * advances by one token a step, known prompt tokens first, then its own. One graph does the whole step;
 * the cache lies in JavaScript arrays that the graph reads in place. It is independent of the serving
 * engine on purpose (no pages, no scheduler, float32 weights), so each is a check on the other.
 *
 * Keys of a slot: [kvHeads, capacity, headDim]; the step's own key is not in the cache yet, so its score
 * is computed apart and joined before the softmax.
 */
import { assert } from "../core/index.ts";
import {
  add,
  concat,
  createSession,
  expandDims,
  gather,
  GraphBuilder,
  matmul,
  mul,
  reshape,
  softmax,
  split,
  type GraphModel,
  type Session,
  type Tensor,
  type TensorData,
} from "../graph/index.ts";
import {
  decoderAfterAttention,
  decoderEmbed,
  decoderHead,
  decoderQkv,
  type DecoderConfig,
  type ParameterSource,
} from "../llm/index.ts";
import { rotaryTables, type Rotary } from "../nn/index.ts";

export interface BatchDecoderOptions {
  readonly config: DecoderConfig;
  /** Float32 weights by name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Sequences in flight, default 32. */
  readonly slots?: number;
  /** Longest sequence, prompt and reply, default 512. */
  readonly capacity?: number;
  readonly threads?: number;
}

export interface DecodeRequest {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

/** A score no softmax sees. */
const HIDDEN_SCORE = -1e9;

class WeightInitializers implements ParameterSource {
  readonly #builder: GraphBuilder;
  readonly #weights: ReadonlyMap<string, Float32Array>;
  readonly #tensors = new Map<string, Tensor>();

  constructor(builder: GraphBuilder, weights: ReadonlyMap<string, Float32Array>) {
    this.#builder = builder;
    this.#weights = weights;
  }

  get(name: string, dims: readonly number[]): Tensor {
    const known = this.#tensors.get(name);
    if (known !== undefined) return known;
    const data = this.#weights.get(name);
    assert(data !== undefined, `weight ${name} is there`);
    const tensor = this.#builder.initializer(name, { dtype: "float32", dims, data });
    this.#tensors.set(name, tensor);
    return tensor;
  }

  linear(x: Tensor, name: string, inFeatures: number, outFeatures: number): Tensor {
    return matmul(x, this.get(name, [outFeatures, inFeatures]), { transB: true });
  }
}

/** Inputs ids, positions int64 [slots], hidden float32 [slots, 1, 1, capacity], key/L and value/L; outputs logits, newKey/L, newValue/L. */
function stepGraph(options: BatchDecoderOptions, slots: number, capacity: number): GraphModel {
  const { config, weights } = options;
  const { heads, kvHeads, headDim } = config;
  const builder = new GraphBuilder("batch-decoder");
  const params = new WeightInitializers(builder, weights);
  const ids = builder.input("ids", "int64", [slots]);
  const rotary = rotaryOf(builder, config, builder.input("positions", "int64", [slots]));
  const hidden = builder.input("hidden", "float32", [slots, 1, 1, capacity]);
  const group = heads / kvHeads;
  let x = decoderEmbed(config, params, ids);
  for (let layer = 0; layer < config.layers; layer++) {
    const qkv = decoderQkv(config, params, layer, x, rotary);
    const cache = (name: string): Tensor =>
      builder.input(`${name}/${layer}`, "float32", [slots, kvHeads, capacity, headDim]);
    const newKey = reshape(qkv.k, [slots, kvHeads, 1, headDim]);
    const newValue = reshape(qkv.v, [slots, kvHeads, 1, headDim]);
    const q = reshape(mul(qkv.q, 1 / Math.sqrt(headDim)), [slots, kvHeads, group, headDim]);
    const past = add(matmul(q, cache("key"), { transB: true }), hidden); // [slots, kvHeads, group, capacity]
    const own = matmul(q, newKey, { transB: true }); // [slots, kvHeads, group, 1]
    const shares = split(softmax(concat([past, own], 3), -1), [capacity, 1], 3);
    const mixed = add(matmul(shares[0]!, cache("value")), matmul(shares[1]!, newValue));
    x = decoderAfterAttention(config, params, layer, x, reshape(mixed, [slots, heads * headDim]));
    builder.output(`newKey/${layer}`, newKey);
    builder.output(`newValue/${layer}`, newValue);
  }
  builder.output("logits", decoderHead(config, params, x));
  return builder.build();
}

function rotaryOf(builder: GraphBuilder, config: DecoderConfig, positions: Tensor): Rotary {
  const tables = rotaryTables(config.maxPositions, config.headDim, config.ropeTheta);
  const dims = [config.maxPositions, config.headDim];
  const rows = (table: Float32Array): Tensor =>
    expandDims(gather(builder.constant(table, "float32", dims), positions), [1]);
  return { cos: rows(tables.cos), sin: rows(tables.sin) };
}

/** What one slot is doing. */
interface Slot {
  request: number;
  readonly tokens: number[];
  promptLength: number;
  limit: number;
  /** Tokens whose keys are in the cache. */
  computed: number;
}

export class BatchDecoder implements AsyncDisposable {
  readonly #config: DecoderConfig;
  readonly #session: Session;
  readonly #slots: number;
  readonly #capacity: number;
  readonly #feeds: Record<string, TensorData> = {};
  readonly #ids: BigInt64Array;
  readonly #positions: BigInt64Array;
  readonly #hidden: Float32Array;
  readonly #caches: { readonly key: Float32Array; readonly value: Float32Array }[] = [];

  private constructor(options: BatchDecoderOptions, session: Session, slots: number, capacity: number) {
    this.#config = options.config;
    this.#session = session;
    this.#slots = slots;
    this.#capacity = capacity;
    const { layers, kvHeads, headDim } = options.config;
    this.#ids = new BigInt64Array(slots);
    this.#positions = new BigInt64Array(slots);
    this.#hidden = new Float32Array(slots * capacity);
    this.#feeds["ids"] = { dtype: "int64", dims: [slots], data: this.#ids };
    this.#feeds["positions"] = { dtype: "int64", dims: [slots], data: this.#positions };
    this.#feeds["hidden"] = { dtype: "float32", dims: [slots, 1, 1, capacity], data: this.#hidden };
    for (let layer = 0; layer < layers; layer++) {
      const cache = {
        key: new Float32Array(slots * kvHeads * capacity * headDim),
        value: new Float32Array(slots * kvHeads * capacity * headDim),
      };
      this.#caches.push(cache);
      const dims = [slots, kvHeads, capacity, headDim];
      this.#feeds[`key/${layer}`] = { dtype: "float32", dims, data: cache.key };
      this.#feeds[`value/${layer}`] = { dtype: "float32", dims, data: cache.value };
    }
  }

  static async create(options: BatchDecoderOptions): Promise<BatchDecoder> {
    const slots = options.slots ?? 32;
    const capacity = Math.min(options.capacity ?? 512, options.config.maxPositions);
    const session = await createSession(stepGraph(options, slots, capacity), { threads: options.threads });
    return new BatchDecoder(options, session, slots, capacity);
  }

  /** Greedy replies in the order of the requests, each ended by `endId` (left out), its limit or the capacity. */
  async decode(requests: readonly DecodeRequest[], endId: number): Promise<number[][]> {
    const replies: number[][] = requests.map(() => []);
    const slots: (Slot | null)[] = Array.from({ length: this.#slots }, () => null);
    let next = 0;
    for (;;) {
      for (let i = 0; i < slots.length && next < requests.length; i++) {
        if (slots[i] === null) slots[i] = this.#open(i, next, requests[next++]!);
      }
      if (slots.every((slot) => slot === null)) return replies;
      const best = await this.#step(slots);
      slots.forEach((slot, i) => {
        if (slot === null) return;
        this.#hidden[i * this.#capacity + slot.computed] = 0;
        slot.computed += 1;
        if (slot.computed < slot.tokens.length) return; // still in the prompt
        if (best[i] !== endId) slot.tokens.push(best[i]!);
        const generated = slot.tokens.length - slot.promptLength;
        if (best[i] !== endId && generated < slot.limit && slot.tokens.length <= this.#capacity) return;
        replies[slot.request] = slot.tokens.slice(slot.promptLength);
        slots[i] = null;
      });
    }
  }

  #open(index: number, request: number, { prompt, maxTokens }: DecodeRequest): Slot {
    assert(prompt.length >= 1 && prompt.length < this.#capacity, "a prompt fits the capacity");
    this.#hidden.fill(HIDDEN_SCORE, index * this.#capacity, (index + 1) * this.#capacity);
    return { request, tokens: [...prompt], promptLength: prompt.length, limit: maxTokens, computed: 0 };
  }

  /** Computes one token of every slot, stores its keys and values, and returns each slot's best next token. */
  async #step(slots: readonly (Slot | null)[]): Promise<Int32Array> {
    slots.forEach((slot, i) => {
      this.#ids[i] = BigInt(slot === null ? 0 : slot.tokens[slot.computed]!);
      this.#positions[i] = BigInt(slot?.computed ?? 0);
    });
    const results = await this.#session.run(this.#feeds);
    const { kvHeads, headDim, vocabSize } = this.#config;
    this.#caches.forEach(({ key, value }, layer) => {
      const newKey = results[`newKey/${layer}`]!.data as Float32Array;
      const newValue = results[`newValue/${layer}`]!.data as Float32Array;
      slots.forEach((slot, i) => {
        if (slot === null) return;
        for (let head = i * kvHeads; head < (i + 1) * kvHeads; head++) {
          const to = (head * this.#capacity + slot.computed) * headDim;
          key.set(newKey.subarray(head * headDim, (head + 1) * headDim), to);
          value.set(newValue.subarray(head * headDim, (head + 1) * headDim), to);
        }
      });
    });
    const logits = results["logits"]!.data as Float32Array;
    return Int32Array.from(slots, (_, i) => argmax(logits, i * vocabSize, vocabSize));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

/** Offset of the first largest of `length` values from `start`. */
function argmax(values: Float32Array, start: number, length: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}
