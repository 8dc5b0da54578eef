/** A strict reader of Prometheus' text format, for tests of /metrics: anything out of order is an error. */

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

export function parsePrometheus(text: string): Map<string, Family> {
  const families = new Map<string, Family & { samples: Sample[] }>();
  let current: (Family & { name: string; samples: Sample[] }) | null = null;
  let help: { name: string; text: string } | null = null;
  if (!text.endsWith("\n")) throw new Error("the page ends with a newline");
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment;
      if (families.has(name!)) throw new Error(`family ${name} appears twice`);
      if (kind === "HELP") help = { name: name!, text: rest! };
      else {
        if (help?.name !== name) throw new Error(`TYPE ${name} without its HELP`);
        current = { name: name!, type: rest!, help: help!.text, samples: [] };
        families.set(name!, current);
      }
      continue;
    }
    const sample = parseSample(line);
    if (current === null) throw new Error(`a sample before any TYPE: ${line}`);
    const family = current;
    const belongs = SUFFIXES[family.type]?.some((suffix) => sample.name === family.name + suffix);
    if (belongs !== true) throw new Error(`sample ${sample.name} is not of family ${family.name}`);
    family.samples.push(sample);
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family.samples);
  return families;
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? "";
  while (rest !== "") {
    const pair = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (pair === null) throw new Error(`bad labels: ${line}`);
    labels[pair[1]!] = pair[2]!.replaceAll(/\\(["\\n])/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(pair[0].length);
  }
  const value = match[3] === "+Inf" ? Infinity : match[3] === "-Inf" ? -Infinity : Number(match[3]);
  if (Number.isNaN(value) && match[3] !== "NaN") throw new Error(`bad value: ${line}`);
  return { name: match[1]!, labels, value };
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, list] of series) {
    const buckets = list.filter((sample) => sample.name.endsWith("_bucket"));
    const counts = buckets.map((sample) => sample.value);
    if (buckets.at(-1)?.labels["le"] !== "+Inf") throw new Error(`${name}${key} has no +Inf bucket`);
    if (counts.some((count, i) => i > 0 && count < counts[i - 1]!)) throw new Error(`${name}${key} is not cumulative`);
    const count = list.find((sample) => sample.name === `${name}_count`)?.value;
    if (count !== counts.at(-1)) throw new Error(`${name}${key} counts differently from its +Inf bucket`);
  }
}

/** The value of one sample; throws when there is not exactly one that has all these labels. */
export function sampleValue(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number {
  const base = name.replace(/_(bucket|sum|count)$/, "");
  const samples = (families.get(name) ?? families.get(base))?.samples ?? [];
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length !== 1)
    throw new Error(`expected one sample of ${name} with ${JSON.stringify(labels)}, got ${found.length}`);
  return found[0]!.value;
}
