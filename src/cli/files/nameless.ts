/**
 * A file that has no name until it is whole: whatever ends the process, SIGKILL or the power, the system takes it back.
 *
 * Linux has this (O_TMPFILE of open(2), and linkat(2) to name it), most of its file systems too, Node has not. Where it
 * cannot be had, the caller takes a name that it removes.
 *
 * @module
 */
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { loadFfi } from '../../crypto/ffi.ts';

export interface NamelessFile {
  readonly fd: number;
  /** Gives it a name, as long as it is open. False where that name is taken, or cannot be given. */
  readonly nameIt: (path: string) => boolean;
}

/** `__O_TMPFILE` of Linux, the same on every architecture that Node has. */
const TMPFILE = 0o20000000;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;

/** Null where the system or the file system does not have it. */
export function openNameless(folder: string, mode: number): NamelessFile | null {
  if (process.platform !== 'linux') return null;
  const linkat = loadLinkat();
  if (linkat === null) return null;
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDWR | constants.O_DIRECTORY | TMPFILE, mode);
  } catch {
    return null;
  }
  const itself = `/proc/self/fd/${fd}`;
  if (existsSync(itself)) return { fd, nameIt: (path) => linkat(itself, path) };
  closeSync(fd);
  return null;
}

function loadLinkat(): ((from: string, to: string) => boolean) | null {
  try {
    const ffi = loadFfi();
    const { functions } = ffi.dlopen(null, {
      linkat: { return: 'i32', arguments: ['i32', 'pointer', 'i32', 'pointer', 'i32'] },
    });
    return (from, to) => {
      const [source, target] = [Buffer.from(`${from}\0`), Buffer.from(`${to}\0`)];
      const [sourceAt, targetAt] = [ffi.getRawPointer(source), ffi.getRawPointer(target)];
      return functions.linkat(AT_FDCWD, sourceAt, AT_FDCWD, targetAt, AT_SYMLINK_FOLLOW) === 0;
    };
  } catch {
    return null;
  }
}
