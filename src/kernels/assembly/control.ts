/**
 * The control block at the start of the shared memory: byte offsets of 32-bit words, and the shape of
 * the records that JavaScript writes and the kernel reads. Both sides import this file (it is valid
 * TypeScript and valid AssemblyScript), so they cannot disagree.
 *
 * Words of the first group are written once; WINDOW, LAYER and the job words change with every call. The
 * three synchronisation words sit on cache lines of their own.
 *
 * A memory may have several views (geometry.ts), one for each thread of JavaScript that attends over it. Each has
 * a control block of its own; an instance of the module is told which is its.
 */

/** Where the control block of the first view is. */
export const CONTROL = 4096;

// Geometry, written once by the constructor, and the window of the layer at hand
export const FORMAT = 0; // 0: f32 pages, 1: int8 pages
export const KV_HEADS = 4;
export const GROUP = 8; // query heads per kv head
export const HEAD_DIM = 12;
export const PAGE_TOKENS = 16;
export const BLOCK_TOKENS = 20; // keys per step of the online softmax: 16, or 8 for 8-token pages
export const WINDOW = 24; // 0: every earlier key is visible
export const QUERY_SCALE = 28; // f32: softmax scale x log2(e)
export const PAGES_AT = 32; // address of page 0
export const PAGE_BYTES = 36;
export const LAYER_BYTES = 40;
export const VALUES_AT = 44; // from a layer's keys to its values, bytes
export const KEY_SCALES_AT = 48; // from a layer's keys to its scales (int8 only), bytes
export const VALUE_SCALES_AT = 52;
export const QUERIES_AT = 56; // [rows, heads x headDim] f32
export const OUTPUTS_AT = 60;
export const SEQUENCES_AT = 64;
export const ITEMS_AT = 68;
export const TABLE_AT = 72; // page ids of all sequences of the call, i32
export const SCRATCH_AT = 76; // one region per thread
export const SCRATCH_BYTES = 80;

// The job at hand
export const JOB = 128; // one of the JOB_ kinds
export const LAYER = 132;
export const STREAM_AT = 136; // JOB_STREAM: region to read and bytes per item
export const STREAM_BYTES = 140;

export const JOB_ATTEND = 0;
export const JOB_STREAM = 1;

// Synchronisation (see work.ts)
export const TICKETS = 256; // u64: generation << 40 | items << 20 | next item
export const FINISHED = 320; // items done
export const WAKE = 384; // changes when there is work or the end has come
export const STOP = 448;
export const CONTROL_BYTES = 512;

// A sequence record: 4 words
export const SEQUENCE_BYTES = 16;
export const SEQUENCE_QUERY_START = 0;
export const SEQUENCE_FIRST_POSITION = 4; // absolute position of its first query row
export const SEQUENCE_TABLE = 8; // index of its first page id in the table

// An item of work: rows of one sequence for some kv heads; 5 words
export const ITEM_BYTES = 20;
export const ITEM_SEQUENCE = 0;
export const ITEM_ROW = 4;
export const ITEM_ROWS = 8;
export const ITEM_HEAD = 12; // first kv head
export const ITEM_HEADS = 16;

/** Query vectors (rows x group x kv heads) that one item may hold: sizes the scratch. */
export const ITEM_VECTORS = 64;
/** Most items in one job: 20 bits of the ticket word. */
export const ITEMS_MAX = 1 << 19;
export const HEAD_DIM_MAX = 256;
