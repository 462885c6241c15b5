/**
 * What is read of the parts of a service at each scrape.
 *
 * @module
 */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SEVERITIES, type Alerts, type ChannelStatus } from '../../audit/alerts/index.ts';
import type { CheckpointKeepers, KeeperStatus } from '../../audit/keepers.ts';
import type { Ledger } from '../../audit/ledger.ts';
import type { SinkHost } from '../../audit/sinks/host.ts';
import { slowTasks } from '../../crypto/slow-pool.ts';
import { slowTurns } from '../../crypto/slow.ts';
import type { DataKeyCacheCounts } from '../../envelope/data-key-cache.ts';
import type { Homes } from '../../operations/homes.ts';
import type { Metrics, Reading } from '../../ports/metrics.ts';
import type { SoftwareProvider } from '../../providers/software/index.ts';
import type { CircuitState } from '../../resilience/index.ts';
import type { StoreCache } from '../../store/cache.ts';
import { VERSION } from '../version.ts';
import { readProcess } from './process.ts';

export interface Parts {
  readonly cache: StoreCache;
  readonly ledger: Ledger;
  readonly keepers: CheckpointKeepers;
  readonly software: SoftwareProvider;
  readonly homes: Homes;
  readonly sinks: SinkHost;
  readonly alerts: Alerts;
  readonly databasePath: string;
}

/** By the number that stands for each. */
const CIRCUIT_STATES: readonly CircuitState[] = ['closed', 'half-open', 'open', 'quarantined'];

/** Has the values of a service read at each scrape. */
export function readService(metrics: Metrics, parts: Parts): void {
  const { cache, ledger, keepers, sinks, alerts, software, homes, databasePath } = parts;
  metrics.read('claviger_build_info', () => [[VERSION, 1]]);
  metrics.read('claviger_audit_records_total', () => ledger.size);
  metrics.read('claviger_audit_checkpoint_records', () => ledger.checkpoint?.size ?? null);
  metrics.read('claviger_audit_checkpoint_lag_seconds', checkpointLag(ledger));
  metrics.read(
    'claviger_audit_keeper_records',
    ofKeepers(keepers, ({ confirmedSize }) => confirmedSize),
  );
  metrics.read(
    'claviger_audit_keeper_lag_seconds',
    ofKeepers(keepers, ({ lagSeconds }) => lagSeconds),
  );
  metrics.read(
    'claviger_audit_keeper_rewritten',
    ofKeepers(keepers, ({ state }) => Number(state === 'rewritten')),
  );
  metrics.read('claviger_audit_cosigned_records', () => keepers.newestCosigned?.size ?? null);
  metrics.read('claviger_audit_waiting_jobs', () => ledger.waiting);
  metrics.read('claviger_audit_available', () => (ledger.healthy ? 1 : 0));
  metrics.read('claviger_audit_sink_lag_records', () =>
    sinks.status().map(({ name, lagRecords }) => [name, lagRecords]),
  );
  metrics.read('claviger_audit_sink_lag_seconds', () =>
    sinks.status().map(({ name, lagSeconds }) => [name, lagSeconds]),
  );
  metrics.read('claviger_audit_sink_failures', () => sinks.status().map(({ name, failures }) => [name, failures]));
  metrics.read('claviger_audit_sink_delivered_total', () =>
    sinks.status().map(({ name, delivered }) => [name, delivered]),
  );
  metrics.read('claviger_alerts_firing', () =>
    SEVERITIES.map((severity) => [
      severity,
      alerts.status().alerts.filter((alert) => alert.severity === severity).length,
    ]),
  );
  const ofChannels = (value: (channel: ChannelStatus) => number) => (): [string, number][] =>
    alerts.status().channels.map((channel) => [channel.name, value(channel)]);
  metrics.read(
    'claviger_alert_channel_waiting',
    ofChannels(({ queued }) => queued),
  );
  metrics.read(
    'claviger_alert_channel_failures',
    ofChannels(({ failures }) => failures),
  );
  metrics.read(
    'claviger_alert_channel_delivered_total',
    ofChannels(({ delivered }) => delivered),
  );
  metrics.read(
    'claviger_alert_channel_dropped_total',
    ofChannels(({ dropped }) => dropped),
  );
  metrics.read('claviger_thread_active_seconds_total', () => [
    ['loop', performance.eventLoopUtilization().active / 1000],
    ['writer', ledger.threadTimes.activeMs / 1000],
  ]);
  metrics.read('claviger_slow_operations_running', () => slowTasks.running + slowTurns.running);
  metrics.read('claviger_slow_operations_waiting', () => slowTasks.waiting + slowTurns.waiting);
  metrics.read('claviger_cache_hits_total', () => cache.counts.hits);
  metrics.read('claviger_cache_misses_total', () => cache.counts.misses);
  metrics.read('claviger_cache_entries', () => cache.counts.entries);
  for (const { name } of homes.guards) metrics.providerKnown(name);
  metrics.read('claviger_provider_calls_in_flight', () =>
    homes.guards.map((guard) => [guard.name, guard.status().inFlight]),
  );
  metrics.read('claviger_provider_circuit', () =>
    homes.guards.map((guard) => [guard.name, CIRCUIT_STATES.indexOf(guard.status().state)]),
  );
  const ofCaches = (value: (counts: DataKeyCacheCounts) => number) => (): [string, number][] =>
    [...homes.dataKeyCaches].map(([group, { counts }]) => [group, value(counts)]);
  metrics.read(
    'claviger_data_key_cache_hits_total',
    ofCaches(({ hits }) => hits),
  );
  metrics.read(
    'claviger_data_key_cache_misses_total',
    ofCaches(({ misses }) => misses),
  );
  metrics.read(
    'claviger_data_key_cache_evictions_total',
    ofCaches(({ evictions }) => evictions),
  );
  metrics.read(
    'claviger_data_key_cache_entries',
    ofCaches(({ entries }) => entries),
  );
  metrics.read('claviger_open_key_versions', () => software.openCount);
  metrics.read('claviger_store_bytes', async () => [
    ['database', await sizeOf(databasePath)],
    ['wal', await sizeOf(`${databasePath}-wal`)],
  ]);
  metrics.read('claviger_store_free_bytes', async () => {
    const { bavail, bsize } = await statfs(dirname(databasePath));
    return bavail * bsize;
  });
  readProcess(metrics);
}

/** Seconds that records have waited for a checkpoint that covers them. */
function checkpointLag(ledger: Ledger): () => number {
  let newest = ledger.checkpoint;
  let sinceMs: number | null = null;
  ledger.follow((size) => {
    const { checkpoint } = ledger;
    if (checkpoint?.size === size) sinceMs = null;
    else if (sinceMs === null || checkpoint !== newest) sinceMs = performance.now();
    newest = checkpoint;
  });
  return () => (sinceMs === null ? 0 : (performance.now() - sinceMs) / 1000);
}

function ofKeepers(keepers: CheckpointKeepers, value: (status: KeeperStatus) => number): () => Reading {
  return () => keepers.status().map((status) => [`${status.kind}/${status.name}`, value(status)]);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
