/** Lists of the lexicon as they are written: entries between commas and line breaks. */

export const list = (packed: string): readonly string[] =>
  packed
    .trim()
    .split(/\s*[,\n]\s*/u)
    .filter((entry) => entry !== "");
