/** The API page: the OpenAPI document, and a form that tries it. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="API" lead="Every endpoint of this server, from the same schemas that check its requests." />
    </div>
  );
}
