/** How an engine's worker comes to serve: started, given its vocabulary, recorded if asked. It restarts nothing. */
import { randomUUID } from "node:crypto";
import { wallMs } from "./clock.ts";
import type { ModelFacts, ModelOutline } from "./load-model.ts";
import type { StepReport, WorkerSetup } from "./messages.ts";
import { PhasesLink } from "./phases/phases-link.ts";
import { RecordingFile } from "./recording-file.ts";
import type { EngineOptions } from "./types.ts";
import { vocabularyOf, type VocabularyData } from "./vocabulary-link.ts";
import { WorkerLink, type EngineLink, type Ready } from "./worker-link.ts";

export function openRecording({ record }: EngineOptions): RecordingFile | null {
  return record === undefined ? null : new RecordingFile(record);
}

export function startWorker(
  setup: WorkerSetup,
  file: RecordingFile | null,
  onStep: (report: StepReport) => void,
): EngineLink {
  const Link = (setup.options.phases ?? "colocated") === "colocated" ? WorkerLink : PhasesLink;
  if (file === null) return new Link(setup, onStep);
  const recording = { startedAt: new Date(wallMs()).toISOString(), salt: randomUUID() };
  return new Link({ ...setup, recording }, onStep, (text) => file.write(text));
}

/** A model as this thread has it, and as workers get it. */
export interface Opened {
  readonly facts: ModelFacts;
  readonly vocabulary: VocabularyData;
}

/** Makes the vocabulary while the worker loads, and waits for its word that it serves; when either fails, there is nothing to record. */
export async function bothReady(
  outline: ModelOutline,
  link: EngineLink,
  file: RecordingFile | null,
): Promise<{ readonly opened: Opened; readonly ready: Ready }> {
  let opened: Opened | null = null;
  try {
    const facts = outline.open();
    opened = { facts, vocabulary: vocabularyOf(facts) };
  } finally {
    link.giveVocabulary(opened?.vocabulary ?? null);
    if (opened === null) await file?.close();
  }
  try {
    return { opened, ready: await link.ready };
  } catch (error) {
    await file?.close();
    throw error;
  }
}
