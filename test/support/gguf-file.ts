/** GGUF files for tests: the writer of the claim `agreement`, whose files llama.cpp reads too. */
export * from "../../src/claims/agreement/gguf-file.ts";
export { quantise } from "../../src/claims/agreement/quantise.ts";
