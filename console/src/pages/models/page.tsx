/** The Models page: what is loaded, what it needs and what it can do. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="Models" lead="What is loaded, what it needs and what it can do." />
    </div>
  );
}
