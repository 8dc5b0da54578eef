/** What a router makes of an instance's last word and of what it has sent there and seen ending since. */
import { expect, test } from "vitest";
import { FLEET_VERSION, type InstanceCard, type LoadReport } from "../../protocol/index.ts";
import { FleetInstance, type PlacedRequest } from "./instance.ts";

const card: InstanceCard = {
  version: FLEET_VERSION,
  id: "one",
  model: "tiny",
  fingerprint: "f",
  role: "any",
  state: "serving",
  pageTokens: 16,
  totalPages: 100,
  contextTokens: 1024,
  maxRunning: 8,
  maxWaiting: 16,
  kv: null,
  startedUnixMs: 0,
  info: {},
  facts: { id: "facts", bytes: 1 },
};

function report(sequence: number, over: Partial<LoadReport>): LoadReport {
  return {
    version: FLEET_VERSION,
    id: "one",
    state: "serving",
    sequence,
    waiting: 0,
    running: 0,
    paused: 0,
    waitingTokens: 0,
    prefillTokens: 0,
    usedPages: 0,
    totalPages: 100,
    pageTokens: 16,
    waitingPages: 0,
    headPages: 0,
    answerTokens: null,
    urgent: 0,
    urgentWaiting: 0,
    urgentWaitingPages: 0,
    outgoing: 0,
    incoming: 0,
    batch: 0,
    stepTokens: 0,
    stepMs: null,
    tokensPerSecond: 0,
    budgetTokens: 64,
    costs: [],
    ...over,
  };
}

const urgentOf = ({ load }: FleetInstance<PlacedRequest>): number[] => [
  load.urgent,
  load.urgentWaiting,
  load.urgentWaitingPages,
  load.waiting,
  load.waitingPages,
];

test("urgent requests count from when they are sent until they end, whatever the instance has said meanwhile", () => {
  const instance = new FleetInstance<PlacedRequest>(0, card, 0);
  instance.heard(report(0, {}), 0);
  const [urgent, other] = [
    { tokens: 0, isUrgent: true },
    { tokens: 0, isUrgent: false },
  ];
  instance.enter(urgent, 40, 0);
  instance.enter(other, 20, 0);
  expect(urgentOf(instance)).toEqual([1, 1, 3, 2, 5]);
  const told = { waiting: 2, waitingTokens: 60, waitingPages: 5, urgent: 1, urgentWaiting: 1, urgentWaitingPages: 3 };
  instance.heard(report(1, told), 1);
  expect(urgentOf(instance)).toEqual([1, 1, 3, 2, 5]);
  instance.leave(other, 20);
  expect(urgentOf(instance)).toEqual([1, 1, 3, 1, 3]);
  instance.leave(urgent, 40);
  expect(urgentOf(instance)).toEqual([0, 0, 0, 0, 0]);
  // One that runs is in no count of those that wait.
  instance.heard(report(2, {}), 2);
  instance.enter(urgent, 40, 0);
  instance.heard(report(3, { running: 1, usedPages: 3, urgent: 1 }), 3);
  expect(urgentOf(instance)).toEqual([1, 0, 0, 0, 0]);
  instance.leave(urgent, 44);
  expect(urgentOf(instance)).toEqual([0, 0, 0, 0, 0]);
  expect(instance.load.usedPages).toBe(0);
});
