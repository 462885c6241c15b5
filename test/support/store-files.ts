/**
 * Looks into the files of a store for bytes that should, or should not, be there.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

export const STORE_FILES = ['claviger.db', 'claviger.db-wal', 'claviger.db-shm'] as const;

/** Names of the store's files that hold these bytes. */
export function filesWith(folder: string, bytes: Uint8Array | string): string[] {
  return STORE_FILES.filter((name) => {
    const file = join(folder, name);
    return existsSync(file) && readFileSync(file).includes(bytes);
  });
}

/** Fails where a secret stands in a file of the store: raw, as hex, or as any form of base64. */
export function assertNowhere(folder: string, secrets: Readonly<Record<string, Uint8Array>>): void {
  const files = STORE_FILES.filter((name) => existsSync(join(folder, name))).map(
    (name) => [name, readFileSync(join(folder, name))] as const,
  );
  assert.ok(files.length > 0, 'there is a store to look into');
  for (const [what, secret] of Object.entries(secrets)) {
    for (const [form, bytes] of writtenForms(secret)) {
      for (const [name, content] of files) assert.ok(!content.includes(bytes), `${what} stands in ${name}, ${form}`);
    }
  }
}

/** The ways in which a secret may stand somewhere; base64 at each of the three ways in which it may be aligned. */
export function writtenForms(secret: Uint8Array): readonly (readonly [form: string, bytes: Buffer | string])[] {
  const bytes = Buffer.from(secret);
  assert.ok(bytes.length >= 12, 'too short to be found for certain');
  const hex = bytes.toString('hex');
  const aligned = [0, 1, 2].flatMap((shift) => {
    const inner = bytes.subarray(shift, shift + 3 * Math.floor((bytes.length - shift) / 3));
    return [
      [`base64, shifted by ${shift}`, inner.toString('base64')],
      [`base64url, shifted by ${shift}`, inner.toString('base64url')],
    ] as const;
  });
  return [['raw', bytes], ['hex', hex], ['upper-case hex', hex.toUpperCase()], ...aligned];
}

/** Rows of the store, read over a connection of the test's own. */
export function query(folder: string, sql: string, ...values: SQLInputValue[]): Record<string, any>[] {
  const db = new DatabaseSync(join(folder, 'claviger.db'), { readOnly: true, timeout: 5000 });
  try {
    return db.prepare(sql).all(...values);
  } finally {
    db.close();
  }
}

/** Changes a closed store from outside. */
export function tamper(folder: string, sql: string, ...values: SQLInputValue[]): void {
  const db = new DatabaseSync(join(folder, 'claviger.db'), { timeout: 5000 });
  try {
    assert.ok(db.prepare(sql).run(...values).changes > 0, 'nothing was changed');
  } finally {
    db.close();
  }
}
