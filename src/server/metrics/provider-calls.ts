/**
 * Calls of providers, by provider, operation and outcome; and what requests had to do without them. Providers are those
 * of the configuration and operations those of the contract, so the labels are bounded.
 *
 * @module
 */
import type { ErrorCode } from '../../errors.ts';
import type { ProviderCall } from '../../ports/metrics.ts';
import { METRICS } from './definitions.ts';
import { Histogram } from './histogram.ts';

/** Calls of one operation of one provider. */
export interface CallSeries {
  readonly provider: string;
  readonly operation: string;
  readonly counts: Map<'OK' | ErrorCode, number>;
  readonly seconds: Histogram;
}

export class ProviderCalls {
  readonly #series = new Map<string, CallSeries>();
  readonly retries = new Tally();
  readonly failovers = new Tally();
  readonly missing = new Tally();
  readonly disagreed = new Tally();

  know(provider: string): void {
    for (const tally of [this.retries, this.failovers, this.missing, this.disagreed]) tally.know(provider);
  }

  add({ provider, operation, outcome, tookMs }: ProviderCall): void {
    const name = `${provider} ${operation}`;
    let series = this.#series.get(name);
    if (series === undefined) {
      const seconds = new Histogram(METRICS.claviger_provider_call_duration_seconds.buckets);
      series = { provider, operation, counts: new Map(), seconds };
      this.#series.set(name, series);
    }
    series.counts.set(outcome, (series.counts.get(outcome) ?? 0) + 1);
    series.seconds.add(tookMs / 1000);
  }

  all(): Iterable<CallSeries> {
    return this.#series.values();
  }
}

/** Counts by provider. */
class Tally {
  readonly #counts = new Map<string, number>();

  know(provider: string): void {
    this.#counts.set(provider, this.#counts.get(provider) ?? 0);
  }

  add(provider: string): void {
    this.#counts.set(provider, (this.#counts.get(provider) ?? 0) + 1);
  }

  read(): readonly (readonly [string, number])[] {
    return [...this.#counts];
  }
}
