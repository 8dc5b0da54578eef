/** The thread of one planning job: it ends with the job, and is ended when nobody waits for it any more. */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert, toErrorRecord } from "../core/index.ts";
import { runJob, type PlanJob } from "./plan-job.ts";
import type { JobEvent } from "./plan-queue.ts";

assert(parentPort !== null, "a planning job runs in a worker");
const port = parentPort;
/** A quarter of a core's time where answers want it, all of it where they do not. */
const NICENESS = 5;
// Elsewhere threads have no priority of their own, and this would slow the server.
if (process.platform === "linux") setPriority(NICENESS);
try {
  await runJob(
    workerData as PlanJob,
    (event) => port.postMessage(event),
    () => performance.now(),
  );
} catch (error) {
  port.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies JobEvent);
}
