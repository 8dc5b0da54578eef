/**
 * Messages of migration as they travel: bodies of the control messages that hosts hand to their extension "migration", and the
 * commit behind the last pages, too. The state machines see the part that they decide by (messages.ts); the rest is what a move
 * carries. Bounded, checked before use.
 */
import { z } from "zod";
import {
  FLEET_LIMITS,
  fleetIdSchema,
  fleetMoveReasonSchema,
  fleetRequestIdSchema,
  LIMITS,
  wireEventSchema,
  wireFinishSchema,
  wireRequestSchema,
} from "../../protocol/index.ts";
import { MIGRATION_MODES, STAY_REASONS } from "./types.ts";

const count = z.number().int().min(0).max(0xffff_ffff);
const ms = z.number().min(0);
const address = z.object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535) });
const reason = z.enum(STAY_REASONS);
/** Who says it, and of which migration. */
const base = { from: fleetIdSchema, migration: z.string().regex(/^[0-9a-f]{32}$/) };

/** Where pages are pushed to or pulled from. */
const doorSchema = z.object({ address, token: z.string().min(1).max(128) });
/** Where pages are pushed to or pulled from. */
export type Door = z.infer<typeof doorSchema>;

/** Runtime's SequenceSnapshot without its request. */
const snapshotSchema = z.object({
  version: z.literal(1),
  model: z.string().min(1).max(FLEET_LIMITS.idCharacters),
  requestId: fleetRequestIdSchema,
  generated: z.array(count).max(LIMITS.maxTokens),
  computed: count,
  ageMs: ms,
  scheduledAgeMs: ms.nullable(),
  firstTokenAgeMs: ms.nullable(),
  lastTokenAgeMs: ms.nullable(),
  counts: z.object({
    cachedTokens: count.nullable(),
    tokensInTime: count,
    reachedTokens: count,
    transferMs: ms.nullable(),
    drafts: wireFinishSchema.shape.usage.shape.drafts.unwrap().nullable(),
    looks: z.object({ attempts: z.tuple([count, count]), misses: z.tuple([count, count]) }).optional(),
  }),
});

/** Host's DeliveryState. */
const deliverySchema = z.object({
  requestId: fleetRequestIdSchema,
  epoch: count,
  router: fleetIdSchema,
  inbox: z.string().min(1).max(512),
  observe: z.boolean(),
  unacknowledged: z.array(wireEventSchema).max(FLEET_LIMITS.windowEvents),
  nextIndex: count,
  windowEnd: count,
  ageMs: ms,
});

/** A question whether somebody takes a sequence: all that is needed to begin an import. */
const offerSchema = z.object({
  ...base,
  kind: z.literal("offer"),
  mode: z.enum(MIGRATION_MODES),
  /** Under which its tokens are told now. */
  epoch: count,
  /** Of the model. */
  fingerprint: z.string().min(1).max(FLEET_LIMITS.idCharacters),
  /** As the source's engine has it: with every default and the seed filled in, clipped to its context. */
  request: wireRequestSchema,
  ageMs: ms,
  /** Pages that it has now, or will have when `growing`. */
  pages: count,
  /** Of a hand-over: its prompt is being computed. Room is made at once, and pages are pulled as they become whole. */
  growing: z.literal(true).optional(),
  /** Of a hand-over: where its pages are pulled from. */
  door: doorSchema.optional(),
});
/** A question whether somebody takes a sequence. */
export type OfferMessage = z.infer<typeof offerSchema>;

const reserveSchema = z.object({
  ...base,
  kind: z.literal("reserve"),
  pages: count,
  /** What comes from now on is the rest. */
  isLast: z.boolean(),
  /** How far it is: who goes through that now need not when the commit comes, which then says only what is new (`ahead`). */
  ahead: z.object({ generated: z.array(count).max(LIMITS.maxTokens), delivery: deliverySchema }).optional(),
});
/** How far a sequence was when room for the rest of it was asked for. */
export type Ahead = NonNullable<z.infer<typeof reserveSchema>["ahead"]>;

/** All of a sequence but its pages and its request, which is the offer's. */
export const commitSchema = z.object({
  ...base,
  kind: z.literal("commit"),
  pages: count,
  epoch: count,
  snapshot: snapshotSchema,
  delivery: deliverySchema,
  /**
   * Tokens of the answer, and events, that were told ahead: `generated` and `unacknowledged` begin behind them. Events below
   * `acknowledged` are not needed any more. All is said when absent.
   */
  ahead: z.object({ tokens: count, events: count, acknowledged: count }).optional(),
  /** Since the snapshot was taken, when this was said. */
  heldMs: ms,
});
/** All of a sequence but its pages and its request. */
export type CommitMessage = z.infer<typeof commitSchema>;

/** What one instance says to another about a migration, and what a watcher or a person asks of an instance. */
export const migrationMessageSchema = z.discriminatedUnion("kind", [
  offerSchema,
  reserveSchema,
  commitSchema,
  z.object({ ...base, kind: z.literal("withdraw"), reason }),
  z.object({ ...base, kind: z.literal("accepted"), cached: count, door: doorSchema.nullable() }),
  z.object({ ...base, kind: z.literal("reserved"), pages: count }),
  z.object({ ...base, kind: z.literal("aborted"), reason }),
  /** `heldMs`: since it runs there, when this was said. */
  z.object({ ...base, kind: z.literal("adopted"), epoch: count, heldMs: ms.optional() }),
  /** Asked: move that request there. Answered when it has begun. */
  z.object({
    kind: z.literal("move"),
    requestId: fleetRequestIdSchema,
    to: fleetIdSchema,
    mode: z.enum(MIGRATION_MODES).optional(),
    reason: fleetMoveReasonSchema.optional(),
  }),
  /** Told by who watches the fleet: something may go there, if you see anything that should. */
  z.object({ kind: z.literal("pair"), to: fleetIdSchema }),
  /** Told by a decode instance: I have room for that one. `freeSteps`: decode steps until it is full. */
  z.object({
    kind: z.literal("claim"),
    by: fleetIdSchema,
    requestId: fleetRequestIdSchema,
    freeSteps: z.number().nullable(),
  }),
]);
/** What is said about migrations. */
export type MigrationMessage = z.infer<typeof migrationMessageSchema>;

/** What a prefill instance tells all: prompts that are done and wait to be fetched, the longest waiting first, then those that come. */
export const readyMessageSchema = z.object({
  from: fleetIdSchema,
  fingerprint: z.string().min(1).max(FLEET_LIMITS.idCharacters),
  requests: z
    .array(
      z.object({
        requestId: fleetRequestIdSchema,
        pages: count,
        /** Its prompt is being computed; it can be taken page by page. */
        coming: z.literal(true).optional(),
      }),
    )
    .max(64),
});
/** What a prefill instance tells all. */
export type ReadyMessage = z.infer<typeof readyMessageSchema>;

/** A message of the source, and of the target. */
export type FromSource = Extract<MigrationMessage, { readonly kind: "offer" | "reserve" | "commit" | "withdraw" }>;
export type FromTarget = Extract<MigrationMessage, { readonly kind: "accepted" | "reserved" | "aborted" | "adopted" }>;
