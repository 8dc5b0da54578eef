/** The thread that reads what was measured: claims bring the whole engine with them, which must not hold up a server. */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { CLAIMS, paperRows, type ClaimResult } from "../claims/index.ts";
import type { PapersBody } from "../protocol/index.ts";

const results = JSON.parse(readFileSync(workerData as string, "utf8")) as readonly ClaimResult[];
parentPort?.postMessage(paperRows(CLAIMS, results) satisfies PapersBody);
