/**
 * What can be told of the process and of Node, under the names that Prometheus clients commonly use.
 *
 * @module
 */
import { readdir, readFile } from 'node:fs/promises';
import type { Metrics } from '../../ports/metrics.ts';

/** Has the process's own values read at each scrape. */
export function readProcess(metrics: Metrics): void {
  metrics.read('process_cpu_user_seconds_total', () => process.cpuUsage().user / 1e6);
  metrics.read('process_cpu_system_seconds_total', () => process.cpuUsage().system / 1e6);
  metrics.read('process_resident_memory_bytes', () => process.memoryUsage.rss());
  metrics.read('process_start_time_seconds', () => performance.timeOrigin / 1000);
  metrics.read('process_open_fds', openFiles);
  metrics.read('process_max_fds', openFilesMax);
  metrics.read('nodejs_heap_size_total_bytes', () => process.memoryUsage().heapTotal);
  metrics.read('nodejs_heap_size_used_bytes', () => process.memoryUsage().heapUsed);
  metrics.read('nodejs_external_memory_bytes', () => process.memoryUsage().external);
  metrics.read('nodejs_version_info', () => [[process.version, 1]]);
}

async function openFiles(): Promise<number | null> {
  return readdir('/proc/self/fd').then(
    // One of them is the folder itself, which is open only now.
    (names) => names.length - 1,
    () => null,
  );
}

async function openFilesMax(): Promise<number | null> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const found = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return found === undefined ? null : Number(found);
}
