/**
 * Reads a record of spec/audit-log.md, version 1, and accepts the one canonical form of it: the fields in their order, no
 * other fields, no white space. What is read and written again has the same bytes.
 *
 * @module
 */
import { isBase64 } from './base64.ts';
import { MalformedError } from './finding.ts';
import { HASH_BYTES } from './merkle.ts';
import { utf8 } from './note.ts';

/** Fields that stand in a record as commitments. */
export const COMMITMENTS = ['principal', 'source', 'digest', 'context', 'destinationContext', 'resource'] as const;

export type Commitment = (typeof COMMITMENTS)[number];

export interface ItemsSummary {
  readonly count: number;
  readonly failed: number;
  readonly root: string;
}

export type LogRecord = Readonly<Partial<Record<Commitment, string>>> & {
  readonly logId: string;
  readonly index: number;
  readonly time: string;
  readonly outcome: string | null;
  readonly requestId: string;
  readonly tenant?: string;
  readonly operation?: string;
  readonly key?: string;
  readonly keyVersion?: number;
  readonly items?: ItemsSummary;
  /** Records whose openings were removed: from `from`, up to but not including `to`. */
  readonly redaction?: { readonly from: number; readonly to: number };
};

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string' && value !== '';
const texts: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(text);
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const commitment: Check = (value) => isBase64(value, HASH_BYTES);
const time: Check = (value) =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value)) && new Date(value).toISOString() === value;

/** Every field, in the order of the format. */
const FIELDS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['v', (value) => value === 1],
  ['logId', text],
  ['index', count],
  ['time', time],
  ['phase', (value) => value === 'single' || value === 'intent' || value === 'outcome'],
  ['tenant', text],
  ['principal', commitment],
  ['source', commitment],
  ['operation', text],
  ['key', text],
  ['keyVersion', count],
  ['provider', text],
  ['backing', text],
  ['failovers', texts],
  ['missingHomes', texts],
  ['algorithm', text],
  ['digest', commitment],
  ['context', commitment],
  ['destinationContext', commitment],
  ['resource', commitment],
  ['policies', texts],
  ['outcome', (value) => value === null || text(value)],
  ['requestId', text],
  ['latencyUs', count],
  ['items', object({ count, failed: count, root: commitment })],
  ['aggregate', object({ count, from: time, to: time })],
  ['redaction', object({ from: count, to: count })],
]);
const ORDER: ReadonlyMap<string, number> = new Map([...FIELDS.keys()].map((name, at) => [name, at]));
const ALWAYS = ['v', 'logId', 'index', 'time', 'phase', 'outcome', 'requestId'] as const;

/**
 * The record of an entry.
 *
 * @throws MalformedError
 */
export function parseRecord(entry: Uint8Array): LogRecord {
  const source = utf8(entry);
  const record = parsedObject(source);
  let last = -1;
  for (const [name, value] of Object.entries(record)) {
    const at = ORDER.get(name);
    if (at === undefined) throw new MalformedError(`has a field \`${name}\`, which version 1 does not know`);
    if (at < last) throw new MalformedError(`has \`${name}\` in another place than the format says`);
    if (!FIELDS.get(name)!(value)) throw new MalformedError(`has a \`${name}\` that is none`);
    last = at;
  }
  const missing = ALWAYS.find((name) => !Object.hasOwn(record, name));
  if (missing !== undefined) throw new MalformedError(`has no \`${missing}\``);
  // Whatever JSON.parse forgives is not there when it is written again: white space, escapes, a field that is there twice.
  if (JSON.stringify(record) !== source) throw new MalformedError('is not written in the canonical form');
  requireSense(record);
  return record as LogRecord;
}

/** Whether there is anything to open. */
export function commitsToAnything(record: LogRecord): boolean {
  return record.items !== undefined || COMMITMENTS.some((name) => record[name] !== undefined);
}

/** The index that an entry claims, where that much of it can be read. */
export function claimedIndex(entry: Uint8Array): number | null {
  try {
    return parseRecord(entry).index;
  } catch {
    return null;
  }
}

/** What the format says of fields together. */
function requireSense(record: Readonly<Record<string, unknown>>): void {
  const has = (name: string): boolean => Object.hasOwn(record, name);
  if (has('tenant') !== has('principal'))
    throw new MalformedError('has one of `tenant` and `principal` without the other');
  if ((record['outcome'] === null) !== (record['phase'] === 'intent')) {
    throw new MalformedError('has an outcome that does not go with its phase');
  }
  if (has('latencyUs') === has('aggregate'))
    throw new MalformedError('has both or none of `latencyUs` and `aggregate`');
  if (!has('redaction')) return;
  const { from, to } = record['redaction'] as { from: number; to: number };
  if (record['operation'] !== 'RedactAuditRecords' || record['outcome'] !== 'OK') {
    throw new MalformedError('has a `redaction`, but is not one of RedactAuditRecords that went well');
  }
  if (from >= to || to > (record['index'] as number)) {
    throw new MalformedError('redacts a range that is empty, or is not before it');
  }
}

function parsedObject(source: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new MalformedError('is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MalformedError('is not a JSON object');
}

/** An object with exactly these fields in this order. */
function object(fields: Readonly<Record<string, Check>>): Check {
  const names = Object.keys(fields);
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).join() === names.join() &&
    names.every((name) => fields[name]!((value as Record<string, unknown>)[name]));
}
