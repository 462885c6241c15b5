/**
 * A small file system in memory, to be filled. Takes root on Linux.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { removeFolder, testFolder } from './server.ts';

const BLOCK = Buffer.alloc(4096);

export interface SmallDisk {
  readonly folder: string;
  /** Takes all the space that is left. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): void;
  remove(): void;
}

/** A disk of this size, or why there is none. */
export function smallDisk(sizeKib: number): SmallDisk | string {
  const folder = testFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k,mode=0700`, 'tmpfs', folder]);
  if (mounted.status !== 0) {
    removeFolder(folder);
    return `a tmpfs cannot be mounted here: ${mounted.stderr?.toString().trim() || 'there is no mount'}`;
  }
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: () => {
      const file = openSync(filler, 'w');
      try {
        for (;;) writeSync(file, BLOCK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    remove: () => {
      spawnSync('umount', [folder]);
      removeFolder(folder);
    },
  };
}
