/** nn: what networks are made of and trained with, over graph/ tensors. */
export { applyRotary, rotaryTables, type Rotary, type RotaryTables } from "./rotary.ts";
