/** Builds dist/ once before the tests: worker threads load compiled files, which must not be stale. */
import { execFileSync } from "node:child_process";

export default function setup(): void {
  execFileSync(process.execPath, ["scripts/build.mjs", "--lenient"], { stdio: "inherit" });
}
