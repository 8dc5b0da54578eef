/**
 * The parts of a tokenizer file that do not depend on its model: added tokens, and what stands before and after a
 * text. tokenizer_config.json is a second source for both (Transformers writes it beside tokenizer.json).
 */
import { fail } from "../../core/index.ts";
import { isMark, type AddedToken } from "./added.ts";
import { list, pieceText, record, tokenId, type Fields } from "./fields.ts";

/** Added tokens by content. */
export type AddedMap = ReadonlyMap<string, AddedToken>;

/** Of tokenizer.json, then what only tokenizer_config.json has. @throws PunctualError invalid_file, unsupported. */
export function readAdded(file: Fields, config: Fields | null): Map<string, AddedToken> {
  const added = new Map<string, AddedToken>();
  for (const [i, entry] of list(file["added_tokens"] ?? [], "added_tokens").entries()) {
    const param = `added_tokens[${i}]`;
    const token = readToken(record(entry, param), record(entry, param)["id"], param);
    added.set(token.content, token);
  }
  const taken = new Set(Array.from(added.values(), (token) => token.id));
  for (const [id, entry] of Object.entries(record(config?.["added_tokens_decoder"] ?? {}, "added_tokens_decoder"))) {
    const param = `added_tokens_decoder[${JSON.stringify(id)}]`;
    const token = readToken(record(entry, param), Number(id), param);
    if (!added.has(token.content) && !taken.has(token.id)) added.set(token.content, token);
    taken.add(token.id);
  }
  return added;
}

function readToken(fields: Fields, id: unknown, param: string): AddedToken {
  const content = pieceText(fields["content"], `${param}.content`);
  if (fields["single_word"] === true) {
    fail("unsupported", "added tokens that must be words of their own are not supported", {
      param: `${param}.single_word`,
    });
  }
  return {
    content,
    id: tokenId(id, `${param}.id`),
    mark: isMark(content, fields["special"] === true),
    lstrip: fields["lstrip"] === true,
    rstrip: fields["rstrip"] === true,
  };
}

/** What a model wants around a text. */
export interface Surroundings {
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

/**
 * From the post-processor and tokenizer_config.json; where that says `add_bos_token` or `add_eos_token`, it wins, as
 * in Transformers.
 */
export function readSurroundings(
  file: Fields,
  config: Fields | null,
  marks: ReadonlyMap<string, number>,
): Surroundings {
  const bosToken = tokenName(config, "bos_token", marks);
  const eosToken = tokenName(config, "eos_token", marks);
  const written = readPostProcessor(file["post_processor"] ?? null, "post_processor", marks, 0);
  return {
    bosToken: bosToken ?? nameOf(written.prefix[0], marks),
    eosToken,
    prefix: decided(config?.["add_bos_token"], bosToken, written.prefix, marks),
    suffix: decided(config?.["add_eos_token"], eosToken, written.suffix, marks),
  };
}

function decided(
  add: unknown,
  name: string | null,
  written: readonly number[],
  marks: ReadonlyMap<string, number>,
): readonly number[] {
  if (add === true && name !== null) return [marks.get(name)!];
  return add === false ? [] : written;
}

function nameOf(id: number | undefined, marks: ReadonlyMap<string, number>): string | null {
  for (const [name, other] of marks) if (other === id) return name;
  return null;
}

/** A name as text or as an added token's record; null when the vocabulary lacks it. */
function tokenName(config: Fields | null, field: string, marks: ReadonlyMap<string, number>): string | null {
  const value = config?.[field] ?? null;
  const name = typeof value === "object" && value !== null ? (value as Fields)["content"] : value;
  return typeof name === "string" && marks.has(name) ? name : null;
}

type Affixes = { readonly prefix: readonly number[]; readonly suffix: readonly number[] };
const NOTHING: Affixes = { prefix: [], suffix: [] };

function readPostProcessor(value: unknown, param: string, marks: ReadonlyMap<string, number>, depth: number): Affixes {
  if (value === null) return NOTHING;
  const stage = record(value, param);
  switch (stage["type"]) {
    case "ByteLevel":
      return NOTHING; // moves offsets only
    case "Sequence": {
      if (depth > 2) return fail("unsupported", "post-processors nest too deep", { param });
      const inner = list(stage["processors"], `${param}.processors`).map((one, i) =>
        readPostProcessor(one, `${param}.processors[${i}]`, marks, depth + 1),
      );
      return inner.find(({ prefix, suffix }) => prefix.length + suffix.length > 0) ?? NOTHING;
    }
    case "TemplateProcessing":
      return readTemplate(list(stage["single"], `${param}.single`), `${param}.single`, marks);
    default:
      return fail("unsupported", `post-processor ${JSON.stringify(stage["type"])} is not supported`, { param });
  }
}

/** [special tokens] text [special tokens]. */
function readTemplate(parts: readonly unknown[], param: string, marks: ReadonlyMap<string, number>): Affixes {
  const prefix: number[] = [];
  const suffix: number[] = [];
  let side = prefix;
  for (const [i, part] of parts.entries()) {
    const fields = record(part, `${param}[${i}]`);
    if (fields["Sequence"] !== undefined) {
      side = suffix;
      continue;
    }
    const name = record(fields["SpecialToken"], `${param}[${i}].SpecialToken`)["id"];
    const id = typeof name === "string" ? marks.get(name) : undefined;
    if (id === undefined) return fail("invalid_file", "a template names special tokens", { param: `${param}[${i}]` });
    side.push(id);
  }
  return { prefix, suffix };
}
