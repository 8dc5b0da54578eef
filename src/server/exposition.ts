/**
 * Prometheus' text format, version 0.0.4: families of samples with HELP and TYPE written once each.
 * Only writes; what is measured and under which name is metrics.ts's business.
 */

/** Label names to values. */
export type Labels = Readonly<Record<string, string>>;

/** Cumulative counts per bound and for +Inf, with sum and count. */
export interface HistogramSample {
  readonly bounds: readonly number[];
  readonly cumulative: readonly number[];
  readonly sum: number;
  readonly count: number;
}

type MetricType = "counter" | "gauge" | "histogram";

export class Exposition {
  readonly #families = new Map<string, string[]>();

  gauge(name: string, help: string, labels: Labels, value: number): void {
    this.#family(name, "gauge", help).push(sampleLine(name, labels, value));
  }

  /** @param name ends in `_total`, by convention. */
  counter(name: string, help: string, labels: Labels, value: number): void {
    this.#family(name, "counter", help).push(sampleLine(name, labels, value));
  }

  histogram(name: string, help: string, labels: Labels, sample: HistogramSample): void {
    const lines = this.#family(name, "histogram", help);
    for (const [i, bound] of [...sample.bounds, Number.POSITIVE_INFINITY].entries()) {
      lines.push(sampleLine(`${name}_bucket`, { ...labels, le: formatNumber(bound) }, sample.cumulative[i] ?? 0));
    }
    lines.push(sampleLine(`${name}_sum`, labels, sample.sum), sampleLine(`${name}_count`, labels, sample.count));
  }

  /** The page, families in the order in which they were first named, each with all its samples together. */
  text(): string {
    return [...this.#families.values()].map((lines) => `${lines.join("\n")}\n`).join("");
  }

  #family(name: string, type: MetricType, help: string): string[] {
    let lines = this.#families.get(name);
    if (lines === undefined) {
      lines = [`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`];
      this.#families.set(name, lines);
    }
    return lines;
  }
}

function sampleLine(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${formatNumber(value)}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value); // NaN is NaN in both
}
