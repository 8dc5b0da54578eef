/**
 * `oneOf` allows what validates against exactly one branch. A grammar can only promise that when the branches exclude each other; this
 * finds out whether they do, by types, listed values, and members of objects. Where it cannot tell, `oneOf` is refused.
 */
import {
  isOfType,
  refuse,
  same,
  TYPES,
  typeOfValue,
  typesOf,
  valuesOf,
  type Schema,
  type TypeName,
} from "./schema-reader.ts";

/** How branches are read. */
export interface BranchReader {
  /** Objects that do not say `additionalProperties` are closed in what is generated. */
  readonly strict: boolean;
  /** A schema with references at its top resolved. */
  readonly resolve: (schema: unknown) => Schema | boolean;
}

const DEEPEST = 8;

/** @throws PunctualError invalid_request when two branches may both accept what one of them generates. */
export function checkDisjoint(branches: readonly (Schema | boolean)[], reader: BranchReader, path: string): void {
  for (const [i, one] of branches.entries()) {
    for (const [j, other] of branches.entries()) {
      if (i === j || neverValid(one, other, reader, path, 0)) continue;
      refuse(
        path,
        `oneOf: branches ${i} and ${j} are not seen to exclude each other; use anyOf, or a constant that tells them apart`,
      );
    }
  }
}

/** True when no value generated for `made` validates against `checked`, as far as can be told. */
function neverValid(
  made: Schema | boolean,
  checked: Schema | boolean,
  reader: BranchReader,
  path: string,
  depth: number,
): boolean {
  if (made === false || checked === false) return true;
  if (made === true || checked === true || depth > DEEPEST) return false;
  for (const key of ["anyOf", "oneOf"]) {
    const options = made[key];
    if (Array.isArray(options)) {
      return options.every((option) => neverValid(reader.resolve(option), checked, reader, path, depth + 1));
    }
    const against = checked[key];
    if (Array.isArray(against)) {
      return against.every((option) => neverValid(made, reader.resolve(option), reader, path, depth + 1));
    }
  }
  const values = valuesOf(made, path);
  const others = valuesOf(checked, path);
  if (values !== null && others !== null) return !values.some((value) => others.some((other) => same(value, other)));
  const shared = sharedTypes(made, checked, path);
  if (shared.length === 0) return true;
  return shared.every((type) => type === "object") && objectsExclude(made, checked, reader, path, depth);
}

/** Types of values that both may have; an integer is shared by "integer" and "number". */
function sharedTypes(a: Schema, b: Schema, path: string): TypeName[] {
  const [left, right] = [allTypes(a, path), allTypes(b, path)];
  return [...left.filter((type) => isOfType(type, right)), ...right.filter((type) => isOfType(type, left))];
}

function allTypes(schema: Schema, path: string): readonly TypeName[] {
  const values = valuesOf(schema, path);
  const types = typesOf(schema, path) ?? TYPES;
  if (values === null) return types;
  return values.map(typeOfValue).filter((type) => isOfType(type, types));
}

function objectsExclude(made: Schema, checked: Schema, reader: BranchReader, path: string, depth: number): boolean {
  const own = (made["properties"] ?? {}) as Schema;
  const theirs = (checked["properties"] ?? {}) as Schema;
  const needed = (made["required"] ?? []) as readonly string[];
  const theirNeeded = (checked["required"] ?? []) as readonly string[];
  const closed =
    made["additionalProperties"] === false || (reader.strict && made["additionalProperties"] === undefined);
  if (closed && theirNeeded.some((name) => !Object.hasOwn(own, name) && !needed.includes(name))) return true;
  if (checked["additionalProperties"] === false && needed.some((name) => !Object.hasOwn(theirs, name))) return true;
  return needed.some((name) => {
    if (!Object.hasOwn(own, name) || !Object.hasOwn(theirs, name)) return false;
    return neverValid(reader.resolve(own[name]), reader.resolve(theirs[name]), reader, path, depth + 1);
  });
}
