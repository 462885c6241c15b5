/** The writer over a store that fails: what was committed is there once, what was not is not, and the tree fits. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, suite, test } from 'node:test';
import fc from 'fast-check';
import { LogWriter } from '../../../src/audit/group.ts';
import { rootOf } from '../../../src/audit/note.ts';
import { VERDICTS } from '../../../src/audit/protocol.ts';
import { treeHead } from '../../../src/audit/tree.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { entity, type Change } from '../../../src/store/change.ts';
import { draft, job, key, KEY } from './jobs.ts';
import { FAULTS, MemoryStore, type Fault } from './memory-store.ts';

const SIGNER = { origin: 'claviger/test', key: generateKeyPairSync('ed25519').privateKey };
const PUT_KEY: readonly Change[] = [{ put: 'key', key: key() }];
const READ_KEY = { read: [entity.key(KEY)] };
/** Faults after which nothing of the group is there. */
const LOSING = FAULTS.filter((fault) => fault !== 'commit, kept');

let store: MemoryStore;
let log: LogWriter;
let nextId: number;

suite('a store that fails', () => {
  beforeEach(() => {
    store = new MemoryStore();
    log = started();
    nextId = 0;
  });

  for (const fault of LOSING) {
    describe(`a group of which \`${fault}\` failed`, () => {
      test('is not there, and the next one takes its numbers', () => {
        group(3);
        const before = store.held;
        assert.equal(failing(fault, 300), 'failed');
        assert.equal(store.held, before, 'nothing of it is durable');
        log.reload(store.writer());
        const { indexes, size } = group(2);
        assert.deepEqual([...indexes], [3, 4]);
        assert.equal(size, 5);
        assertWhole();
      });

      test('leaves its checkpoint due', () => {
        group(3);
        failing(fault, 300);
        log.reload(store.writer());
        assert.equal(log.tail.checkpoint?.size, 3);
        assert.equal(group(1).checkpoint?.size, 4);
      });

      test('has made nothing stale', () => {
        const { sequence } = group(1);
        failing(fault, 300);
        log.reload(store.writer());
        const decided = job(1, { ...READ_KEY, decidedAt: sequence });
        const { verdicts } = taken(() => log.take(decided, [], () => []));
        assert.equal(VERDICTS[verdicts[0]!], 'done');
      });
    });
  }

  describe('a commit that failed, and is there all the same', () => {
    test('is what the next start goes on from: numbers, tree, checkpoint and time', () => {
      group(3);
      const late = { draft: draft({ atMs: Date.parse('2027-01-01T00:00:00Z') }) };
      store.fault = 'commit, kept';
      assert.throws(() => taken(() => log.take(job(1, late), PUT_KEY, () => [])), /disk I\/O error/);
      log.abandon();
      log = started();
      assert.deepEqual([log.tail.nextIndex, log.tail.checkpoint?.size], [4, 4]);
      assert.deepEqual([...group(2).indexes], [4, 5]);
      assert.ok(store.held.records.at(-1)!.timeMs >= Date.parse('2027-01-01T00:00:00Z'), 'time does not go back');
      assertWhole();
    });

    test('is what an open log goes on from, where it is told to read the store again', () => {
      assert.equal(failing('commit, kept', 300), 'failed');
      log.reload(store.writer());
      assert.deepEqual([...group(1).indexes], [300]);
      assertWhole();
    });
  });

  test('whatever fails, and in whatever order, the log is whole and has each committed job once', () => {
    const step = fc.record({
      jobs: fc.integer({ min: 0, max: 300 }),
      fault: fc.option(fc.constantFrom(...FAULTS), { freq: 2 }),
      // After a fault the process may end, or go on with what the store has.
      restarts: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        store = new MemoryStore();
        log = started();
        nextId = 0;
        const committed: string[] = [];
        for (const { jobs, fault, restarts } of steps) {
          const first = nextId;
          const ids = Array.from({ length: jobs }, (_, n) => `r${first + n}`);
          if (failing(fault, jobs) === 'committed') committed.push(...ids);
          else if (restarts) log = started();
          else log.reload(store.writer());
          store.fault = null;
          assertWhole();
        }
        const inLog = store.held.records.map(({ requestId }) => requestId);
        assert.equal(new Set(inLog).size, inLog.length, 'nothing is there twice');
        const known = new Set(inLog);
        assert.deepEqual(
          committed.filter((id) => !known.has(id)),
          [],
          'nothing committed is lost',
        );
      }),
      { numRuns: 20 },
    );
  });
});

/** A writer as a start makes one. */
function started(): LogWriter {
  const writer = new LogWriter(store.writer(), systemRandom);
  writer.signWith(SIGNER);
  return writer;
}

/** A group of jobs of which the last changes a key, with a checkpoint. */
function group(count: number) {
  return taken(() => {
    for (let n = 0; n < count; n++) {
      const id = nextId++;
      log.take(job(id, { draft: draft({ requestId: `r${id}` }) }), n === count - 1 ? PUT_KEY : [], () => []);
    }
  });
}

function taken(take: () => void) {
  log.begin();
  take();
  log.checkpointNow();
  return log.commit();
}

/** A group with a fault; 300 jobs are enough for a hash of the tree. The store is left as after a crash. */
function failing(fault: Fault | null, count: number): 'committed' | 'failed' {
  store.fault = fault;
  try {
    group(count);
    return 'committed';
  } catch (error) {
    assert.match((error as Error).message, /disk I\/O error/);
    log.abandon();
    return 'failed';
  }
}

/** Numbers without gaps, times that do not go back, and a tree and checkpoints that fit them. */
function assertWhole(): void {
  const { records, treeHashes, checkpoints } = store.held;
  const leaves = records.map(({ leaf }) => leaf);
  let lastMs = 0;
  for (const [n, { index, entry, timeMs }] of records.entries()) {
    assert.equal(index, n);
    assert.equal((JSON.parse(Buffer.from(entry).toString()) as { index: number }).index, n);
    assert.ok(timeMs >= lastMs);
    lastMs = timeMs;
  }
  assert.equal(treeHashes.size, Math.floor(records.length / 256), 'one hash for each full tile');
  for (const [name, hash] of treeHashes) {
    const index = Number(name.slice('1/'.length));
    assert.deepEqual(hash, treeHead(leaves.slice(index * 256, (index + 1) * 256)));
  }
  for (const checkpoint of checkpoints) {
    assert.deepEqual(rootOf(checkpoint), treeHead(leaves.slice(0, checkpoint.size)));
  }
}
