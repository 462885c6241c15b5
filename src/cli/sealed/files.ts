/**
 * Files that are sealed: read whole, and replaced at once or not at all.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ClavigerError } from '../../errors.ts';
import { fileError } from '../input.ts';

/** Of sealed files and of the plaintext of others: nobody else reads along. */
const NEW_MODE = 0o600;

/** A file as it was found. */
export interface FoundFile {
  readonly bytes: Buffer;
  readonly mode: number;
}

/**
 * A file that is to be replaced by another. A link is refused: what is renamed over it would take its place, and what it
 * points to stay as it is.
 *
 * @returns null where there is none
 * @throws INVALID_ARGUMENT
 */
export function findFile(path: string, bytesMax: number): FoundFile | null {
  let file: number;
  try {
    if (lstatSync(path).isSymbolicLink()) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`${path}\` is a symbolic link: name the file that it points to`);
    }
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof ClavigerError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError('read', path, error);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new ClavigerError('INVALID_ARGUMENT', `\`${path}\` is not a file`);
    if (stat.size > bytesMax) {
      throw new ClavigerError(
        'LIMIT_EXCEEDED',
        `\`${path}\` has more than ${bytesMax} bytes: for large files there is \`claviger encrypt\``,
      );
    }
    return { bytes: readFileSync(file), mode: stat.mode & 0o777 };
  } finally {
    closeSync(file);
  }
}

/**
 * Puts a text in the place of a file: whoever opens it finds the one or the other.
 *
 * @param before what is there and shall be replaced; null where there is nothing
 * @param mode of the new file
 * @throws CONFLICT where something else is there by now
 */
export function replaceFile(path: string, text: string, before: FoundFile | null, mode: number = NEW_MODE): void {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = openSync(temporary, 'wx', NEW_MODE);
    try {
      writeWhole(file, Buffer.from(text));
      fchmodSync(file, mode);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    const now = findFile(path, Infinity);
    if (now === null ? before !== null : before === null || !now.bytes.equals(before.bytes)) {
      throw new ClavigerError('CONFLICT', `\`${path}\` was changed by somebody else meanwhile, and is left as it is`);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error instanceof ClavigerError ? error : fileError('write', path, error);
  }
  syncFolder(dirname(path));
}

function writeWhole(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

/** So that the new name is there after a power cut, too; not every system can. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    fsyncSync(folder);
    closeSync(folder);
  } catch {
    // The file itself is complete, whichever of the two it is.
  }
}

/** An error about one of several files: its code, and the name in front of its words. */
export function inFile(path: string, thrown: unknown): unknown {
  if (!(thrown instanceof ClavigerError) || thrown.message.startsWith(`\`${path}\``)) return thrown;
  return new ClavigerError(thrown.code, `\`${path}\`: ${thrown.message}`, { cause: thrown.cause });
}
