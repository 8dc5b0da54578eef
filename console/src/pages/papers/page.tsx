/** The Papers page: the papers behind the server and what was measured of each. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="Papers" lead="The papers behind this server, and what was measured of each." />
    </div>
  );
}
