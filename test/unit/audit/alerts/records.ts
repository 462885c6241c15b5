/** Records and sightings for alert tests: what is not said is of no account. */
import type { Sighting, WatchedRecord } from '../../../../src/store/contract.ts';

export const NOW = Date.parse('2026-01-31T12:00:00.000Z');
export const TENANT = '019a0000-0000-7000-8000-000000000001';
export const KEY = '019a0000-0000-7000-8000-00000000000a';
export const OTHER_KEY = '019a0000-0000-7000-8000-00000000000b';
export const TOKEN = '019a0000-0000-7000-8000-0000000000f1';
export const OTHER_TOKEN = '019a0000-0000-7000-8000-0000000000f2';
export const ADDRESS = '198.51.100.7';

const SOUND_KEY = { pendingDeletion: false, compromisedVersions: [] } as const;

export function record(more: Partial<WatchedRecord> = {}): WatchedRecord {
  return {
    index: 0,
    timeMs: NOW,
    tenantId: TENANT,
    principal: TOKEN,
    source: ADDRESS,
    operation: 'Encrypt',
    outcome: 'OK',
    resource: null,
    keyId: KEY,
    keyVersion: 1,
    count: 1,
    aggregated: false,
    failedItems: {},
    key: SOUND_KEY,
    granted: null,
    ...more,
  };
}

/** Of somebody who is not known. */
export function stranger(more: Partial<WatchedRecord> = {}): WatchedRecord {
  return record({
    tenantId: null,
    principal: null,
    outcome: 'UNAUTHENTICATED',
    keyId: null,
    keyVersion: null,
    key: null,
    ...more,
  });
}

export function sighting(more: Partial<Sighting> = {}): Sighting {
  return { index: 0, timeMs: NOW, tenantId: TENANT, principal: TOKEN, source: ADDRESS, operation: 'Encrypt', ...more };
}

/** So many records, evenly within a time. */
export function spread(count: number, withinMs: number, one: WatchedRecord): WatchedRecord[] {
  return Array.from({ length: count }, (_, at) => ({
    ...one,
    index: at,
    timeMs: one.timeMs + Math.floor((at * withinMs) / count),
  }));
}
