/**
 * What lies beside a model's weights and tells about it: its card, its held-out scores, its size on disk. Bounded, and
 * never trusted: what cannot be read, or is no card, is not there.
 */
import type { Stats } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { heldOutScoreSchema, type HeldOutScore } from "../../protocol/index.ts";

/** See the head of this file. */
export interface ModelCard {
  /** Markdown; null when there is none. */
  readonly text: string | null;
  /** Its first sentence or two; null without a card. */
  readonly about: string | null;
  readonly scores: readonly HeldOutScore[];
  /** Of all its files; null when it has none. */
  readonly diskBytes: number | null;
}

/** A model without files. */
export const NO_CARD: ModelCard = { text: null, about: null, scores: [], diskBytes: null };

const CARD_NAMES = ["card.md", "README.md"];
const MOST_CARD_BYTES = 64 * 1024;
const MOST_SCORE_BYTES = 1024 * 1024;
const MOST_ABOUT = 400;
const MOST_FILES = 1000;

const scoresSchema = z.object({ scores: z.array(heldOutScoreSchema).max(100) });

/** @param path a folder, or a .gguf file, which has nothing beside it. */
export async function readModelCard(path: string): Promise<ModelCard> {
  const found = await statOf(path);
  if (found === null) return NO_CARD;
  if (!found.isDirectory()) return { ...NO_CARD, diskBytes: found.size };
  let text: string | null = null;
  for (const name of CARD_NAMES) text ??= await readStart(join(path, name), MOST_CARD_BYTES);
  const scores = parseScores(await readStart(join(path, "scores.json"), MOST_SCORE_BYTES));
  return { text, about: text === null ? null : aboutOf(text), scores, diskBytes: await folderBytes(path) };
}

/** The first paragraph that is prose: no front matter, heading, table, picture or list. */
export function aboutOf(card: string): string | null {
  const body = card.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, "");
  const prose = body.split(/\r?\n\s*\r?\n/).find((paragraph) => /^[\p{L}\p{N}"'“*_[]/u.test(paragraph.trim()));
  const text = prose?.trim().replaceAll(/\s+/g, " ") ?? "";
  if (text === "") return null;
  return text.length <= MOST_ABOUT ? text : `${text.slice(0, MOST_ABOUT - 1)}…`;
}

function parseScores(text: string | null): readonly HeldOutScore[] {
  if (text === null) return [];
  try {
    return scoresSchema.parse(JSON.parse(text)).scores;
  } catch {
    return []; // no scores of ours
  }
}

/** The beginning of a text file; null when there is none. */
async function readStart(path: string, mostBytes: number): Promise<string | null> {
  try {
    await using file = await open(path);
    const bytes = new Uint8Array(mostBytes);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, mostBytes - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length === mostBytes) break;
    }
    // A character that was cut in two at the limit is left out.
    return new TextDecoder().decode(bytes.subarray(0, length), { stream: true });
  } catch {
    return null;
  }
}

async function folderBytes(folder: string): Promise<number> {
  const names = (await readdir(folder)).slice(0, MOST_FILES);
  const stats = await Promise.all(names.map((name) => statOf(join(folder, name))));
  return stats.reduce((sum, found) => sum + (found?.isFile() === true ? found.size : 0), 0);
}

async function statOf(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch {
    return null;
  }
}
