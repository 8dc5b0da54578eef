/** Which version of the source this is, for logs and cards; it knows git and nothing else. */
import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";

const GIT_TIMEOUT_MS = 10_000;

/**
 * The commit that a checkout stands at, with " and changes" when its src/ or lockfile differ from it; null for a folder
 * that is not the top of a checkout, or where there is no git.
 */
export async function sourceRevision(folder: string): Promise<string | null> {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)("git", args, { cwd: folder, timeout: GIT_TIMEOUT_MS });
    return stdout.trim();
  };
  try {
    // An installed package may lie inside somebody else's checkout.
    if ((await realpath(await git("rev-parse", "--show-toplevel"))) !== (await realpath(folder))) return null;
    const commit = await git("rev-parse", "HEAD");
    const changes = await git("status", "--porcelain", "--", "src", "package-lock.json");
    return changes === "" ? commit : `${commit} and changes`;
  } catch {
    return null; // no git, no repository, or no commit in it
  }
}
