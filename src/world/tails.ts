/**
 * Commands with a few words behind their last name that say nothing ("Unlock the tea house tonight."): where a name ends
 * must be told by what follows, and what follows is not always the frame's own next word.
 */
import type { RandomStream } from "../core/index.ts";
import { COMMANDS } from "./commands/index.ts";
import type { WorldItem } from "./types.ts";

/** What people add behind a command. None of it names anything, and none of it is a time that a tool could be given. */
const TAILS =
  `again|already|any time soon|anyhow|anyway|as always|as ever|as soon as you can|at last|at once|for a bit|for a while|for me|
for now|for once|for us|fully|gently|if possible|if you can|if you would|immediately|instead|just in case|like before|maybe|now|once more|
one more time|quickly|really|right away|right now|same as always|slowly|soon|straight away|then|there|this instant|though|today|tonight|too|
when you can|whenever you can|while you are there|without delay|would you|will you`
    .replaceAll("\n", "")
    .split("|");

/** Tools whose last words may be a message or a time, which a tail would become part of. */
const OPEN_ENDED: ReadonlySet<string> = new Set(["send_message", "set_reminder", "set_timer", "set_alarm"]);
const SHORTEST_NAME = 3;

const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}{} ]/gu, "");
const HELD_OUT: ReadonlySet<string> = new Set(
  COMMANDS.flatMap(({ family }) => [...family.test, ...family.validation].map(plain)),
);

/**
 * The item with a tail, where its command ends with a name; as it is where it does not, or where its frame would become
 * one that is held out.
 */
export function withTail(item: WorldItem, random: RandomStream): WorldItem {
  const [user, ...rest] = item.turns;
  if (item.expect.kind !== "call" || rest.length !== 1 || OPEN_ENDED.has(item.expect.call.name)) return item;
  const { text } = user!;
  const head = text.replace(/[.?!]$/u, "");
  const names = Object.values(item.expect.call.arguments).filter((value) => typeof value === "string");
  if (!names.some((name) => name.length >= SHORTEST_NAME && head.endsWith(` ${name}`))) return item;
  const tail = random.pick(TAILS);
  if (HELD_OUT.has(plain(`${item.template} ${tail}`))) return item;
  return { ...item, turns: [{ ...user!, text: `${head} ${tail}${text.slice(head.length)}` }, ...rest] };
}
