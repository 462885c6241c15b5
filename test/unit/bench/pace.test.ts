import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { OpenPace, type Sender } from '../../../bench/pace.ts';

const REQUEST = Buffer.from('request');

/** A schedule of 10 requests, one every 100 ms, on a clock that is set by hand. */
function schedule(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  const pace = new OpenPace(
    () => REQUEST,
    10,
    0,
    1000,
    () => nowMs,
  );
  t.after(() => pace.end());
  const at = (ms: number): void => {
    nowMs = ms;
    pace.tick();
  };
  return { pace, at };
}

class FakeConnection implements Sender {
  readonly sent: { dueMs: number; nowMs: number }[] = [];
  closed = false;

  send(_request: Buffer, dueMs: number, nowMs: number): void {
    this.sent.push({ dueMs, nowMs });
  }

  close(): void {
    this.closed = true;
  }
}

suite('open loop', () => {
  test('a request is sent when it is due, and not before', (t) => {
    const { pace, at } = schedule(t);
    const connection = new FakeConnection();
    pace.free(connection);
    assert.deepEqual(connection.sent, [{ dueMs: 0, nowMs: 0 }]);
    pace.free(connection);
    at(99);
    assert.equal(connection.sent.length, 1);
    at(100);
    assert.deepEqual(connection.sent[1], { dueMs: 100, nowMs: 100 });
  });

  test('a stall of the server delays nothing that is due: what waited counts from its own time', (t) => {
    const { pace, at } = schedule(t);
    const connection = new FakeConnection();
    pace.free(connection);
    // The one connection gets its answer half a second late; five requests have become due meanwhile.
    at(500);
    for (let n = 0; n < 5; n++) pace.free(connection);
    assert.deepEqual(
      connection.sent.slice(1),
      [100, 200, 300, 400, 500].map((dueMs) => ({ dueMs, nowMs: 500 })),
    );
  });

  test('connections take turns', (t) => {
    const { pace, at } = schedule(t);
    const [a, b] = [new FakeConnection(), new FakeConnection()];
    pace.free(a);
    pace.free(b);
    pace.free(a);
    at(100);
    at(200);
    assert.deepEqual([a.sent.length, b.sent.length], [2, 1]);
  });

  test('every request of the schedule is sent, and then the connections are closed', (t) => {
    const { pace, at } = schedule(t);
    const connection = new FakeConnection();
    for (let ms = 0; ms < 1000; ms += 100) {
      at(ms);
      pace.free(connection);
    }
    assert.deepEqual([connection.sent.length, pace.unsent, connection.closed], [10, 0, false]);
    pace.free(connection);
    assert.equal(connection.closed, true);
  });

  test('what was never sent is told', (t) => {
    const { pace, at } = schedule(t);
    const connection = new FakeConnection();
    pace.free(connection);
    at(5000);
    assert.equal(pace.unsent, 9);
  });
});
