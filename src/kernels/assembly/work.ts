/**
 * How two threads share a job without a lock. TICKETS holds, in one 64-bit word,
 *
 *     generation (24 bits) | items (20) | next item (20)
 *
 * and taking an item is one atomic add: the value that comes back names the item and the number of items of
 * the very same job, so a thread that wakes late can never take part in the wrong one. The caller
 * publishes a job, works on it, and sleeps until FINISHED reaches the number of items; only then may it
 * write the next job. Nobody spins.
 */
import { attendItem, control, word } from "./attention";
import {
  FINISHED,
  ITEMS_AT,
  ITEM_BYTES,
  JOB,
  JOB_STREAM,
  SCRATCH_AT,
  SCRATCH_BYTES,
  STOP,
  STREAM_AT,
  STREAM_BYTES,
  TICKETS,
  WAKE,
} from "./control";

const MASK: i32 = (1 << 20) - 1;

/** Reads a region once, as the bandwidth bound: the sum is stored so that the loads stay. */
function streamItem(index: i32, scratch: usize): void {
  const bytes = <usize>word(STREAM_BYTES);
  let at = <usize>word(STREAM_AT) + <usize>index * bytes;
  const end = at + bytes;
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; at < end; at += 128) {
    a = v128.xor(a, v128.xor(v128.load(at), v128.load(at, 64)));
    b = v128.xor(b, v128.xor(v128.load(at, 16), v128.load(at, 80)));
    c = v128.xor(c, v128.xor(v128.load(at, 32), v128.load(at, 96)));
    d = v128.xor(d, v128.xor(v128.load(at, 48), v128.load(at, 112)));
  }
  v128.store(scratch, v128.xor(v128.xor(a, b), v128.xor(c, d)));
}

// @ts-ignore: decorator
@inline
function runItem(index: i32, scratch: usize): void {
  if (word(JOB) === JOB_STREAM) streamItem(index, scratch);
  else attendItem(<usize>word(ITEMS_AT) + <usize>index * ITEM_BYTES, scratch);
}

/** Takes items until the job has none left. */
function drain(thread: i32): void {
  const scratch = <usize>word(SCRATCH_AT) + <usize>thread * <usize>word(SCRATCH_BYTES);
  while (true) {
    const ticket = atomic.add<u64>(control + TICKETS, 1);
    const next = <i32>ticket & MASK;
    const items = <i32>(ticket >> 20) & MASK;
    if (next >= items) return;
    runItem(next, scratch);
    if (atomic.add<i32>(control + FINISHED, 1) + 1 === items) atomic.notify(control + FINISHED, 1);
  }
}

/** Runs every item on the calling thread. */
export function runAlone(items: i32): void {
  const scratch = <usize>word(SCRATCH_AT);
  for (let i = 0; i < items; i++) runItem(i, scratch);
}

/** How long to wait for the other thread's last item before it counts as dead: 30 s, in nanoseconds. */
const PATIENCE: i64 = 30_000_000_000;

/** Runs every item on the calling thread and on whichever thread is in `serve`; false when that one died. */
export function runShared(items: i32): bool {
  const generation = (atomic.load<u64>(control + TICKETS) >> 40) + 1;
  atomic.store<i32>(control + FINISHED, 0);
  atomic.store<u64>(control + TICKETS, (generation << 40) | (<u64>items << 20));
  atomic.add<i32>(control + WAKE, 1);
  atomic.notify(control + WAKE, 1);
  drain(0);
  while (true) {
    const finished = atomic.load<i32>(control + FINISHED);
    if (finished === items) return true;
    if (atomic.wait<i32>(control + FINISHED, finished, PATIENCE) === AtomicWaitResult.TIMED_OUT) return false;
  }
}

/** The second thread's life: sleep, work, sleep; returns once STOP is set. */
export function serve(thread: i32): void {
  while (true) {
    const wake = atomic.load<i32>(control + WAKE);
    if (atomic.load<i32>(control + STOP) !== 0) return;
    drain(thread);
    atomic.wait<i32>(control + WAKE, wake, -1);
  }
}
