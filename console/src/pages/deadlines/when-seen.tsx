/** Leaves alone what has been scrolled out of sight: it is drawn again when it comes back. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** Renders its child again only while it is in view; out of view it stays as it was last drawn. */
export function WhenSeen({ children }: { readonly children: () => JSX.Element }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<JSX.Element | null>(null);
  const [isSeen, setSeen] = useState(true);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? true), {
      rootMargin: "100px",
    });
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  if (isSeen || drawn.current === null) drawn.current = children();
  return <div ref={place}>{drawn.current}</div>;
}
