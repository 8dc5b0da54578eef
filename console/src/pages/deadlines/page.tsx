/** The Deadlines page: what runs, what waits, and which deadlines are kept. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="Deadlines" lead="What runs, what waits, and which deadlines are kept." />
    </div>
  );
}
