import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  DeliveryError,
  LogFollower,
  type FollowedBatch,
  type FollowOptions,
  type FollowStatus,
} from '../../../src/audit/follow.ts';
import { leafHash } from '../../../src/audit/tree.ts';
import type { Log } from '../../../src/ports/log.ts';
import { openFollowedLog, type FollowedLog } from '../../support/followed-log.ts';
import { FakeTime } from '../../support/time.ts';

const NAME = 'sink/test';
const STOP_MS = 5000;

describe('a follower of the log', () => {
  let time: FakeTime;
  let log: FollowedLog;
  let taken: number[];
  /** What the receiver does with a batch before it takes it. */
  let receive: (batch: FollowedBatch, signal: AbortSignal) => Promise<void>;

  beforeEach(() => {
    time = new FakeTime();
    log = openFollowedLog();
    taken = [];
    receive = async () => undefined;
  });

  afterEach(() => log.remove());

  function follow(more: Partial<FollowOptions> = {}): LogFollower {
    return LogFollower.start({
      name: NAME,
      source: log,
      handle: async (batch, signal) => {
        await receive(batch, signal);
        taken.push(...batch.records.map(({ index }) => index));
      },
      clock: time,
      sleep: time.sleep,
      jitter: () => 0.999_999,
      ...more,
    });
  }

  async function stop(follower: LogFollower): Promise<void> {
    const stopped = follower.stop(STOP_MS);
    await time.pass(STOP_MS);
    await stopped;
  }

  test('is given every record in order, from the first, and new ones soon', async () => {
    log.write(3);
    const follower = follow();
    await time.pass(0);
    assert.deepEqual(taken, [0, 1, 2]);
    log.write(2);
    await time.pass(100);
    assert.deepEqual(taken, [0, 1, 2, 3, 4]);
    await stop(follower);
  });

  test('may begin with the records that come after it', async () => {
    log.write(3);
    const follower = follow({ from: 'now' });
    await time.pass(1000);
    log.write(1);
    await stop(follower);
    assert.deepEqual(taken, [3]);
  });

  test('which began with new records does not lose those that came while it was away', async () => {
    log.write(3);
    const follower = follow({ from: 'now' });
    await time.pass(0);
    await stop(follower);
    log.write(1);
    const again = follow({ from: 'now' });
    await time.pass(0);
    assert.deepEqual(taken, [3]);
    await stop(again);
  });

  test('gets a record as text, opened, and with its leaf hash', async () => {
    log.write(1, () => ({ principal: 'carol', context: { shop: 'north' } }));
    const seen: FollowedBatch[] = [];
    receive = async (batch) => void seen.push(batch);
    const follower = follow();
    await time.pass(0);
    const { logId, from, to, records } = seen[0]!;
    assert.deepEqual({ logId, from, to }, { logId: log.logId, from: 0, to: 1 });
    const [first] = records;
    assert.deepEqual(Buffer.from(first!.leafHash), leafHash(Buffer.from(first!.entry)));
    assert.notEqual(JSON.parse(first!.entry).principal, 'carol', 'the entry has a commitment');
    assert.equal(first!.record.principal, 'carol');
    assert.deepEqual(first!.record.context, { shop: 'north' });
    await stop(follower);
  });

  test('goes on where it was after a restart', async () => {
    log.write(4);
    const follower = follow();
    await time.pass(0);
    await stop(follower);
    log.write(2);
    const again = follow();
    await time.pass(0);
    await stop(again);
    assert.deepEqual(taken, [0, 1, 2, 3, 4, 5]);
  });

  test('keeps its cursor about once a second, not with each batch', async () => {
    const follower = follow();
    for (let n = 0; n < 30; n++) {
      log.write(1);
      await time.pass(100);
    }
    assert.equal(taken.length, 30);
    assert.ok(log.kept.length >= 2 && log.kept.length <= 4, `kept ${log.kept.length} times in 3 s`);
    await stop(follower);
    assert.equal(log.kept.at(-1), 30);
  });

  test('which is killed gives the records since its last cursor again, and none is missing', async () => {
    const killed = follow();
    log.write(5);
    await time.pass(1200);
    log.write(5);
    await time.pass(150);
    assert.equal(log.kept.at(-1), 5);
    // Killed: nothing of it is called any more. The next one has only what the store has.
    const again = follow();
    await time.pass(0);
    assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6, 7, 8, 9]);
    await stop(again);
    await stop(killed);
  });

  test('limits a batch in records and in bytes', async () => {
    const sizes: number[] = [];
    receive = async ({ records }) => void sizes.push(records.length);
    log.write(300);
    const follower = follow({ batchRecordsMax: 100 });
    await time.pass(200);
    assert.deepEqual(sizes, [100, 100, 100]);
    await stop(follower);

    sizes.length = 0;
    const small = follow({ name: 'sink/small', batchBytesMax: 1 });
    await time.pass(200);
    assert.deepEqual(new Set(sizes), new Set([1]), 'a record beyond the limit comes alone');
    assert.equal(sizes.length, 300);
    await stop(small);
  });

  test('tries the same batch again, later each time, for ever', async () => {
    const attempts: { atMs: number; from: number; to: number }[] = [];
    const beganMs = time.now();
    receive = async ({ from, to }) => {
      attempts.push({ atMs: time.now() - beganMs, from, to });
      throw new Error('connection refused');
    };
    log.write(2);
    const follower = follow();
    await time.pass(10_000);
    log.write(5);
    await time.pass(3_600_000);
    assert.ok(attempts.length > 60, `${attempts.length} attempts`);
    for (const { from, to } of attempts) assert.deepEqual([from, to], [0, 2]);
    const gaps = attempts.slice(1).map(({ atMs }, n) => Math.round((atMs - attempts[n]!.atMs) / 100) / 10);
    assert.deepEqual(gaps.slice(0, 8), [0.5, 1, 2, 4, 8, 16, 32, 60]);
    assert.equal(Math.max(...gaps), 60);

    receive = async () => undefined;
    await time.pass(60_000);
    assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6]);
    await stop(follower);
  });

  test('waits with jitter, at least half', async () => {
    const attempts: number[] = [];
    receive = async () => {
      attempts.push(time.now());
      throw new Error('no');
    };
    log.write(1);
    const follower = follow({ jitter: () => 0 });
    await time.pass(600);
    assert.equal(attempts[1]! - attempts[0]!, 250);
    await stop(follower);
  });

  test('waits as long as the receiver asks, and longest where it refuses', async () => {
    const attempts: number[] = [];
    let error = new DeliveryError('slow down', { retryAfterMs: 7000 });
    receive = async () => {
      attempts.push(time.now());
      throw error;
    };
    log.write(1);
    const follower = follow();
    await time.pass(7001);
    assert.equal(attempts[1]! - attempts[0]!, 7000);
    error = new DeliveryError('HTTP 401', { refused: true });
    await time.pass(7000);
    await time.pass(61_000);
    assert.equal(attempts.length, 4);
    assert.equal(Math.round((attempts[3]! - attempts[2]!) / 1000), 60);
    await stop(follower);
  });

  test('tells its lag and its last error, and forgets the error once it is taken again', async () => {
    receive = () => Promise.reject(new Error('connection refused'));
    const start = time.now();
    log.write(3, () => ({ atMs: start }));
    const follower = follow();
    await time.pass(4000);
    const behind = follower.status();
    assert.deepEqual({ ...behind, failures: 0 }, {
      name: NAME,
      position: 0,
      lagRecords: 3,
      lagSeconds: 4,
      delivered: 0,
      failures: 0,
      lastError: 'connection refused',
    } satisfies FollowStatus);
    assert.ok(behind.failures >= 3);
    receive = async () => undefined;
    await time.pass(10_000);
    const { lagRecords, lagSeconds, delivered, failures, lastError, position } = follower.status();
    assert.deepEqual(
      { lagRecords, lagSeconds, delivered, failures, lastError, position },
      { lagRecords: 0, lagSeconds: 0, delivered: 3, failures: 0, lastError: null, position: 3 },
    );
    await stop(follower);
  });

  test('says once that it fails, and once that it goes on', async () => {
    const said: string[] = [];
    const messages: Log = { write: (level) => void said.push(level) };
    receive = () => Promise.reject(new Error('no'));
    log.write(1);
    const follower = follow({ log: messages });
    await time.pass(30_000);
    receive = async () => undefined;
    await time.pass(60_000);
    assert.deepEqual(said, ['warn', 'info']);
    await stop(follower);
  });

  test('gives up an attempt that takes too long, and tries again', async () => {
    let attempts = 0;
    receive = (_, signal) => {
      attempts += 1;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    log.write(1);
    const follower = follow();
    await time.pass(61_000);
    assert.equal(attempts, 2);
    assert.match(follower.status().lastError!, /within 60 s/);
    await stop(follower);
  });

  test('outlives a store that does not answer', async () => {
    log.write(2);
    log.refuse('reads');
    const follower = follow();
    await time.pass(3000);
    assert.match(follower.status().lastError!, /did not answer/);
    log.refuse('keeps');
    await time.pass(10_000);
    assert.deepEqual(taken, [0, 1]);
    assert.deepEqual(log.kept, []);
    log.refuse(null);
    await time.pass(2000);
    assert.deepEqual(log.kept, [2]);
    await stop(follower);
  });

  test('which stops hands over what is there, and keeps its cursor', async () => {
    const follower = follow();
    await time.pass(0);
    log.write(700);
    await stop(follower);
    assert.equal(taken.length, 700);
    assert.deepEqual(log.kept, [0, 700]);
  });

  test('stops in time, whatever the receiver does', async () => {
    let aborted = false;
    receive = (_, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    };
    log.write(1);
    const follower = follow();
    await time.pass(0);
    let stopped = false;
    const stopping = follower.stop(STOP_MS).then(() => (stopped = true));
    await time.pass(STOP_MS - 1);
    assert.equal(stopped, false, 'the receiver has its time');
    await time.pass(1);
    await stopping;
    assert.equal(aborted, true);
    assert.equal(follower.status().position, 0);
  });

  test('stops at once while it waits to try again', async () => {
    receive = () => Promise.reject(new Error('no'));
    log.write(1);
    const follower = follow();
    await time.pass(100_000);
    const beganMs = time.now();
    await follower.stop(STOP_MS);
    assert.equal(time.now(), beganMs);
  });

  test('of a log that is shorter than its cursor goes on with new records', async () => {
    log.write(2);
    await log.keepCursor(NAME, 50);
    const follower = follow();
    await time.pass(0);
    assert.equal(follower.status().lagRecords, 0);
    log.write(1);
    await time.pass(100);
    assert.deepEqual(taken, [2]);
    await stop(follower);
  });
});
