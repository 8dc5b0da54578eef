/**
 * The sentences that generated questions are made of, by SPEED-Bench's categories. Words in braces are drawn from the
 * lists below; a frame of several turns is a conversation. Small on purpose: where the real data is at hand it is
 * better, and no more than the shape of the mix depends on these.
 */

/** Frames by category; each is a list of turns. */
export const FRAMES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  coding: [
    ["Write a function in {language} that {task}. Say what it returns for an empty input."],
    ["This {language} code should {task}, but it fails for {edge}. Find the mistake:\n\n{code}"],
    [
      "Turn this pseudo-code into {language}:\n\n{code}",
      "Now write three tests for it.",
      "Make it work for {edge} too.",
    ],
    ["Explain step by step what this program prints, then shorten it:\n\n{code}"],
  ],
  math: [
    ["A {trader} sells {n} {goods} at {m} each and pays {k} for the stall. How much is left?"],
    ["Solve {k}x + {n} = {m} for x. Show each step.", "And if {n} were twice as large?"],
    ["A rectangle is {n} by {m} metres. By how much does its area grow if the shorter side grows by {k}?"],
    ["How many ways are there to choose {k} of {n} {goods} if two of them must not be taken together?"],
  ],
  humanities: [
    ["Compare how {place} and a port town of the same age dealt with {theme}."],
    ["Why did {theme} change the daily life of a {trader} more than that of a landowner?"],
    ["Outline an essay on {theme} in the history of {place}, with a thesis and two objections to it."],
  ],
  stem: [
    ["Explain to a first-year student why {phenomenon}, with one example from {place}."],
    ["Which measurement would tell apart two explanations of why {phenomenon}?"],
    ["Estimate, with every assumption stated, how much energy {machine} uses in {n} days."],
  ],
  writing: [
    ["Write a letter from a {trader} in {place} to a friend about {theme}."],
    [
      "Write the opening scene of a story in which {machine} falls silent in {place}.",
      "Now tell it as a {trader} would.",
    ],
    ["Draft a notice to neighbours: {event}. Friendly, at most {k} sentences."],
  ],
  summarization: [
    ["Sum up the following report in three sentences.\n\n{report}"],
    ["List the decisions taken in these minutes, and who carries them out.\n\n{report}"],
  ],
  roleplay: [
    [
      "You are a {trader} in {place} and speak of nothing else. I come in and ask about {theme}.",
      "Do you know {machine}?",
    ],
    ["Play a strict examiner. Ask me about why {phenomenon}, one question at a time, starting now."],
    ["Be {machine}, if it could speak. I have just switched you on in {place}. What do you say?"],
  ],
  rag: [
    ["Answer from the text only.\n\nText:\n{report}\n\nQuestion: what was said about {event}?"],
    ["Context:\n{report}\n\n{report}\n\nWhich of the two reports mentions {goods}, and in what number?"],
  ],
  multilingual: [
    ["Translate to {tongue}: The {trader} in {place} sells {n} {goods} a day, but only when {event}."],
    ["{greeting} Wie viele {goods} sind {n} und {m}? Antworte auf {tongue}."],
    ["Donne trois mots en {tongue} qui décrivent {place}, puis une phrase avec « {greeting} »."],
  ],
  reasoning: [
    [
      "{a}, {b} and {c} each own one of: {goods}, {machine}, a boat. {a} does not own the boat; {b} has never seen {goods}. Who owns what?",
    ],
    [
      "If {event}, the {trader} stays at home. Yesterday the {trader} was seen in {place}. What follows, and what does not?",
    ],
    [
      "{a} is taller than {b}; {c} is not the shortest. Order them as far as possible.",
      "Now {b} is taller than {c}. And now?",
    ],
  ],
  qa: [
    ["Why does it matter that {phenomenon}?"],
    ["Who invented {machine}?"],
    ["Where would one look for {goods} in {place}?"],
    ["What is {theme}?"],
  ],
};

/** Words for the braces. */
export const WORDS: Readonly<Record<string, readonly string[]>> = {
  language: ["Python", "TypeScript", "Rust", "Go", "C", "Haskell", "Kotlin", "SQL", "Bash"],
  task: [
    "merges overlapping intervals",
    "finds the longest run of equal items",
    "parses a duration such as 1h30m",
    "groups records by week",
    "counts islands in a grid",
    "removes duplicate lines but keeps their order",
    "rounds amounts so that they still add up",
    "finds two entries that sum to a target",
  ],
  edge: ["negative numbers", "an empty list", "two equal keys", "a leap year", "text outside ASCII", "a cycle"],
  trader: ["baker", "clockmaker", "ferryman", "beekeeper", "printer", "glazier", "night porter", "gardener", "tailor"],
  goods: ["lemons", "candles", "postcards", "spools of thread", "glass beads", "maps", "bicycle bells", "seed packets"],
  place: [
    "a harbour town",
    "the old quarter",
    "a mountain village",
    "a railway junction",
    "an island market",
    "a mill by the river",
    "a desert oasis",
    "the university district",
  ],
  theme: [
    "the first street lamps",
    "the price of bread",
    "a new calendar",
    "letters that arrive late",
    "the closing of the guilds",
    "drinking water",
    "a language that few still speak",
    "public clocks",
  ],
  phenomenon: [
    "ice floats on water",
    "a whip cracks",
    "bread browns in the oven",
    "magnets lose their strength in heat",
    "the sky is dark at night",
    "soap removes grease",
    "bridges hum in the wind",
    "leaves turn red",
  ],
  machine: ["a sewing machine", "a lift", "a lighthouse", "a coffee mill", "a telegraph", "a loom", "a tram", "a pump"],
  event: [
    "the bridge is closed on Monday",
    "a choir rehearses in the yard",
    "the water is turned off at noon",
    "the market moves indoors",
    "snow has blocked the pass",
    "the library opens an hour later",
  ],
  tongue: ["German", "French", "Spanish", "Finnish", "Japanese", "Arabic", "Hindi", "Swahili", "Polish"],
  greeting: ["Guten Morgen!", "こんにちは。", "Привет!", "مرحبا", "नमस्ते", "¡Buenos días!", "Dzień dobry!", "Habari!"],
  a: ["Ada", "Boris", "Chen", "Dalia"],
  b: ["Emil", "Fatima", "Goro", "Hana"],
  c: ["Ivo", "Jelena", "Kofi", "Lena"],
};

/** Lines that generated reports and minutes consist of. */
export const REPORT_LINES: readonly string[] = [
  "At {n} o'clock the {trader} asked for {m} {goods}; none were in stock.",
  "{a} reported from {place} that {event}.",
  "It was decided by {k} votes to repair {machine} before winter.",
  "{b} objected that {theme} had not been considered.",
  "Costs came to {n} for {goods} and {m} for work.",
  "A visitor wanted to know why {phenomenon}; {c} will write to them.",
  "The {trader} thanked everyone and closed the meeting at {n}.",
  "{c} moved that {m} {goods} be ordered from {place}.",
];

/** Lines that generated code consists of; indentation as it stands. */
export const CODE_LINES: readonly string[] = [
  "total = 0",
  "for item in items:",
  "    if item > {n}: total = total + item",
  "    while item % {k} == 0: item = item / {k}",
  "    last = items[{m}]",
  "if total == {n}: return None",
  "result.append(total - {k})",
  "return sorted(result)[:{k}]",
];
