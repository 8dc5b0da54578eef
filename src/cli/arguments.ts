/** Values of command line options, read strictly: what does not parse is said, with what was expected. */
import { InvalidArgumentError } from "commander";

/** A parser of whole numbers in [low, high]. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`);
  };
}

/** A parser of numbers in [low, high]. */
export function decimal(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a number from ${low} to ${high}.`);
  };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** "512MiB", "1g", "65536": bytes. Units are powers of 1024. */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError("Expected a size such as 512MiB or 1g.");
  return Math.round(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
}

/** Collects a repeated option. */
export function collectValues(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
