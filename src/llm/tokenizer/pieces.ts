/**
 * The bytes of pieces of vocabularies that are not byte-level, from the file's decoder: SentencePiece writes a space
 * as U+2581 and a byte that no piece covers as <0xAB>. Only decoders that work piece by piece are understood; for any
 * other, text could not be streamed.
 */
import { fail } from "../../core/index.ts";
import { fromChars } from "./alphabet.ts";
import { list, record, type Fields } from "./fields.ts";

/** How a piece's text becomes bytes. */
export interface PieceForm {
  readonly byteLevel: boolean;
  readonly byteFallback: boolean;
  readonly replace: readonly (readonly [from: string, to: string])[];
  /** One space before a text is not part of it. */
  readonly leadingSpace: boolean;
}

const PLAIN: PieceForm = { byteLevel: false, byteFallback: false, replace: [], leadingSpace: false };
const METASPACE = "\u2581";
const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/u;
const MAX_REPLACEMENT_CHARS = 16;

/** @throws PunctualError invalid_file, unsupported. */
export function readPieceForm(value: unknown, param = "decoder", depth = 0): PieceForm {
  const stage = record(value, param);
  switch (stage["type"]) {
    case "ByteLevel":
      return { ...PLAIN, byteLevel: true };
    case "ByteFallback":
      return { ...PLAIN, byteFallback: true };
    case "Fuse":
      return PLAIN;
    case "Metaspace": {
      const leadingSpace = stage["prepend_scheme"] !== "never" && stage["add_prefix_space"] !== false;
      return { ...PLAIN, replace: [[short(stage["replacement"] ?? METASPACE, param), " "]], leadingSpace };
    }
    case "Replace": {
      const from = record(stage["pattern"], `${param}.pattern`)["String"];
      return { ...PLAIN, replace: [[short(from, `${param}.pattern`), short(stage["content"], `${param}.content`, 0)]] };
    }
    case "Strip":
      return { ...PLAIN, leadingSpace: readStrip(stage, param) };
    case "Sequence": {
      const inner = list(stage["decoders"], `${param}.decoders`);
      if (depth > 1 || inner.length > 8) return fail("unsupported", "decoders nest too deep", { param });
      return inner.map((one, i) => readPieceForm(one, `${param}.decoders[${i}]`, depth + 1)).reduce(join, PLAIN);
    }
    default:
      return fail("unsupported", `decoder ${JSON.stringify(stage["type"])} is not supported`, { param });
  }
}

function join(a: PieceForm, b: PieceForm): PieceForm {
  return {
    byteLevel: a.byteLevel || b.byteLevel,
    byteFallback: a.byteFallback || b.byteFallback,
    replace: [...a.replace, ...b.replace],
    leadingSpace: a.leadingSpace || b.leadingSpace,
  };
}

function readStrip(stage: Fields, param: string): boolean {
  const { start, stop, content } = stage;
  if ((stop !== undefined && stop !== 0) || (start !== 0 && (start !== 1 || content !== " "))) {
    fail("unsupported", "only one space may be stripped, and only at the start", { param });
  }
  return start === 1;
}

function short(value: unknown, param: string, least = 1): string {
  if (typeof value === "string" && value.length >= least && value.length <= MAX_REPLACEMENT_CHARS) return value;
  return fail("invalid_file", `expected ${least}..${MAX_REPLACEMENT_CHARS} characters at ${param}`, { param });
}

const encoder = new TextEncoder();

/** The bytes of an ordinary piece. */
export function bytesOf(piece: string, form: PieceForm): Uint8Array {
  if (form.byteLevel) return fromChars(piece) ?? encoder.encode(piece);
  const byte = form.byteFallback ? BYTE_PIECE.exec(piece) : null;
  if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
  return encoder.encode(form.replace.reduce((text, [from, to]) => text.replaceAll(from, to), piece));
}

/** The piece that stands for a byte. */
export const bytePiece = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
