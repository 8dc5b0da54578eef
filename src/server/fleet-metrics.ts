/** GET /metrics for a server that is a fleet's endpoint: every instance, what moves, who placed what. */
import type { FleetScalingView, FleetView } from "../protocol/index.ts";
import type { Exposition } from "./exposition.ts";

/** Nothing for a server that is alone. */
export function writeFleet(page: Exposition, view: FleetView | null): void {
  if (view === null) return;
  const { instances, moves, moveCounts, kv, routers, bus } = view;
  page.gauge(
    "punctual_bus_connected",
    "1 while the bus is there.",
    { bus: bus.kind },
    bus.status === "connected" ? 1 : 0,
  );
  for (const instance of instances) {
    const { id, model, host, role, state, running, waiting } = instance;
    const labels = { instance: id, model_name: model };
    const about = { ...labels, host, role, state };
    page.gauge("punctual_instance_info", "An instance and where it stands.", about, 1);
    page.gauge("punctual_instance_up", "1 when it takes requests.", labels, state === "serving" ? 1 : 0);
    page.gauge("punctual_instance_requests_running", "Requests being computed there.", labels, running);
    page.gauge("punctual_instance_requests_waiting", "Requests waiting there.", labels, waiting);
    const known = [
      ["punctual_instance_kv_pages_used", "Pages of its KV cache in use.", instance.usedPages],
      ["punctual_instance_kv_pages_total", "Pages of its KV cache.", instance.totalPages],
      ["punctual_instance_tokens_per_second", "Tokens that it generated lately.", instance.tokensPerSecond],
      ["punctual_instance_heartbeat_age_seconds", "Since its last heartbeat.", seconds(instance.heartbeatAgeMs)],
    ] as const;
    for (const [name, help, value] of known) if (value !== null) page.gauge(name, help, labels, value);
    for (const { choice, chunks, bytes } of instance.contexts ?? []) {
      const as = { ...labels, choice };
      page.counter("punctual_instance_context_chunks_total", "Chunks of contexts by how they were had.", as, chunks);
      page.counter("punctual_instance_context_bytes_total", "What came over the network for them.", as, bytes);
    }
  }
  page.gauge("punctual_fleet_requests_moving", "Requests that move between instances.", {}, moves.length);
  for (const [outcome, count] of Object.entries(moveCounts)) {
    page.counter("punctual_fleet_moves_total", "Moves of requests between instances.", { outcome }, count);
  }
  page.gauge("punctual_fleet_kv_in_flight_bytes", "Keys and values on their way.", {}, kv.inFlightBytes);
  page.counter("punctual_fleet_kv_sent_bytes_total", "Keys and values sent between instances.", {}, kv.sentBytes);
  for (const { name, isActive, requests, hitShare } of routers) {
    const labels = { router: name };
    page.gauge("punctual_router_active", "1 for the router that decides.", labels, isActive ? 1 : 0);
    page.counter("punctual_router_requests_total", "Requests that a router placed.", labels, requests);
    const help = "Prompt tokens cached where a router placed them, 0 to 1.";
    if (hitShare !== null) page.gauge("punctual_router_prefix_hit_share", help, labels, hitShare);
  }
  if (view.scaling !== undefined) writeScaling(page, view.scaling);
}

function writeScaling(page: Exposition, scaling: FleetScalingView): void {
  const { isActive, isEnabled, least, most, wanted, starting, draining, freenessSteps } = scaling;
  page.gauge("punctual_scaling_active", "1 for the router that starts and stops instances.", {}, isActive ? 1 : 0);
  page.gauge("punctual_scaling_enabled", "0 while a person has switched it off.", {}, isEnabled ? 1 : 0);
  const help = "Instances by load: the bounds, what is wanted, what starts and drains by this router's word.";
  const numbers = [
    ["least", least],
    ["most", most],
    ["wanted", wanted],
    ["starting", starting],
    ["draining", draining],
  ] as const;
  for (const [number, value] of numbers) {
    if (value !== null) page.gauge("punctual_scaling_instances", help, { number }, value);
  }
  const about = "Free tokens of all instances over requests of all, decode steps.";
  if (freenessSteps !== null) page.gauge("punctual_scaling_freeness_steps", about, {}, freenessSteps);
  for (const what of ["started", "failed", "drained"] as const) {
    page.counter("punctual_scaling_changes_total", "Instances started, not come, drained.", { what }, scaling[what]);
  }
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
