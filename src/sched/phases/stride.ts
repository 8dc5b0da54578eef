/**
 * Who gets the next slot of a worker: stride scheduling (Waldspurger and Weihl 1995). Every client has tickets and a
 * pass; the ready client with the smallest pass goes next, and what it used moves its pass by cost / tickets. Over any
 * stretch in which the same clients are ready, what they get is proportional to their tickets, to within one slot.
 *
 *   tickets 3 : 1, equal costs      A A A B A A A B ...
 *
 * Cost is what the slot took, so that a share is a share of the worker's time: a layer of a long chunk counts for as
 * many layers of a decode as it lasts. A client that was not ready has no claim on the past: it comes back at the
 * smallest pass of those that were. Without tickets a client is served only when no other is ready.
 */
import { assert } from "../../core/index.ts";

interface Client {
  tickets: number;
  pass: number;
  ready: boolean;
}

/** The scheduler at the head of this file, for a few clients known by name. Ties go to the one named first. */
export class StrideScheduler<Name extends string> {
  readonly #clients: ReadonlyMap<Name, Client>;

  constructor(tickets: Readonly<Record<Name, number>>) {
    const entries = Object.entries(tickets) as [Name, number][];
    this.#clients = new Map(entries.map(([name, count]) => [name, { tickets: count, pass: 0, ready: false }]));
    for (const [name, count] of entries) this.setTickets(name, count);
  }

  /** From the next slot on. @param tickets 0 or more; only their ratio matters. */
  setTickets(name: Name, tickets: number): void {
    assert(tickets >= 0 && Number.isFinite(tickets), "tickets are a finite number of at least 0");
    this.#client(name).tickets = tickets;
  }

  tickets(name: Name): number {
    return this.#client(name).tickets;
  }

  /** The client that gets the next slot; null when none is ready. */
  next(isReady: (name: Name) => boolean): Name | null {
    const joining: Client[] = [];
    let least = Infinity;
    for (const [name, client] of this.#clients) {
      const ready = isReady(name);
      if (ready && !client.ready) joining.push(client);
      else if (ready && client.tickets > 0) least = Math.min(least, client.pass);
      client.ready = ready;
    }
    if (least < Infinity) for (const client of joining) client.pass = Math.max(client.pass, least);
    let best: Name | null = null;
    for (const [name, client] of this.#clients) {
      if (client.ready && (best === null || this.#before(client, this.#client(best)))) best = name;
    }
    return best;
  }

  /** Notes what a slot took. @param cost 0 or more, in any unit that is the same for all clients */
  charge(name: Name, cost: number): void {
    const client = this.#client(name);
    if (client.tickets > 0) client.pass += cost / client.tickets;
  }

  #before(a: Client, b: Client): boolean {
    if (a.tickets > 0 !== b.tickets > 0) return a.tickets > 0;
    return a.tickets > 0 && a.pass < b.pass;
  }

  #client(name: Name): Client {
    const client = this.#clients.get(name);
    assert(client !== undefined, "the client is one of those given");
    return client;
  }
}
