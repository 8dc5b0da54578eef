/** Questions over given texts: the item generator and the answer when a text does not tell. */
export { NOT_MENTIONED } from "./question.ts";
export { readingItem } from "./reading.ts";
