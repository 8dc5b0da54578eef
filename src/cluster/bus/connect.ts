/** One way to a bus, whichever it is. */
import type { Bus, BusOptions } from "./types.ts";

/**
 * Connects to a bus: the NATS server at that address, or, without one, a bus of its own in memory that nobody else hears.
 *
 *   await using bus = await connectBus("nats://127.0.0.1:4222", { token });
 *
 * @throws PunctualError invalid_request (address, options), unauthorized, unavailable.
 */
export async function connectBus(url?: string, options: BusOptions = {}): Promise<Bus> {
  if (url === undefined) {
    const { MemoryBroker } = await import("./memory.ts");
    return new MemoryBroker().connect();
  }
  const { connectNats } = await import("./nats.ts");
  return connectNats(url, options);
}
