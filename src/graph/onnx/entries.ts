/** StringStringEntryProto and the numbers in it, which both the decoder and the relayout read. */
import type { ProtoReader } from "./reader.ts";
import { ENTRY } from "./schema.ts";

export function readEntry(reader: ProtoReader): [key: string, value: string] {
  let key = "";
  let value = "";
  while (reader.next()) {
    if (reader.field === ENTRY.key) key = reader.string("key");
    else if (reader.field === ENTRY.value) value = reader.string("value");
    else reader.skip();
  }
  return [key, value];
}

/** A file offset or length, written in decimal digits. Throws `invalid_file`. */
export function wholeNumber(reader: ProtoReader, text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) reader.invalid(`${JSON.stringify(text)} is no whole number`, "external_data");
  return value;
}
