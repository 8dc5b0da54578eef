/** The thread of one planning job: it ends with the job, and is ended when nobody waits for it any more. */
import { parentPort, workerData } from "node:worker_threads";
import { assert, toErrorRecord } from "../core/index.ts";
import { runJob, type PlanJob } from "./plan-job.ts";
import type { JobEvent } from "./plan-queue.ts";

assert(parentPort !== null, "a planning job runs in a worker");
const port = parentPort;
try {
  await runJob(
    workerData as PlanJob,
    (event) => port.postMessage(event),
    () => performance.now(),
  );
} catch (error) {
  port.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies JobEvent);
}
