/**
 * What a server's /metrics says, read: the Prometheus text format 0.0.4, as far as ours goes.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const PAIR = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export class Scrape {
  /** When it was taken, in milliseconds of a clock that only goes forward. */
  readonly atMs: number;
  readonly #samples: ReadonlyMap<string, readonly Sample[]>;

  private constructor(atMs: number, samples: ReadonlyMap<string, readonly Sample[]>) {
    this.atMs = atMs;
    this.#samples = samples;
  }

  /** @throws ClavigerError INTERNAL for what is not in the format */
  static parse(text: string, atMs: number): Scrape {
    const samples = new Map<string, Sample[]>();
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('#')) continue;
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined) throw new ClavigerError('INTERNAL', 'the server answered no metrics; is it a Claviger?');
      const sample = { labels: labelsOf(labels), value: Number(value === '+Inf' ? Infinity : value) };
      const known = samples.get(name);
      if (known === undefined) samples.set(name, [sample]);
      else known.push(sample);
    }
    return new Scrape(atMs, samples);
  }

  all(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }

  /** Sum of the samples that have these labels; null where there is none. */
  value(name: string, labels: Labels = {}): number | null {
    const found = this.all(name).filter((sample) => hasLabels(sample, labels));
    return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
  }

  /** Bucket by its upper bound → how many values were at most that; all series that have these labels together. */
  buckets(name: string, labels: Labels = {}): ReadonlyMap<number, number> {
    const sums = new Map<number, number>();
    for (const sample of this.all(`${name}_bucket`)) {
      if (!hasLabels(sample, labels)) continue;
      const { le = '' } = sample.labels;
      const bound = le === '+Inf' ? Infinity : Number(le);
      sums.set(bound, (sums.get(bound) ?? 0) + sample.value);
    }
    return sums;
  }
}

function hasLabels(sample: Sample, labels: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value);
}

function labelsOf(text: string): Labels {
  const pairs = [...text.matchAll(PAIR)].map(([, name = '', value = '']) => [name, unescaped(value)]);
  return Object.fromEntries(pairs) as Labels;
}

function unescaped(value: string): string {
  return value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}
