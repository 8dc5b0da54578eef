/**
 * Protocol buffer reading for untrusted bytes: a cursor over one message that hands out the fields one by
 * one. Every length is checked against the message around it before anything is allocated, and every
 * failure is `invalid_file` with the path of the field at fault.
 *
 * Nothing is copied: bytes() and child() are views.
 */
import { fail } from "../../core/index.ts";
import { WIRE } from "./schema.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** A 64-bit number needs ten groups of seven bits. */
const VARINT_BYTES_MAX = 10;
const TWO_32 = 2 ** 32;

/** Counts what a file makes us create, so that a small file cannot ask for much memory. */
export interface ItemBudget {
  left: number;
  readonly limit: number;
}

function joined(left: string, right: string): string {
  return left === "" || right === "" ? left + right : `${left}.${right}`;
}

export class ProtoReader {
  /** Number and wire type of the field that next() stopped at. */
  field = 0;
  wire = 0;
  /** The 64 bits of the last varint. */
  #low = 0;
  #high = 0;
  #at: number;
  #fieldStart = 0;
  readonly #end: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #budget: ItemBudget;
  readonly #parent: ProtoReader | null;
  readonly #label: string;

  constructor(bytes: Uint8Array, budget: ItemBudget, label: string, parent: ProtoReader | null = null) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#budget = budget;
    this.#parent = parent;
    this.#label = label;
    this.#at = 0;
    this.#end = bytes.byteLength;
  }

  /** Where this message is, e.g. `graph.node[3].attribute[0]`. */
  path(field = ""): string {
    return joined(this.#trail(), field) || "model";
  }

  #trail(): string {
    return joined(this.#parent === null ? "" : this.#parent.#trail(), this.#label);
  }

  /** Ends the reading with `invalid_file`. */
  invalid(what: string, field = ""): never {
    const path = this.path(field);
    fail("invalid_file", `${path}: ${what}`, { param: path });
  }

  /** Ends the reading of a valid file that uses what we have no form for. */
  unsupported(what: string, field = ""): never {
    const path = this.path(field);
    fail("unsupported", `${path}: ${what}`, { param: path });
  }

  /** Counts one thing to be created. */
  spend(field: string): void {
    this.#budget.left -= 1;
    if (this.#budget.left < 0) this.invalid(`more than ${this.#budget.limit} entries in one file`, field);
  }

  get byteLength(): number {
    return this.#end;
  }

  /** A second reader over the same message, for reading a field once the others are known. */
  again(): ProtoReader {
    return new ProtoReader(this.#bytes, this.#budget, this.#label, this.#parent);
  }

  /** Advances to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#end) return false;
    this.#fieldStart = this.#at;
    this.#varint("");
    const tag = this.#high * TWO_32 + this.#low;
    // Field numbers have 29 bits, so a tag has 32.
    if (tag >= TWO_32 || tag < 8) this.invalid(`no field has tag ${tag}`);
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    return true;
  }

  /** Passes over the current field. */
  skip(): void {
    switch (this.wire) {
      case WIRE.varint:
        this.#varint("");
        return;
      case WIRE.fixed64:
        this.#advance(8, "");
        return;
      case WIRE.fixed32:
        this.#advance(4, "");
        return;
      case WIRE.bytes:
        this.#advance(this.#length(""), "");
        return;
      default:
        this.invalid(`field ${this.field} has wire type ${this.wire}, which ONNX does not use`);
    }
  }

  /** The current field as it stands, tag included, to be copied. */
  raw(): Uint8Array {
    this.skip();
    return this.#bytes.subarray(this.#fieldStart, this.#at);
  }

  /** A signed 64-bit integer as a number. The two ends of the range, used as "no bound", survive; others must be exact. */
  int(name: string): number {
    this.#expect(WIRE.varint, name);
    this.#varint(name);
    return this.#number(name);
  }

  float(name: string): number {
    this.#expect(WIRE.fixed32, name);
    return this.#view.getFloat32(this.#advance(4, name), true);
  }

  bytes(name: string): Uint8Array {
    this.#expect(WIRE.bytes, name);
    const length = this.#length(name);
    const start = this.#advance(length, name);
    return this.#bytes.subarray(start, start + length);
  }

  string(name: string): string {
    const bytes = this.bytes(name);
    try {
      return utf8.decode(bytes);
    } catch {
      this.invalid("not valid UTF-8", name);
    }
  }

  /** The current field as a nested message. */
  child(name: string): ProtoReader {
    this.spend(name);
    return new ProtoReader(this.bytes(name), this.#budget, name, this);
  }

  /** A repeated integer field, packed or not: calls `take` with each value as its low and high 32 bits. */
  eachVarint(name: string, take: (low: number, high: number) => void): void {
    if (this.wire === WIRE.varint) {
      this.#varint(name);
      take(this.#low, this.#high);
      return;
    }
    const packed = this.#packed(name);
    while (packed.#at < packed.#end) {
      packed.#varint("");
      take(packed.#low, packed.#high);
    }
  }

  /** A repeated integer field as numbers, each one counted. */
  eachInt(name: string, take: (value: number) => void): void {
    if (this.wire === WIRE.varint) {
      this.spend(name);
      take(this.int(name));
      return;
    }
    const packed = this.#packed(name);
    while (packed.#at < packed.#end) {
      packed.spend("");
      packed.#varint("");
      take(packed.#number(""));
    }
  }

  /** A repeated float (4 bytes) or double (8 bytes) field, packed or not. */
  eachFloat(name: string, bytes: 4 | 8, take: (value: number) => void): void {
    const single = bytes === 4 ? WIRE.fixed32 : WIRE.fixed64;
    if (this.wire === single) {
      const at = this.#advance(bytes, name);
      take(bytes === 4 ? this.#view.getFloat32(at, true) : this.#view.getFloat64(at, true));
      return;
    }
    const packed = this.#packed(name);
    if (packed.#end % bytes !== 0) this.invalid(`${packed.#end} bytes are no whole number of elements`, name);
    for (let at = 0; at < packed.#end; at += bytes) {
      take(bytes === 4 ? packed.#view.getFloat32(at, true) : packed.#view.getFloat64(at, true));
    }
  }

  #packed(name: string): ProtoReader {
    return new ProtoReader(this.bytes(name), this.#budget, name, this);
  }

  #expect(wire: number, name: string): void {
    if (this.wire !== wire) this.invalid(`expected wire type ${wire}, got ${this.wire}`, name);
  }

  #length(name: string): number {
    this.#varint(name);
    return this.#high * TWO_32 + this.#low;
  }

  #advance(count: number, name: string): number {
    const start = this.#at;
    if (count > this.#end - start) {
      this.invalid(`needs ${count} bytes, ${this.#end - start} are left: the file is cut short or damaged`, name);
    }
    this.#at += count;
    return start;
  }

  #number(name: string): number {
    const value = (this.#high | 0) * TWO_32 + this.#low;
    if (Number.isSafeInteger(value)) return value;
    const top = this.#high === 0x7fffffff && this.#low === 0xffffffff;
    const bottom = this.#high === 0x80000000 && this.#low === 0;
    if (!top && !bottom) this.unsupported(`an integer near ${value} is not exact in a number`, name);
    return value;
  }

  #varint(name: string): void {
    let low = 0;
    let high = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      if (this.#at >= this.#end) this.invalid("ends inside a number: the file is cut short or damaged", name);
      const byte = this.#bytes[this.#at++]!;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (7 * index);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * index - 32);
      if (byte < 0x80) {
        if (index === 9 && byte > 1) break;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    this.invalid("a number of more than 64 bits", name);
  }
}
