/**
 * What a model and a call tell prediction.wasm: whole numbers of 32 bits at these byte offsets of PLAN, read by the kernel
 * and written by ../prediction-kernel.ts. Addresses end in _AT. Everything behind an address is laid out by that file too.
 */

/** Where the plan lies. */
export const PLAN = 64;

/* Of a model. */
/** Entropy tables, one for each spread, as rans.ts wants them. */
export const TABLES_AT = 0;
export const TABLE_STRIDE = 4;
/** Bytes of a table's starts: its coarse index is behind them. */
export const STARTS_BYTES = 8;
/** f64 [spreads, 128]: what symbols cost. */
export const BITS_AT = 12;
/** u8 [spreads, 2]. */
export const CENTROIDS_AT = 16;
/** Token ids that have predictions; rows by id have one more, for all others. */
export const ID_COUNT = 20;
/** i8 [layers, ids + 1]. */
export const ID_LOGS_AT = 24;
/** i8 [components]. */
export const SPREAD_LOGS_AT = 28;
/** f32 [components]. */
export const MEAN_STEPS_AT = 32;
/** i16 [components, ids + 1], the last one 0. */
export const ID_MEANS_AT = 36;
export const BLOCKS_AT = 40;
export const BLOCK_COUNT = 44;
export const KV_HEADS = 48;
export const HEAD_DIM = 52;
/** 1: int8, 0: f32. */
export const IS_INT8 = 56;
export const PAGE_TOKENS = 60;
export const PAGE_BYTES = 64;
export const LAYER_BYTES = 68;
export const VALUES_AT = 72;
export const KEY_SCALES_AT = 76;
export const VALUE_SCALES_AT = 80;
/** u32 [layers]: which of the turns by position its keys have, from 1; 0: none. */
export const LAYER_TURNS_AT = 84;

/* Of a call. */
export const TOKENS = 96;
/** u32 [tokens]: place of each token's id. */
export const PLACES_AT = 100;
/** f32 [spreads, 128]: what symbols stand for, at the level's step. */
export const VALUES_OF_SYMBOLS_AT = 104;
export const STEP_LOG = 108;
/** u8, decoding: of a block; encoding: of all. */
export const SYMBOLS_AT = 112;
/** Runs of the entropy coder, as it wants them: decoding, of a block; encoding, of all. */
export const RUNS_AT = 116;
/** u32 [tokens]: tokens by how far they spread; and their places. */
export const ORDER_AT = 120;
export const ORDER_PLACES_AT = 124;
/** SEGMENT_BYTES each. */
export const SEGMENTS_AT = 128;
/** [tokens] of lists of terms, TERM_BYTES each. */
export const TERMS_AT = 132;
export const TERMS_STRIDE = 136;
/** u32 [tokens]: where each list ends. */
export const TERM_ENDS_AT = 140;
/** f32 [tokens, ROW_BYTES]: a block's channels or components. */
export const ROWS_AT = 144;
/** f32 [tokens, columns]: keys and values of a layer before they are turned by position. */
export const STAGED_AT = 148;
/** f64 [turns, tokens, 2, headDim / 2]: cosines and sines. */
export const TURNS_AT = 152;
export const PAGES_AT = 156;
export const PAGES_COUNT = 160;
/** Decoding: bits. Encoding: i32, whole numbers of steps. */
export const ESCAPES_AT = 164;
export const ESCAPES_BYTES = 168;

/** Behind the plan, u32 [256]: where tokens of each logarithm begin. */
export const COUNTS = 256;
/** The first address that the kernel has no use for of its own. */
export const FREE_AT = 2048;

/* A block: u32 each. */
export const BLOCK_LAYER = 0;
export const BLOCK_SIZE = 4;
/** Channels up to a multiple of 8. */
export const BLOCK_PADDED = 8;
/** Its first component. */
export const BLOCK_FIRST = 12;
/** Matrix by channel, for components; and by component, for channels: tiles of columns (prediction-turn.ts). */
export const BLOCK_OUT_AT = 16;
export const BLOCK_BACK_AT = 20;
/** f32 [padded] each: 0 and 1 beyond the last channel. */
export const BLOCK_MEANS_AT = 24;
export const BLOCK_SCALES_AT = 28;
/** Stretches of channels: (column of a layer's row, length) each. */
export const BLOCK_STRETCHES_AT = 32;
export const BLOCK_STRETCHES = 36;
export const BLOCK_BYTES = 40;

/** Of ROWS_AT: room for the largest block. */
export const ROW_BYTES = 1024;
/** A factor (f32) and the byte offset of its row in a tile of 32 columns (u32). */
export const TERM_BYTES = 8;
/** A logarithm (i32), and where tokens of it begin and end in the order (u32). */
export const SEGMENT_BYTES = 12;
/** Logarithms lie from -127 to 127. */
export const SEGMENTS_MAX = 255;
/** Distributions by spread, and the one of a residual that deviates by one step. */
export const SPREADS = 64;
export const MIDDLE = 32;
/** Symbols: 63 on either side of zero, and one for all others. */
export const SYMBOLS = 128;
export const SIDE = 63;
export const ESCAPE = 127;
/** Centroids are in 256ths of a step. */
export const CENTROID_UNIT = 256;

/* What decoding answers. */
export const DECODED = 0;
export const BAD_PAYLOAD = 1;
export const BAD_ESCAPES = 2;
export const NOT_FINITE = 3;
