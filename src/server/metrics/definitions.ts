/**
 * Every metric, with its type, its labels and what it says: the HELP line of a scrape and the row of the reference page.
 *
 * Names and units as Prometheus wants them: base units, `_total` for what only grows. `process_` and `nodejs_` names are
 * the usual ones, so that dashboards made elsewhere find them.
 *
 * @module
 */

export interface Definition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of the buckets of a histogram. */
  readonly buckets?: readonly number[];
}

/** From half a millisecond, below which no durable answer leaves, to what a client does not wait for. */
const REQUEST_SECONDS = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];
/** From a disk with a battery to one that is about to fail. */
const COMMIT_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
/** Up to the most that a group takes. */
const GROUP_JOBS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const DELAY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

export const METRICS = {
  claviger_requests_total: {
    type: 'counter',
    labels: ['operation', 'tenant', 'provider', 'code'],
    help: 'Operations that were answered or refused, by the code of the answer',
  },
  claviger_request_duration_seconds: {
    type: 'histogram',
    labels: ['operation', 'tenant', 'provider'],
    help: 'Time from the request as it was read to its answer, whose record is durable',
    buckets: REQUEST_SECONDS,
  },
  claviger_requests_in_flight: { type: 'gauge', labels: [], help: 'Operations that are under way' },
  claviger_batch_items_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Items of batches, which count as one request each, by result: ok or failed',
  },
  claviger_decisions_repeated_total: {
    type: 'counter',
    labels: [],
    help: 'Decisions that were made again because what they had read has changed meanwhile',
  },
  claviger_provider_calls_total: {
    type: 'counter',
    labels: ['provider', 'operation', 'code'],
    help: 'Calls of providers, each attempt by itself, by the code of its outcome',
  },
  claviger_provider_call_duration_seconds: {
    type: 'histogram',
    labels: ['provider', 'operation'],
    help: 'Time of a call of a provider, each attempt by itself',
    buckets: REQUEST_SECONDS,
  },
  claviger_provider_calls_in_flight: {
    type: 'gauge',
    labels: ['provider'],
    help: 'Calls of a provider that are under way',
  },
  claviger_provider_retries_total: {
    type: 'counter',
    labels: ['provider'],
    help: 'Calls of a provider that were made again within a request',
  },
  claviger_provider_circuit: {
    type: 'gauge',
    labels: ['provider'],
    help: 'State of the circuit of a provider: 0 closed, 1 half open, 2 open, 3 quarantined until an operator acts',
  },
  claviger_provider_failovers_total: {
    type: 'counter',
    labels: ['provider'],
    help: 'Requests that another home answered because this provider did not',
  },
  claviger_wraps_missing_total: {
    type: 'counter',
    labels: ['provider'],
    help: 'Ciphertexts that hold no wrap of this provider although its key is one of their homes',
  },
  claviger_homes_disagreed_total: {
    type: 'counter',
    labels: ['provider'],
    help: 'Data keys that a provider unwrapped to something else than what the ciphertext commits to',
  },
  claviger_http_connections: { type: 'gauge', labels: [], help: 'Open connections of the HTTP server' },
  claviger_tls_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the certificate of the server expires; absent without TLS',
  },
  claviger_audit_records_total: {
    type: 'counter',
    labels: [],
    help: 'Records in the log that are durable; the newest has the index one below',
  },
  claviger_audit_group_jobs: {
    type: 'histogram',
    labels: [],
    help: 'Jobs that were committed together',
    buckets: GROUP_JOBS,
  },
  claviger_audit_commit_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'Time for making a group durable, fsync included',
    buckets: COMMIT_SECONDS,
  },
  claviger_audit_checkpoint_records: {
    type: 'gauge',
    labels: [],
    help: 'Records that the newest checkpoint covers; absent before the first',
  },
  claviger_audit_checkpoint_lag_seconds: {
    type: 'gauge',
    labels: [],
    help: 'How long records have waited for a checkpoint; 0 where all are covered',
  },
  claviger_audit_keeper_records: {
    type: 'gauge',
    labels: ['keeper'],
    help: 'Records under the last checkpoint that a witness has signed or a copy has kept',
  },
  claviger_audit_keeper_lag_seconds: {
    type: 'gauge',
    labels: ['keeper'],
    help: 'For how long a witness or a copy has lacked the newest checkpoint',
  },
  claviger_audit_keeper_rewritten: {
    type: 'gauge',
    labels: ['keeper'],
    help: '1 where a witness or a copy holds a checkpoint that the log does not continue: its past was changed',
  },
  claviger_audit_cosigned_records: {
    type: 'gauge',
    labels: [],
    help: 'Records that the newest checkpoint covers which enough witnesses have signed; absent before the first',
  },
  claviger_audit_waiting_jobs: { type: 'gauge', labels: [], help: 'Jobs that wait for the log' },
  claviger_audit_available: {
    type: 'gauge',
    labels: [],
    help: '1 while records can be written; 0 when nothing is answered any more',
  },
  claviger_audit_sink_lag_records: {
    type: 'gauge',
    labels: ['sink'],
    help: 'Records of the log that a sink has not delivered yet',
  },
  claviger_audit_sink_lag_seconds: {
    type: 'gauge',
    labels: ['sink'],
    help: 'Age of the oldest record that a sink has not delivered; 0 where there is none',
  },
  claviger_audit_sink_failures: {
    type: 'gauge',
    labels: ['sink'],
    help: 'Attempts of a sink that failed since the last that did not',
  },
  claviger_audit_sink_delivered_total: {
    type: 'counter',
    labels: ['sink'],
    help: 'Records that a sink has delivered since the start',
  },
  claviger_alerts_firing: { type: 'gauge', labels: ['severity'], help: 'Alerts that stand, by severity' },
  claviger_alert_channel_waiting: {
    type: 'gauge',
    labels: ['channel'],
    help: 'Notices of alerts that a channel has not taken yet',
  },
  claviger_alert_channel_failures: {
    type: 'gauge',
    labels: ['channel'],
    help: 'Attempts of a channel that failed since the last that did not',
  },
  claviger_alert_channel_delivered_total: {
    type: 'counter',
    labels: ['channel'],
    help: 'Notices of alerts that a channel has taken since the start',
  },
  claviger_alert_channel_dropped_total: {
    type: 'counter',
    labels: ['channel'],
    help: 'Notices of alerts that were given up for a channel since the start',
  },
  claviger_thread_active_seconds_total: {
    type: 'counter',
    labels: ['thread'],
    help: 'Time that a thread has worked: loop is the event loop, writer the thread that signs and commits',
  },
  claviger_event_loop_delay_seconds: {
    type: 'histogram',
    labels: [],
    help: 'How late the event loop was, looked at every 20 ms',
    buckets: DELAY_SECONDS,
  },
  claviger_slow_operations_running: {
    type: 'gauge',
    labels: [],
    help: 'Slow operations (RSA, slow curves, ML-DSA) on threads of the pool',
  },
  claviger_slow_operations_waiting: { type: 'gauge', labels: [], help: 'Slow operations that wait for their turn' },
  claviger_cache_hits_total: {
    type: 'counter',
    labels: [],
    help: 'Keys, aliases, tokens and tenants that were found in memory',
  },
  claviger_cache_misses_total: { type: 'counter', labels: [], help: 'Those that were read from the store' },
  claviger_cache_entries: { type: 'gauge', labels: [], help: 'Entries of that cache' },
  claviger_data_key_cache_hits_total: {
    type: 'counter',
    labels: ['group'],
    help: 'Data keys that were at hand in the cache of a group, or on their way for another request',
  },
  claviger_data_key_cache_misses_total: {
    type: 'counter',
    labels: ['group'],
    help: 'Data keys that homes of a group with a cache were asked for',
  },
  claviger_data_key_cache_evictions_total: {
    type: 'counter',
    labels: ['group'],
    help: 'Data keys that were wiped in the cache of a group: expired, used up, crowded out, or because their key changed',
  },
  claviger_data_key_cache_entries: {
    type: 'gauge',
    labels: ['group'],
    help: 'Data keys in the cache of a group',
  },
  claviger_open_key_versions: {
    type: 'gauge',
    labels: [],
    help: 'Key versions of the built-in keystore whose material is open in memory',
  },
  claviger_store_bytes: {
    type: 'gauge',
    labels: ['file'],
    help: 'Size of the store on disk: the database, and its write-ahead log (wal)',
  },
  claviger_store_free_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Room that is left where the store is; without room nothing is answered',
  },
  claviger_build_info: { type: 'gauge', labels: ['version'], help: 'Always 1; the label is the release' },
  process_cpu_user_seconds_total: { type: 'counter', labels: [], help: 'CPU time in the program' },
  process_cpu_system_seconds_total: { type: 'counter', labels: [], help: 'CPU time in the kernel for the program' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Memory of the process' },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'When the process began' },
  process_open_fds: { type: 'gauge', labels: [], help: 'Open file descriptors; only on Linux' },
  process_max_fds: { type: 'gauge', labels: [], help: 'File descriptors that it may open; only on Linux' },
  nodejs_heap_size_total_bytes: { type: 'gauge', labels: [], help: 'Size of the JavaScript heap' },
  nodejs_heap_size_used_bytes: { type: 'gauge', labels: [], help: 'What of it is in use' },
  nodejs_external_memory_bytes: { type: 'gauge', labels: [], help: 'Memory outside the heap that objects on it hold' },
  nodejs_version_info: { type: 'gauge', labels: ['version'], help: 'Always 1; the label is the version of Node' },
} as const satisfies Record<string, Definition>;

export type MetricName = keyof typeof METRICS;
