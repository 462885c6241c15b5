/** Notices on their way: order, retry, what is given up, a restart; one channel never holds up another. */
import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { ChannelError } from '../../../../src/audit/alerts/channels/index.ts';
import { AGE_MS_MAX, Outbox, QUEUE_MAX } from '../../../../src/audit/alerts/outbox.ts';
import type { Log } from '../../../../src/ports/log.ts';
import type { AlertStateRow } from '../../../../src/store/contract.ts';
import { FakeTime } from '../../../support/time.ts';
import { memoryChannel, type MemoryChannel } from './memory-channel.ts';
import { notice } from './notices.ts';

interface Opened {
  readonly outbox: Outbox;
  readonly time: FakeTime;
  readonly logged: string[];
}

function open(
  t: TestContext,
  channels: readonly MemoryChannel[],
  rows: readonly AlertStateRow[] = [],
  time = new FakeTime(),
): Opened {
  const logged: string[] = [];
  const log: Log = { write: (level, message) => logged.push(`${level} ${message}`) };
  const outbox = new Outbox({
    channels,
    rows,
    logId: 'log',
    origin: 'kms.example/audit',
    clock: time,
    sleep: time.sleep,
    jitter: () => 0.999_999,
    log,
  });
  outbox.start();
  t.after(async () => {
    const stopped = outbox.stop(0);
    await time.pass(0);
    await stopped;
  });
  return { outbox, time, logged };
}

function rowsOf(outbox: Outbox): AlertStateRow[] {
  return outbox
    .changes()
    .flatMap((change) =>
      'put' in change && change.put === 'alertState'
        ? [{ kind: change.kind, name: change.name, value: change.value }]
        : [],
    );
}

const subjects = (channel: MemoryChannel): string[] => channel.envelopes.map(({ notice: { alert } }) => alert.subject);

suite('an outbox', () => {
  test('hands each notice to every channel of its severity, in order', async (t) => {
    const [all, critical] = [memoryChannel('all'), memoryChannel('critical', ['critical'])];
    const { outbox, time } = open(t, [all, critical]);
    outbox.add(notice('firing', { subject: 'a' }));
    outbox.add(notice('firing', { subject: 'b', severity: 'warning' }));
    outbox.add(notice('resolved', { subject: 'a' }));
    await time.pass(0);
    assert.deepEqual(subjects(all), ['a', 'b', 'a']);
    assert.deepEqual(subjects(critical), ['a', 'a']);
  });

  test('tries again after longer and longer times, keeps the order, and tells once that it fails and that it works', async (t) => {
    const channel = memoryChannel();
    const { outbox, time, logged } = open(t, [channel]);
    channel.failWith(new Error('no answer'));
    outbox.add(notice('firing', { subject: 'a' }));
    outbox.add(notice('firing', { subject: 'b' }));
    await time.pass(0);
    assert.deepEqual(
      [channel.attempts, outbox.status()[0]!.queued, outbox.status()[0]!.lastError],
      [1, 2, 'no answer'],
    );
    for (const [ms, attempts] of [
      [1000, 2],
      [2000, 3],
      [4000, 4],
      [8000, 5],
    ] as const) {
      await time.pass(ms);
      assert.equal(channel.attempts, attempts);
    }
    await time.pass(3_600_000);
    // Five minutes apart at most, after the first few.
    assert.ok(channel.attempts >= 5 + 11 && channel.attempts <= 5 + 16, String(channel.attempts));
    channel.failWith(null);
    await time.pass(300_000);
    assert.deepEqual(subjects(channel), ['a', 'b']);
    assert.deepEqual(logged, [
      'error the alert channel `memory` does not take an alert; it is tried again',
      'info the alert channel `memory` works again',
    ]);
    assert.deepEqual([outbox.status()[0]!.failures, outbox.status()[0]!.failingSinceMs], [0, null]);
  });

  test('does not let a channel that fails hold up another', async (t) => {
    const [broken, sound] = [memoryChannel('broken'), memoryChannel('sound')];
    const { outbox, time } = open(t, [broken, sound]);
    broken.failWith(new Error('away'));
    for (let n = 0; n < 20; n++) outbox.add(notice('firing', { subject: String(n) }));
    await time.pass(0);
    assert.equal(sound.envelopes.length, 20);
    assert.equal(broken.envelopes.length, 0);
  });

  test('gives up what the receiver refuses three times, tells of it, and goes on with the next', async (t) => {
    const channel = memoryChannel();
    const { outbox, time, logged } = open(t, [channel]);
    channel.failWith(new ChannelError('the receiver answered 400', { refused: true }));
    outbox.add(notice('firing', { subject: 'bad' }));
    await time.pass(10_000);
    assert.deepEqual([channel.attempts, outbox.status()[0]!.dropped, outbox.status()[0]!.queued], [3, 1, 0]);
    assert.ok(logged.includes('error an alert was given up for the channel `memory`: its receiver refuses it'));
    channel.failWith(null);
    outbox.add(notice('firing', { subject: 'good' }));
    await time.pass(0);
    assert.deepEqual(subjects(channel), ['good']);
  });

  test('gives up what is older than three days', async (t) => {
    const channel = memoryChannel();
    const { outbox, time } = open(t, [channel]);
    channel.failWith(new Error('away'));
    outbox.add({ ...notice(), atMs: time.now() });
    await time.pass(AGE_MS_MAX - 600_000);
    assert.equal(outbox.status()[0]!.queued, 1);
    await time.pass(1_200_000);
    assert.deepEqual([outbox.status()[0]!.queued, outbox.status()[0]!.dropped], [0, 1]);
  });

  test('holds so many and no more, and gives up the oldest of those that wait', async (t) => {
    const channel = memoryChannel();
    const { outbox, time } = open(t, [channel]);
    channel.failWith(new Error('away'));
    for (let n = 0; n < QUEUE_MAX + 10; n++) outbox.add(notice('firing', { subject: String(n) }));
    assert.equal(outbox.status()[0]!.queued, QUEUE_MAX);
    assert.equal(rowsOf(outbox).length, QUEUE_MAX);
    channel.failWith(null);
    await time.pass(300_000);
    assert.deepEqual(
      [subjects(channel)[0], subjects(channel)[1], subjects(channel).at(-1)],
      ['0', '11', String(QUEUE_MAX + 9)],
    );
  });

  test('sends after a restart what was not taken, in order, under the same id, and nothing that was', async (t) => {
    const before = memoryChannel();
    const first = open(t, [before]);
    first.outbox.add(notice('firing', { subject: 'taken' }));
    await first.time.pass(0);
    before.failWith(new Error('away'));
    for (let n = 0; n < 12; n++)
      first.outbox.add({ ...notice('firing', { subject: String(n) }), atMs: first.time.now() });
    await first.time.pass(0);
    const tried = before.attempts;
    assert.equal(tried, 2);
    const after = memoryChannel();
    const second = open(t, [after], rowsOf(first.outbox), first.time);
    await second.time.pass(0);
    assert.deepEqual(
      subjects(after),
      Array.from({ length: 12 }, (_, n) => String(n)),
    );
    assert.equal(new Set(after.envelopes.map(({ id }) => id)).size, 12);
    assert.deepEqual(rowsOf(second.outbox), []);
  });

  test('forgets what waited for a channel that is no longer configured', async (t) => {
    const gone = memoryChannel('gone');
    const first = open(t, [gone]);
    gone.failWith(new Error('away'));
    first.outbox.add(notice());
    const { outbox } = open(t, [memoryChannel('other')], rowsOf(first.outbox));
    assert.deepEqual(
      outbox.changes().map((change) => Object.keys(change)[0]),
      ['drop'],
    );
  });

  test('tells what a test came to, past the queue', async (t) => {
    const channel = memoryChannel();
    const { outbox } = open(t, [channel]);
    assert.equal(await outbox.send('memory', notice('test')), null);
    channel.failWith(new Error('no answer within 10 s'));
    assert.equal(await outbox.send('memory', notice('test')), 'no answer within 10 s');
    assert.equal(await outbox.send('another', notice('test')), 'there is no such channel');
    assert.equal(outbox.status()[0]!.queued, 0);
  });

  test('stops within its time, whatever a channel does', async (t) => {
    const channel = { ...memoryChannel(), send: () => new Promise<void>(() => undefined) };
    const { outbox, time } = open(t, [channel]);
    outbox.add(notice());
    await time.pass(0);
    const stopped = outbox.stop(2000);
    await time.pass(2000);
    await stopped;
    assert.equal(outbox.status()[0]!.queued, 1);
  });
});
