/**
 * Scenes for the power-cut simulation: a server works on a traced disk, and the trace notes, in between the changes of
 * its files, which answers had come.
 *
 * @module
 */
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClavigerClient } from '../../src/client/index.ts';
import { onDisk } from '../../tools/disk-shim/environment.ts';
import { readFiles, TracedDisk, writeFiles } from '../../tools/disk-shim/power-cut.ts';
import { appendNote, readTrace, type TraceRecord } from '../../tools/disk-shim/trace.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { importInto } from '../support/import.ts';
import { makeSharedKeys, Work, type Done, type SharedKeys } from '../support/lasting-work.ts';
import { servedText } from '../support/served-log.ts';
import { runLoad } from '../support/socket-load.ts';

export const CONFIG = 'limits: { changesPerSecond: 1000000 }';
const CONNECTIONS = 16;
/** Calls for each that changes a key. */
const CHANGE_OF = 12;

export const PHASES = ['start', 'load', 'stop'] as const;
export type Phase = (typeof PHASES)[number];

type Note =
  | { readonly phase: Phase }
  | { readonly done: Done }
  /** The log's verifier key, and a checkpoint, as an auditor was given them. */
  | { readonly key: string }
  | { readonly checkpoint: string };

/** What somebody outside had been told by some moment. */
export interface Told {
  readonly done: readonly Done[];
  readonly checkpoints: readonly string[];
  readonly key: string | null;
}

export const NOTHING_TOLD: Told = { done: [], checkpoints: [], key: null };

/** What happened, from the files it began with. */
export interface Scene {
  readonly records: readonly TraceRecord[];
  /** Phase of each record. */
  readonly phases: readonly Phase[];
  /** What had been told before it began. */
  readonly before: Told;
  /** A disk as it was at the beginning. */
  disk(): TracedDisk;
}

/** Plays a scene into a new folder, where `readScene` finds it: the server starts, works, stops, and does it again. */
export async function playScene(
  library: string,
  folder: string,
  files: ReadonlyMap<string, Buffer>,
  before: Told,
  answers: number,
): Promise<Scene> {
  mkdirSync(folder);
  writeFiles(join(folder, 'base'), files);
  const store = join(folder, 'store');
  writeFiles(store, files);
  const inodes = Object.fromEntries([...files.keys()].map((path) => [path, statSync(join(store, path)).ino]));
  writeFileSync(join(folder, 'begin.json'), JSON.stringify({ inodes, before }));
  const trace = join(folder, 'trace');
  const fd = openSync(trace, 'a');
  const note = (text: Note): void => appendNote(fd, JSON.stringify(text));
  try {
    let shared: SharedKeys | null = null;
    for (let round = 0; round < 2; round++) {
      note({ phase: 'start' });
      const server = await startChildServer(store, { config: CONFIG, env: onDisk(library, { folder: store, trace }) });
      shared ??= await makeSharedKeys(server);
      note({ key: (await servedText(server, 'key'))! });
      note({ phase: 'load' });
      await work(server, shared, answers / 2, note);
      note({ phase: 'stop' });
      await server.terminate();
    }
  } finally {
    closeSync(fd);
  }
  return readScene(folder);
}

async function work(
  server: ChildServer,
  shared: SharedKeys,
  answers: number,
  note: (note: Note) => void,
): Promise<void> {
  const work = new Work(server, shared, CHANGE_OF);
  let left = answers;
  const over = { now: false };
  const load = runLoad({
    endpoint: server.endpoint,
    connections: CONNECTIONS,
    next: (connection) => (left-- > 0 ? work.next(connection) : null),
    answered: (answer, connection) => note({ done: work.done(answer, connection) }),
  }).finally(() => {
    over.now = true;
  });
  // Material that goes has the write-ahead log emptied behind it, in the middle of the load.
  const client = new ClavigerClient(server);
  while (!over.now) {
    const { id } = await client.createKey({ spec: 'AES-256-GCM', origin: 'external' });
    await importInto(client, id, Buffer.alloc(32, 7));
    await client.deleteImportedKeyMaterial({ key: id });
    const checkpoint = await servedText(server, 'checkpoint');
    if (checkpoint !== null) note({ checkpoint });
  }
  await load;
}

export function readScene(folder: string): Scene {
  const { inodes, before } = JSON.parse(readFileSync(join(folder, 'begin.json'), 'utf8')) as {
    inodes: Record<string, number>;
    before: Told;
  };
  const files = readFiles(join(folder, 'base'));
  const records = readTrace(join(folder, 'trace'));
  const phases: Phase[] = [];
  let phase: Phase = 'start';
  for (const record of records) {
    const note = noteOf(record);
    if (note !== null && 'phase' in note) ({ phase } = note);
    phases.push(phase);
  }
  const base = [...files].map(([path, content]) => ({ path, content, inode: inodes[path]! }));
  return { records, phases, before, disk: () => new TracedDisk(base) };
}

/** What had been told when the first `count` records were written. */
export function toldBefore({ records, before }: Scene, count: number): Told {
  const done = [...before.done];
  const checkpoints = [...before.checkpoints];
  let { key } = before;
  for (const record of records.slice(0, count)) {
    const note = noteOf(record);
    if (note === null) continue;
    if ('done' in note) done.push(note.done);
    if ('checkpoint' in note) checkpoints.push(note.checkpoint);
    if ('key' in note) ({ key } = note);
  }
  return { done, checkpoints, key };
}

function noteOf(record: TraceRecord): Note | null {
  return record.kind === 'note' ? (JSON.parse(record.text) as Note) : null;
}
