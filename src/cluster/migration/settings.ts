/** Settings of migration, with their defaults. */

/** How sequences move; all are optional. */
export interface MigrationSettings {
  /** Most pages that the last stage copies when no other stage is allowed; 16. */
  readonly lastStagePages?: number;
  /** Most stages, the last included; 3. */
  readonly maxStages?: number;
  /** Pages reserved beyond those that are there before the last stage; 1. */
  readonly slackPages?: number;
  /** Migrations at once from here, and to here; 4 each. */
  readonly maxOutgoing?: number;
  readonly maxIncoming?: number;
  /** Beside them: prompts at once that are being computed elsewhere and come here page by page; 8. */
  readonly maxGrowing?: number;
  /** A message that is not answered is said again after so long, milliseconds; 200. */
  readonly retryMs?: number;
  /** A side that does not answer is given up after so long, milliseconds; 2000. A commit that is not answered is asked back then, and given up after as long again. */
  readonly giveUpMs?: number;
  /** A target that hears nothing for so long gives back what it holds, milliseconds; 5000. */
  readonly silenceMs?: number;
  /** How long what became of a migration is remembered for who asks again, milliseconds; 60 000: much longer than a source may be in doubt. */
  readonly rememberMs?: number;
  /** How long a sequence that has come stays, unless it is asked for or everything leaves, milliseconds; 1000. */
  readonly restMs?: number;
}

/** All of them. */
export type AllSettings = Required<MigrationSettings>;

/** The settings with what is absent filled in. */
export function withDefaults(settings: MigrationSettings = {}): AllSettings {
  return {
    lastStagePages: 16,
    maxStages: 3,
    slackPages: 1,
    maxOutgoing: 4,
    maxIncoming: 4,
    maxGrowing: 8,
    retryMs: 200,
    giveUpMs: 2000,
    silenceMs: 5000,
    rememberMs: 60_000,
    restMs: 1000,
    ...settings,
  };
}
