/** GPT-2's printable stand-ins for the 256 bytes, so that byte-level pieces are readable JSON strings. */
const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;

const BYTE_CHARS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte).map((byte, _i, all) =>
  String.fromCharCode(printable(byte) ? byte : 256 + all.filter((b) => b < byte && !printable(b)).length),
);
const CHAR_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

/** Bytes as stand-ins. */
export const toChars = (bytes: Uint8Array): string => Array.from(bytes, (byte) => BYTE_CHARS[byte]!).join("");

/** Stand-ins as bytes; null when a character is none. */
export function fromChars(piece: string): Uint8Array | null {
  const bytes = new Uint8Array(piece.length);
  for (let i = 0; i < piece.length; i++) {
    const byte = CHAR_BYTES.get(piece[i]!);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}
