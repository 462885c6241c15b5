/**
 * Memory and descriptors of a process, as Linux counts them. Elsewhere there is nothing to read.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface Footprint {
  readonly rssMib: number;
  readonly descriptors: number;
}

export function footprintOf(pid: number): Footprint {
  return { rssMib: rssMib(pid), descriptors: descriptors(pid) };
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
