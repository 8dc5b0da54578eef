/**
 * What the threads of a training run share: weights, moments, averages, room to hand gradients over, and
 * a place to meet. Each thread computes the gradients of its own rows and owns the update of its own
 * part of the parameters, so there are two meetings in a step and none inside the graph: a thread that
 * loses its core for a moment holds up nobody until the step's end.
 *
 *   thread 0: rows 0..h-1   gradients --\ /-- sums its part, updates it
 *   thread 1: rows h..b-1   gradients --/ \-- sums its part, updates it
 *                                 meet     meet (norm)
 */
import { assert, fail } from "../core/index.ts";
import type { AdamWState, Parameter } from "../nn/index.ts";

/** Shape and decay of a parameter, without its data. */
export interface ParameterShape {
  readonly name: string;
  readonly dims: readonly number[];
  readonly decays: boolean;
}

export interface CrewMemory {
  readonly size: number;
  /** Weights, first moments, second moments, averages, then one exchange area for each thread. */
  readonly floats: SharedArrayBuffer;
  /** What each thread says of its step: squares, loss, targets, tokens. */
  readonly partials: SharedArrayBuffer;
  /** Arrived, generation, failed. */
  readonly control: SharedArrayBuffer;
}

const ARRIVED = 0;
const GENERATION = 1;
const FAILED = 2;
const WAIT_MS = 1000;
const STATE_AREAS = 4;
const PARTIALS = 4;

const sizeOf = ({ dims }: ParameterShape): number => dims.reduce((product, dim) => product * dim, 1);

/** Memory for a crew of `size` threads over these parameters. */
export function allocateCrew(shapes: readonly ParameterShape[], size: number): CrewMemory {
  const total = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
  return {
    size,
    floats: new SharedArrayBuffer((STATE_AREAS + size) * total * 4),
    partials: new SharedArrayBuffer(size * PARTIALS * 8),
    control: new SharedArrayBuffer(3 * 4),
  };
}

/** A thread's sums over its rows. */
export interface Partial {
  /** Sum of squared gradients of the thread's own parameters. */
  squares: number;
  /** Loss summed over targets. */
  loss: number;
  /** Weights of the targets together. */
  targets: number;
  tokens: number;
}

export class Crew {
  readonly memory: CrewMemory;
  readonly shapes: readonly ParameterShape[];
  readonly parameters: readonly Parameter[];
  readonly state: AdamWState;
  /** By thread, then by parameter. */
  readonly exchange: readonly (readonly Float32Array[])[];
  readonly #control: Int32Array;
  readonly #partials: Float64Array;

  constructor(memory: CrewMemory, shapes: readonly ParameterShape[]) {
    this.memory = memory;
    this.shapes = shapes;
    this.#control = new Int32Array(memory.control);
    this.#partials = new Float64Array(memory.partials);
    const total = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
    const area = (index: number): Float32Array[] => {
      let offset = index * total;
      return shapes.map((shape) => {
        const view = new Float32Array(memory.floats, offset * 4, sizeOf(shape));
        offset += view.length;
        return view;
      });
    };
    const weights = area(0);
    this.parameters = shapes.map((shape, i) => ({ ...shape, data: weights[i]! }));
    this.state = { first: area(1), second: area(2), average: area(3) };
    this.exchange = Array.from({ length: memory.size }, (_, thread) => area(STATE_AREAS + thread));
  }

  /** Which thread owns each parameter: the largest first, each to the thread with least so far. */
  owners(): Int32Array {
    const loads = Array.from({ length: this.memory.size }, () => 0);
    const owners = new Int32Array(this.shapes.length);
    const order = this.shapes
      .map((_, i) => i)
      .toSorted((a, b) => sizeOf(this.shapes[b]!) - sizeOf(this.shapes[a]!) || a - b);
    for (const i of order) {
      const thread = loads.indexOf(Math.min(...loads));
      owners[i] = thread;
      loads[thread]! += sizeOf(this.shapes[i]!);
    }
    return owners;
  }

  /** Blocks until all threads are here. Throws when another thread has failed. */
  meet(): void {
    const { size } = this.memory;
    if (size === 1) return;
    const generation = Atomics.load(this.#control, GENERATION);
    if (Atomics.add(this.#control, ARRIVED, 1) === size - 1) {
      Atomics.store(this.#control, ARRIVED, 0);
      Atomics.add(this.#control, GENERATION, 1);
      Atomics.notify(this.#control, GENERATION);
    }
    while (Atomics.load(this.#control, GENERATION) === generation) {
      if (Atomics.load(this.#control, FAILED) === 1) fail("internal", "another training thread failed");
      Atomics.wait(this.#control, GENERATION, generation, WAIT_MS);
    }
  }

  /** Tells the others not to wait for this thread. */
  markFailed(): void {
    Atomics.store(this.#control, FAILED, 1);
    Atomics.notify(this.#control, GENERATION);
  }

  report(thread: number, { squares, loss, targets, tokens }: Partial): void {
    this.#partials.set([squares, loss, targets, tokens], thread * PARTIALS);
  }

  partial(thread: number): Partial {
    assert(thread < this.memory.size, "a thread of the crew");
    const [squares, loss, targets, tokens] = this.#partials.subarray(thread * PARTIALS, (thread + 1) * PARTIALS);
    return { squares: squares!, loss: loss!, targets: targets!, tokens: tokens! };
  }

  /** Sums over all threads, in their order. Read between meetings only. */
  totals(): Partial {
    const sum: Partial = { squares: 0, loss: 0, targets: 0, tokens: 0 };
    for (let thread = 0; thread < this.memory.size; thread++) {
      const { squares, loss, targets, tokens } = this.partial(thread);
      sum.squares += squares;
      sum.loss += loss;
      sum.targets += targets;
      sum.tokens += tokens;
    }
    return sum;
  }
}
