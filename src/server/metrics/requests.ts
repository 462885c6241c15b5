/**
 * Requests by operation, tenant, provider and code. A series exists once something has happened in it; their number is
 * bounded, because tenants are not: those beyond the limit share the label `_other`.
 *
 * @module
 */
import { ERRORS, type ErrorCode } from '../../errors.ts';
import type { OperationName } from '../../model/operation.ts';
import type { Run } from '../../ports/metrics.ts';
import { METRICS } from './definitions.ts';
import { Histogram } from './histogram.ts';

/** Tenants with a label of their own; a scrape of 100 tenants with ten operations each is about 2 MB. */
const TENANTS_MAX = 100;
/** Providers with a label of their own; more homes than anybody configures. */
const PROVIDERS_MAX = 16;
/** Series beyond which new ones are made for `_other` only, so that a scrape stays short. */
const SERIES_MAX = 4000;

/** Label of what has no tenant or provider, and of those beyond the limit; no tenant can be called so. */
export const NONE = '_none';
export const OTHER = '_other';

/** The codes of a series, by position. */
export const CODES = ['OK', ...(Object.keys(ERRORS) as ErrorCode[])] as const;
const CODE_POSITIONS: ReadonlyMap<string, number> = new Map(CODES.map((code, position) => [code, position]));

/** What has happened with one operation, tenant and provider. */
export interface Series {
  readonly operation: string;
  /** Id, NONE or OTHER. */
  readonly tenantId: string;
  readonly provider: string;
  /** By position in CODES. */
  readonly counts: Float64Array;
  readonly seconds: Histogram;
}

export class Requests {
  readonly #tenants = new Labels(TENANTS_MAX);
  readonly #providers = new Labels(PROVIDERS_MAX);
  readonly #operations = new Map<OperationName | null, number>();
  readonly #series = new Map<number, Series>();

  add({ operation, tenantId, provider, code, durationMs }: Run): void {
    const series = this.#find(operation, this.#tenants.position(tenantId), this.#providers.position(provider));
    series.counts[CODE_POSITIONS.get(code)!]! += 1;
    series.seconds.add(durationMs / 1000);
  }

  all(): Iterable<Series> {
    return this.#series.values();
  }

  #find(operation: OperationName | null, tenant: number, provider: number): Series {
    let position = this.#operations.get(operation);
    if (position === undefined) this.#operations.set(operation, (position = this.#operations.size));
    const name = (position * (TENANTS_MAX + 2) + tenant) * (PROVIDERS_MAX + 2) + provider;
    return this.#series.get(name) ?? this.#make(name, operation, tenant, provider);
  }

  #make(name: number, operation: OperationName | null, tenant: number, provider: number): Series {
    const other = this.#tenants.other;
    if (this.#series.size >= SERIES_MAX && tenant !== other) return this.#find(operation, other, provider);
    const series: Series = {
      operation: operation ?? NONE,
      tenantId: this.#tenants.name(tenant),
      provider: this.#providers.name(provider),
      counts: new Float64Array(CODES.length),
      seconds: new Histogram(METRICS.claviger_request_duration_seconds.buckets),
    };
    this.#series.set(name, series);
    return series;
  }
}

/** Values of one label, numbered as they come; the first two numbers are NONE's and OTHER's. */
class Labels {
  readonly other = 1;
  readonly #max: number;
  readonly #names: string[] = [NONE, OTHER];
  readonly #positions = new Map<string | null, number>([[null, 0]]);

  constructor(max: number) {
    this.#max = max;
  }

  position(name: string | null): number {
    return this.#positions.get(name) ?? this.#next(name!);
  }

  name(position: number): string {
    return this.#names[position]!;
  }

  #next(name: string): number {
    if (this.#names.length >= this.#max + 2) return this.other;
    this.#positions.set(name, this.#names.length);
    return this.#names.push(name) - 1;
  }
}
