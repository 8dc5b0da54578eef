/**
 * Eigenvectors of a symmetric matrix: Householder's reduction to three diagonals, then the QL method with implicit shifts
 * (Golub and Van Loan, chapter 8). For covariances of up to a few hundred channels. Not for matrices of anything else.
 */
import { assert } from "../../core/index.ts";

/** Steps that one eigenvalue may take; three are usual. */
const STEPS_MAX = 60;

/**
 * @param matrix n x n, symmetric, finite
 * @returns n x n, column j the j-th eigenvector at [i x n + j], of the largest eigenvalue first
 */
export function eigenvectors(matrix: Float64Array, n: number): Float64Array {
  assert(matrix.length === n * n, "a matrix is n x n");
  const a = matrix.slice();
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  const off = tridiagonalise(a, q, n);
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!);
  diagonalise(diagonal, off, q, n);
  const order = Array.from({ length: n }, (_, j) => j).toSorted((x, y) => diagonal[y]! - diagonal[x]! || x - y);
  const out = new Float64Array(n * n);
  order.forEach((from, to) => {
    // Rows of q are eigenvectors: rotations then run through memory in order.
    for (let i = 0; i < n; i++) out[i * n + to] = q[from * n + i]!;
  });
  return out;
}

/** Reflections from both sides until a has three diagonals; q (rows are basis vectors) goes along. Answers the off-diagonal. */
function tridiagonalise(a: Float64Array, q: Float64Array, n: number): Float64Array {
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k + 2 < n; k++) {
    let squares = 0;
    for (let i = k + 2; i < n; i++) squares += a[i * n + k]! ** 2;
    if (squares === 0) continue;
    const head = a[(k + 1) * n + k]!;
    const norm = Math.sqrt(squares + head * head);
    v.fill(0);
    v[k + 1] = head + (head >= 0 ? norm : -norm);
    for (let i = k + 2; i < n; i++) v[i] = a[i * n + k]!;
    const beta = 2 / (squares + v[k + 1]! ** 2);
    reflect(a, v, w, beta, k, n);
    for (let i = k + 1; i < n; i++) w[i] = beta * v[i]!;
    const sums = new Float64Array(n);
    for (let i = k + 1; i < n; i++) for (let j = 0; j < n; j++) sums[j]! += v[i]! * q[i * n + j]!;
    for (let i = k + 1; i < n; i++) for (let j = 0; j < n; j++) q[i * n + j]! -= w[i]! * sums[j]!;
  }
  const off = new Float64Array(n);
  for (let i = 0; i + 1 < n; i++) off[i] = a[(i + 1) * n + i]!;
  return off;
}

/** a - v w' - w v' for the w that makes it (1 - beta v v') a (1 - beta v v'). */
function reflect(a: Float64Array, v: Float64Array, w: Float64Array, beta: number, k: number, n: number): void {
  w.fill(0);
  let overlap = 0;
  for (let i = k; i < n; i++) {
    let sum = 0;
    for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * v[j]!;
    w[i] = beta * sum;
    overlap += w[i]! * v[i]!;
  }
  for (let i = k; i < n; i++) w[i]! -= (beta / 2) * overlap * v[i]!;
  for (let i = k; i < n; i++) for (let j = k; j < n; j++) a[i * n + j]! -= v[i]! * w[j]! + w[i]! * v[j]!;
}

/** Rotations until the off-diagonal is gone; the diagonal is then the eigenvalues and rows of q their vectors. */
function diagonalise(d: Float64Array, e: Float64Array, q: Float64Array, n: number): void {
  // Against the whole matrix: where it has no rank left, neighbours are nothing but rounding themselves.
  const least = Number.EPSILON * d.reduce((top, value, i) => Math.max(top, Math.abs(value) + Math.abs(e[i]!)), 0);
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m + 1 < n && Math.abs(e[m]!) > least) m += 1;
      if (m === l) break;
      assert(step < STEPS_MAX, "eigenvalues are found in a few steps");
      const half = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const root = Math.hypot(half, 1);
      chase(d, e, q, n, l, m, d[m]! - d[l]! + e[l]! / (half + (half >= 0 ? root : -root)));
    }
  }
}

/** One QL step from m up to l with the shift in `first`. */
function chase(
  d: Float64Array,
  e: Float64Array,
  q: Float64Array,
  n: number,
  l: number,
  m: number,
  first: number,
): void {
  let [g, s, c, p] = [first, 1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    const shifted = d[i + 1]! - p;
    const t = (d[i]! - shifted) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = shifted + p;
    g = c * t - b;
    const [low, high] = [i * n, (i + 1) * n];
    for (let k = 0; k < n; k++) {
      const [x, y] = [q[low + k]!, q[high + k]!];
      q[high + k] = s * x + c * y;
      q[low + k] = c * x - s * y;
    }
  }
  d[l]! -= p;
  e[l] = g;
  e[m] = 0;
}
