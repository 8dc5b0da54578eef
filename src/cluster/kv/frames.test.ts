/** Frames as bytes: their checksum against a plain twin, every cut of a stream, and whatever else may come. */
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../../core/index.ts";
import {
  encodeFrame,
  encodeHeader,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  frame,
  FrameParser,
  type Frame,
} from "./frames.ts";
import { FrameReceiver } from "./receiver.ts";
import { FrameSender } from "./sender.ts";

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(..."0123456789abcdef".split("")) });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u16 = fc.integer({ min: 0, max: 65_535 });
const frameArbitrary: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...FRAME_KINDS),
  codec: fc.integer({ min: 0, max: 255 }),
  model: hex(16),
  transfer: hex(32),
  sequence: u32,
  firstPage: u32,
  pages: u32,
  firstLayer: u16,
  layers: u16,
  rawBytes: fc.integer({ min: 0, max: 1024 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

const parse = (parser: FrameParser, bytes: Uint8Array): Frame[] => [...parser.push(bytes)];

/** The frames, or the code of the error that ended it. */
function parsed(bytes: Uint8Array, cuts: readonly number[] = []): { frames: Frame[]; error: string | null } {
  const parser = new FrameParser(1024);
  const frames: Frame[] = [];
  try {
    let at = 0;
    for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
      for (const one of parser.push(bytes.subarray(at, Math.max(at, cut)))) frames.push(one);
      at = Math.max(at, cut);
    }
  } catch (error) {
    if (!(error instanceof PunctualError)) throw error;
    return { frames, error: error.code };
  }
  return { frames, error: null };
}

describe("checksum", () => {
  test("the known answer, and its plain twin on any bytes", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    const property = fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const one = frame({ kind: "pages", model: "0".repeat(16), transfer: "0".repeat(32), payload: bytes });
      expect(new DataView(encodeHeader(one).buffer).getUint32(56, true)).toBe(bitByBit(bytes));
    });
    fc.assert(property, { seed: 3001, numRuns: 200 });
  });
});

describe("frames", () => {
  test("any frames, cut anywhere, come back as they were", () => {
    const property = fc.property(fc.array(frameArbitrary, { maxLength: 5 }), fc.array(fc.nat(2000)), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(encodeFrame));
      const result = parsed(bytes, cuts);
      expect(result.error).toBeNull();
      expect(result.frames).toEqual(frames.map((one) => ({ ...one, payload: new Uint8Array(one.payload) })));
    });
    fc.assert(property, { seed: 3002, numRuns: 200 });
  });

  test("byte by byte", () => {
    const frames = [
      frame({ kind: "pages", model: "0".repeat(16), transfer: "1".repeat(32), payload: new Uint8Array([1, 2, 3]) }),
      frame({ kind: "ack", model: "a".repeat(16), transfer: "b".repeat(32), sequence: 4_294_967_295 }),
    ];
    const parser = new FrameParser();
    const seen: Frame[] = [];
    for (const byte of Buffer.concat(frames.map(encodeFrame))) seen.push(...parse(parser, Uint8Array.of(byte)));
    expect(seen).toEqual(frames);
    expect(parser.isBetween).toBe(true);
  });

  test("any single bit that is wrong is found, and nothing behind it is taken", () => {
    const property = fc.property(frameArbitrary, frameArbitrary, fc.nat(), (first, second, at) => {
      const bytes = Buffer.concat([encodeFrame(first), encodeFrame(second)]);
      const bit = at % (bytes.length * 8);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const { frames, error } = parsed(bytes);
      expect(error).not.toBeNull();
      const whole = bit >> 3 >= FRAME_HEADER_BYTES + first.payload.length ? 1 : 0;
      expect(frames).toHaveLength(whole);
    });
    fc.assert(property, { seed: 3003, numRuns: 400 });
  });

  test("what is no frame is a typed error or still incomplete; never a frame", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const { frames, error } = parsed(bytes);
      expect(frames).toEqual([]);
      if (bytes.length >= FRAME_HEADER_BYTES) expect(error).toBe("invalid_request");
    });
    fc.assert(property, { seed: 3004, numRuns: 300 });
  });

  test("a stream that ends early has its whole frames and no error", () => {
    const property = fc.property(fc.array(frameArbitrary, { minLength: 1, maxLength: 4 }), fc.nat(), (frames, at) => {
      const bytes = Buffer.concat(frames.map(encodeFrame));
      const { frames: seen, error } = parsed(bytes.subarray(0, at % bytes.length));
      expect(error).toBeNull();
      expect(seen).toEqual(frames.slice(0, seen.length));
      expect(seen.length).toBeLessThan(frames.length);
    });
    fc.assert(property, { seed: 3005, numRuns: 200 });
  });

  test("a payload beyond the limit is refused by its header", () => {
    const big = frame({
      kind: "pages",
      model: "0".repeat(16),
      transfer: "0".repeat(32),
      payload: new Uint8Array(1025),
    });
    expect(parsed(encodeFrame(big).subarray(0, FRAME_HEADER_BYTES)).error).toBe("payload_too_large");
  });
});

describe("sender and receiver", () => {
  test("over a link that loses, repeats, reorders and breaks: every page as it was, each written once", async () => {
    const property = fc.asyncProperty(
      fc.record({
        seed: fc.string({ maxLength: 6 }),
        pages: fc.integer({ min: 1, max: 60 }),
        harm: fc.integer({ min: 0, max: 60 }),
        isNoted: fc.boolean(),
      }),
      async ({ seed, pages, harm, isNoted }) => {
        const random = createRandom(seed, "link");
        const pageBytes = 64 * 1024; // eight pages a frame
        const data = Uint8Array.from({ length: pages * 16 }, () => random.uint32() & 0xff);
        const bytesOf = (first: number, count: number): Uint8Array => {
          const bytes = new Uint8Array(count * pageBytes);
          for (let i = 0; i < count; i++) bytes.fill(data[(first + i) * 16]!, i * pageBytes, (i + 1) * pageBytes);
          return bytes;
        };
        const written = new Map<number, number>();
        const notes: number[] = [];
        const sink = {
          pageBytes,
          write: async (first: number, bytes: Uint8Array): Promise<void> => {
            for (let i = 0; i * pageBytes < bytes.length; i++) {
              expect(bytes[i * pageBytes]).toBe(data[(first + i) * 16]);
              written.set(first + i, (written.get(first + i) ?? 0) + 1);
            }
            await Promise.resolve();
          },
          writeLast: async (first: number, bytes: Uint8Array, note: Uint8Array): Promise<void> => {
            await sink.write(first, bytes);
            expect(written.size).toBe(pages);
            notes.push(...note);
          },
        };
        const receiver = new FrameReceiver(sink, new Map());
        const sender = new FrameSender({
          model: "0".repeat(16),
          transfer: "0".repeat(32),
          pageBytes,
          windowBytes: 2 << 20,
        });
        let isSent = false;
        const all = bytesOf(0, pages);
        const sending = isNoted ? sender.sendLast(0, all, Uint8Array.of(7, 8, 9)) : sender.send(0, all);
        const sent = sending.then(() => {
          isSent = true;
        });
        for (let connection = 0; !isSent; connection++) {
          const wire: Frame[] = [];
          sender.attach(receiver.next, 2 << 20, (one) => wire.push(one));
          let isBroken = false;
          while (!isSent && !isBroken) {
            for (let i = 0; i < 20; i++) await Promise.resolve();
            const one = wire.splice(random.chance(harm / 400) ? random.int(0, wire.length) : 0, 1)[0];
            if (one === undefined) {
              if (connection < 50 && random.chance(harm / 200)) isBroken = true;
              continue;
            }
            if (random.chance(harm / 200)) wire.unshift(one); // again
            if (random.chance(harm / 400)) continue; // lost
            try {
              await receiver.take(one);
            } catch (error) {
              expect(error).toMatchObject({ code: "invalid_request" });
              isBroken = true;
              continue;
            }
            if (!random.chance(harm / 200)) sender.acknowledge(receiver.next);
            else if (wire.length === 0) isBroken = true;
          }
          sender.detach();
        }
        await sent;
        expect(written.size).toBe(pages);
        for (const times of written.values()) expect(times).toBe(1);
        expect(notes).toEqual(isNoted ? [7, 8, 9] : []);
      },
    );
    await fc.assert(property, { seed: 3006, numRuns: 40 });
  });

  test("last pages that are not what their header says are refused, and nothing of them is written", async () => {
    const written: number[] = [];
    const write = async (first: number): Promise<void> => void written.push(first);
    const base = { kind: "last", model: "0".repeat(16), transfer: "0".repeat(32), pages: 2, rawBytes: 8 } as const;
    const payload = new Uint8Array(11);
    const wrong: readonly Partial<Frame>[] = [
      { rawBytes: 4 },
      { rawBytes: 12 },
      { pages: 3, rawBytes: 12 },
      { pages: 0, rawBytes: 0 },
      { codec: 1 },
    ];
    const receiver = new FrameReceiver({ pageBytes: 4, write, writeLast: write }, new Map());
    for (const over of wrong) {
      await expect(receiver.take(frame({ ...base, payload, ...over }))).rejects.toMatchObject({
        code: "invalid_request",
      });
    }
    const deaf = new FrameReceiver({ pageBytes: 4, write }, new Map());
    await expect(deaf.take(frame({ ...base, payload }))).rejects.toMatchObject({ code: "unsupported" });
    expect(written).toEqual([]);
    await receiver.take(frame({ ...base, payload }));
    expect(written).toEqual([0]);
  });
});
