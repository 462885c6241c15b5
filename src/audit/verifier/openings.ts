/**
 * Openings: what the commitments of a record stand for, and the items of a batch. spec/audit-log.md has the format, and
 * spec/ciphertext.md the encoding of an encryption context.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { bytesOf } from './base64.ts';
import { FindingError, MalformedError } from './finding.ts';
import { leafHash, rootOf } from './merkle.ts';
import { COMMITMENTS, type Commitment, type LogRecord } from './record.ts';

const SALT_BYTES = 16;

/** What lies beside one record. */
export interface Opening {
  readonly openings: Readonly<Record<string, unknown>>;
  readonly items: readonly unknown[] | null;
}

/**
 * A line of an openings file.
 *
 * @throws MalformedError
 */
export function parseOpening(line: string, index: number): Opening {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new MalformedError('are not JSON');
  }
  if (!isObject(value) || value['index'] !== index) throw new MalformedError('are those of another record');
  const strange = Object.keys(value).find((name) => !['index', 'openings', 'items'].includes(name));
  if (strange !== undefined) throw new MalformedError(`have a field \`${strange}\``);
  return openingOf(value['openings'], value['items'], 'have');
}

/**
 * @param verb of the sentence that the message of an error completes: a line of openings is many
 * @throws MalformedError
 */
export function openingOf(openings: unknown, items: unknown, verb: 'has' | 'have'): Opening {
  if (!isObject(openings)) throw new MalformedError(`${verb} no object \`openings\``);
  if (items !== undefined && !Array.isArray(items)) throw new MalformedError(`${verb} \`items\` that are no list`);
  return { openings, items: items ?? null };
}

/**
 * Holds openings against their record.
 *
 * @returns what the record commits to and is not opened: names of fields, and `items`
 * @throws FindingError where an opening is not what the record commits to
 */
export function checkOpening(record: LogRecord, { openings, items }: Opening): readonly string[] {
  const { index } = record;
  for (const name of Object.keys(openings)) {
    if (!Object.hasOwn(record, name) || !COMMITMENTS.includes(name as Commitment)) {
      throw new FindingError(
        'opening-changed',
        `record ${index} is told to have a \`${name}\`, but commits to none`,
        index,
      );
    }
  }
  const closed: string[] = [];
  for (const name of COMMITMENTS) {
    const commitment = record[name];
    if (commitment === undefined) continue;
    if (!Object.hasOwn(openings, name)) closed.push(name);
    else if (!opens(commitment, name, openings[name])) {
      const message = `the \`${name}\` that is told of record ${index} is not what the record commits to`;
      throw new FindingError('opening-changed', message, index);
    }
  }
  if (items !== null) checkItems(record, items);
  else if (record.items !== undefined) closed.push('items');
  return closed;
}

function opens(commitment: string, name: Commitment, opening: unknown): boolean {
  try {
    const [salt, value] = pairOf(opening);
    return hash('sha256', Buffer.concat([salt, committed(name, value)]), 'base64') === commitment;
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}

/** The bytes under the hash. */
function committed(name: Commitment, value: string): Buffer {
  if (name === 'digest') return bytesOf(value);
  if (name === 'context' || name === 'destinationContext') return contextBytes(value);
  return Buffer.from(value);
}

/** Number of pairs, then name and value of each behind its length, sorted by the bytes of the names. */
function contextBytes(json: string): Buffer {
  let context: unknown;
  try {
    context = JSON.parse(json);
  } catch {
    throw new MalformedError('is not JSON');
  }
  if (!isObject(context)) throw new MalformedError('is not a context');
  const pairs = Object.entries(context).map(([name, value]) => {
    if (typeof value !== 'string') throw new MalformedError('is not a context');
    return [Buffer.from(name), Buffer.from(value)] as const;
  });
  const sorted = pairs.toSorted(([a], [b]) => Buffer.compare(a, b)).flat();
  return Buffer.concat([u32(pairs.length), ...sorted.flatMap((part) => [u32(part.length), part])]);
}

function checkItems(record: LogRecord, items: readonly unknown[]): void {
  const { index } = record;
  const changed = (what: string): FindingError =>
    new FindingError('items-changed', `the items that are told of batch ${index} ${what}`, index);
  if (record.items === undefined) throw changed('belong to no batch: the record has none');
  const { count, failed, root } = record.items;
  if (items.length !== count) throw changed(`are ${items.length}, and the record has ${count}`);
  let failures = 0;
  const leaves: Buffer[] = [];
  for (const [position, item] of items.entries()) {
    try {
      const [salt, text] = pairOf(item);
      leaves.push(leafHash(salt, Buffer.from(text)));
      if (outcomeOf(text, position) !== 'OK') failures += 1;
    } catch (error) {
      if (error instanceof MalformedError) throw changed(`have one that ${error.message}, item ${position}`);
      throw error;
    }
  }
  if (rootOf(leaves).toString('base64') !== root) throw changed('are not those that the record commits to');
  if (failures !== failed) throw changed(`have ${failures} failures, and the record has ${failed}`);
}

function outcomeOf(text: string, position: number): unknown {
  let item: unknown;
  try {
    item = JSON.parse(text);
  } catch {
    throw new MalformedError('is not JSON');
  }
  if (!isObject(item) || item['position'] !== position) throw new MalformedError('stands at the wrong place');
  return item['outcome'];
}

/** The value of an opening that was found to be right. */
export function valueOf(opening: unknown): string {
  return pairOf(opening)[1];
}

function pairOf(value: unknown): readonly [salt: Buffer, text: string] {
  if (!Array.isArray(value) || value.length !== 2 || typeof value[1] !== 'string') {
    throw new MalformedError('is no pair of salt and text');
  }
  return [bytesOf(value[0], SALT_BYTES), value[1]];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
