/**
 * The quick form of the soak; `SOAK_REQUESTS=10000 npx vitest run test/soak.test.ts` is the full one. The number is read
 * from the environment because a test file has no other argument.
 */
import { expect, test } from "vitest";
import { soak, soakFaults } from "./support/soak.ts";

const requests = Number(process.env["SOAK_REQUESTS"] ?? 300);

test(
  `${requests} requests of mixed kind leave nothing behind`,
  async () => {
    const report = await soak(requests, 24, "soak-1");
    if (requests > 1000) console.log(JSON.stringify({ ...report, surprises: report.surprises.slice(0, 20) }));
    expect(Object.values(report.kinds).reduce((sum, count) => sum + count, 0)).toBe(requests);
    expect(soakFaults(report)).toEqual([]);
  },
  60_000 + requests * 200,
);
