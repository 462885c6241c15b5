/**
 * The Prometheus text format 0.0.4, written line by line.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @module
 */
import { METRICS, type Definition, type MetricName } from './definitions.ts';
import type { Histogram } from './histogram.ts';

/** Pairs of label and value, in the order of the definition. */
export type LabelPairs = readonly (readonly [name: string, value: string])[];

export class Exposition {
  readonly #lines: string[] = [];

  /** The two lines before the samples of a metric. */
  head(name: MetricName): void {
    const { type, help }: Definition = METRICS[name];
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  sample(name: string, labels: LabelPairs, value: number): void {
    this.#lines.push(`${name}${labelText(labels)} ${numberText(value)}`);
  }

  histogram(name: MetricName, labels: LabelPairs, histogram: Histogram): void {
    const counts = histogram.cumulative();
    const inner = labels.map(pairText).join(',');
    const before = inner === '' ? '' : `${inner},`;
    for (const [position, bound] of histogram.bounds.entries()) {
      this.#lines.push(`${name}_bucket{${before}le="${bound}"} ${counts[position]!}`);
    }
    const count = counts.at(-1)!;
    this.#lines.push(`${name}_bucket{${before}le="+Inf"} ${count}`);
    this.sample(`${name}_sum`, labels, histogram.sum);
    this.sample(`${name}_count`, labels, count);
  }

  /** All of it; the format wants a line feed at the end. */
  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function labelText(labels: LabelPairs): string {
  return labels.length === 0 ? '' : `{${labels.map(pairText).join(',')}}`;
}

function pairText([name, value]: readonly [string, string]): string {
  return `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
