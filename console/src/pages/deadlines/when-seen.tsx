/** Draws what has been scrolled out of sight more seldom: it stays true for whoever searches or hears the page. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** Out of sight, one rendering of so many is carried out. */
const UNSEEN_EVERY = 4;

/** Renders its child at every rendering of its own while it is in view, at every fourth while it is not. */
export function WhenSeen({ children }: { readonly children: () => JSX.Element }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<JSX.Element | null>(null);
  const skipped = useRef(0);
  const [isSeen, setSeen] = useState(true);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? true), {
      rootMargin: "100px",
    });
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  skipped.current += 1;
  if (isSeen || drawn.current === null || skipped.current >= UNSEEN_EVERY) {
    drawn.current = children();
    skipped.current = 0;
  }
  return <div ref={place}>{drawn.current}</div>;
}
