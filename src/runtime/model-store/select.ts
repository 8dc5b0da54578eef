/**
 * Which files of a repository a model needs: its configuration, tokenizer, chat template and weights, or one .gguf
 * file, which has all of them inside. Nothing else is downloaded: no pickles, no duplicates in other formats.
 */
import { fail } from "../../core/index.ts";
import { checkRepoPath, type HubReference } from "./reference.ts";

/** A file of a repository at one commit. */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** What its content must hash to: SHA-256 of the bytes, or SHA-1 of a git blob (small files). */
  readonly hash: { readonly kind: "sha256" | "git-sha1"; readonly hex: string };
}

/** What a model is made of. */
export type ModelPlan =
  | { readonly format: "gguf"; readonly files: readonly HubFile[] }
  /** With an index, the names of the weight files are inside it. */
  | { readonly format: "safetensors"; readonly files: readonly HubFile[]; readonly index: HubFile | null };

/** The one file of unsharded weights. */
export const WEIGHTS_FILE = "model.safetensors";
/** The list of sharded ones. */
export const INDEX_FILE = "model.safetensors.index.json";
const NEEDED = ["config.json", "tokenizer.json"];
const USEFUL = [
  "tokenizer_config.json",
  "generation_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "chat_template.json",
  // How a model embeds, by sentence-transformers' convention.
  "modules.json",
  "1_Pooling/config.json",
];
/** The end of one part of several. */
const SPLIT = /-\d{5}-of-\d{5}\.gguf$/i;
/** Most names an error lists. */
const LISTED = 12;

/**
 * The files of the model that the reference means.
 * @throws PunctualError model_not_found or unsupported, naming what there is; invalid_file for an unsafe name.
 */
export function planModel(files: readonly HubFile[], reference: HubReference): ModelPlan {
  const ggufs = files.filter(({ path }) => path.toLowerCase().endsWith(".gguf"));
  const byPath = new Map(files.map((file) => [file.path, file]));
  const hasTensors = byPath.has(WEIGHTS_FILE) || byPath.has(INDEX_FILE);
  if (reference.selector !== null || (!hasTensors && ggufs.length > 0)) {
    return { format: "gguf", files: [chooseGguf(ggufs, reference)] };
  }
  if (!hasTensors) {
    return fail(
      "unsupported",
      `${reference.repo} has neither ${WEIGHTS_FILE} nor .gguf files, the formats that can be loaded.`,
      { param: "model" },
    );
  }
  const missing = NEEDED.find((name) => !byPath.has(name));
  if (missing !== undefined) {
    fail("unsupported", `${reference.repo} has no ${missing}, which is needed to run it.`, { param: missing });
  }
  const index = byPath.has(WEIGHTS_FILE) ? null : byPath.get(INDEX_FILE)!;
  const names = [...NEEDED, ...USEFUL, index === null ? WEIGHTS_FILE : INDEX_FILE];
  return { format: "safetensors", index, files: names.flatMap((name) => byPath.get(name) ?? []) };
}

/** The weight files that an index names. @throws PunctualError invalid_file for an index that names none or wrong ones. */
export function shardNames(indexJson: string): string[] {
  const wrong = (what: string): never => fail("invalid_file", `${INDEX_FILE}: ${what}`, { param: INDEX_FILE });
  let parsed: unknown;
  try {
    parsed = JSON.parse(indexJson);
  } catch (cause) {
    return fail("invalid_file", `${INDEX_FILE} is not JSON`, { param: INDEX_FILE, cause });
  }
  const map = typeof parsed === "object" && parsed !== null && "weight_map" in parsed ? parsed.weight_map : null;
  if (typeof map !== "object" || map === null) return wrong("weight_map must be an object");
  const names = new Set<string>();
  for (const name of Object.values(map)) {
    if (typeof name !== "string" || !name.endsWith(".safetensors")) {
      return wrong(`weight_map must name .safetensors files, got ${JSON.stringify(name)}`);
    }
    names.add(checkRepoPath(name));
  }
  if (names.size === 0) return wrong("weight_map names no file");
  return [...names];
}

/** The listed files of those names. @throws PunctualError invalid_file when the repository lacks one. */
export function filesNamed(files: readonly HubFile[], names: readonly string[]): HubFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return names.map(
    (name) =>
      byPath.get(name) ??
      fail("invalid_file", `${INDEX_FILE} names ${name}, which the repository does not have.`, { param: name }),
  );
}

/**
 * The paths among them that a selector means: a file by its path or name, or those with the tag between separators of
 * their name. "Q4_K" is not "Q4_K_M".
 */
export function matchingGgufs(paths: readonly string[], selector: string | null): string[] {
  if (selector === null) return [...paths];
  const wanted = selector.toLowerCase();
  if (wanted.endsWith(".gguf")) {
    const exact = paths.filter((path) => path.toLowerCase() === wanted);
    return exact.length > 0 ? exact : paths.filter((path) => nameOf(path) === wanted);
  }
  const tag = wanted.replaceAll(/[.+]/g, String.raw`\$&`);
  const pattern = new RegExp(String.raw`(?:^|[-.])${tag}(?:-\d{5}-of-\d{5})?\.gguf$`);
  return paths.filter((path) => pattern.test(nameOf(path)));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).toLowerCase();
}

function chooseGguf(ggufs: readonly HubFile[], { repo, selector }: HubReference): HubFile {
  const listed = ggufs.slice(0, LISTED).map(({ path }) => path);
  const choices = `${listed.join(", ") || "none"}${ggufs.length > LISTED ? ` and ${ggufs.length - LISTED} more` : ""}`;
  const matching = matchingGgufs(
    ggufs.map(({ path }) => path),
    selector,
  );
  if (matching.length === 0) {
    fail("model_not_found", `${repo} has no .gguf file '${selector}'. There are: ${choices}.`, { param: "model" });
  }
  const path = matching[0]!;
  if (matching.every((name) => SPLIT.test(name))) {
    fail("unsupported", `${path} is one part of a split .gguf file; only whole ones can be loaded.`, {
      param: "model",
    });
  }
  if (matching.length > 1) {
    fail("invalid_request", `Name one .gguf file of ${repo} after a colon: ${choices}.`, { param: "model" });
  }
  return ggufs.find((file) => file.path === path)!;
}
