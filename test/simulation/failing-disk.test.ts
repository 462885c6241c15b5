/**
 * One write or sync fails under a working server, in the two ways in which a disk fails: it is not there, or it is there
 * all the same. Whichever, nothing that was answered is lost or twice, and the next start goes through.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { onDisk, type DiskFault } from '../../tools/disk-shim/environment.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { ClavigerClient } from '../../src/client/index.ts';
import { startChildServer, type ChildServer } from '../support/child-server.ts';
import { importInto } from '../support/import.ts';
import { checkFacts, checkRecords, factsOf, makeSharedKeys, Work, type Done } from '../support/lasting-work.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { runLoad } from '../support/socket-load.ts';
import { checkLog, readLog } from '../support/stored-log.ts';
import { CONFIG } from './scenes.ts';

const CONNECTIONS = 16;
const CHANGE_OF = 8;
/** Answers after the fault, where the server goes on. */
const ANSWERS_AFTER = 500;
/** A fault that has not come by then never does. */
const ANSWERS_MAX = 30_000;
/** Refusals after which a connection believes it. */
const REFUSALS_MAX = 100;
/** Servers at a time: those that failed wait before they end. */
const CONCURRENCY = 3;

/**
 * What is to happen. `stops`: the process refuses everything from then on, and ends with code 1. `goes on`: some are
 * refused, and after them others are answered. `either`: the call may belong to a commit, to the emptying of the
 * write-ahead log behind it, or to the start.
 */
type Expected = 'stops' | 'goes on' | 'either';

interface Case extends Omit<DiskFault, 'effect' | 'nth'> {
  /** The fault strikes one of these calls. */
  readonly from: number;
  readonly to: number;
  readonly expected: Expected;
  /** True for a load that makes SQLite empty the write-ahead log again and again. */
  readonly emptied?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  'the sync of a commit': { call: 'sync', suffix: '-wal', from: 30, to: 110, expected: 'stops' },
  'the sync of a commit, for want of space': {
    call: 'sync',
    suffix: '-wal',
    from: 30,
    to: 110,
    error: 'ENOSPC',
    expected: 'stops',
  },
  'a write of a commit': { call: 'write', suffix: '-wal', from: 300, to: 2000, expected: 'stops' },
  'a write of a commit, for want of space': {
    call: 'write',
    suffix: '-wal',
    from: 300,
    to: 2000,
    error: 'ENOSPC',
    expected: 'goes on',
  },
  'a sync of the write-ahead log that is emptied now and then': {
    call: 'sync',
    suffix: '-wal',
    from: 30,
    to: 110,
    expected: 'either',
    emptied: true,
  },
  'a write of the database': { call: 'write', suffix: '.db', from: 20, to: 300, expected: 'either', emptied: true },
  'a sync of the database': { call: 'sync', suffix: '.db', from: 3, to: 15, expected: 'either', emptied: true },
  'a sync of the first start': { call: 'sync', suffix: 'claviger.db-journal', from: 1, to: 2, expected: 'either' },
};

describe('with a disk on which one call fails', { concurrency: CONCURRENCY }, () => {
  for (const [name, one] of Object.entries(CASES)) {
    for (const effect of ['lost', 'kept'] as const) {
      test(`${name} (${effect}), nothing that was answered is lost or twice`, async (t) => {
        const shim = await requirePeer(t, 'disk-shim');
        if (shim === null) return;
        const nth = one.from + Math.floor(Math.random() * (one.to - one.from + 1));
        await strike(shim.library, one, { ...one, effect, nth });
      });
    }
  }
});

async function strike(library: string, { expected, emptied = false }: Case, fault: DiskFault) {
  const what = `${fault.call} ${fault.nth} of ${fault.suffix}, ${fault.error ?? 'EIO'}, ${fault.effect}`;
  const folder = testFolder();
  try {
    const env = onDisk(library, { folder, fault });
    const server = await startChildServer(folder, { config: CONFIG, env }).catch((error: Error) => error);
    let work: Worked = { done: [], refused: [], wentOn: false };
    if (server instanceof Error) {
      assert.equal(expected, 'either', `${what}: ${server.message}`);
      assert.match(server.message, /the fault has come/);
    } else {
      const exited = once(server.child, 'exit');
      work = await workUntilStruck(server, emptied);
      assert.match(server.stderr(), /the fault has come/, what);
      const stops = work.refused.length > 0 && !work.wentOn;
      if (expected !== 'either') assert.equal(stops, expected === 'stops', what);
      if (stops) {
        assert.deepEqual(await exited, [1, null], what);
        assert.match(server.stderr(), /the audit log failed; nothing is answered any more/);
      } else await server.kill();
    }
    await checkAfterwards(folder, work);
    if (fault.effect === 'lost')
      assert.deepEqual(recordsOf(folder, work.refused), [], `${what}: refused, and recorded`);
    console.log(`${what}: ${work.done.length} answered, ${work.refused.length} refused`);
  } finally {
    removeFolder(folder);
  }
}

interface Worked {
  readonly done: Done[];
  /** Ids of requests that were told AUDIT_UNAVAILABLE. */
  readonly refused: string[];
  /** True where a connection that had been refused was answered after it. */
  wentOn: boolean;
}

async function workUntilStruck(server: ChildServer, emptied: boolean): Promise<Worked> {
  const worked: Worked = { done: [], refused: [], wentOn: false };
  const shared = await makeSharedKeys(server);
  const work = new Work(server, shared, CHANGE_OF);
  /** Connection → how often it was refused. */
  const refusals = new Map<number, number>();
  let last = ANSWERS_MAX;
  const over = { now: false };
  const load = runLoad({
    endpoint: server.endpoint,
    connections: CONNECTIONS,
    next: (connection) => {
      const over = worked.done.length >= last || (refusals.get(connection) ?? 0) >= REFUSALS_MAX;
      return over ? null : work.next(connection);
    },
    answered: (answer, connection) => {
      if (last === ANSWERS_MAX && server.stderr().includes('the fault has come')) {
        last = worked.done.length + ANSWERS_AFTER;
      }
      if (answer.status !== 503) {
        worked.wentOn ||= refusals.has(connection);
        worked.done.push(work.done(answer, connection));
        return;
      }
      assert.match(answer.body, /AUDIT_UNAVAILABLE/);
      refusals.set(connection, (refusals.get(connection) ?? 0) + 1);
      worked.refused.push(answer.requestId);
    },
  }).finally(() => {
    over.now = true;
  });
  if (emptied) await dropMaterial(server, over);
  await load;
  return worked;
}

/** Material that goes has the write-ahead log emptied behind it. */
async function dropMaterial({ endpoint, token }: ChildServer, over: { readonly now: boolean }): Promise<void> {
  const client = new ClavigerClient({ endpoint, token });
  while (!over.now) {
    try {
      const { id } = await client.createKey({ spec: 'AES-256-GCM', origin: 'external' });
      await importInto(client, id, Buffer.alloc(32, 7));
      await client.deleteImportedKeyMaterial({ key: id });
    } catch (error) {
      const { code } = error as { code?: string };
      assert.ok(code === 'AUDIT_UNAVAILABLE' || code === 'PROVIDER_UNAVAILABLE', String(error));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function recordsOf(folder: string, requestIds: readonly string[]): readonly number[] {
  const ids = new Set(requestIds);
  return readLog(folder)
    .filter(({ record }) => ids.has(record['requestId'] as string))
    .map(({ index }) => index);
}

/** On a disk that works again, as the next process finds it. */
async function checkAfterwards(folder: string, { done }: Worked): Promise<void> {
  const server = await startChildServer(folder, { config: CONFIG });
  try {
    checkRecords(readLog(folder), done);
    await checkFacts(server, factsOf(done));
  } finally {
    assert.equal(await server.terminate(), 0);
  }
  checkLog(folder);
}
