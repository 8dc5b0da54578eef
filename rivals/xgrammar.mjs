/**
 * @mlc-ai/web-xgrammar 0.1.27 under Node, and ajv as a judge. One JSON object a line comes in, one goes out; driven by the claim
 * `structured-output`. Times are milliseconds of this process's own clock around the calls named, nothing else.
 *
 *   {op: "load", pieces: [base64], specials, endToken}  pieces by id; the first `specials` ids are no text
 *   {op: "texts", schemas, seed, maxTokens}             one random text of each
 *   {op: "accepts", schema, strict, texts: [text]}      whether each text, byte by byte, is one of the grammar's
 *   {op: "steps", streams: [{schema, strict, answers: [[token]]}], steps, mode, anew}   ms per step over all streams
 *   {op: "masks", schema, strict, tokens}               base64 bits before each token
 *   {op: "judge", schemas, texts}                       by ajv: null where a text parses and validates, else why not
 *   {op: "memory"}                                      bytes of the WebAssembly memory
 *
 * The package is a UMD file inside a package of ES modules: imported by Node it looks for `require` and `__filename`, which
 * modules have not, and leaves its exports in the global `xgrammar`. Both are given to it here.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const PACKAGE = import.meta.resolve("@mlc-ai/web-xgrammar");
globalThis.require = createRequire(PACKAGE);
globalThis.__filename = fileURLToPath(PACKAGE);

/** What the module prints goes here instead of between the answers. */
const said = [];
for (const name of ["log", "warn", "error"]) console[name] = (...words) => said.push(words.join(" "));

/** Bytes as the characters of byte-level vocabularies: printable ones are themselves, the others follow from U+0100 on. */
const ALPHABET = (() => {
  const plain = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(plain(byte) ? byte : 256 + others++));
})();

let vocabulary = null;
let instance = null;

/** A new WebAssembly instance with the vocabulary in it: a schema that is refused aborts the one there was. */
async function start() {
  const { instantiate } = WebAssembly;
  let memory = null;
  WebAssembly.instantiate = async (...given) => {
    const result = await instantiate(...given);
    memory = Object.values((result.instance ?? result).exports).find((one) => one instanceof WebAssembly.Memory);
    return result;
  };
  await import(`${PACKAGE}?started=${performance.now()}`); // the name must be new for the module to be
  const api = globalThis.xgrammar;
  const { specials, endToken, pieces } = vocabulary;
  // A special token is one without text.
  const texts = pieces.map((bytes, id) => (id < specials ? "" : Array.from(bytes, (byte) => ALPHABET[byte]).join("")));
  const startMs = performance.now();
  const info = await api.TokenizerInfo.createTokenizerInfo(texts, "byte_level", false, texts.length, [endToken]);
  const loadMs = performance.now() - startMs;
  WebAssembly.instantiate = instantiate;
  const compiler = await api.GrammarCompiler.createGrammarCompiler(info, false);
  kept.clear();
  instance = { api, info, compiler, memory, loadMs };
}

/** The compiled grammar and how long it took, or why there is none; after a refusal there is a new instance. */
async function compile({ schema, strict }) {
  said.length = 0;
  const startMs = performance.now();
  try {
    const grammar = await instance.compiler.compileJSONSchema(JSON.stringify(schema), true, 2, undefined, strict);
    return { grammar, ms: performance.now() - startMs };
  } catch (error) {
    const ms = performance.now() - startMs;
    const refused = said.join(" ").replaceAll(/\S*\/cpp\//g, "") || String(error);
    await start();
    return { refused, ms };
  }
}

const matcherOf = (grammar) => instance.api.GrammarMatcher.createGrammarMatcher(grammar);

/** Uniform draws from a seed: a linear congruence is random enough for walks. */
function draws(seed) {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return Number((state >> 33n) % BigInt(below));
  };
}

/** Tokens whose bits are set; the last word may have bits beyond the vocabulary. */
function idsOf(mask) {
  const ids = [];
  for (let at = 0; at < mask.length; at++) {
    for (let word = mask[at]; word !== 0; word &= word - 1) ids.push(at * 32 + 31 - Math.clz32(word & -word));
  }
  return ids.filter((id) => id < vocabulary.pieces.length);
}

/** Random allowed tokens, half of the time one that closes; null when `maxTokens` do not end it. */
async function randomText(grammar, seed, maxTokens) {
  const { pieces, endToken, specials } = vocabulary;
  const draw = draws(seed);
  const closes = (id) =>
    id === endToken || (id >= specials && pieces[id].every((byte) => byte === 34 || byte === 93 || byte === 125));
  const matcher = await matcherOf(grammar);
  const bytes = [];
  let ended = false;
  for (let count = 0; count < maxTokens && !ended; count++) {
    const allowed = idsOf(await matcher.getNextTokenBitmask());
    const closing = draw(2) === 0 ? allowed.filter(closes) : [];
    const pool = closing.length > 0 ? closing : allowed;
    if (pool.length === 0) break;
    const id = pool[draw(pool.length)];
    matcher.acceptToken(id);
    ended = id === endToken || matcher.isTerminated();
    if (id !== endToken) bytes.push(...pieces[id]);
  }
  matcher.dispose();
  return ended ? Buffer.from(bytes).toString() : null;
}

async function texts({ schemas, seed, maxTokens }) {
  const results = [];
  for (const [at, one] of schemas.entries()) {
    const { grammar, refused } = await compile(one);
    if (grammar === undefined) {
      results.push({ refused });
      continue;
    }
    results.push({ text: await randomText(grammar, seed + at, maxTokens) });
    grammar.dispose();
  }
  return results;
}

async function accepts({ schema, strict, texts: given }) {
  const { grammar, refused } = await compile({ schema, strict });
  if (grammar === undefined) return { refused };
  const { endToken, bytes } = vocabulary;
  const accepted = [];
  for (const text of given) {
    const matcher = await matcherOf(grammar);
    accepted.push(
      Array.from(Buffer.from(text)).every((byte) => matcher.acceptToken(bytes[byte])) && matcher.acceptToken(endToken),
    );
    matcher.dispose();
  }
  const words = said.join(" ");
  grammar.dispose();
  return { accepted, said: words };
}

/** Grammars of streams, by schema: compiled once as a server would keep them. Emptied with the instance they live in. */
const kept = new Map();

async function grammarOf(one, anew) {
  const key = JSON.stringify(one);
  const known = kept.get(key);
  if (known !== undefined && !anew) return { grammar: known, ms: 0 };
  const { grammar, refused, ms } = await compile(one);
  if (grammar === undefined) throw new Error(`expected to compile, got: ${refused}`);
  known?.dispose();
  kept.set(key, grammar);
  return { grammar, ms };
}

/**
 * Streams side by side along given tokens; a text that ends is followed by the next. `masks`: each stream's bits, then its
 * token. `moves`: its token alone, which is what greedy choice costs when the best token is allowed.
 */
async function steps({ streams, steps: count, mode, anew }) {
  const running = [];
  const compileMs = [];
  for (const { answers, ...one } of streams) {
    const { grammar, ms } = await grammarOf(one, anew);
    compileMs.push(ms);
    running.push({ grammar, answers, answer: 0, at: 0, matcher: await matcherOf(grammar) });
  }
  const times = [];
  for (let step = 0; step < count; step++) {
    const startMs = performance.now();
    for (const { matcher, answers, answer, at } of running) {
      if (mode === "masks") await matcher.getNextTokenBitmask();
      if (!matcher.acceptToken(answers[answer % answers.length][at])) throw new Error("an answer is valid");
    }
    times.push(performance.now() - startMs);
    for (const stream of running) {
      stream.at += 1;
      if (stream.at < stream.answers[stream.answer % stream.answers.length].length) continue;
      stream.answer += 1;
      stream.at = 0;
      stream.matcher.dispose();
      stream.matcher = await matcherOf(stream.grammar);
    }
  }
  for (const { matcher } of running) matcher.dispose();
  return { times, compileMs };
}

async function masks({ schema, strict, tokens }) {
  const { grammar, refused } = await compile({ schema, strict });
  if (grammar === undefined) return { refused };
  const matcher = await matcherOf(grammar);
  const found = [];
  for (const token of tokens) {
    const mask = await matcher.getNextTokenBitmask();
    found.push(Buffer.from(mask.buffer, mask.byteOffset, mask.byteLength).toString("base64"));
    if (!matcher.acceptToken(token)) break;
  }
  matcher.dispose();
  grammar.dispose();
  return { masks: found };
}

function judge({ schemas, texts: given }) {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  addFormats(ajv);
  return given.map((text, at) => {
    if (text === null) return "unfinished";
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return `does not parse: ${error.message}`;
    }
    const validate = ajv.compile(schemas[at].schema);
    return validate(value) ? null : ajv.errorsText(validate.errors);
  });
}

async function load({ pieces, specials, endToken }) {
  const decoded = pieces.map((text) => new Uint8Array(Buffer.from(text, "base64")));
  const bytes = new Int32Array(256);
  for (const [id, piece] of decoded.entries()) if (id >= specials && piece.length === 1) bytes[piece[0]] = id;
  vocabulary = { pieces: decoded, specials, endToken, bytes };
  await start();
  return { loadMs: instance.loadMs };
}

const OPERATIONS = {
  load,
  texts,
  accepts,
  steps,
  masks,
  judge,
  memory: () => ({ bytes: instance.memory.buffer.byteLength }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await OPERATIONS[op](given) };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
