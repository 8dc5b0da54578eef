/** The Chat page: conversations with the models that are served. */
import type { JSX } from "preact";
import { PageHead } from "../../ui/page-head.tsx";

/** The page. */
export function Page(): JSX.Element {
  return (
    <div class="page-column">
      <PageHead title="Chat" lead="Talk to the models that are served, and see when every token came." />
    </div>
  );
}
