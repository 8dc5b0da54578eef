/** The ten commands of docs/fleet.md that make a fleet of three machines, as the page shows them to a server that is alone. */

/** A command and where it is run. */
export interface FleetCommand {
  readonly where: string;
  readonly command: string;
}

/** In order: the first three on `bus.lan`, then one worker on each of two machines, the endpoint, and what to do with it. */
export const FLEET_COMMANDS: readonly FleetCommand[] = [
  { where: "bus.lan: the bus", command: "sudo apt-get install -y nats-server" },
  {
    where: "every machine: where the bus is, and a secret of your own",
    command: "export PUNCTUAL_BUS=nats://bus.lan:4222 PUNCTUAL_BUS_TOKEN=change-me-0123456789",
  },
  { where: "bus.lan", command: 'nats-server -js -sd ./nats --auth "$PUNCTUAL_BUS_TOKEN" &' },
  { where: "one.lan: an instance", command: "punctual worker --model punctual-base --id one --kv-host one.lan &" },
  { where: "two.lan: another", command: "punctual worker --model punctual-base --id two --kv-host two.lan &" },
  { where: "bus.lan: the endpoint", command: "punctual serve --host 0.0.0.0 --api-key sk-change-me-0123456789 &" },
  {
    where: "anywhere: a question",
    command:
      'curl http://bus.lan:8080/v1/chat/completions -H \'authorization: Bearer sk-change-me-0123456789\' -d \'{"model":"punctual-base","messages":[{"role":"user","content":"What is 12 plus 7?"}]}\'',
  },
  {
    where: "anywhere: who is there, and what runs where",
    command: "curl http://bus.lan:8080/admin/fleet -H 'authorization: Bearer sk-change-me-0123456789'",
  },
  {
    where: "anywhere: one.lan takes nothing new, gives away what it has, and leaves",
    command:
      "curl -X POST http://bus.lan:8080/admin/fleet/instances/one/drain -H 'authorization: Bearer sk-change-me-0123456789'",
  },
  {
    where: "one.lan: and is back, with another version for example",
    command: "punctual worker --model punctual-base --id one --kv-host one.lan &",
  },
];

/** The commands as text to be copied. */
export function commandText(commands: readonly FleetCommand[] = FLEET_COMMANDS): string {
  return `${commands.map(({ where, command }) => `# ${where}\n${command}`).join("\n")}\n`;
}
