/**
 * The memory of another process, as its owner or a debugger may read it: what it has written anywhere, searched for bytes.
 *
 * Linux only: `/proc/PID/maps`, `pagemap` and `mem` (proc(5)).
 *
 * @module
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** Read at once. */
const CHUNK_BYTES = 8 * 1024 * 1024;
const NEEDLE_BYTES_MIN = 4;
/** Of /proc/PID/pagemap, for each page. */
const ENTRY_BYTES = 8;

/** Bytes to look for, by name. */
export type Needles = ReadonlyMap<string, Uint8Array>;

/** Whether this process may read the memory of its children at all. */
export function canReadMemory(pid: number): boolean {
  try {
    for (const file of ['mem', 'pagemap']) closeSync(openSync(`/proc/${pid}/${file}`, 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Names of the needles that stand in the writable memory of a process. */
export function searchMemory(pid: number, needles: Needles): ReadonlySet<string> {
  const search = new Search(needles);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  try {
    for (const { start, end } of writtenPages(pid)) {
      // Each chunk begins before the end of the one before, so that nothing falls between two.
      for (let at = start; at < end; at += CHUNK_BYTES - search.longest) {
        const length = read(memory, chunk, at, Math.min(CHUNK_BYTES, end - at));
        search.through(chunk.subarray(0, length));
      }
    }
  } finally {
    closeSync(memory);
  }
  return search.found;
}

/** Names of the needles that stand in these bytes. */
export function searchBytes(bytes: Uint8Array, needles: Needles): ReadonlySet<string> {
  const search = new Search(needles);
  search.through(bytes);
  return search.found;
}

/** Many needles in one pass: most places are ruled out by their first two bytes. */
class Search {
  readonly longest: number;
  readonly found = new Set<string>();
  readonly #byStart: ReadonlyMap<number, readonly (readonly [name: string, bytes: Uint8Array])[]>;
  readonly #starts = new Uint8Array(65_536);

  constructor(needles: Needles) {
    for (const [name, { length }] of needles) if (length < NEEDLE_BYTES_MIN) throw new Error(`${name} is too short`);
    this.longest = Math.max(...[...needles.values()].map(({ length }) => length));
    this.#byStart = Map.groupBy(needles, ([, bytes]) => (bytes[0]! << 8) | bytes[1]!);
    for (const start of this.#byStart.keys()) this.#starts[start] = 1;
  }

  through(bytes: Uint8Array): void {
    const starts = this.#starts;
    for (let at = 0; at + 1 < bytes.length; at += 1) {
      const start = (bytes[at]! << 8) | bytes[at + 1]!;
      if (starts[start] === 0) continue;
      for (const [name, wanted] of this.#byStart.get(start)!) {
        if (wanted.every((byte, offset) => bytes[at + offset] === byte)) this.found.add(name);
      }
    }
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Runs of pages that the process may write and that are there: most of what it has reserved is not. */
function writtenPages(pid: number): readonly Span[] {
  const pages = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    const pageBytes = pageBytesOf(pid);
    return writableRegions(pid).flatMap((region) => presentIn(pages, pageBytes, region));
  } finally {
    closeSync(pages);
  }
}

function writableRegions(pid: number): readonly Span[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      return start === undefined ? [] : [{ start: Number.parseInt(start, 16), end: Number.parseInt(end!, 16) }];
    });
}

function pageBytesOf(pid: number): number {
  const [, kib] = /^KernelPageSize: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps`, 'utf8'))!;
  return Number(kib) * 1024;
}

/** By the highest two bits of a page's entry: it is in memory, or was swapped out. */
function presentIn(pages: number, pageBytes: number, { start, end }: Span): readonly Span[] {
  const entries = Buffer.alloc(((end - start) / pageBytes) * ENTRY_BYTES);
  const length = read(pages, entries, (start / pageBytes) * ENTRY_BYTES, entries.length);
  const spans: { start: number; end: number }[] = [];
  for (let entry = 0; entry < length; entry += ENTRY_BYTES) {
    if ((entries[entry + ENTRY_BYTES - 1]! & 0xc0) === 0) continue;
    const page = start + (entry / ENTRY_BYTES) * pageBytes;
    const last = spans.at(-1);
    if (last?.end === page) last.end += pageBytes;
    else spans.push({ start: page, end: page + pageBytes });
  }
  return spans;
}

/** Of what cannot be read (a device, a region that has gone), nothing. */
function read(memory: number, chunk: Buffer, at: number, length: number): number {
  try {
    return readSync(memory, chunk, 0, length, at);
  } catch {
    return 0;
  }
}
