/** Where in a fleet a named context is: for who has no instance of its own, a command say. */
import { fail, PunctualError } from "../../core/index.ts";
import type { Bus } from "../bus/types.ts";
import { fleetNames } from "../registry/names.ts";
import { InstanceRegistry } from "../registry/registry.ts";
import { askContexts, type FoundMessage } from "./messages.ts";

const ASK_MS = 5000;

/**
 * Asks the instances of a fleet that keep contexts of that model (its fingerprint) for one by its name.
 * @param fleet "default" when undefined
 * @returns where it is given, with the secret for it
 * @throws PunctualError not_found when no instance has it, unavailable when one that may have it does not answer, and as the bus
 * does: unavailable, unsupported.
 */
export async function findNamedContext(
  bus: Bus,
  fleet: string | undefined,
  fingerprint: string,
  name: string,
): Promise<NonNullable<FoundMessage["door"]>> {
  const names = fleetNames(fleet);
  const ignore = (): void => undefined;
  await using registry = await InstanceRegistry.open({
    bus,
    names,
    listener: { joined: ignore, changed: ignore, gone: ignore },
  });
  const keepers = [...registry.cards.values()].filter((card) => card.contexts === true);
  const able = keepers.filter((card) => card.fingerprint === fingerprint);
  const silent: string[] = [];
  for (const { id } of able) {
    const found = await ask(bus, names.control(id), name);
    if (found === null) silent.push(id);
    else if (found.door !== null) return found.door;
  }
  if (silent.length > 0) {
    fail(
      "unavailable",
      `No instance that answered has a context '${name}' of this model; ${silent.join(", ")} did not answer.`,
    );
  }
  const others = keepers.length > able.length ? "; others keep contexts of other models" : "";
  return fail("not_found", `No instance of the fleet has a context '${name}' of this model${others}.`);
}

/** Null: it does not answer. */
async function ask(bus: Bus, subject: string, name: string): Promise<FoundMessage | null> {
  try {
    return await askContexts(bus, subject, { kind: "named", name }, ASK_MS);
  } catch (error) {
    if (error instanceof PunctualError) return null;
    throw error;
  }
}
