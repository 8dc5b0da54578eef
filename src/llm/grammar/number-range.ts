/**
 * Decimal numbers between two bounds, as expressions over their digits. A number is compared with a bound digit by digit:
 * "tight" means equal so far, so the next digit is limited; once it differs, any digits may follow.
 *
 * At most 15 significant digits: float64 tells those apart, so what is below a bound in decimal is below it as a number too.
 * No exponents, no leading zeros, no "-0".
 */
import { fail } from "../../core/index.ts";
import type { Expr, ExprTable } from "./expr.ts";
import { EXACT_DIGITS } from "./json.ts";

/** Bounds of a number; exclusive ones do not count themselves in. */
export interface NumberBounds {
  readonly low: number;
  readonly high: number;
  readonly lowExclusive: boolean;
  readonly highExclusive: boolean;
}

/** A non-negative decimal, most significant digit first. */
interface Decimal {
  readonly whole: string;
  readonly fraction: string;
}

interface Bound {
  readonly at: Decimal;
  readonly exclusive: boolean;
}

/** Every decimal between the bounds; `none` when there is none. @throws PunctualError invalid_request for bounds too fine. */
export function numbersWithin(table: ExprTable, bounds: NumberBounds, integer: boolean, field: string): Expr {
  const { low, high, lowExclusive, highExclusive } = bounds;
  const options: Expr[] = [];
  if (high >= 0) {
    const from = low < 0 ? { value: 0, exclusive: false } : { value: low, exclusive: lowExclusive };
    options.push(positive(table, from, { value: high, exclusive: highExclusive }, integer, field));
  }
  if (low < 0) {
    // -x lies between as x lies between the mirrored bounds; zero has no sign.
    const from = high < 0 ? { value: -high, exclusive: highExclusive } : { value: 0, exclusive: true };
    const below = positive(table, from, { value: -low, exclusive: lowExclusive }, integer, field);
    options.push(table.seq(table.text("-"), below));
  }
  return table.alt(...options);
}

interface Edge {
  readonly value: number;
  readonly exclusive: boolean;
}

function positive(table: ExprTable, from: Edge, to: Edge, integer: boolean, field: string): Expr {
  if (from.value > to.value) return table.none;
  const low: Bound = { at: decimalOf(from.value, field), exclusive: from.exclusive };
  const high: Bound | null =
    to.value >= 10 ** EXACT_DIGITS ? null : { at: decimalOf(to.value, field), exclusive: to.exclusive };
  if (from.value >= 10 ** EXACT_DIGITS) {
    fail("invalid_request", `${field}: bounds beyond 1e${EXACT_DIGITS} are not enforceable`, { param: "grammar" });
  }
  const longest = high === null ? EXACT_DIGITS : high.at.whole.length;
  const options: Expr[] = [];
  for (let length = low.at.whole.length; length <= longest; length++) {
    const builder = new RangeBuilder(table, low, high, length, integer);
    options.push(builder.whole(0, length === low.at.whole.length, high !== null && length === high.at.whole.length));
  }
  return table.alt(...options);
}

/** Numbers with `length` digits before the point. */
class RangeBuilder {
  readonly #table: ExprTable;
  readonly #low: Bound;
  readonly #high: Bound | null;
  readonly #length: number;
  /** Digits after the point at most; 0 for integers. */
  readonly #fraction: number;

  constructor(table: ExprTable, low: Bound, high: Bound | null, length: number, integer: boolean) {
    this.#table = table;
    this.#low = low;
    this.#high = high;
    this.#length = length;
    this.#fraction = integer ? 0 : EXACT_DIGITS - length;
  }

  whole(at: number, tightLow: boolean, tightHigh: boolean): Expr {
    if (at === this.#length) return this.#afterWhole(tightLow, tightHigh);
    const table = this.#table;
    if (at > 0 && !tightLow && !tightHigh) {
      const rest = this.#length - at;
      return table.seq(table.repeat(table.bytes([0x30, 0x39]), rest, rest), this.#afterWhole(false, false));
    }
    const least = at === 0 && this.#length > 1 ? 1 : 0;
    const low = tightLow ? Number(this.#low.at.whole[at]) : least;
    const high = tightHigh ? Number(this.#high!.at.whole[at]) : 9;
    return this.#digits(Math.max(low, least), high, (digit) =>
      this.whole(at + 1, tightLow && digit === low, tightHigh && digit === high),
    );
  }

  #afterWhole(tightLow: boolean, tightHigh: boolean): Expr {
    const end = this.#mayEnd(0, tightLow, tightHigh) ? this.#table.empty : this.#table.none;
    if (this.#fraction === 0) return end;
    return this.#table.alt(end, this.#table.seq(this.#table.text("."), this.#after(0, tightLow, tightHigh)));
  }

  /** At least one more digit after the point, `at` of which are there. */
  #after(at: number, tightLow: boolean, tightHigh: boolean): Expr {
    const table = this.#table;
    if (at >= this.#fraction) return table.none;
    if (!tightLow && !tightHigh) return table.repeat(table.bytes([0x30, 0x39]), 1, this.#fraction - at);
    const low = tightLow ? Number(this.#low.at.fraction[at] ?? 0) : 0;
    const high = tightHigh ? Number(this.#high!.at.fraction[at] ?? 0) : 9;
    return this.#digits(low, high, (digit) => {
      const [lowNext, highNext] = [tightLow && digit === low, tightHigh && digit === high];
      const end = this.#mayEnd(at + 1, lowNext, highNext) ? table.empty : table.none;
      return table.alt(end, this.#after(at + 1, lowNext, highNext));
    });
  }

  /** Whether the number may end with `at` digits after the point: what is left of a bound is compared with zeros. */
  #mayEnd(at: number, tightLow: boolean, tightHigh: boolean): boolean {
    const restIsZero = (bound: Bound): boolean => /^0*$/.test(bound.at.fraction.slice(at));
    if (tightLow && (!restIsZero(this.#low) || this.#low.exclusive)) return false;
    return !(tightHigh && restIsZero(this.#high!) && this.#high!.exclusive);
  }

  /** Digits low..high, each followed by what it leads to; equal continuations share one byte range. */
  #digits(low: number, high: number, next: (digit: number) => Expr): Expr {
    const table = this.#table;
    const options: Expr[] = [];
    let from = low;
    const rests = Array.from({ length: Math.max(high - low + 1, 0) }, (_, i) => next(low + i));
    for (const [i, rest] of rests.entries()) {
      if (rests[i + 1] === rest) continue;
      options.push(table.seq(table.bytes([0x30 + from, 0x30 + low + i]), rest));
      from = low + i + 1;
    }
    return table.alt(...options);
  }
}

/** A finite non-negative number in decimal digits. */
function decimalOf(value: number, field: string): Decimal {
  if (value >= 10 ** EXACT_DIGITS) return { whole: "9".repeat(EXACT_DIGITS), fraction: "" };
  const text = String(value);
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text)!;
  const exponent = Number(match[3] ?? 0);
  const digits = match[1]! + (match[2] ?? "");
  const point = match[1]!.length + exponent;
  const padded = point <= 0 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const whole = padded.slice(0, Math.max(point, 1));
  const fraction = padded.slice(Math.max(point, 1));
  if (fraction.length > 300)
    fail("invalid_request", `${field}: ${text} is too fine to be enforced`, { param: "grammar" });
  return { whole: whole.replace(/^0+(?=\d)/, ""), fraction };
}
