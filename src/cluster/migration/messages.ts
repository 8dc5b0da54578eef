/**
 * What the two sides of a migration say to one another. These are the parts that the state machines decide by; the driver
 * adds what they carry (the snapshot, the stream, where pages go) on the wire, see `wire.ts`.
 */
import type { StayReason } from "./types.ts";

/** From the source. */
export type SourceMessage =
  /** Will you take it? */
  | { readonly kind: "offer"; readonly migration: string }
  /** Hold so many pages for it, in all. */
  | { readonly kind: "reserve"; readonly migration: string; readonly pages: number }
  /** It is yours as soon as those pages are there; its tokens carry that epoch. */
  | { readonly kind: "commit"; readonly migration: string; readonly pages: number; readonly epoch: number }
  /** It stays here, unless you have adopted it already: which? */
  | { readonly kind: "withdraw"; readonly migration: string; readonly reason: StayReason };

/** The one after which the target decides. */
export type SourceCommit = Extract<SourceMessage, { readonly kind: "commit" }>;

/** From the target. */
export type TargetMessage =
  /** Yes; it has the first `cached` pages already. */
  | { readonly kind: "accepted"; readonly migration: string; readonly cached: number }
  /** So many pages are held, in all. */
  | { readonly kind: "reserved"; readonly migration: string; readonly pages: number }
  /** It was not adopted and never will be; everything is given back. */
  | { readonly kind: "aborted"; readonly migration: string; readonly reason: StayReason }
  /** It runs here, with that epoch. */
  | { readonly kind: "adopted"; readonly migration: string; readonly epoch: number };
