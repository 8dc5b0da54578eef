/** Stands in for the tokens of a prompt whose contents nobody reads: only its length is known. */

/** Grown when needed, shared by all prompts. */
let blank = new Int32Array(4096);

export function blankPrompt(tokens: number): Int32Array {
  if (tokens > blank.length) blank = new Int32Array(tokens * 2);
  return blank.subarray(0, tokens);
}
