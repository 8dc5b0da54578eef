/** The two signals of who wants a server to stop: the first asks, the second does not want to wait. */

/** See the head of this file. */
export interface StopSignal {
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  dispose(): void;
}

/** Resolves at the first and at the second SIGINT or SIGTERM. */
export function stopSignal(): StopSignal {
  const resolvers: (() => void)[] = [];
  const [first, second] = [0, 1].map(() => new Promise<void>((resolve) => resolvers.push(resolve))) as [
    Promise<void>,
    Promise<void>,
  ];
  const onSignal = (): void => resolvers.shift()?.();
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const dispose = (): void => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  };
  return { first, second, dispose };
}
