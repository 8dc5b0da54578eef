/**
 * Pages as they are, bit by bit, in fewer bytes: each kind of byte (of one layer, of keys, values or scales, and of the
 * four bytes of a float one place each) has a table of its own, shipped with it; what would not shrink is stored. Floats
 * are turned left by one bit first, so that one byte is the exponent and nothing else: that is where they are predictable.
 *
 * It knows nothing of tokens or positions and takes any bytes of whole pages.
 */
import { fail } from "../../core/index.ts";
import { EntropyTables, type EntropyCoder } from "../../kernels/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { joinSections, splitSections } from "./sections.ts";
import { pageLayout, type CacheShape, type PageLayout } from "./shape.ts";

/** Bytes of one kind in every page: a stretch of a layer, of numbers of so many bytes, and which byte of them. */
interface Stream {
  readonly at: number;
  readonly bytes: number;
  readonly width: 1 | 4;
  readonly place: number;
}

/** Shipped counts of a table sum to about this: finer ones would cost more than they save. */
const SHIPPED_TOTAL = 4096;
/** A stream is coded when that leaves less than this share of it. */
const WORTH = 0.985;
const SYMBOLS = 256;

function streamsOf(shape: CacheShape, layout: PageLayout): Stream[] {
  const streams: Stream[] = [];
  const add = (at: number, end: number, width: 1 | 4): void => {
    if (end > at) for (let place = 0; place < width; place++) streams.push({ at, bytes: end - at, width, place });
  };
  const width = shape.format === "f32" ? 4 : 1;
  for (let layer = 0; layer < shape.layers; layer++) {
    const base = layer * layout.layerBytes;
    add(base, base + layout.valuesAt, width);
    add(base + layout.valuesAt, base + layout.keyScalesAt, width);
    if (shape.format === "int8") {
      add(base + layout.keyScalesAt, base + layout.valueScalesAt, 4);
      add(base + layout.valueScalesAt, base + layout.dataEnd, 4);
    }
    add(base + layout.dataEnd, base + layout.layerBytes, 1);
  }
  return streams;
}

/** Words turned by one bit, all pages, so that streams are plain strides; bytes outside of words are as they were. */
function turnWords(
  shape: CacheShape,
  layout: PageLayout,
  bytes: Uint8Array,
  direction: 1 | -1,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  out.set(bytes);
  const words = new Uint32Array(out.buffer);
  const [by, rest] = direction === 1 ? [1, 31] : [31, 1];
  for (let layerAt = 0; layerAt < out.length; layerAt += layout.layerBytes) {
    const from = (layerAt + (shape.format === "f32" ? 0 : layout.keyScalesAt)) >> 2;
    const to = (layerAt + layout.dataEnd) >> 2;
    for (let i = from; i < to; i++) words[i] = (words[i]! << by) | (words[i]! >>> rest);
  }
  return out;
}

function copyStream(
  stream: Stream,
  pageBytes: number,
  pages: number,
  paged: Uint8Array,
  flat: Uint8Array,
  out: boolean,
): void {
  let i = 0;
  for (let page = 0; page < pages; page++) {
    const from = page * pageBytes + stream.at + stream.place;
    const end = page * pageBytes + stream.at + stream.bytes;
    if (out) for (let at = from; at < end; at += stream.width) flat[i++] = paged[at]!;
    else for (let at = from; at < end; at += stream.width) paged[at] = flat[i++]!;
  }
}

/** Counts as they are shipped, or null when the stream had better be stored. */
function shippedCounts(flat: Uint8Array): Uint32Array | null {
  const counts = new Uint32Array(SYMBOLS);
  for (const byte of flat) counts[byte]! += 1;
  let bits = 0;
  let used = 0;
  for (let s = 0; s < SYMBOLS; s++) {
    const count = counts[s]!;
    if (count === 0) continue;
    used += 1;
    bits -= count * Math.log2(count / flat.length);
    counts[s] = Math.max(1, Math.round((count * SHIPPED_TOTAL) / flat.length));
  }
  return bits / 8 + used * 1.5 + 32 < WORTH * flat.length ? counts : null;
}

function pagesOf(layout: PageLayout, bytes: number): number {
  const pages = bytes / layout.pageBytes;
  if (Number.isInteger(pages)) return pages;
  return fail("invalid_request", `expected whole pages of ${layout.pageBytes} bytes, got ${bytes}`);
}

/** @param bytes whole pages */
export function encodeLossless(coder: EntropyCoder, shape: CacheShape, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const layout = pageLayout(shape);
  const pages = pagesOf(layout, bytes.length);
  const turned = turnWords(shape, layout, bytes, 1);
  const tables = new BitWriter();
  const counts: number[] = [];
  const coded: Uint8Array[] = [];
  const stored: Uint8Array[] = [];
  for (const stream of streamsOf(shape, layout)) {
    const flat = new Uint8Array((stream.bytes / stream.width) * pages);
    copyStream(stream, layout.pageBytes, pages, turned, flat, true);
    const shipped = shippedCounts(flat);
    tables.bit(shipped === null ? 0 : 1);
    if (shipped === null) {
      stored.push(flat);
      continue;
    }
    for (const count of shipped) tables.unsigned(count);
    for (const count of shipped) counts.push(count);
    coded.push(flat);
  }
  const payload = codeStreams(coder, counts, coded);
  return joinSections([tables.bytes(), payload, Buffer.concat(stored)]);
}

function codeStreams(coder: EntropyCoder, counts: readonly number[], streams: readonly Uint8Array[]): Uint8Array {
  const loaded = coder.load(EntropyTables.fromCounts(counts, SYMBOLS, { coverAll: false }));
  const runs = { tables: streams.map((_, i) => i), lengths: streams.map((stream) => stream.length) };
  const payload = coder.encode(loaded, Buffer.concat(streams), runs);
  coder.unload(loaded);
  return payload;
}

/** @throws PunctualError invalid_file for what encodeLossless of this shape and so many pages has not made. */
export function decodeLossless(
  coder: EntropyCoder,
  shape: CacheShape,
  body: Uint8Array,
  pages: number,
): Uint8Array<ArrayBuffer> {
  const layout = pageLayout(shape);
  const [tableBytes, payload, stored] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
  const reader = new BitReader(tableBytes);
  const streams = streamsOf(shape, layout);
  const counts: number[] = [];
  const isCoded = streams.map(() => {
    if (reader.bit() === 0) return false;
    for (let s = 0; s < SYMBOLS; s++) counts.push(reader.unsigned());
    return true;
  });
  reader.end();
  const lengths = streams.map((stream) => (stream.bytes / stream.width) * pages);
  const storedBytes = lengths.reduce((sum, length, i) => sum + (isCoded[i]! ? 0 : length), 0);
  if (stored.length !== storedBytes) fail("invalid_file", `expected ${storedBytes} stored bytes, got ${stored.length}`);
  const loaded = coder.load(EntropyTables.fromCounts(counts, SYMBOLS, { coverAll: false }));
  const codedLengths = lengths.filter((_, i) => isCoded[i]!);
  let coded: Uint8Array;
  try {
    coded = coder.decode(loaded, payload, { tables: codedLengths.map((_, i) => i), lengths: codedLengths });
  } finally {
    coder.unload(loaded);
  }
  const turned = new Uint8Array(pages * layout.pageBytes);
  const at = { coded: 0, stored: 0 };
  streams.forEach((stream, i) => {
    const kind = isCoded[i]! ? "coded" : "stored";
    const flat = (isCoded[i]! ? coded : stored).subarray(at[kind], at[kind] + lengths[i]!);
    at[kind] += lengths[i]!;
    copyStream(stream, layout.pageBytes, pages, turned, flat, false);
  });
  return turnWords(shape, layout, turned, -1);
}
