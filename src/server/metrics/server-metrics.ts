/**
 * The metrics of one service: plain numbers that grow with each request, and values that are read at a scrape.
 *
 * Our own rather than a library's, because a request may cost a microsecond of it: docs/decisions has the measurement.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Metrics, ProviderCall, Reading, Run } from '../../ports/metrics.ts';
import { METRICS, type Definition, type MetricName } from './definitions.ts';
import { Exposition, type LabelPairs } from './exposition.ts';
import { Histogram } from './histogram.ts';
import { LoopDelay } from './loop-delay.ts';
import { ProviderCalls } from './provider-calls.ts';
import { CODES, NONE, OTHER, Requests, type Series } from './requests.ts';

type Read = () => Reading | Promise<Reading>;

export interface ServerMetricsOptions {
  /** Name of a tenant, for its label. */
  readonly tenantName: (id: string) => string | Promise<string>;
}

export class ServerMetrics implements Metrics {
  readonly #tenantName: ServerMetricsOptions['tenantName'];
  readonly #requests = new Requests();
  readonly #groupJobs = new Histogram(METRICS.claviger_audit_group_jobs.buckets);
  readonly #commitSeconds = new Histogram(METRICS.claviger_audit_commit_duration_seconds.buckets);
  readonly #providers = new ProviderCalls();
  readonly #loopDelay = new LoopDelay();
  readonly #readings = new Map<string, Read>();
  #inFlight = 0;
  #repeated = 0;
  #items = 0;
  #itemsFailed = 0;

  constructor({ tenantName }: ServerMetricsOptions) {
    this.#tenantName = tenantName;
    this.read('claviger_requests_in_flight', () => this.#inFlight);
    this.read('claviger_decisions_repeated_total', () => this.#repeated);
    this.read('claviger_batch_items_total', () => [
      ['ok', this.#items - this.#itemsFailed],
      ['failed', this.#itemsFailed],
    ]);
    this.read('claviger_provider_retries_total', () => this.#providers.retries.read());
    this.read('claviger_provider_failovers_total', () => this.#providers.failovers.read());
    this.read('claviger_wraps_missing_total', () => this.#providers.missing.read());
    this.read('claviger_homes_disagreed_total', () => this.#providers.disagreed.read());
  }

  begin(): void {
    this.#inFlight += 1;
  }

  end(run: Run): void {
    this.#inFlight -= 1;
    this.#items += run.items;
    this.#itemsFailed += run.itemsFailed;
    this.#requests.add(run);
    for (const provider of run.failovers) this.#providers.failovers.add(provider);
    for (const provider of run.missingHomes) this.#providers.missing.add(provider);
  }

  providerKnown(provider: string): void {
    this.#providers.know(provider);
  }

  providerCalled(call: ProviderCall): void {
    this.#providers.add(call);
  }

  providerRetried(provider: string): void {
    this.#providers.retries.add(provider);
  }

  disagreed(provider: string): void {
    this.#providers.disagreed.add(provider);
  }

  repeated(): void {
    this.#repeated += 1;
  }

  committed(jobs: number, commitMs: number): void {
    // A checkpoint may be committed alone.
    if (jobs > 0) this.#groupJobs.add(jobs);
    this.#commitSeconds.add(commitMs / 1000);
  }

  read(name: string, reading: Read): void {
    if (!Object.hasOwn(METRICS, name)) throw new ClavigerError('INTERNAL', `there is no metric \`${name}\``);
    this.#readings.set(name, reading);
  }

  close(): void {
    this.#loopDelay.close();
  }

  async render(tenantId: string | null): Promise<string> {
    const shown = await this.#shown(tenantId);
    const read = await this.#readAll();
    const text = new Exposition();
    for (const name of Object.keys(METRICS) as MetricName[]) {
      switch (name) {
        case 'claviger_requests_total':
          text.head(name);
          for (const [labels, { counts }] of shown) writeCounts(text, name, labels, counts);
          break;
        case 'claviger_request_duration_seconds':
          text.head(name);
          for (const [labels, { seconds }] of shown) text.histogram(name, labels, seconds);
          break;
        case 'claviger_provider_calls_total':
          text.head(name);
          for (const { provider, operation, counts } of this.#providers.all()) {
            for (const [code, count] of counts) text.sample(name, Object.entries({ provider, operation, code }), count);
          }
          break;
        case 'claviger_provider_call_duration_seconds':
          text.head(name);
          for (const { provider, operation, seconds } of this.#providers.all()) {
            text.histogram(name, Object.entries({ provider, operation }), seconds);
          }
          break;
        case 'claviger_audit_group_jobs':
          writeHistogram(text, name, this.#groupJobs);
          break;
        case 'claviger_audit_commit_duration_seconds':
          writeHistogram(text, name, this.#commitSeconds);
          break;
        case 'claviger_event_loop_delay_seconds':
          writeHistogram(text, name, this.#loopDelay.seconds);
          break;
        default:
          writeReading(text, name, read.get(name) ?? null);
      }
    }
    return text.text();
  }

  /** Series with their labels; a tenant's own only, where one is named. */
  async #shown(tenantId: string | null): Promise<readonly (readonly [LabelPairs, Series])[]> {
    const wanted = [...this.#requests.all()].filter((series) => tenantId === null || series.tenantId === tenantId);
    const ids = [...new Set(wanted.map((series) => series.tenantId))];
    const names = new Map(await Promise.all(ids.map(async (id) => [id, await this.#labelOf(id)] as const)));
    return wanted.map((series) => {
      const { operation, provider } = series;
      const labels = { operation, tenant: names.get(series.tenantId)!, provider };
      return [Object.entries(labels), series];
    });
  }

  #labelOf(tenantId: string): string | Promise<string> {
    return tenantId === NONE || tenantId === OTHER ? tenantId : this.#tenantName(tenantId);
  }

  async #readAll(): Promise<ReadonlyMap<string, Reading>> {
    return new Map(
      await Promise.all([...this.#readings].map(async ([name, reading]) => [name, await readOrNull(reading)] as const)),
    );
  }
}

/** One value that cannot be read must not cost all others. */
async function readOrNull(reading: Read): Promise<Reading> {
  try {
    return await reading();
  } catch {
    return null;
  }
}

function writeCounts(text: Exposition, name: MetricName, labels: LabelPairs, counts: Float64Array): void {
  for (const [position, count] of counts.entries()) {
    if (count > 0) text.sample(name, [...labels, ['code', CODES[position]!]], count);
  }
}

function writeHistogram(text: Exposition, name: MetricName, histogram: Histogram): void {
  text.head(name);
  text.histogram(name, [], histogram);
}

function writeReading(text: Exposition, name: MetricName, reading: Reading): void {
  if (reading === null) return;
  text.head(name);
  if (typeof reading === 'number') return text.sample(name, [], reading);
  const [label]: readonly string[] = (METRICS[name] satisfies Definition).labels;
  for (const [value, number] of reading) text.sample(name, [[label!, value]], number);
}
