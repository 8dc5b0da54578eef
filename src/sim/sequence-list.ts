/** Lists of sequences in order of arrival: the queue and the running ones of an instance. */
import type { SimSequence } from "./sequence.ts";

/** Where a sequence of that order is or belongs in a list in order. */
export function placeOf(list: readonly SimSequence[], order: number): number {
  let low = 0;
  let high = list.length;
  // New ones mostly belong at the end.
  if (high > 0 && list[high - 1]!.order < order) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]!.order < order) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** To its place. */
export function insert(list: SimSequence[], sequence: SimSequence): void {
  const place = placeOf(list, sequence.order);
  if (place === list.length) list.push(sequence);
  else list.splice(place, 0, sequence);
}

/** False when it is not in the list. */
export function remove(list: SimSequence[], sequence: SimSequence): boolean {
  const place = placeOf(list, sequence.order);
  if (list[place] !== sequence) return false;
  if (place === 0) list.shift();
  else list.splice(place, 1);
  return true;
}
