/** What an instance did for the contexts of its requests: a bar of how chunks came, and the same in words. */
import type { JSX } from "preact";
import type { FleetInstanceView } from "@protocol";
import { byteWords, chunkWords, contextSums, partWords } from "./context-sums.ts";

/** Nothing where no chunk was had. */
export function Contexts({ instance }: { readonly instance: FleetInstanceView }): JSX.Element | null {
  const sums = contextSums(instance);
  if (sums === null) return null;
  const words = chunkWords(sums);
  return (
    <div class="fl-pages fl-contexts">
      <div class="fl-bar" role="img" aria-label={`Contexts of ${instance.id}: ${words}`}>
        {sums.parts.map((part) => (
          <i
            key={part.words}
            class={`fl-context-${part.kind}`}
            style={{ width: `${(part.share * 100).toFixed(1)}%` }}
            title={partWords(part)}
          />
        ))}
      </div>
      <span class="small numbers">
        {words}
        <span class="soft">; {byteWords(sums)}</span>
      </span>
    </div>
  );
}
