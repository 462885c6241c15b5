/**
 * What a server takes: memory and descriptors of its process, as Linux counts them (elsewhere there is nothing to read),
 * and the size of its store.
 *
 * @module
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Footprint {
  readonly rssMib: number;
  readonly descriptors: number;
}

export function footprintOf(pid: number): Footprint {
  return { rssMib: rssMib(pid), descriptors: descriptors(pid) };
}

/** Descriptors that a process started by this one may have; infinite where nothing says so. */
export function descriptorsMax(): number {
  try {
    const limit = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return Number(limit?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/** Of the files in a store's folder, the write-ahead log with them. */
export function storeBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function rssMib(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return Number(kib?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function descriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
