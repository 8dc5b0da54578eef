/** Commands that become one tool call and a spoken confirmation. */
import type { RandomStream } from "../core/index.ts";
import { pickEntity, pickName, pickNumber } from "./entities.ts";
import { fill, frames, pickFrame, say, type Frames } from "./templates.ts";
import type { Split, ToolCall, WorldItem } from "./types.ts";

type Slots = Readonly<Record<string, string | number>>;

interface Command {
  /** Slots of the frames and arguments of the call, in canonical order. */
  readonly draw: (
    split: Split,
    random: RandomStream,
  ) => { readonly slots: Slots; readonly arguments: ToolCall["arguments"] };
  readonly tool: string;
  readonly family: Frames;
  readonly confirm: string;
}

type Draw = Command["draw"];

const roomOnly: Draw = (split, random) => {
  const room = pickEntity("rooms", split, random);
  return { slots: { room }, arguments: { room } };
};

const roomFlag =
  (name: string, value: boolean): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    return { slots: { room }, arguments: { room, [name]: value } };
  };

const roomNumber =
  (name: string, low: number, high: number, unit: number): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    const value = pickNumber(low, high, split, random) * unit;
    return { slots: { room, value }, arguments: { room, [name]: value } };
  };

const blinds =
  (position: string): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    return { slots: { room }, arguments: { room, position } };
  };

const order: Draw = (_split, random) => {
  const number = random.int(1000, 9999);
  return { slots: { order: number }, arguments: { order: number } };
};

/** A time as people say it; whole hours in several ways. */
function drawTime(random: RandomStream): { hour: number; minute: number; spoken: string } {
  const hour = random.int(0, 23);
  const minute = random.chance(0.4) ? 0 : random.int(0, 11) * 5;
  const digits = `${hour}:${String(minute).padStart(2, "0")}`;
  if (minute > 0) return { hour, minute, spoken: digits };
  const spoken = [digits, `${hour} o'clock`, String(hour)];
  if (hour >= 1 && hour <= 11) spoken.push(`${hour} am`, `${hour} in the morning`);
  return { hour, minute, spoken: random.pick(spoken) };
}

const alarm: Draw = (_split, random) => {
  const { hour, minute, spoken } = drawTime(random);
  const time = `${hour}:${String(minute).padStart(2, "0")}`;
  return { slots: { time: spoken, clock: time }, arguments: { hour, minute } };
};

const timer: Draw = (split, random) => {
  if (random.chance(0.15)) {
    const hours = random.int(1, 3);
    return {
      slots: { span: hours === 1 ? "one hour" : `${hours} hours`, minutes: hours * 60 },
      arguments: { minutes: hours * 60 },
    };
  }
  const minutes = pickNumber(2, 90, split, random);
  return { slots: { span: `${minutes} minutes`, minutes }, arguments: { minutes } };
};

const counted =
  (name: string, kind: "groceries" | "goods"): Draw =>
  (split, random) => {
    const item = pickEntity(kind, split, random);
    // "3 packs of milk" and "3 x lamp" need no plural, and "one" stays unsaid.
    const count = random.chance(0.5) ? 1 : pickNumber(2, 20, split, random);
    const what = count === 1 ? item : `${count} ${kind === "groceries" ? "packs of " : "x "}${item}`;
    const the = count === 1 && kind === "goods" ? `the ${item}` : what;
    return { slots: { what: the }, arguments: { [name]: item, count } };
  };

const single =
  (name: string, kind: "groceries" | "goods"): Draw =>
  (split, random) => {
    const item = pickEntity(kind, split, random);
    return { slots: { item }, arguments: { [name]: item } };
  };

const music: Draw = (split, random) => {
  const what = pickEntity("music", split, random);
  const room = pickEntity("rooms", split, random);
  return { slots: { music: what, room }, arguments: { music: what, room } };
};

const volume: Draw = (split, random) => {
  const percent = random.chance(0.6) ? random.int(0, 10) * 10 : pickNumber(1, 99, split, random);
  return { slots: { percent }, arguments: { percent } };
};

const reminder: Draw = (split, random) => {
  const text = pickEntity("errands", split, random);
  const hour = random.int(0, 23);
  const spoken = hour >= 1 && hour <= 11 ? [`${hour}`, `${hour} am`, `${hour} o'clock`] : [`${hour}`, `${hour}:00`];
  return { slots: { errand: text, time: random.pick(spoken), hour }, arguments: { text, hour } };
};

const message: Draw = (split, random) => {
  const to = pickName(split, random);
  const text = pickEntity("news", split, random);
  return { slots: { name: to, news: text }, arguments: { to, text } };
};

const person: Draw = (split, random) => {
  const name = pickName(split, random);
  return { slots: { name }, arguments: { name } };
};

export const COMMANDS: readonly Command[] = [
  {
    tool: "set_light",
    draw: roomFlag("on", true),
    confirm: "Okay, the {room} light is on.",
    family: frames(`
      !Turn on the {room} light.
      !Switch the light on in the {room}.
      It is too dark in the {room}.
      !Turn the {room} lights on.
      !Switch on the lights in the {room}.
      I need light in the {room}.
      !Make some light in the {room}.
      Lights on in the {room}.
      !Put the {room} light on.
      Light on in the {room}.`),
  },
  {
    tool: "set_light",
    draw: roomFlag("on", false),
    confirm: "Okay, the {room} light is off.",
    family: frames(`
      !Turn off the {room} light.
      !Switch the light off in the {room}.
      It is too bright in the {room}.
      !Turn the {room} lights off.
      !Switch off the lights in the {room}.
      I need no light in the {room}.
      Nobody needs the light in the {room}.
      Lights off in the {room}.
      !Put the {room} light out.
      Light off in the {room}.`),
  },
  {
    tool: "dim_light",
    draw: roomNumber("percent", 1, 9, 10),
    confirm: "Okay, the {room} light is at {value} percent.",
    family: frames(`
      !Dim the {room} light to {value} percent.
      !Set the light in the {room} to {value} percent.
      !Make the {room} light {value} percent bright.
      {room} light at {value} percent.
      !Dim the light in the {room} to {value} percent.
      !Put the {room} lights at {value} percent.`),
  },
  {
    tool: "set_temperature",
    draw: roomNumber("degrees", 14, 29, 1),
    confirm: "Okay, the {room} is set to {value} degrees.",
    family: frames(`
      !Set the {room} to {value} degrees.
      !Make it {value} degrees in the {room}.
      !Heat the {room} to {value} degrees.
      I want {value} degrees in the {room}.
      !Set the heating in the {room} to {value} degrees.
      !Turn the heating in the {room} to {value}.
      {value} degrees in the {room}.
      The {room} should be {value} degrees.
      !Change the temperature in the {room} to {value} degrees.
      The heating in the {room} should be at {value} degrees.`),
  },
  {
    tool: "set_timer",
    draw: timer,
    confirm: "Okay, the timer is set for {minutes} minutes.",
    family: frames(`
      !Set a timer for {span}.
      !Start a timer for {span}.
      !Wake me in {span}.
      Timer for {span}.
      !Set the timer to {span}.
      !Tell me after {span}.
      !Count down {span}.
      I need a timer for {span}.
      !Set a countdown of {span}.
      !Start the timer, {span}.`),
  },
  {
    tool: "set_alarm",
    draw: alarm,
    confirm: "Okay, the alarm is set for {clock}.",
    family: frames(`
      !Set an alarm for {time}.
      !Wake me at {time}.
      !Wake me up at {time}.
      Alarm at {time}.
      !Set the alarm to {time}.
      I have to get up at {time}.
      I need an alarm at {time}.
      !Set the alarm clock for {time}.
      !Let the alarm ring at {time}.
      I need to get up at {time}.`),
  },
  {
    tool: "play_music",
    draw: music,
    confirm: "Okay, playing {music} in the {room}.",
    family: frames(`
      !Play {music} in the {room}.
      !Play some {music} in the {room}.
      I want to hear {music} in the {room}.
      !Put on {music} in the {room}.
      !Put on some {music} in the {room}.
      In the {room}, play {music}.
      !Start {music} in the {room}.
      !Let me hear some {music} in the {room}.
      Some {music} in the {room} would be nice.
      I want some {music} in the {room}.`),
  },
  {
    tool: "set_volume",
    draw: volume,
    confirm: "Okay, the volume is at {percent} percent.",
    family: frames(`
      !Set the volume to {percent} percent.
      !Turn the volume to {percent}.
      Volume {percent}.
      !Make it {percent} percent loud.
      !Put the volume at {percent} percent.
      The volume should be {percent} percent.`),
  },
  {
    tool: "stop_music",
    draw: roomOnly,
    confirm: "Okay, the music in the {room} is off.",
    family: frames(`
      !Stop the music in the {room}.
      !Turn off the music in the {room}.
      No more music in the {room}.
      !Switch the music off in the {room}.
      !Turn the music off in the {room}.
      Music off in the {room}.`),
  },
  {
    tool: "add_to_list",
    draw: counted("item", "groceries"),
    confirm: "Okay, {what} is on the list.",
    family: frames(`
      !Add {what} to the shopping list.
      !Put {what} on the shopping list.
      We need {what}.
      !Add {what} to my list.
      !Put {what} on my list.
      We are out of milk, so add {what}.
      I need to buy {what}.
      !Write {what} on the list.
      {what} on the shopping list.
      We need to buy {what}.`),
  },
  {
    tool: "remove_from_list",
    draw: single("item", "groceries"),
    confirm: "Okay, {item} is off the list.",
    family: frames(`
      !Remove {item} from the shopping list.
      !Take {item} off the list.
      We do not need {item}.
      !Delete {item} from my list.
      !Take {item} off the shopping list.
      I do not need {item} on the list.`),
  },
  {
    tool: "set_reminder",
    draw: reminder,
    confirm: "Okay, I will remind you at {hour}:00.",
    family: frames(`
      !Remind me to {errand} at {time}.
      At {time}, remind me to {errand}.
      !Set a reminder to {errand} at {time}.
      I have to {errand} at {time}, remind me.
      At {time} I have to {errand}, remind me.
      !Set a reminder at {time}: {errand}.
      Do not let me forget to {errand} at {time}.
      I need a reminder to {errand} at {time}.
      Reminder at {time}: {errand}.
      !Set a reminder for {time} to {errand}.`),
  },
  {
    tool: "send_message",
    draw: message,
    confirm: "Okay, I told {name}.",
    family: frames(`
      !Tell {name} that {news}.
      !Send {name} a message that {news}.
      !Let {name} know that {news}.
      !Text {name}: {news}.
      !Send a message to {name} that {news}.
      !Write {name} that {news}.
      Message to {name}: {news}.
      {name} should know that {news}.
      !Send a text to {name}: {news}.
      !Send {name} a message: {news}.`),
  },
  {
    tool: "call_person",
    draw: person,
    confirm: "Okay, calling {name}.",
    family: frames(`
      !Call {name}.
      !Phone {name}.
      I want to talk to {name}.
      !Give {name} a call.
      !Start a call to {name}.
      !Start a call with {name}.
      !Get {name} on the phone.
      I need to talk to {name} on the phone.
      !Ring {name}.
      I want {name} on the phone.`),
  },
  {
    tool: "set_lock",
    draw: roomFlag("locked", true),
    confirm: "Okay, the {room} door is locked.",
    family: frames(`
      !Lock the {room} door.
      !Lock the door of the {room}.
      The {room} door should be locked.
      !Lock up the {room}.
      !Lock the door to the {room}.
      Is the {room} locked? If not, lock it.`),
  },
  {
    tool: "set_lock",
    draw: roomFlag("locked", false),
    confirm: "Okay, the {room} door is unlocked.",
    family: frames(`
      !Unlock the {room} door.
      !Unlock the door of the {room}.
      The {room} door should be unlocked.
      !Unlock the {room}.
      !Unlock the door to the {room}.
      Is the {room} unlocked? If not, unlock it.`),
  },
  {
    tool: "set_blinds",
    draw: blinds("down"),
    confirm: "Okay, the {room} blinds are down.",
    family: frames(`
      !Lower the blinds in the {room}.
      !Close the {room} blinds.
      !Put the blinds down in the {room}.
      Blinds down in the {room}.
      !Put down the {room} blinds.
      !Close the blinds in the {room}.`),
  },
  {
    tool: "set_blinds",
    draw: blinds("up"),
    confirm: "Okay, the {room} blinds are up.",
    family: frames(`
      !Raise the blinds in the {room}.
      !Open the {room} blinds.
      !Put the blinds up in the {room}.
      Blinds up in the {room}.
      !Put up the {room} blinds.
      !Open the blinds in the {room}.`),
  },
  {
    tool: "start_vacuum",
    draw: roomOnly,
    confirm: "Okay, vacuuming the {room}.",
    family: frames(`
      !Vacuum the {room}.
      !Start the vacuum in the {room}.
      !Let the robot clean the {room}.
      The {room} floor is dirty.
      !Start the robot in the {room}.
      !Send the vacuum to the {room}.
      The {room} needs a vacuum.
      !Clean the floor in the {room}.
      !Vacuum the floor in the {room}.
      !Let the vacuum clean the {room}.`),
  },
  {
    tool: "track_order",
    draw: order,
    confirm: "Let me look up order {order}.",
    family: frames(`
      Where is my order {order}?
      !Track order {order}.
      When does order {order} come?
      !Look up order {order}.
      Where is order number {order}?
      What about order {order}?
      I am waiting for order {order}.
      Is my order {order} on its way?
      When does my order number {order} come?
      !Look up my order, number {order}.`),
  },
  {
    tool: "cancel_order",
    draw: order,
    confirm: "Okay, order {order} is canceled.",
    family: frames(`
      !Cancel order {order}.
      !Cancel my order {order}.
      I do not want order {order} anymore.
      !Stop order {order}.
      !Cancel order number {order}.
      I want to cancel order {order}.`),
  },
  {
    tool: "check_stock",
    draw: single("product", "goods"),
    confirm: "Let me check the stock of the {item}.",
    family: frames(`
      Do you have a {item} in stock?
      Is the {item} in stock?
      !Check the stock of the {item}.
      !Check if the {item} is in stock.
      Is there a {item} in stock?
      How many of the {item} are in stock?
      Is there still a {item}?
      Do you still have the {item}?
      Do you still have a {item} in stock?
      !Check if you have a {item}.`),
  },
  {
    tool: "add_to_cart",
    draw: counted("product", "goods"),
    confirm: "Okay, {what} is in your cart.",
    family: frames(`
      !Add {what} to my cart.
      !Put {what} in the cart.
      I want to order {what}.
      I would like {what} in my cart.
      !Put {what} in my cart.
      {what} in the cart.
      !Order {what}.
      I want {what} in my cart.
      !Add {what} to the cart.
      I would like to order {what}.`),
  },
];

function commandItem(command: Command, split: Split, random: RandomStream): WorldItem {
  const { slots, arguments: values } = command.draw(split, random);
  const template = pickFrame(command.family, split, random);
  const text = say(template, slots, random);
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
  Same for the {room}.`);

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
