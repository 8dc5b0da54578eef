/**
 * The subjects and directories of a fleet: one place where their names are made. Everything of a fleet begins with
 * `punctual.<fleet>`, so that fleets on one broker do not see each other and a broker's permissions can be told by prefix.
 */
import { fail } from "../../core/index.ts";

/** The fleet of those who name none. */
export const DEFAULT_FLEET = "default";

const FLEET_NAME = /^[A-Za-z0-9_-]{1,48}$/;
const PLAIN = /^[A-Za-z0-9_-]$/;

/** Any text as one word of a subject or key: other characters become `=` and the two digits of each of their bytes. */
export function subjectWord(text: string): string {
  let word = "";
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    word += PLAIN.test(character) ? character : `=${byte.toString(16).padStart(2, "0")}`;
  }
  return word === "" ? "=" : word;
}

/** Where everything of one fleet is said and kept. */
export interface FleetNames {
  readonly fleet: string;
  /** SubmitMessage, asked. */
  submit(instance: string): string;
  /** ControlMessage, told or asked. */
  control(instance: string): string;
  /** ControlMessage to every instance, told. */
  readonly controlAll: string;
  /** SubmitMessage for whichever instance of that model the bus picks, asked; listeners are one queue group. */
  submitAny(model: string): string;
  readonly anyQueue: string;
  /** LoadReport, told. */
  load(instance: string): string;
  readonly loads: string;
  /** FleetMoveView, told by sources of moves. */
  readonly moves: string;
  /** StreamMessages for one request of a router; it listens to `inboxes`. */
  inbox(router: string, request: string): string;
  inboxes(router: string): string;
  /** StepsMessages for a router that watches. */
  steps(router: string): string;
  /** Prompts that are done and wait for an instance that decodes, told to all. */
  readonly ready: string;
  /** Who watches over the fleet. */
  readonly watchers: string;
  /** InstanceCards by instance. */
  readonly instances: string;
  /** WorkResults by request. */
  readonly results: string;
  /** The stream of durable work, what may be put there, and its subject for a model. */
  readonly workStream: string;
  readonly workSubjects: string;
  work(model: string): string;
}

/** The names of a fleet. @throws PunctualError invalid_request for a name that is none. */
export function fleetNames(fleet: string = DEFAULT_FLEET): FleetNames {
  if (!FLEET_NAME.test(fleet)) {
    fail("invalid_request", `A fleet's name has 1 to 48 letters, digits, '_' and '-', got '${fleet}'.`, {
      param: "fleet",
    });
  }
  const prefix = `punctual.${fleet}`;
  return {
    fleet,
    submit: (instance) => `${prefix}.inst.${subjectWord(instance)}.submit`,
    control: (instance) => `${prefix}.inst.${subjectWord(instance)}.control`,
    controlAll: `${prefix}.all.control`,
    submitAny: (model) => `${prefix}.any.${subjectWord(model)}.submit`,
    anyQueue: "instances",
    load: (instance) => `${prefix}.load.${subjectWord(instance)}`,
    loads: `${prefix}.load.*`,
    moves: `${prefix}.moves`,
    inbox: (router, request) => `${prefix}.inbox.${subjectWord(router)}.${subjectWord(request)}`,
    inboxes: (router) => `${prefix}.inbox.${subjectWord(router)}.*`,
    steps: (router) => `${prefix}.steps.${subjectWord(router)}`,
    ready: `${prefix}.ready`,
    watchers: `punctual_${fleet}_watchers`,
    instances: `punctual_${fleet}_instances`,
    results: `punctual_${fleet}_results`,
    workStream: `PUNCTUAL_${fleet}_WORK`,
    workSubjects: `${prefix}.work.*`,
    work: (model) => `${prefix}.work.${subjectWord(model)}`,
  };
}
