/**
 * Table-driven rANS (Duda 2013; the range variant with 16-bit words after Giesen 2014), for the modules that code with it.
 *
 * Four states of 32 bits, each in [2^16, 2^32). A run is a stretch of symbols that share a table; symbol i of a run goes
 * through state i & 3, so that four chains of dependent arithmetic are under way at a time. Frequencies of a table sum
 * to 2^14. The encoder works from the last symbol to the first and writes words downwards; the decoder reads upwards.
 *
 *     payload = state 0 | state 1 | state 2 | state 3 (u32, little-endian) | words (u16)
 *
 *     table   = starts: u16 x (symbols + 1, the last one 2^14, then 2^14 up to the stride) | coarse: u8 x 128
 *
 * starts[s] is where symbol s begins; coarse[i] is the symbol that owns slot i x 128, from which at most a few vectors of
 * eight starts have to be compared. Nothing here trusts a payload: every read of it is bounded.
 */

const BITS: u32 = 14;
const MASK: u32 = (1 << 14) - 1;
const COARSE_SHIFT: u32 = 7;
const LOWEST: u32 = 1 << 16;

let next: usize = 0;
let end: usize = 0;
let overrun: i32 = 0;
/** The decoder's states between stretches of runs. */
let state0: u32 = 0;
let state1: u32 = 0;
let state2: u32 = 0;
let state3: u32 = 0;

// @ts-ignore: decorator
@inline
function push(state: u32, starts: usize, symbol: usize): u32 {
  const from = <u32>load<u16>(starts + (symbol << 1));
  const size = <u32>load<u16>(starts + (symbol << 1), 2) - from;
  // A symbol without slots cannot be coded: the caller has checked; a division by zero would trap.
  if (<u64>state >= (<u64>size) << (32 - BITS)) {
    next -= 2;
    store<u16>(next, <u16>state);
    state >>= 16;
  }
  return ((state / size) << BITS) + (state % size) + from;
}

/**
 * Encodes runs[0..count) of (table address, length) pairs, u32 each, over consecutive symbols (u8). Words are written
 * downwards from `top`, never below `floor` (the caller gives 2 bytes a symbol and 16). Answers the payload's address.
 */
export function encodeRuns(symbols: usize, total: u32, runs: usize, count: u32, top: usize): usize {
  next = top;
  let a: u32 = LOWEST;
  let b: u32 = LOWEST;
  let c: u32 = LOWEST;
  let d: u32 = LOWEST;
  let at = symbols + total;
  for (let run = <usize>count; run > 0; run--) {
    const starts = <usize>load<u32>(runs + ((run - 1) << 3));
    const length = load<u32>(runs + ((run - 1) << 3), 4);
    const first = at - length;
    let i = length;
    for (; (i & 3) !== 0; i--) {
      const symbol = <usize>load<u8>(first + i - 1);
      const lane = (i - 1) & 3;
      if (lane === 2) c = push(c, starts, symbol);
      else if (lane === 1) b = push(b, starts, symbol);
      else a = push(a, starts, symbol);
    }
    for (; i > 0; i -= 4) {
      const quad = first + i - 4;
      d = push(d, starts, load<u8>(quad, 3));
      c = push(c, starts, load<u8>(quad, 2));
      b = push(b, starts, load<u8>(quad, 1));
      a = push(a, starts, load<u8>(quad));
    }
    at = first;
  }
  next -= 16;
  store<u32>(next, a);
  store<u32>(next, b, 4);
  store<u32>(next, c, 8);
  store<u32>(next, d, 12);
  return next;
}

/** The symbol that owns `slot`. */
// @ts-ignore: decorator
@inline
function find(starts: usize, coarse: usize, slot: u32): usize {
  let symbol = <usize>load<u8>(coarse + (slot >> COARSE_SHIFT));
  const wanted = i16x8.splat(<i16>slot);
  // Starts after `symbol` that are not beyond the slot: sorted, so their number is how far to go.
  let below = i16x8.bitmask(i16x8.le_s(v128.load(starts + (symbol << 1), 2), wanted));
  while (below === 0xff) {
    symbol += 8;
    below = i16x8.bitmask(i16x8.le_s(v128.load(starts + (symbol << 1), 2), wanted));
  }
  return symbol + <usize>popcnt(below);
}

// @ts-ignore: decorator
@inline
function advance(state: u32, starts: usize, symbol: usize): u32 {
  const from = <u32>load<u16>(starts + (symbol << 1));
  const size = <u32>load<u16>(starts + (symbol << 1), 2) - from;
  state = size * (state >> BITS) + (state & MASK) - from;
  if (state < LOWEST) {
    if (next < end) {
      state = (state << 16) | <u32>load<u16>(next);
      next += 2;
    } else {
      overrun = 1;
      state |= LOWEST;
    }
  }
  return state;
}

/** Takes up a payload; false when it cannot be one. */
export function begin(payload: usize, bytes: u32): bool {
  if (bytes < 16 || (bytes & 1) !== 0) return false;
  next = payload + 16;
  end = payload + bytes;
  overrun = 0;
  state0 = load<u32>(payload);
  state1 = load<u32>(payload, 4);
  state2 = load<u32>(payload, 8);
  state3 = load<u32>(payload, 12);
  return state0 >= LOWEST && state1 >= LOWEST && state2 >= LOWEST && state3 >= LOWEST;
}

/** Whether every word was used and every state is back where the encoder began. */
export function isAtEnd(): bool {
  const home = state0 === LOWEST && state1 === LOWEST && state2 === LOWEST && state3 === LOWEST;
  return home && next === end && overrun === 0;
}

/**
 * Decodes the next symbols of the payload into consecutive bytes. Runs are triples: starts address, length, coarse address.
 * May be called again for what follows: where the runs are the same, where they are cut makes no difference.
 */
export function decodeRuns(runs: usize, count: u32, symbols: usize): void {
  let a = state0;
  let b = state1;
  let c = state2;
  let d = state3;
  let to = symbols;
  for (let run: usize = 0; run < <usize>count; run++) {
    const entry = runs + run * 12;
    const starts = <usize>load<u32>(entry);
    const length = load<u32>(entry, 4);
    const coarse = <usize>load<u32>(entry, 8);
    const quads = to + (length & ~3);
    for (; to < quads; to += 4) {
      const s0 = find(starts, coarse, a & MASK);
      const s1 = find(starts, coarse, b & MASK);
      const s2 = find(starts, coarse, c & MASK);
      const s3 = find(starts, coarse, d & MASK);
      store<u8>(to, <u8>s0);
      store<u8>(to, <u8>s1, 1);
      store<u8>(to, <u8>s2, 2);
      store<u8>(to, <u8>s3, 3);
      a = advance(a, starts, s0);
      b = advance(b, starts, s1);
      c = advance(c, starts, s2);
      d = advance(d, starts, s3);
    }
    const tail = length & 3;
    if (tail > 0) {
      const s0 = find(starts, coarse, a & MASK);
      store<u8>(to++, <u8>s0);
      a = advance(a, starts, s0);
    }
    if (tail > 1) {
      const s1 = find(starts, coarse, b & MASK);
      store<u8>(to++, <u8>s1);
      b = advance(b, starts, s1);
    }
    if (tail > 2) {
      const s2 = find(starts, coarse, c & MASK);
      store<u8>(to++, <u8>s2);
      c = advance(c, starts, s2);
    }
  }
  state0 = a;
  state1 = b;
  state2 = c;
  state3 = d;
}
