/**
 * Processor time of a process by group of threads, and of the whole machine, as Linux counts it.
 *
 * `schedstat` counts nanoseconds where `stat` counts ticks of 10 ms. Elsewhere than on Linux there is nothing to read.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds since the process began. */
export interface CpuTime {
  /** The event loop: HTTP, JSON, authentication, policy, AES and HMAC. */
  readonly main: number;
  /** The writer thread, which signs with the fast curves and commits. */
  readonly workers: number;
  /** The threads for slow signatures and for checkpoints of the database, the libuv pool, the compiler, the garbage collector. */
  readonly others: number;
}

export const NO_CPU_TIME: CpuTime = { main: 0, workers: 0, others: 0 };

const TICK_US = 10_000;

export function cpuTimeOf(pid: number): CpuTime {
  const time = { ...NO_CPU_TIME };
  const folder = `/proc/${pid}/task`;
  for (const thread of list(folder)) {
    const microseconds = threadTime(`${folder}/${thread}`);
    if (thread === String(pid)) time.main += microseconds;
    else if (read(`${folder}/${thread}/comm`).startsWith('WorkerThread')) time.workers += microseconds;
    else time.others += microseconds;
  }
  return time;
}

export function cpuTimeSince(before: CpuTime, after: CpuTime): CpuTime {
  return {
    main: after.main - before.main,
    workers: after.workers - before.workers,
    others: after.others - before.others,
  };
}

export function totalOf({ main, workers, others }: CpuTime): number {
  return main + workers + others;
}

/** Microseconds that all processors were busy, theft by the hypervisor included. */
export function machineBusyUs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = read('/proc/stat')
    .slice(0, 200)
    .split('\n')[0]!
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_US;
}

function threadTime(folder: string): number {
  const nanoseconds = read(`${folder}/schedstat`).split(' ')[0]!;
  if (nanoseconds !== '') return Number(nanoseconds) / 1000;
  // What stands between the parentheses is the thread's name and may hold anything.
  const stat = read(`${folder}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_US;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
