/**
 * A model's facts (vocabulary, template, end tokens) on their way over the bus: the instance cuts them into pieces, whoever
 * needs them asks for one after the other. Named by their content, so that they are read once however many instances have
 * them, and what comes is what was meant.
 */
import { createHash } from "node:crypto";
import { deflateRaw, inflateRaw } from "node:zlib";
import { promisify } from "node:util";
import { fail, fromErrorRecord } from "../../core/index.ts";
import {
  controlReplySchema,
  FLEET_LIMITS,
  FLEET_VERSION,
  type ControlMessage,
  type InstanceCard,
} from "../../protocol/index.ts";
import { openPortableFacts, readPortableFacts, type Engine, type ModelFacts } from "../../runtime/index.ts";
import type { Bus } from "../bus/types.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import type { FleetNames } from "./names.ts";

const PIECE_TIMEOUT_MS = 10_000;
/** Vocabularies have tens of megabytes at most. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** Facts as they travel. */
export interface PackedFacts {
  /** Of the content. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

function idOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url").slice(0, 32);
}

/** @throws PunctualError as `readPortableFacts`, payload_too_large. */
export async function packFacts(engine: Pick<Engine, "info" | "config">): Promise<PackedFacts> {
  const bytes = await promisify(deflateRaw)(Buffer.from(await readPortableFacts(engine)));
  if (bytes.length > FLEET_LIMITS.factsBytes) {
    fail("payload_too_large", `The facts of a model have ${bytes.length} bytes, at most ${FLEET_LIMITS.factsBytes}.`);
  }
  return { id: idOf(bytes), bytes };
}

/** A piece from that byte on, base64; "" at the end. @param mostBytes of the bus */
export function pieceOfFacts({ bytes }: PackedFacts, offset: number, mostBytes: number): string {
  // Base64 and the message around it.
  const size = Math.min(FLEET_LIMITS.factsPieceBytes, Math.floor((mostBytes * 3) / 4 / 2));
  return Buffer.from(bytes.subarray(offset, offset + size)).toString("base64");
}

/**
 * Reads the facts of an instance's model.
 * @throws PunctualError unavailable, request_timeout (the instance); invalid_file (what it says).
 */
export async function fetchFacts(bus: Bus, names: FleetNames, card: InstanceCard): Promise<ModelFacts> {
  const { id, bytes: total } = card.facts;
  const pieces: Buffer[] = [];
  let offset = 0;
  while (offset < total) {
    const message: ControlMessage = { version: FLEET_VERSION, kind: "facts", offset };
    const answer = await bus.request(names.control(card.id), encodeMessage(message), { timeoutMs: PIECE_TIMEOUT_MS });
    const reply = decodeMessage(controlReplySchema, answer.data);
    if (reply.kind === "failed") throw fromErrorRecord(reply.error);
    if (reply.kind !== "facts" || reply.id !== id || reply.offset !== offset || reply.piece === "") {
      return fail("invalid_file", `${card.id} answered something else when asked for the facts of its model.`);
    }
    const piece = Buffer.from(reply.piece, "base64");
    pieces.push(piece);
    offset += piece.length;
  }
  const packed = Buffer.concat(pieces);
  if (idOf(packed) !== id) fail("invalid_file", `The facts of ${card.model} are not what ${card.id} announced.`);
  return openPortableFacts(await unpack(packed));
}

async function unpack(packed: Buffer): Promise<string> {
  try {
    return (await promisify(inflateRaw)(packed, { maxOutputLength: MAX_TEXT_BYTES })).toString("utf8");
  } catch (cause) {
    return fail("invalid_file", "The facts of a model cannot be unpacked.", { cause });
  }
}
