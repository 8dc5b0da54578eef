/** Every command: one of the house's or the shop's tools, and all the ways of asking for it. */
import type { Command } from "./draws.ts";
import { BLINDS } from "./blinds.ts";
import { CLEANING } from "./cleaning.ts";
import { CLIMATE } from "./climate.ts";
import { LIGHTS } from "./lights.ts";
import { LIST } from "./list.ts";
import { LOCKS } from "./locks.ts";
import { MUSIC } from "./music.ts";
import { ORDERS } from "./orders.ts";
import { PEOPLE } from "./people.ts";
import { SHOP } from "./shop.ts";
import { TIMES } from "./times.ts";

export type { Command } from "./draws.ts";

export const COMMANDS: readonly Command[] = [
  ...LIGHTS,
  ...BLINDS,
  ...CLIMATE,
  ...LOCKS,
  ...CLEANING,
  ...MUSIC,
  ...TIMES,
  ...PEOPLE,
  ...LIST,
  ...ORDERS,
  ...SHOP,
];
