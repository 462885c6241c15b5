/**
 * Where a file goes: into the target's folder without a name, or under one of its own, until it is whole and on the disk,
 * and then under the target's name, in one step. So nobody ever sees half a file, and what was there before stays until then.
 *
 * Standard output, pipes and devices take bytes as they come.
 *
 * @module
 */
import {
  close,
  closeSync,
  createWriteStream,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  fsyncSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writev,
  type Stats,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { ClavigerError } from '../../errors.ts';
import { fileError } from '../input.ts';
import type { Terminal } from '../terminal.ts';
import { openNameless } from './nameless.ts';
import type { Unfinished } from './unfinished.ts';

/** POSIX promises 1,024 (IOV_MAX) on every system that we run on. */
const PIECES_MAX = 1024;
/** What is shorter is not worth it. */
const GIVEN_BACK_BYTES = 4096;
/** Until it is whole. */
const OWNER_ONLY = 0o600;
const PERMISSIONS = 0o777;

/** What is left where a process is killed, or the power goes. */
export const TEMPORARY_NAME = /^\.claviger-[0-9a-f]{16}\.tmp$/;

const syncFd = promisify(fsync);
/** Gives how many bytes it wrote. */
const writeSome = async (fd: number, pieces: readonly Buffer[]): Promise<number> => {
  const { bytesWritten } = await writeTo(fd, pieces);
  return bytesWritten;
};
const writeTo = promisify(writev);
const closeFd = promisify(close);

export interface Target extends AsyncDisposable {
  /** As the user named it, for messages. */
  readonly name: string;
  /** True where nobody reads anything of it before it is whole. */
  readonly isAtomic: boolean;
  /**
   * Takes pieces, which are the target's from here on; resolves once it may be given more.
   *
   * @throws ClavigerError where it cannot be written; CANCELED where nobody reads any more
   */
  write(pieces: readonly Buffer[]): Promise<void>;
  /** It is whole: puts it on the disk and gives it its name. What is disposed of without is removed. */
  finish(): Promise<void>;
}

export interface TargetOptions {
  readonly unfinished: Unfinished;
  /** Replaces a file that is there; otherwise only an empty one. */
  readonly force: boolean;
  /**
   * Permissions of a new file, which the process may narrow (umask). One that is replaced keeps its own, but gives nobody
   * else any where a new one is for its owner only.
   */
  readonly mode: number;
  /** Its owner, permissions and times go over: the file takes the place of this one, unless that was changed meanwhile. */
  readonly insteadOf?: Stats;
}

/**
 * @param path `-` or undefined is standard output
 * @throws ClavigerError where nothing can be written there, before anything is
 */
export function openTarget(terminal: Terminal, path: string | undefined, options: TargetOptions): Target {
  if (path === undefined || path === '-') return new StreamTarget('standard output', terminal.output.stream, false);
  const there = statOf(path);
  if (there === null || there.isFile()) return new FileTarget(realPath(path, there), path, there, options);
  if (there.isDirectory()) throw refusal(path, 'it is a folder');
  if (there.isBlockDevice() && !options.force) {
    throw refusal(path, 'it is a disk, and what is on it would be lost; --force writes to it');
  }
  return new StreamTarget(`\`${path}\``, createWriteStream(path, { flags: 'r+' }), true);
}

class StreamTarget implements Target {
  readonly name: string;
  readonly isAtomic = false;
  readonly #stream: Writable;
  readonly #ends: boolean;
  #error: Error | null = null;

  /** @param ends whether it is ours to end */
  constructor(name: string, stream: Writable, ends: boolean) {
    this.name = name;
    this.#stream = stream;
    this.#ends = ends;
    stream.on('error', this.#onError);
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#requireReader();
      if (this.#stream.write(piece)) continue;
      // Its error comes as the error of a write.
      await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
    }
    this.#requireReader();
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
    this.#requireReader();
    if (!this.#ends) return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.end((error?: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ends) this.#stream.destroy();
    else this.#stream.off('error', this.#onError);
  }

  readonly #onError = (error: Error): void => {
    this.#error = error;
  };

  #requireReader(): void {
    const error = this.#error ?? this.#stream.errored;
    if (error === null && !this.#stream.destroyed) return;
    if (error !== null && (error as NodeJS.ErrnoException).code !== 'EPIPE') {
      throw fileError('write', this.name.replaceAll('`', ''), error);
    }
    throw new ClavigerError('CANCELED', `nobody reads ${this.name} any more: stopped before the end`);
  }
}

class FileTarget implements Target {
  readonly name: string;
  readonly isAtomic = true;
  readonly #path: string;
  readonly #there: Stats | null;
  readonly #options: TargetOptions;
  readonly #unnamed: Unnamed;
  #isOpen = true;
  /** The write that is under way. */
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, name: string, there: Stats | null, options: TargetOptions) {
    this.name = `\`${name}\``;
    this.#path = path;
    this.#there = there;
    this.#options = options;
    if (!mayReplace(there, options)) throw existsAlready(path);
    this.#unnamed = openUnnamed(path, options);
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    await this.#writing;
    this.#writing = this.#writeAll(pieces);
    // Whoever writes next, or finishes, is told.
    this.#writing.catch(() => undefined);
  }

  async #writeAll(pieces: readonly Buffer[]): Promise<void> {
    try {
      for (let rest = pieces; rest.length > 0;) {
        rest = after(rest, await writeSome(this.#unnamed.fd, rest.slice(0, PIECES_MAX)));
      }
    } catch (cause) {
      throw fileError('write', this.#path, cause);
    }
    for (const piece of pieces) giveBack(piece);
  }

  async finish(): Promise<void> {
    await this.#writing;
    const { insteadOf, mode } = this.#options;
    const { fd } = this.#unnamed;
    try {
      const before = insteadOf ?? this.#there;
      if (insteadOf !== undefined) keepOwnerAndTimes(fd, insteadOf);
      // Others read what took the place of a file that they could read, but no plaintext.
      const most = insteadOf === undefined && mode === OWNER_ONLY ? OWNER_ONLY : PERMISSIONS;
      if (before !== null) fchmodSync(fd, before.mode & most);
      await syncFd(fd);
      this.#giveName();
      syncFolder(dirname(this.#path));
    } catch (cause) {
      if (cause instanceof ClavigerError) throw cause;
      throw fileError('write', this.#path, cause);
    }
  }

  #giveName(): void {
    const { insteadOf } = this.#options;
    const there = statOf(this.#path);
    if (insteadOf !== undefined && (there === null || !isSame(there, insteadOf))) {
      throw new ClavigerError('CONFLICT', `\`${this.#path}\` was changed meanwhile, and is left as it is now`);
    }
    if (!mayReplace(there, this.#options)) throw existsAlready(this.#path);
    if (there !== null) this.#unnamed.replace(this.#path);
    else if (!this.#unnamed.link(this.#path)) throw existsAlready(this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A write that is under way ends before its file is closed.
    await this.#writing.catch(() => undefined);
    if (this.#isOpen) {
      this.#isOpen = false;
      await closeFd(this.#unnamed.fd);
    }
    this.#unnamed.remove();
  }
}

/** A file that is being written, and has not its name yet. */
interface Unnamed {
  readonly fd: number;
  /** Names it; false where there is something of this name. */
  readonly link: (path: string) => boolean;
  /** Names it, in place of what has the name. */
  readonly replace: (path: string) => void;
  /** Nothing of it is left, unless it has its name. */
  readonly remove: () => void;
}

function openUnnamed(path: string, { unfinished, insteadOf, mode }: TargetOptions): Unnamed {
  const folder = dirname(path);
  const openMode = insteadOf === undefined ? mode : OWNER_ONLY;
  const temporary = join(folder, `.claviger-${randomBytes(8).toString('hex')}.tmp`);
  const remove = (): void => {
    rmSync(temporary, { force: true });
    unfinished.delete(temporary);
  };
  const rename = (to: string): void => {
    renameSync(temporary, to);
    unfinished.delete(temporary);
  };
  unfinished.add(temporary);
  const nameless = openNameless(folder, openMode);
  if (nameless !== null) {
    const { fd, nameIt } = nameless;
    const replace = (to: string): void => {
      if (!nameIt(temporary)) throw new ClavigerError('INTERNAL', `the system gives \`${to}\` no name`);
      rename(to);
    };
    return { fd, link: nameIt, replace, remove };
  }
  try {
    const fd = openSync(temporary, 'wx', openMode);
    return { fd, link: (to) => linkOnce(temporary, to, rename), replace: rename, remove };
  } catch (cause) {
    unfinished.delete(temporary);
    throw fileError('write', path, cause);
  }
}

/** Unlike a rename, a link does not replace what somebody else has put there meanwhile. */
function linkOnce(from: string, to: string, rename: (to: string) => void): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // A file system without links.
    rename(to);
    return true;
  }
}

/** What is left of the pieces once so many bytes are written. */
function after(pieces: readonly Buffer[], written: number): readonly Buffer[] {
  let at = 0;
  let left = written;
  while (at < pieces.length && left >= pieces[at]!.length) {
    left -= pieces[at]!.length;
    at += 1;
  }
  if (at === pieces.length) return [];
  return [pieces[at]!.subarray(left), ...pieces.slice(at + 1)];
}

/**
 * Gives memory back to the system now, rather than when it is found to be nobody's: the next piece is made in it, and not
 * in pages that were never touched.
 */
function giveBack(piece: Buffer): void {
  const { buffer } = piece;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === piece.length;
  if (isAlone && piece.length >= GIVEN_BACK_BYTES) buffer.transfer(0);
}

/** An empty file holds nothing that could be lost; `mktemp` makes one. */
function mayReplace(there: Stats | null, { force, insteadOf }: TargetOptions): boolean {
  return force || insteadOf !== undefined || there === null || there.size === 0;
}

/** The file itself, where the name is that of a link. */
function realPath(path: string, there: Stats | null): string {
  if (there !== null) return realpathSync(path);
  if (lstatOf(path) !== null) throw refusal(path, 'it is a symbolic link to nowhere');
  return path;
}

function isSame(now: Stats, then: Stats): boolean {
  return now.ino === then.ino && now.dev === then.dev && now.size === then.size && now.mtimeMs === then.mtimeMs;
}

function keepOwnerAndTimes(fd: number, { uid, gid, atimeMs, mtimeMs }: Stats): void {
  const own = fstatSync(fd);
  if (own.uid !== uid || own.gid !== gid) fchownSync(fd, uid, gid);
  futimesSync(fd, atimeMs / 1000, mtimeMs / 1000);
}

/** The name is on the disk, too. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

function lstatOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function existsAlready(name: string): ClavigerError {
  return refusal(name, 'it exists already; --force replaces it once the new one is whole');
}

function refusal(path: string, reason: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', `cannot write \`${path}\`: ${reason}`);
}
