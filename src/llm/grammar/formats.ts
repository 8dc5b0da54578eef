/**
 * String formats as patterns, by RFC 3339 (times), RFC 9562 (UUIDs), RFC 791 and a plain subset of RFC 5321 (addresses). They are
 * narrower than the formats where these allow odd forms (leap seconds, quoted mailboxes): what is made is valid anyway.
 */

const YEAR = "\\d{4}";
const DATE = `${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))`;
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:0\\d|1[0-3]):[0-5]\\d)";
const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?";

/** Anchored patterns by name of the format. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: `^${DATE}$`,
  time: `^${TIME}$`,
  "date-time": `^${DATE}T${TIME}$`,
  uuid: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
  ipv4: `^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`,
  email: `^[a-zA-Z0-9_+-]{1,30}(?:\\.[a-zA-Z0-9_+-]{1,10}){0,3}@${LABEL}(?:\\.${LABEL}){1,3}$`,
};
