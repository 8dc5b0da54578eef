/** What may be sent where: subjects as NATS has them (words with dots between, `*` for one word, `>` at the end for one or more), and sizes. */
import { fail } from "../../core/index.ts";

const WORD = /^[A-Za-z0-9_=$-]+$/;
const MAX_CHARACTERS = 512;

/** Refuses what cannot be published to. @throws PunctualError invalid_request */
export function checkSubject(subject: string): void {
  if (subject.length <= MAX_CHARACTERS && subject.split(".").every((word) => WORD.test(word))) return;
  fail("invalid_request", `Expected a subject of words with dots between them, got '${subject.slice(0, 80)}'.`);
}

/** Refuses what cannot be listened to. @throws PunctualError invalid_request */
export function checkPattern(pattern: string): void {
  const words = pattern.split(".");
  const isGood = (word: string, at: number): boolean =>
    word === "*" || (word === ">" && at === words.length - 1) || WORD.test(word);
  if (pattern.length <= MAX_CHARACTERS && words.every(isGood)) return;
  fail("invalid_request", `Expected a subject, perhaps with * and >, got '${pattern.slice(0, 80)}'.`);
}

/** Whether a pattern stands for more than one subject. */
export function hasWildcards(pattern: string): boolean {
  return /(^|\.)[*>](\.|$)/.test(pattern);
}

/** A test of subjects against a pattern. */
export function subjectMatcher(pattern: string): (subject: string) => boolean {
  if (!hasWildcards(pattern)) return (subject) => subject === pattern;
  const words = pattern.split(".");
  const isOpen = words.at(-1) === ">";
  const fixed = isOpen ? words.slice(0, -1) : words;
  return (subject) => {
    const given = subject.split(".");
    if (isOpen ? given.length <= fixed.length : given.length !== fixed.length) return false;
    return fixed.every((word, at) => word === "*" || word === given[at]);
  };
}

/** Refuses what is too large for a bus. @throws PunctualError payload_too_large */
export function checkSize(data: Uint8Array, most: number): void {
  if (data.length <= most) return;
  fail("payload_too_large", `A message of ${data.length} bytes is more than the ${most} that the bus carries.`);
}
