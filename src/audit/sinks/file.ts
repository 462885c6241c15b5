/**
 * Sink: JSON lines in a file, rotated by size and by day.
 *
 * A batch is one write and one fsync. What a crash or a full disk leaves of a line is cut off before anything else is
 * written; the record comes again. A file that was moved away from outside, as by logrotate, is left alone, and a new
 * one begun.
 *
 * @module
 */
import { open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import type { FileSinkOptions } from './options.ts';
import { eventOf, type Sink, type SinkBatch } from './sink.ts';

const NEWLINE = 0x0a;
/** Bytes that are searched at once, from the end back, for the end of the last whole line. */
const SEARCH_BYTES = 65_536;
/** What stands behind the name of an older file: when it was put aside, so that names sort by age. */
const ASIDE = /^\.\d{8}T\d{9}Z(?:-\d+)?$/;

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: number;
  /** Bytes of whole lines. */
  size: number;
  /** UTC day of what is in it. */
  day: string;
}

export class FileSink implements Sink {
  readonly #options: FileSinkOptions;
  readonly #clock: Clock;
  #file: OpenFile | null = null;

  constructor(options: FileSinkOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async deliver({ logId, records }: SinkBatch): Promise<void> {
    const lines = Buffer.from(records.map((record) => `${JSON.stringify(eventOf(logId, record))}\n`).join(''));
    const file = await this.#ready(lines.length);
    try {
      await writeWhole(file.handle, lines);
      await file.handle.datasync();
    } catch (error) {
      // Half a line may be there. The next attempt opens the file anew, and opening cuts it off.
      this.#file = null;
      await file.handle.truncate(file.size).catch(() => undefined);
      await file.handle.close().catch(() => undefined);
      throw error;
    }
    file.size += lines.length;
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = null;
  }

  /** The file that the next lines go to: a new one where the present one is full, of another day, or gone. */
  async #ready(bytes: number): Promise<OpenFile> {
    const { path, rotateBytes, rotateDaily } = this.#options;
    if (this.#file !== null && !(await isAt(path, this.#file.inode))) await this.close();
    this.#file ??= await openFile(path);
    const { size, day } = this.#file;
    const full = size > 0 && size + bytes > rotateBytes;
    const over = rotateDaily && size > 0 && day !== dayOf(this.#clock.now());
    if (full || over) {
      await this.close();
      await this.#putAside();
      this.#file = await openFile(path);
    }
    this.#file.day = dayOf(this.#clock.now());
    return this.#file;
  }

  async #putAside(): Promise<void> {
    const { path, keepFiles } = this.#options;
    const stamp = new Date(this.#clock.now()).toISOString().replaceAll(/[-:.]/g, '');
    let aside = `${path}.${stamp}`;
    for (let n = 1; await exists(aside); n++) aside = `${path}.${stamp}-${n}`;
    await rename(path, aside);
    const older = await filesAside(path);
    for (const file of older.slice(0, Math.max(0, older.length - keepFiles))) await unlink(file);
    await syncFolder(dirname(path));
  }
}

/** Opens a file to append to, made with mode 0600, and cuts off what is left of a line. */
async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, 'a+', 0o600);
  try {
    const { ino, size, mtimeMs } = await handle.stat();
    const whole = await wholeLines(handle, size);
    if (whole < size) await handle.truncate(whole);
    if (size === 0) await syncFolder(dirname(path));
    return { handle, inode: ino, size: whole, day: dayOf(mtimeMs) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Bytes up to the end of the last whole line. */
async function wholeLines(handle: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0;) {
    const from = Math.max(0, end - SEARCH_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - from), 0, end - from, from);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (last !== -1) return from + last + 1;
    end = from;
  }
  return 0;
}

async function writeWhole(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

/** Older files of a path, the oldest first. */
async function filesAside(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const found = await readdir(dirname(path));
  return found
    .filter((file) => file.startsWith(name) && ASIDE.test(file.slice(name.length)))
    .toSorted()
    .map((file) => join(dirname(path), file));
}

/** A new name is as durable as the lines only when its folder is written. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isAt(path: string, inode: number): Promise<boolean> {
  return stat(path).then(
    ({ ino }) => ino === inode,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
