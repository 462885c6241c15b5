import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { untilEnded } from '../../../src/ports/until-ended.ts';

const LATE = new DOMException('The operation timed out', 'TimeoutError');
const never = new Promise<never>(() => undefined);

describe('waiting for what heeds no signal', () => {
  test('gives what comes, and fails as it does', async () => {
    const { signal } = new AbortController();
    assert.equal(await untilEnded(signal, Promise.resolve(7)), 7);
    await assert.rejects(untilEnded(signal, Promise.reject(new Error('refused'))), { message: 'refused' });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('ends with the signal and its reason, before or while it waits', async () => {
    const caller = new AbortController();
    const waiting = untilEnded(caller.signal, never);
    caller.abort(LATE);
    await assert.rejects(waiting, LATE);
    await assert.rejects(untilEnded(caller.signal, never), LATE);
    assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
  });
});
