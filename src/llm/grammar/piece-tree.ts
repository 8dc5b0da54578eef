/**
 * Byte strings as a prefix tree, laid out in preorder so that a walk over all of them is one pass over arrays and a dead
 * branch is one jump.
 *
 *     node   0:root 1:a  2:ab  3:b        end[1] = 3: the first node behind the subtree of "a"
 */

/** See the head of the file. */
export class PieceTree {
  /** Per node in preorder: its byte, its depth, the first node that is not below it. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  readonly end: Int32Array;
  /** Tokens of node i are tokenIds[tokenFrom[i] .. tokenFrom[i + 1]]: a piece may be there twice. */
  readonly tokenFrom: Int32Array;
  readonly tokenIds: Int32Array;
  /** Bytes of the longest piece. */
  readonly longestBytes: number;

  /** @param pieces by token id; null is no part of the tree. None is empty or longer than 65 535 bytes. */
  constructor(pieces: readonly (Uint8Array | null)[]) {
    const ids = pieces.flatMap((piece, id) => (piece === null ? [] : [id]));
    ids.sort((a, b) => Buffer.compare(pieces[a]!, pieces[b]!) || a - b);
    const tree = buildTree(ids, pieces);
    this.byte = Uint8Array.from(tree.byte);
    this.depth = Uint16Array.from(tree.depth);
    this.tokenFrom = Int32Array.from(tree.tokenFrom);
    this.tokenIds = Int32Array.from(ids);
    this.end = subtreeEnds(this.depth);
    this.longestBytes = ids.reduce((most, id) => Math.max(most, pieces[id]!.length), 0);
  }

  get nodes(): number {
    return this.byte.length;
  }
}

/** Nodes in preorder from ids sorted by their bytes. */
function buildTree(ids: readonly number[], pieces: readonly (Uint8Array | null)[]) {
  const byte = [0];
  const depth = [0];
  const tokenFrom = [0];
  let before: Uint8Array = new Uint8Array(0);
  for (const [at, id] of ids.entries()) {
    const piece = pieces[id]!;
    let shared = 0;
    while (shared < before.length && shared < piece.length && before[shared] === piece[shared]) shared += 1;
    for (let i = shared; i < piece.length; i++) {
      byte.push(piece[i]!);
      depth.push(i + 1);
      tokenFrom.push(at);
    }
    before = piece;
  }
  tokenFrom.push(ids.length);
  return { byte, depth, tokenFrom };
}

function subtreeEnds(depth: Uint16Array): Int32Array {
  const end = new Int32Array(depth.length);
  const open: number[] = [];
  for (let node = 0; node < depth.length; node++) {
    while (open.length > 0 && depth[open.at(-1)!]! >= depth[node]!) end[open.pop()!] = node;
    open.push(node);
  }
  for (const node of open) end[node] = depth.length;
  return end;
}
