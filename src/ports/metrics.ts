/**
 * Where the service's measurements go. What is counted for each request is a few numbers in memory; text is made of them
 * only when somebody asks.
 *
 * @module
 */
import type { ErrorCode } from '../errors.ts';
import type { OperationName } from '../model/operation.ts';

/** One run of an operation, once it has ended. */
export interface Run {
  /** null where the request names none. */
  readonly operation: OperationName | null;
  /** null for whoever was not authenticated. */
  readonly tenantId: string | null;
  /** Home of the key that was used; null where none was. */
  readonly provider: string | null;
  readonly code: 'OK' | ErrorCode;
  readonly durationMs: number;
  /** Of a batch: items, and how many of them failed; 0 and 0 otherwise. */
  readonly items: number;
  readonly itemsFailed: number;
  /** Providers that were asked in vain, and those that hold no wrap of what was encrypted. */
  readonly failovers: readonly string[];
  readonly missingHomes: readonly string[];
}

/** One call of a provider, an attempt of its own where a request made several. */
export interface ProviderCall {
  readonly provider: string;
  readonly operation: string;
  readonly outcome: 'OK' | ErrorCode;
  readonly tookMs: number;
  /** From 1. */
  readonly attempt: number;
}

/** A value that is read when somebody asks; null where there is none now. */
export type Reading = number | null | readonly (readonly [label: string, value: number])[];

export interface Metrics {
  /** An operation has begun. */
  begin(): void;
  /** It has ended; each `begin` has one `end`. */
  end(run: Run): void;
  /** It was decided again, because what it had read has changed. */
  repeated(): void;
  /** A provider is configured: what is counted of it begins at zero, so that the first event is seen as growth. */
  providerKnown(provider: string): void;
  providerCalled(call: ProviderCall): void;
  providerRetried(provider: string): void;
  /** A home gave another data key than a ciphertext commits to. */
  disagreed(provider: string): void;
  /** A group of the log is durable. */
  committed(jobs: number, commitMs: number): void;
  /**
   * Has a value read at each scrape.
   *
   * @param name a gauge or counter of the table of metrics; one label at most
   */
  read(name: string, reading: () => Reading | Promise<Reading>): void;
  /**
   * All metrics in the Prometheus text format 0.0.4.
   *
   * @param tenantId whose requests are shown; null for everybody's
   */
  render(tenantId: string | null): Promise<string>;
}
