/** What a command is, and how its slots and arguments are drawn. */
import type { RandomStream } from "../../core/index.ts";
import { pickEntity, pickName, pickNumber } from "../entities.ts";
import type { Frames } from "../templates.ts";
import type { Split, ToolCall } from "../types.ts";

type Slots = Readonly<Record<string, string | number>>;

export interface Command {
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

export const roomOnly: Draw = (split, random) => {
  const room = pickEntity("rooms", split, random);
  return { slots: { room }, arguments: { room } };
};

export const roomFlag =
  (name: string, value: boolean): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    return { slots: { room }, arguments: { room, [name]: value } };
  };

export const roomNumber =
  (name: string, low: number, high: number, unit: number): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    const value = pickNumber(low, high, split, random) * unit;
    return { slots: { room, value }, arguments: { room, [name]: value } };
  };

export const blinds =
  (position: string): Draw =>
  (split, random) => {
    const room = pickEntity("rooms", split, random);
    return { slots: { room }, arguments: { room, position } };
  };

export const order: Draw = (_split, random) => {
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

export const alarm: Draw = (_split, random) => {
  const { hour, minute, spoken } = drawTime(random);
  const time = `${hour}:${String(minute).padStart(2, "0")}`;
  return { slots: { time: spoken, clock: time }, arguments: { hour, minute } };
};

export const timer: Draw = (split, random) => {
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

export const counted =
  (name: string, kind: "groceries" | "goods"): Draw =>
  (split, random) => {
    const item = pickEntity(kind, split, random);
    // "3 packs of milk" and "3 x lamp" need no plural, and "one" stays unsaid.
    const count = random.chance(0.5) ? 1 : pickNumber(2, 20, split, random);
    const what = count === 1 ? item : `${count} ${kind === "groceries" ? "packs of " : "x "}${item}`;
    const the = count === 1 && kind === "goods" ? `the ${item}` : what;
    return { slots: { what: the }, arguments: { [name]: item, count } };
  };

export const single =
  (name: string, kind: "groceries" | "goods"): Draw =>
  (split, random) => {
    const item = pickEntity(kind, split, random);
    return { slots: { item }, arguments: { [name]: item } };
  };

export const music: Draw = (split, random) => {
  const what = pickEntity("music", split, random);
  const room = pickEntity("rooms", split, random);
  return { slots: { music: what, room }, arguments: { music: what, room } };
};

export const volume: Draw = (split, random) => {
  const percent = random.chance(0.6) ? random.int(0, 10) * 10 : pickNumber(1, 99, split, random);
  return { slots: { percent }, arguments: { percent } };
};

export const reminder: Draw = (split, random) => {
  const text = pickEntity("errands", split, random);
  const hour = random.int(0, 23);
  const spoken = hour >= 1 && hour <= 11 ? [`${hour}`, `${hour} am`, `${hour} o'clock`] : [`${hour}`, `${hour}:00`];
  return { slots: { errand: text, time: random.pick(spoken), hour }, arguments: { text, hour } };
};

export const message: Draw = (split, random) => {
  const to = pickName(split, random);
  const text = pickEntity("news", split, random);
  return { slots: { name: to, news: text }, arguments: { to, text } };
};

export const person: Draw = (split, random) => {
  const name = pickName(split, random);
  return { slots: { name }, arguments: { name } };
};
