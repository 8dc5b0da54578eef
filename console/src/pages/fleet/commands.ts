/** The ten commands of docs/fleet.md that make a fleet of three machines, as the page shows them to a server that is alone. */

/** A command and what it is for. */
export interface FleetCommand {
  readonly where: string;
  readonly command: string;
}

/** In order. `bus.lan` is the first machine; TOKEN and KEY are secrets of the reader's own. */
export const FLEET_COMMANDS: readonly FleetCommand[] = [
  { where: "bus.lan: the bus", command: "sudo apt-get install -y nats-server" },
  { where: "bus.lan", command: 'nats-server -js -sd ./nats --auth "$TOKEN" &' },
  {
    where: "bus.lan: the endpoint",
    command: 'punctual serve --bus nats://bus.lan:4222 --bus-token "$TOKEN" --host 0.0.0.0 --api-key "$KEY" &',
  },
  {
    where: "one.lan: an instance",
    command: 'punctual worker --bus nats://bus.lan:4222 --bus-token "$TOKEN" --model punctual-base --id one &',
  },
  {
    where: "two.lan: another",
    command: 'punctual worker --bus nats://bus.lan:4222 --bus-token "$TOKEN" --model punctual-base --id two &',
  },
];

/** The commands as text to be copied. */
export function commandText(commands: readonly FleetCommand[] = FLEET_COMMANDS): string {
  return `${commands.map(({ where, command }) => `# ${where}\n${command}`).join("\n")}\n`;
}
