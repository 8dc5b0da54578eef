/** What a console sees of a router: its fleet on a bus, other servers behind it, or both as one. */
import { fail } from "../../core/index.ts";
import {
  FLEET_VIEW_LIMITS,
  type FleetDrainAnswer,
  type FleetMoveAnswer,
  type FleetRouterAnswer,
  type FleetScalingAnswer,
  type FleetView,
  type FleetViewSource,
} from "../../protocol/index.ts";
import { liveClock } from "../../runtime/index.ts";
import { DEFAULT_FLEET } from "../registry/names.ts";
import type { Upstreams } from "../upstream/upstreams.ts";
import type { Fleet } from "./fleet.ts";

/** See the head of this file. @param fleet null: there is no bus */
export function combinedView(fleet: Fleet | null, upstreams: Upstreams | null): FleetViewSource {
  const startedMs = liveClock.nowMs();
  const alone = (): FleetView => ({
    kind: "fleet",
    name: DEFAULT_FLEET,
    bus: { kind: "memory", status: "connected" },
    upMs: liveClock.nowMs() - startedMs,
    instances: [],
    requests: [],
    omittedRequests: 0,
    moves: [],
    endedMoves: [],
    moveCounts: { moved: 0, aborted: 0, failed: 0 },
    kv: { inFlightBytes: 0, sentBytes: 0, bytesPerSecond: 0 },
    routers: upstreams?.stats.views(upstreams.router().name) ?? [],
  });
  const isUpstream = (instance: string): boolean =>
    upstreams?.instanceViews().some(({ id }) => id === instance) === true;
  const here = (): Fleet => fleet ?? fail("unsupported", "There is no bus behind this server.");
  return {
    view: () => {
      const view = fleet?.view() ?? alone();
      if (upstreams === null) return view;
      const requests = [...view.requests, ...upstreams.requestViews()];
      const shown = requests.slice(0, FLEET_VIEW_LIMITS.requests);
      return {
        ...view,
        instances: [...view.instances, ...upstreams.instanceViews()].slice(0, FLEET_VIEW_LIMITS.instances),
        requests: shown,
        omittedRequests: view.omittedRequests + requests.length - shown.length,
      };
    },
    drain: async (instance): Promise<FleetDrainAnswer> => {
      if (isUpstream(instance)) return fail("unsupported", `'${instance}' is another server: it cannot be drained.`);
      return here().drain(instance);
    },
    move: async (request, to): Promise<FleetMoveAnswer> => {
      if (isUpstream(to)) return fail("unsupported", `'${to}' is another server: requests cannot move there.`);
      return here().move(request, to);
    },
    setRouter: (router): FleetRouterAnswer => {
      const previous = fleet?.router().name ?? upstreams?.router().name ?? router;
      fleet?.setRouter(router);
      upstreams?.setRouter(router);
      return { router, previous };
    },
    setScaling: (enabled): FleetScalingAnswer => {
      return (fleet ?? fail("not_found", "There is no bus behind this server.")).setScaling(enabled);
    },
  };
}
