/** The Plan page: the cheapest fleet that keeps an objective, found by simulation. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="Plan" lead="The cheapest fleet that keeps an objective, found by simulation on this server." />
    </div>
  );
}
