/**
 * What a result depends on beside the code.
 *
 * @module
 */
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Machine } from './report.ts';
import { median } from './stats.ts';

/** `statfs(2)`; memory first, since nothing on it is durable. */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs (in memory: nothing durable is measured)'],
  [0x858458f6, 'ramfs (in memory: nothing durable is measured)'],
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
]);
const SYNCED_WRITES = 50;

export function machineOf(folder: string): Machine {
  const { type } = statfsSync(folder);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    kernel: release(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    fileSystem: FILE_SYSTEMS.get(type) ?? `file system 0x${type.toString(16)}`,
    syncMs: syncedWriteMs(folder),
  };
}

function syncedWriteMs(folder: string): number {
  const file = join(folder, `claviger-bench-${process.pid}`);
  const block = Buffer.alloc(4096, 1);
  const handle = openSync(file, 'w');
  try {
    const times = Array.from({ length: SYNCED_WRITES }, () => {
      const begun = performance.now();
      writeSync(handle, block);
      fdatasyncSync(handle);
      return performance.now() - begun;
    });
    return median(times);
  } finally {
    closeSync(handle);
    rmSync(file);
  }
}
