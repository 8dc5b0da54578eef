/**
 * Names of models on a hub: `hf:org/name[@revision][:file.gguf | :quantisation]`, and which names of files may
 * come from there. Pure: nothing here reads a disk or a network.
 *
 * Rules of the names are the hub's: letters, digits, `-`, `_` and `.`, at most 96 of them, neither `--` nor `..`.
 */
import { fail } from "../../core/index.ts";

/** A model on a hub. */
export interface HubReference {
  /** "org/name". */
  readonly repo: string;
  /** Branch, tag or commit; "main" when the name says nothing. */
  readonly revision: string;
  /** The name gave a revision. */
  readonly pinned: boolean;
  /** A .gguf file of the repository, or a tag in its name such as "Q4_K_M"; null for safetensors or the only .gguf. */
  readonly selector: string | null;
}

const PREFIX = "hf:";
const NAME = /^[A-Za-z0-9](?:[\w.-]{0,94}[\w])?$/;
const REVISION = /^[\w][\w./+-]{0,199}$/;
const SELECTOR = /^[\w][\w./+ -]{0,199}$/;
const COMMIT = /^[0-9a-f]{40}$/;
/** Longest path and longest part of one that a repository may bring. */
const LONGEST_PATH = 1024;
const LONGEST_PART = 255;

/** Whether a user's text means a model on a hub. */
export function isHubReference(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Whether a revision names one commit for ever. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** Reads `hf:org/name[@revision][:selector]`. @throws PunctualError invalid_request saying which part is wrong. */
export function parseHubReference(text: string): HubReference {
  const wrong = (what: string): never =>
    fail("invalid_request", `Expected hf:org/name[@revision][:file.gguf], got '${text}': ${what}.`, { param: "model" });
  if (!isHubReference(text)) wrong("it does not start with hf:");
  const body = text.slice(PREFIX.length);
  const colon = body.indexOf(":");
  const selector = colon < 0 ? null : body.slice(colon + 1);
  const place = colon < 0 ? body : body.slice(0, colon);
  const at = place.indexOf("@");
  const repo = at < 0 ? place : place.slice(0, at);
  const revision = at < 0 ? "main" : place.slice(at + 1);
  const parts = repo.split("/");
  if (parts.length !== 2 || !parts.every(isName)) wrong("org/name are not names of a repository");
  if (!REVISION.test(revision) || !hasPlainParts(revision)) wrong("that is no revision");
  if (selector !== null && !(SELECTOR.test(selector) && hasPlainParts(selector))) {
    wrong("that is no file of a repository");
  }
  return { repo, revision, pinned: at >= 0, selector };
}

/** The text that parses to the reference. */
export function formatHubReference({ repo, revision, pinned, selector }: HubReference): string {
  return `${PREFIX}${repo}${pinned ? `@${revision}` : ""}${selector === null ? "" : `:${selector}`}`;
}

/** A name to serve it under: as the user wrote it, without the prefix and the revision. */
export function servedName({ repo, selector }: HubReference): string {
  return selector === null ? repo : `${repo}:${selector}`;
}

/**
 * The path of a file in a repository when it stays inside a folder on every system.
 * @throws PunctualError invalid_file for anything else: absolute, `..`, backslashes, drives, control characters.
 */
export function checkRepoPath(path: string): string {
  const ok =
    path.length <= LONGEST_PATH && hasPlainParts(path) && path.split("/").every((part) => part.length <= LONGEST_PART);
  if (ok) return path;
  return fail("invalid_file", `The repository has a file named ${JSON.stringify(path)}, which is not stored.`, {
    param: "path",
  });
}

function isName(part: string): boolean {
  return NAME.test(part) && !part.includes("--") && !part.includes("..");
}

function hasPlainParts(path: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\\:\u0000-\u001f\u007f]/.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
