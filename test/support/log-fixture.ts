/**
 * Logs for tests of the verifier, in the layout of `claviger audit export`: made from spec/audit-log.md and the C2SP
 * specifications, with nothing of src/. A test changes the records or the files, and sees what is found.
 *
 * @module
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const LOG_ID = '8c3f1e0a-5b7d-4a2f-9d6c-1f2e3d4c5b6a';
export const ORIGIN = `claviger/${LOG_ID}`;
const START_MS = Date.UTC(2026, 0, 31, 12);
const WIDTH = 256;

type Json = Record<string, any>;
export type Files = Map<string, Buffer>;

export interface FixtureRecord {
  /** The fields in their order. */
  readonly fields: Json;
  openings: Json;
  items: [string, string][] | null;
}

export interface FixtureKey {
  readonly name: string;
  readonly vkey: string;
  readonly privateKey: KeyObject;
  readonly id: Buffer;
}

export interface LogOptions {
  readonly records?: number;
  /** Nothing but counts of strangers, which are small and commit to nothing. */
  readonly small?: boolean;
  /** At an index, a record that redacts a range. */
  readonly redaction?: { readonly at: number; readonly from: number; readonly to: number };
}

/** An Ed25519 key of a log (type 1) or a witness (type 4), or an ML-DSA-44 key of a witness (type 6). */
export function fixtureKey(name: string = ORIGIN, type: 1 | 4 | 6 = 1): FixtureKey {
  const { privateKey, publicKey } = type === 6 ? generateKeyPairSync('ml-dsa-44') : generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(type === 6 ? -1312 : -32);
  const material = Buffer.concat([Buffer.of(type), raw]);
  const id = sha256(Buffer.from(`${name}\n`), material).subarray(0, 4);
  return { name, privateKey, id, vkey: `${name}+${id.toString('hex')}+${material.toString('base64')}` };
}

/** Records as a service would leave them. */
export function fixtureRecords({ records = 300, small = false, redaction }: LogOptions = {}): FixtureRecord[] {
  return Array.from({ length: records }, (_, index) => {
    if (redaction?.at === index) return redactionRecord(index, redaction.from, redaction.to);
    const record = small || index % 50 === 9 ? strangers(index) : index % 7 === 3 ? batchRecord(index) : single(index);
    if (redaction !== undefined && index >= redaction.from && index < redaction.to) {
      record.openings = {};
      record.items = null;
    }
    return record;
  });
}

function common(index: number): Json {
  return { v: 1, logId: LOG_ID, index, time: new Date(START_MS + index * 10).toISOString(), phase: 'single' };
}

function caller(index: number): { fields: Json; openings: Json } {
  const principal = opening(index, 0, 'token-1', Buffer.from('token-1'));
  const source = opening(index, 1, '127.0.0.1', Buffer.from('127.0.0.1'));
  return {
    fields: { tenant: 'tenant-1', principal: principal.commitment, source: source.commitment },
    openings: { principal: principal.opened, source: source.opened },
  };
}

function single(index: number): FixtureRecord {
  const { fields, openings } = caller(index);
  const digest = sha256(Buffer.from(`message ${index}`));
  const told = opening(index, 2, digest.toString('base64'), digest);
  const pairs = { shop: String(index), cart: '42', ß: 'ü' };
  const context = opening(index, 3, JSON.stringify(pairs), contextBytes(pairs));
  return {
    fields: {
      ...common(index),
      ...fields,
      operation: 'Sign',
      key: 'key-1',
      keyVersion: 1,
      provider: 'software',
      algorithm: 'ECDSA_SHA_256',
      digest: told.commitment,
      context: context.commitment,
      policies: ['crypto-user/use'],
      outcome: 'OK',
      requestId: `request-${index}`,
      latencyUs: 100 + index,
    },
    openings: { ...openings, digest: told.opened, context: context.opened },
    items: null,
  };
}

function batchRecord(index: number): FixtureRecord {
  const { fields, openings } = caller(index);
  const items = Array.from({ length: 1 + (index % 5) }, (_, position): [string, string] => [
    salt(index, 100 + position).toString('base64'),
    JSON.stringify({
      position,
      keyVersion: 1,
      algorithm: 'ECDSA_SHA_256',
      outcome: position === 1 ? 'INTERNAL' : 'OK',
    }),
  ]);
  const leaves = items.map(([salted, text]) =>
    leafHash(Buffer.concat([Buffer.from(salted, 'base64'), Buffer.from(text)])),
  );
  const failed = items.filter((_, position) => position === 1).length;
  return {
    fields: {
      ...common(index),
      ...fields,
      operation: 'SignBatch',
      key: 'key-1',
      outcome: 'OK',
      requestId: `request-${index}`,
      latencyUs: 100 + index,
      items: { count: items.length, failed, root: treeHead(leaves).toString('base64') },
    },
    openings,
    items,
  };
}

/** Refusals that were counted: a record that commits to nothing. */
function strangers(index: number): FixtureRecord {
  const { time } = common(index);
  return {
    fields: {
      ...common(index),
      outcome: 'UNAUTHENTICATED',
      requestId: `request-${index}`,
      aggregate: { count: 190, from: time, to: time },
    },
    openings: {},
    items: null,
  };
}

function redactionRecord(index: number, from: number, to: number): FixtureRecord {
  const { fields, openings } = caller(index);
  return {
    fields: {
      ...common(index),
      ...fields,
      operation: 'RedactAuditRecords',
      outcome: 'OK',
      requestId: `request-${index}`,
      latencyUs: 1,
      redaction: { from, to },
    },
    openings,
    items: null,
  };
}

/** All files of a log: what an export holds. Of the checkpoints, the last is the newest, and covers all records. */
export function fixtureFiles(
  records: readonly FixtureRecord[],
  key: FixtureKey,
  sizes: readonly number[] = [records.length],
): Files {
  const files: Files = new Map();
  const entries = records.map(({ fields }) => Buffer.from(JSON.stringify(fields)));
  const leaves = entries.map((entry) => leafHash(entry));
  const heads = treeHeads(leaves);
  const notes = sizes.map((size) => checkpointNote(key, size, heads[size]!));
  files.set('key', Buffer.from(`${key.vkey}\n`));
  files.set('checkpoint', Buffer.from(notes.at(-1)!));
  files.set('checkpoints', checkpointLines(sizes, notes));
  putTiles(files, leaves);
  putEntries(files, entries);
  const lines = records.map(({ openings, items }, index) =>
    JSON.stringify({ index, openings, ...(items === null ? {} : { items }) }),
  );
  eachTile(lines, (part, path) => files.set(`openings/${path}`, Buffer.from(part.map((line) => `${line}\n`).join(''))));
  return files;
}

export function checkpointLines(sizes: readonly number[], notes: readonly string[]): Buffer {
  return Buffer.from(sizes.map((size, at) => `${JSON.stringify({ size, note: notes[at] })}\n`).join(''));
}

/** Replaces the bundles of entries. They have the names that they have in a log of `size` records. */
export function putEntries(files: Files, entries: readonly Buffer[], size: number = entries.length): void {
  for (const path of files.keys()) if (path.startsWith('tile/entries/')) files.delete(path);
  const named = Array.from({ length: size }, (_, index) =>
    index === size - 1 ? entries.slice(index) : [entries[index]],
  );
  eachTile(named, (part, path) => {
    const there = part.flat().filter((entry) => entry !== undefined);
    if (there.length > 0)
      files.set(`tile/entries/${path}`, Buffer.concat(there.flatMap((entry) => [u16(entry.length), entry])));
  });
}

/** Replaces the hash tiles; the names as with `putEntries`, at the level of the leaves. */
export function putTiles(files: Files, leaves: readonly Buffer[], size: number = leaves.length): void {
  for (const path of files.keys()) if (/^tile\/\d/.test(path)) files.delete(path);
  for (let level = 0, hashes = leaves; hashes.length > 0; level++) {
    const named = level > 0 ? hashes : Array.from({ length: size }, (_, index) => hashes[index] ?? Buffer.alloc(0));
    eachTile(named, (part, path) => files.set(`tile/${level}/${path}`, Buffer.concat(part)));
    hashes = Array.from({ length: Math.floor(hashes.length / WIDTH) }, (_, at) =>
      treeHead(hashes.slice(at * WIDTH, (at + 1) * WIDTH)),
    );
  }
}

/** The entries in the bundles of a log. */
export function entriesOf(records: readonly FixtureRecord[]): Buffer[] {
  return records.map(({ fields }) => Buffer.from(JSON.stringify(fields)));
}

export function checkpointNote(key: FixtureKey, size: number, root: Buffer, origin: string = key.name): string {
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  return `${text}\n${signatureLine(key, sign(null, Buffer.from(text), key.privateKey))}`;
}

/** A note with one more line: a witness's cosignature. */
export function cosigned(note: string, witness: FixtureKey, time: number): string {
  const text = note.slice(0, note.lastIndexOf('\n\n') + 1);
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(BigInt(time));
  const signed =
    witness.privateKey.asymmetricKeyType === 'ed25519'
      ? Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
      : Buffer.from(wholeTree(witness.name, time, text), 'latin1');
  const signature = sign(null, signed, witness.privateKey);
  return note + signatureLine(witness, Buffer.concat([stamp, signature]));
}

/** What ML-DSA signs (C2SP tlog-cosignature): `subtree/v1` over the whole tree, a character for each byte. */
function wholeTree(witness: string, time: number, text: string): string {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const bytes = (value: number): string => Buffer.from(value.toString(16).padStart(16, '0'), 'hex').toString('latin1');
  const named = (name: string): string => String.fromCharCode(name.length) + name;
  const head = Buffer.from(root, 'base64').toString('latin1');
  return `subtree/v1\n\0${named(witness)}${bytes(time)}${named(origin)}${bytes(0)}${bytes(Number(size))}${head}`;
}

function signatureLine({ name, id }: FixtureKey, signature: Buffer): string {
  return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

export interface FixtureReceipt {
  logId: string;
  index: number;
  entry: string;
  leafHash: string;
  openings: Json;
  items?: [string, string][];
  size: number;
  hashes: string[];
  checkpoint: string;
}

export function fixtureReceipt(records: readonly FixtureRecord[], key: FixtureKey, index: number): FixtureReceipt {
  const leaves = entriesOf(records).map((entry) => leafHash(entry));
  const { fields, openings, items } = records[index]!;
  return {
    logId: LOG_ID,
    index,
    entry: JSON.stringify(fields),
    leafHash: leaves[index]!.toString('base64'),
    openings,
    ...(items === null ? {} : { items }),
    size: leaves.length,
    hashes: inclusionPath(index, leaves).map((hash) => hash.toString('base64')),
    checkpoint: checkpointNote(key, leaves.length, treeHead(leaves)),
  };
}

/** RFC 6962, section 2.1.1: PATH(m, D[n]). */
export function inclusionPath(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const at = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, at), leaves.slice(at)];
  return index < at
    ? [...inclusionPath(index, left), treeHead(right)]
    : [...inclusionPath(index - at, right), treeHead(left)];
}

/** RFC 6962, section 2.1.2: PROOF(m, D[n]). */
export function consistencyPath(from: number, leaves: readonly Buffer[]): Buffer[] {
  return from === 0 || from === leaves.length ? [] : subproof(from, leaves, true);
}

function subproof(from: number, leaves: readonly Buffer[], whole: boolean): Buffer[] {
  if (from === leaves.length) return whole ? [] : [treeHead(leaves)];
  const at = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, at), leaves.slice(at)];
  return from <= at
    ? [...subproof(from, left, whole), treeHead(right)]
    : [...subproof(from - at, right, false), treeHead(left)];
}

/** RFC 6962, section 2.1: MTH(D[n]). */
export function treeHead(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const at = splitOf(leaves.length);
  return sha256(Buffer.of(1), treeHead(leaves.slice(0, at)), treeHead(leaves.slice(at)));
}

/** The heads of all trees over the first leaves, from that of none on: what `treeHead` gives, in less time. */
export function treeHeads(leaves: readonly Buffer[]): Buffer[] {
  const peaks: Buffer[] = [];
  const heads = [treeHead([])];
  for (const [index, leaf] of leaves.entries()) {
    peaks.push(leaf);
    for (let rest = index; rest % 2 === 1; rest = (rest - 1) / 2) {
      const [left, right] = peaks.splice(-2) as [Buffer, Buffer];
      peaks.push(sha256(Buffer.of(1), left, right));
    }
    heads.push(peaks.reduceRight((right, left) => sha256(Buffer.of(1), left, right)));
  }
  return heads;
}

export function leafHash(entry: Buffer): Buffer {
  return sha256(Buffer.of(0), entry);
}

export function writeFiles(folder: string, files: Files): void {
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

/** Parts of 256, each with its path. */
function eachTile<T>(all: readonly T[], put: (part: readonly T[], path: string) => void): void {
  for (let index = 0; index * WIDTH < all.length; index++) {
    const part = all.slice(index * WIDTH, (index + 1) * WIDTH);
    const digits = String(index).padStart(3 * Math.ceil(String(index).length / 3), '0');
    const groups = digits.match(/.{3}/g)!;
    const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
    put(part, part.length === WIDTH ? path : `${path}.p/${part.length}`);
  }
}

function opening(index: number, field: number, value: string, bytes: Buffer): { commitment: string; opened: string[] } {
  const salted = salt(index, field);
  return { commitment: sha256(salted, bytes).toString('base64'), opened: [salted.toString('base64'), value] };
}

/** Random in the log; here it can be made again. */
function salt(index: number, field: number): Buffer {
  return sha256(Buffer.from(`salt ${index} ${field}`)).subarray(0, 16);
}

function contextBytes(pairs: Record<string, string>): Buffer {
  const fields = Object.entries(pairs)
    .map(([name, value]) => [Buffer.from(name), Buffer.from(value)])
    .toSorted(([a], [b]) => Buffer.compare(a!, b!))
    .flat();
  return Buffer.concat([u32(Object.keys(pairs).length), ...fields.flatMap((field) => [u32(field.length), field])]);
}

function splitOf(length: number): number {
  let split = 1;
  while (split * 2 < length) split *= 2;
  return split;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
