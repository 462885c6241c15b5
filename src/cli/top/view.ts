/**
 * What two scrapes of a server say together: rates and latencies of the time between them.
 *
 * @module
 */
import type { Labels, Scrape } from './scrape.ts';

/** What requests can be told apart by. */
export const GROUPINGS = ['operation', 'tenant', 'provider'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Latencies are null where nothing was measured; what lies beyond the last bucket counts as its bound. */
export interface Latency {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface Row extends Latency {
  /** Name of the operation, tenant or provider. */
  readonly name: string;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  /** The code that was answered most, where there were errors. */
  readonly commonError: string | null;
}

export interface ProviderRow extends Latency {
  readonly name: string;
  readonly circuit: string;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly retriesPerSecond: number;
  /** Requests that others answered in its place. */
  readonly failoversPerSecond: number;
  /** Ciphertexts without its wrap. */
  readonly missingPerSecond: number;
  readonly inFlight: number;
}

export interface View {
  readonly version: string;
  readonly uptimeSeconds: number;
  /** Time between the scrapes. */
  readonly seconds: number;
  readonly total: Row;
  readonly inFlight: number;
  readonly connections: number;
  readonly loop: { readonly busy: number; readonly delayP99Ms: number | null };
  readonly writer: { readonly busy: number };
  readonly slow: { readonly running: number; readonly waiting: number };
  readonly audit: {
    readonly available: boolean;
    readonly records: number;
    readonly perSecond: number;
    readonly waiting: number;
    /** Jobs of a group, on average; null where there was none. */
    readonly groupSize: number | null;
    readonly commit: Latency;
    /** Records that the newest checkpoint does not cover. */
    readonly uncovered: number;
    readonly checkpointLagSeconds: number;
  };
  readonly cache: { readonly hitRatio: number | null; readonly entries: number };
  readonly process: {
    /** Cores' worth of CPU time: 1 is one core. */
    readonly cpu: number;
    readonly residentBytes: number;
    readonly heapBytes: number;
    readonly openFiles: number | null;
  };
  readonly store: { readonly bytes: number; readonly freeBytes: number };
  /** Those that keys live in beside the built-in keystore. */
  readonly providers: readonly ProviderRow[];
  /** The busiest first. */
  readonly rows: readonly Row[];
}

const REQUESTS = 'claviger_requests_total';
const DURATION = 'claviger_request_duration_seconds';

export function viewOf(before: Scrape, now: Scrape, by: Grouping): View {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const grown = (name: string, labels: Labels = {}): number => grownBy(before, now, name, labels);
  const rate = (name: string, labels: Labels = {}): number => grown(name, labels) / seconds;
  const gauge = (name: string): number => now.value(name) ?? 0;
  const latency = (name: string, labels: Labels = {}): Latency => latencyOf(before, now, name, labels);
  const row = (name: string, labels: Labels): Row => ({
    name,
    perSecond: rate(REQUESTS, labels),
    errorsPerSecond: rate(REQUESTS, labels) - rate(REQUESTS, { ...labels, code: 'OK' }),
    commonError: commonErrorOf(before, now, labels),
    ...latency(DURATION, labels),
  });
  const names = [...new Set(now.all(REQUESTS).map(({ labels }) => labels[by]!))];
  const groups = grown('claviger_audit_group_jobs_count');
  const hits = grown('claviger_cache_hits_total');
  const looks = hits + grown('claviger_cache_misses_total');
  return {
    version: now.all('claviger_build_info')[0]?.labels['version'] ?? '',
    uptimeSeconds: Math.max(0, Date.now() / 1000 - gauge('process_start_time_seconds')),
    seconds,
    total: row('all', {}),
    inFlight: gauge('claviger_requests_in_flight'),
    connections: gauge('claviger_http_connections'),
    loop: {
      busy: rate('claviger_thread_active_seconds_total', { thread: 'loop' }),
      delayP99Ms: latency('claviger_event_loop_delay_seconds').p99Ms,
    },
    writer: { busy: rate('claviger_thread_active_seconds_total', { thread: 'writer' }) },
    slow: { running: gauge('claviger_slow_operations_running'), waiting: gauge('claviger_slow_operations_waiting') },
    audit: {
      available: gauge('claviger_audit_available') === 1,
      records: gauge('claviger_audit_records_total'),
      perSecond: rate('claviger_audit_records_total'),
      waiting: gauge('claviger_audit_waiting_jobs'),
      groupSize: groups === 0 ? null : grown('claviger_audit_group_jobs_sum') / groups,
      commit: latency('claviger_audit_commit_duration_seconds'),
      uncovered: gauge('claviger_audit_records_total') - gauge('claviger_audit_checkpoint_records'),
      checkpointLagSeconds: gauge('claviger_audit_checkpoint_lag_seconds'),
    },
    cache: { hitRatio: looks === 0 ? null : hits / looks, entries: gauge('claviger_cache_entries') },
    process: {
      cpu: rate('process_cpu_user_seconds_total') + rate('process_cpu_system_seconds_total'),
      residentBytes: gauge('process_resident_memory_bytes'),
      heapBytes: gauge('nodejs_heap_size_used_bytes'),
      openFiles: now.value('process_open_fds'),
    },
    store: { bytes: gauge('claviger_store_bytes'), freeBytes: gauge('claviger_store_free_bytes') },
    providers: providersOf(before, now, seconds),
    rows: names
      .map((name) => row(name, { [by]: name }))
      .sort((a, b) => b.perSecond - a.perSecond || (a.name < b.name ? -1 : 1)),
  };
}

const CIRCUITS = ['closed', 'half-open', 'open', 'quarantined'];
const CALLS = 'claviger_provider_calls_total';

function providersOf(before: Scrape, now: Scrape, seconds: number): readonly ProviderRow[] {
  const names = now.all('claviger_provider_circuit').map(({ labels }) => labels['provider']!);
  const others = names.filter((name) => name !== 'software');
  return others.map((provider) => {
    const rate = (name: string, more: Labels = {}): number =>
      grownBy(before, now, name, { provider, ...more }) / seconds;
    return {
      name: provider,
      circuit: CIRCUITS[now.value('claviger_provider_circuit', { provider }) ?? 0] ?? '',
      perSecond: rate(CALLS),
      errorsPerSecond: rate(CALLS) - rate(CALLS, { code: 'OK' }),
      retriesPerSecond: rate('claviger_provider_retries_total'),
      failoversPerSecond: rate('claviger_provider_failovers_total'),
      missingPerSecond: rate('claviger_wraps_missing_total'),
      inFlight: now.value('claviger_provider_calls_in_flight', { provider }) ?? 0,
      ...latencyOf(before, now, 'claviger_provider_call_duration_seconds', { provider }),
    };
  });
}

/** By how much a counter has grown. One that is smaller than before began anew with its server. */
function grownBy(before: Scrape, now: Scrape, name: string, labels: Labels): number {
  const then = before.value(name, labels) ?? 0;
  const at = now.value(name, labels) ?? 0;
  return at >= then ? at - then : at;
}

function commonErrorOf(before: Scrape, now: Scrape, labels: Labels): string | null {
  const codes = new Set(now.all(REQUESTS).map((sample) => sample.labels['code']!));
  codes.delete('OK');
  const counts = [...codes].map((code) => [code, grownBy(before, now, REQUESTS, { ...labels, code })] as const);
  const most = counts.sort(([, a], [, b]) => b - a)[0];
  return most === undefined || most[1] === 0 ? null : most[0];
}

function latencyOf(before: Scrape, now: Scrape, name: string, labels: Labels): Latency {
  const then = before.buckets(name, labels);
  const grown = [...now.buckets(name, labels)]
    .map(([bound, count]): readonly [number, number] => [bound, Math.max(0, count - (then.get(bound) ?? 0))])
    .sort(([a], [b]) => a - b);
  const inMs = (share: number): number | null => {
    const seconds = quantile(grown, share);
    return seconds === null ? null : seconds * 1000;
  };
  return { p50Ms: inMs(0.5), p99Ms: inMs(0.99) };
}

/**
 * A quantile of cumulative buckets, as Prometheus's `histogram_quantile` estimates it: evenly spread within a bucket, and
 * the last bound for what lies beyond. Null without values.
 */
export function quantile(buckets: readonly (readonly [bound: number, count: number])[], share: number): number | null {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = share * total;
  const position = buckets.findIndex(([, count]) => count >= rank);
  const [bound, count] = buckets[position]!;
  const [below, countBelow] = position === 0 ? [0, 0] : buckets[position - 1]!;
  if (bound === Infinity) return below;
  return below + ((bound - below) * (rank - countBelow)) / (count - countBelow);
}
