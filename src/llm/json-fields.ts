/**
 * Fields of a JSON object read by name and type; every refusal names the field. An absent field and null are the
 * same, as in transformers' configurations, unless `has` is asked.
 */
import { fail } from "../core/index.ts";

export class JsonFields {
  readonly #fields: ReadonlyMap<string, unknown>;
  /** Stands before names in messages. */
  readonly #of: string;
  readonly #prefix: string;

  private constructor(fields: ReadonlyMap<string, unknown>, of: string, prefix: string) {
    this.#fields = fields;
    this.#of = of;
    this.#prefix = prefix;
  }

  /** @throws PunctualError invalid_file when it is not a JSON object. */
  static of(json: unknown, what: string): JsonFields {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      fail("invalid_file", `${what}: expected a JSON object`);
    }
    return new JsonFields(new Map(Object.entries(json)), what, "");
  }

  /** Whether the field is written, be it null. */
  has(name: string): boolean {
    return this.#fields.has(name);
  }

  raw(name: string): unknown {
    return this.#fields.get(name);
  }

  /** A finite number; `fallback` stands for an absent one. */
  number(name: string, fallback?: number): number {
    const value = this.#fields.get(name) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return this.#refuse(name, "a number");
  }

  optionalNumber(name: string): number | null {
    return (this.#fields.get(name) ?? null) === null ? null : this.number(name);
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#fields.get(name) ?? fallback;
    return typeof value === "boolean" ? value : this.#refuse(name, "true or false");
  }

  optionalList(name: string): readonly unknown[] | null {
    const value = this.#fields.get(name) ?? null;
    return value === null || Array.isArray(value) ? value : this.#refuse(name, "a list");
  }

  optionalObject(name: string): JsonFields | undefined {
    const value = this.#fields.get(name) ?? null;
    if (value === null) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) this.#refuse(name, "an object");
    return new JsonFields(new Map(Object.entries(value)), this.#of, `${this.#prefix}${name}.`);
  }

  /** `unsupported` unless the field is absent, null or one of the values. */
  expectOneOf(name: string, values: readonly unknown[]): void {
    const value = this.#fields.get(name) ?? null;
    if (value !== null && !values.includes(value)) this.refuseValue(name);
  }

  /** `unsupported`, with the value as it stands. */
  refuseValue(name: string): never {
    const param = `${this.#prefix}${name}`;
    const written = JSON.stringify(this.#fields.get(name)) ?? "undefined";
    const value = written.length > 200 ? `${written.slice(0, 200)}…` : written;
    fail("unsupported", `${this.#of}: ${param} ${value} is not supported`, { param });
  }

  #refuse(name: string, wanted: string): never {
    const param = `${this.#prefix}${name}`;
    fail("invalid_file", `${this.#of}: ${param} must be ${wanted}`, { param });
  }
}
