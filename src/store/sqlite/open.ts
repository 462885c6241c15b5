/**
 * Opening the SQLite store: pragmas, migrations, and the lock by which one process owns a data folder.
 *
 * @module
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ClavigerError } from '../../errors.ts';
import { SQLITE_MIGRATIONS } from '../migrations/sqlite.ts';

const DATABASE_FILE = 'claviger.db';
const LOCK_FILE = 'lock.db';
const OWNER_FILE = 'owner.json';
/**
 * A record is a bit more than 1 KiB, and a group some dozens of records: with pages of 16 KiB a group is written in a
 * third of the calls that it takes with SQLite's usual 4 KiB. It holds for a new store; an older one keeps its own.
 */
const PAGE_BYTES = 16_384;
/** Pages after which the writer has the WAL begin anew: 16 MiB. */
const WAL_PAGES = 1000;
/** How long a statement waits for a lock that somebody outside holds. */
export const BUSY_TIMEOUT_MS = 5000;

export function databasePath(folder: string): string {
  return join(folder, DATABASE_FILE);
}

/**
 * Opens the database for writing, in WAL with `synchronous=FULL`: a commit has reached the disk when it returns.
 * `secure_delete` overwrites what is deleted, so that dropped material does not linger in free pages.
 *
 * @throws STORE_UNAVAILABLE for a file that is no store, or one written by a newer Claviger
 */
export function openForWriting(path: string): DatabaseSync {
  const db = open(path, false);
  try {
    db.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA secure_delete = ON;
      PRAGMA wal_autocheckpoint = ${WAL_PAGES};
    `);
    migrate(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens the database for checkpoints beside the writer. */
export function openForCheckpoints(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 0 });
  db.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;');
  return db;
}

/** Opens the database for reading only; the writer has made it before. */
export function openForReading(path: string): DatabaseSync {
  const db = open(path, true);
  db.exec('PRAGMA query_only = ON; PRAGMA mmap_size = 268435456;');
  return db;
}

function open(path: string, readOnly: boolean): DatabaseSync {
  try {
    // For the owner only: SQLite would let everybody read, and gives the files beside it the mode of this one.
    if (!readOnly) closeSync(openSync(path, 'a', 0o600));
    const db = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS });
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    return db;
  } catch (cause) {
    throw new ClavigerError('STORE_UNAVAILABLE', `cannot open the store \`${path}\`: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Brings a store to the newest schema; each migration commits with its version number. */
export function migrate(db: DatabaseSync, path: string, migrations: readonly string[] = SQLITE_MIGRATIONS): void {
  const { user_version: found } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (found > migrations.length) {
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `the store \`${path}\` has schema version ${found}, this Claviger knows up to ${migrations.length}: it was written by a newer release, start that one`,
    );
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < found) continue;
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(sql);
      db.exec(`PRAGMA user_version = ${index + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}

/** One process owns a data folder. */
export interface FolderLock {
  /** Tells a second process where this one answers. */
  announce(address: string): void;
  release(): void;
}

/**
 * Takes the folder's lock: an exclusive transaction on a database beside the store, which the operating system gives
 * back when the process ends, however it ends.
 *
 * @throws STORE_UNAVAILABLE with the owner's address where another process has it
 */
export function lockFolder(folder: string): FolderLock {
  const db = new DatabaseSync(join(folder, LOCK_FILE));
  const ownerFile = join(folder, OWNER_FILE);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE;');
  } catch (cause) {
    db.close();
    throw new ClavigerError(
      'STORE_UNAVAILABLE',
      `the data folder \`${folder}\` is in use by another process${ownerOf(ownerFile)}; stop it first, or use its address`,
      { cause },
    );
  }
  return {
    announce: (address) => writeFileSync(ownerFile, JSON.stringify({ pid: process.pid, address }), { mode: 0o600 }),
    release: () => {
      rmSync(ownerFile, { force: true });
      db.close();
    },
  };
}

function ownerOf(file: string): string {
  try {
    const { pid, address } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; address: string };
    return ` (pid ${pid}, ${address})`;
  } catch {
    return '';
  }
}
