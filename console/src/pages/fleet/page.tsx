/**
 * The Fleet page: instances with their pages and batches, requests as dots that go from one to another as they migrate,
 * keys and values on their way, how many instances load asks for, the routers side by side. All of it is what /admin/fleet/live says.
 */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { FleetView } from "@protocol";
import "./fleet.css";
import { connection } from "../../lib/live.ts";
import { EmptyState, PageHead, Problem } from "../../ui/page-head.tsx";
import { Alone } from "./alone.tsx";
import { fleet, problem, useFleet } from "./feed.ts";
import type { FleetPicture } from "./memory.ts";
import { Moves } from "./moves.tsx";
import { RequestDialog } from "./request-dialog.tsx";
import { Requests } from "./requests.tsx";
import { Routers } from "./routers.tsx";
import { Scaling } from "./scaling.tsx";
import { Stage } from "./stage.tsx";
import { Tiles } from "./tiles.tsx";

/** The page. */
export function Page(): JSX.Element {
  useFleet();
  const told = fleet.value;
  return (
    <div class="page-column fl-page">
      <PageHead title="Fleet" lead="Many instances behind this endpoint: where requests run, and how they move.">
        {told?.kind === "fleet" ? <Bus view={told.view} /> : null}
      </PageHead>
      {problem.value === null || connection.value !== "open" ? null : (
        <Problem title={told === null ? "The fleet could not be asked for." : "This may be old."}>
          {problem.value}
        </Problem>
      )}
      {told === null ? <Waiting /> : told.kind === "alone" ? <Alone /> : <Fleet picture={told} />}
    </div>
  );
}

function Waiting(): JSX.Element | null {
  if (connection.value === "locked") {
    return <EmptyState title="This server asks for a key">Give one above, and its fleet appears here.</EmptyState>;
  }
  return problem.value === null ? <p class="soft">Asking the server…</p> : null;
}

function Bus({ view: { name, bus } }: { readonly view: FleetView }): JSX.Element {
  const isLost = bus.status === "disconnected";
  return (
    <span class={isLost ? "fl-badge fl-badge-bad" : "fl-badge fl-badge-good"}>
      {name} · {bus.kind === "nats" ? "NATS" : "in this process"}
      {isLost ? ", connection lost" : ""}
    </span>
  );
}

function Fleet({ picture }: { readonly picture: FleetPicture }): JSX.Element {
  const { view } = picture;
  const opened = useSignal<string | null>(null);
  const open = (id: string): void => void (opened.value = id);
  return (
    <>
      <Tiles view={view} />
      {view.instances.length === 0 ? (
        <EmptyState title="No instance yet">
          Start one with <code>punctual worker --bus …</code>: it appears here within a second.
        </EmptyState>
      ) : (
        <Stage picture={picture} onOpen={open} />
      )}
      {view.scaling === undefined ? null : (
        <section class="card stack" aria-label="Scaling">
          <Scaling view={view} scaling={view.scaling} />
        </section>
      )}
      <section class="card stack" aria-label="Moves">
        <Moves view={view} />
      </section>
      <section class="card stack" aria-label="Routers">
        <Routers view={view} />
      </section>
      <section class="card stack" aria-label="Open requests">
        <Requests view={view} onOpen={open} />
      </section>
      {opened.value === null ? null : (
        <RequestDialog id={opened.value} view={view} onClose={() => (opened.value = null)} />
      )}
    </>
  );
}
