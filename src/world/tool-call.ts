/** Commands that become one tool call and a spoken confirmation. */
import type { RandomStream } from "../core/index.ts";
import { COMMANDS, type Command } from "./commands/index.ts";
import { pickEntity } from "./entities.ts";
import { loosen } from "./loosen.ts";
import { fill, frames, pickFrame, say } from "./templates.ts";
import type { Split, ToolCall, WorldItem } from "./types.ts";

/** Share of training's commands that are said loosely. */
const LOOSE = 0.5;

function commandItem(command: Command, split: Split, random: RandomStream): WorldItem {
  const { slots, arguments: values } = command.draw(split, random);
  const template = pickFrame(command.family, split, random);
  const loosely = split === "train" && random.chance(LOOSE);
  const text = say(loosely ? loosen(template, command.family, random) : template, slots, random);
  const call: ToolCall = { name: command.tool, arguments: values };
  return {
    skill: "tool-call",
    kind: command.tool,
    template,
    turns: [
      { role: "user", text },
      { role: "assistant", call, text: fill(command.confirm, slots, random) },
    ],
    expect: { kind: "call", call },
  };
}

export function toolCallItem(split: Split, random: RandomStream): WorldItem {
  return commandItem(random.pick(COMMANDS), split, random);
}

const ELSEWHERE = frames(`
  And in the {room}?
  The {room} too.
  And the {room}?
  Now the {room}.
  And the {room} too?
  The same in the {room}.
  Also in the {room}.
  In the {room} too.
  And also in the {room}.
  Same for the {room}.
  ~Now the {room} too.
  ~Now in the {room}.
  And now the {room}.
  ~And now in the {room}.
  Do the same in the {room}.
  Do the same for the {room}.
  ~The same for the {room} too.
  What about the {room}?
  And what about the {room}?
  The {room} as well.
  In the {room} as well.
  ~And in the {room} as well.
  Then the {room}.`);

/** The command again for another room ("And in the bedroom?"); null for commands without a room. */
export function elsewhere(first: WorldItem, split: Split, random: RandomStream): WorldItem | null {
  if (first.expect.kind !== "call") return null;
  const { call } = first.expect;
  const before = call.arguments["room"];
  if (typeof before !== "string" || first.kind === "play_music") return null;
  const room = pickEntity("rooms", split, random);
  const answer = first.turns.at(-1)!;
  if (room === before) return null;
  const template = pickFrame(ELSEWHERE, split, random);
  const again: ToolCall = { name: call.name, arguments: { ...call.arguments, room } };
  return {
    ...first,
    kind: `${first.kind}-elsewhere`,
    template,
    turns: [
      ...first.turns,
      { role: "user", text: say(template, { room }, random) },
      { role: "assistant", call: again, text: answer.text.replace(before, room) },
    ],
    expect: { kind: "call", call: again },
  };
}
