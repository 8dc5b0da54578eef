/**
 * Moves the external data of a model that ORT saved onto page boundaries.
 *
 * ORT 1.30 writes prepacked weights of tensors up to 1 MiB without alignment, though its int4 kernels find
 * the parts of a packed buffer by rounding addresses up: mapped at an odd offset they read the wrong bytes and
 * return wrong numbers, silently (held by weight-cache.test.ts, whose small int4 layers came out as zeros). Everything but the offsets is copied
 * as it is, so nothing that ORT wrote gets lost on the way through our types.
 *
 * Format of an entry (ORT, tensor_external_data_info.cc): key `prepacked_<n>`, value
 * `kernel|offset;length;checksum[|offset;length;checksum]`.
 */
import { DECODE_LIMITS } from "./decode.ts";
import { readEntry, wholeNumber } from "./entries.ts";
import { ProtoReader } from "./reader.ts";
import { ATTRIBUTE, ENTRY, GRAPH, MODEL, NODE, TENSOR } from "./schema.ts";
import { ProtoWriter } from "./writer.ts";

/** A page, on every platform that ORT ships for. */
const ALIGNMENT = 4096;

/** `length` bytes go from `from` in the old file to `to` in the new one. */
export interface Move {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

export interface Relayout {
  readonly model: Uint8Array;
  readonly moves: readonly Move[];
}

/** Plans new places for all external data. Throws `unsupported` for subgraphs, whose tensors it does not follow. */
export function relayoutExternalData(bytes: Uint8Array): Relayout {
  const reader = new ProtoReader(bytes, { left: DECODE_LIMITS.items, limit: DECODE_LIMITS.items }, "");
  const writer = new ProtoWriter();
  const plan = new Plan();
  while (reader.next()) {
    if (reader.field === MODEL.graph) {
      const graph = reader.child("graph");
      writer.message(MODEL.graph, (inner) => copyGraph(graph, inner, plan));
    } else writer.raw(reader.raw());
  }
  return { model: writer.toBytes(), moves: plan.moves };
}

class Plan {
  readonly moves: Move[] = [];
  #end = 0;

  /** The new offset of a stretch of data. */
  place(from: number, length: number): number {
    const to = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.moves.push({ from, to, length });
    this.#end = to + length;
    return to;
  }
}

function copyGraph(reader: ProtoReader, writer: ProtoWriter, plan: Plan): void {
  while (reader.next()) {
    if (reader.field === GRAPH.initializer) {
      const tensor = reader.child("initializer");
      writer.message(GRAPH.initializer, (inner) => copyTensor(tensor, inner, plan));
      continue;
    }
    if (reader.field === GRAPH.node) {
      const node = reader.child("node");
      refuseSubgraphs(node.again());
      writer.message(GRAPH.node, (inner) => copyAll(node, inner));
      continue;
    }
    writer.raw(reader.raw());
  }
}

function copyAll(reader: ProtoReader, writer: ProtoWriter): void {
  while (reader.next()) writer.raw(reader.raw());
}

function refuseSubgraphs(node: ProtoReader): void {
  while (node.next()) {
    if (node.field !== NODE.attribute) {
      node.skip();
      continue;
    }
    const attribute = node.child("attribute");
    while (attribute.next()) {
      if (attribute.field === ATTRIBUTE.g) attribute.unsupported("subgraphs (If, Loop, Scan)", "g");
      attribute.skip();
    }
  }
}

function copyTensor(reader: ProtoReader, writer: ProtoWriter, plan: Plan): void {
  const length = externalLength(reader.again());
  while (reader.next()) {
    if (reader.field !== TENSOR.externalData) {
      writer.raw(reader.raw());
      continue;
    }
    const [key, value] = readEntry(reader.child("external_data"));
    let moved = value;
    if (key === "offset") moved = String(plan.place(wholeNumber(reader, value), length));
    else if (key.startsWith("prepacked")) moved = movePrepacked(reader, value, plan);
    writer.message(TENSOR.externalData, (entry) => {
      entry.string(ENTRY.key, key);
      entry.string(ENTRY.value, moved);
    });
  }
}

function externalLength(reader: ProtoReader): number {
  let length = 0;
  while (reader.next()) {
    if (reader.field !== TENSOR.externalData) {
      reader.skip();
      continue;
    }
    const [key, value] = readEntry(reader.child("external_data"));
    if (key === "length") length = wholeNumber(reader, value);
  }
  return length;
}

function movePrepacked(reader: ProtoReader, value: string, plan: Plan): string {
  const [kernel, ...blobs] = value.split("|");
  const moved = blobs.map((blob) => {
    const [offset, length, checksum] = blob.split(";");
    if (offset === undefined || length === undefined || checksum === undefined) {
      reader.invalid(`${JSON.stringify(value)} is no list of prepacked blobs`, "external_data");
    }
    return `${plan.place(wholeNumber(reader, offset), wholeNumber(reader, length))};${length};${checksum}`;
  });
  return [kernel, ...moved].join("|");
}
