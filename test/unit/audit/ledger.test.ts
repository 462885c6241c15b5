import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID, verify, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, suite, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { CHECKPOINT_EVERY_MS } from '../../../src/audit/group.ts';
import { Ledger, type Job, type SignTask } from '../../../src/audit/ledger.ts';
import type { GroupMessage } from '../../../src/audit/protocol.ts';
import { entity, type Change } from '../../../src/store/change.ts';
import { databasePath } from '../../../src/store/sqlite/open.ts';
import { draft, key, KEY, TENANT_PUT } from './jobs.ts';

interface TestLedger {
  readonly ledger: Ledger;
  readonly thread: Worker;
  readonly changed: string[][];
  readonly failures: string[];
}

let folder: string;
let opened: TestLedger | null;

suite('the ledger', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-ledger-'));
    opened = null;
  });
  afterEach(async () => {
    await opened?.ledger.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describe('a job', () => {
    test('resolves once it is durable, with its place in the log', async () => {
      const { ledger } = await openLedger();
      const receipts = await Promise.all([ledger.submit(job()), ledger.submit(job())]);
      assert.deepEqual(receipts, [
        { verdict: 'done', index: 0, signatures: [] },
        { verdict: 'done', index: 1, signatures: [] },
      ]);
      assert.equal(stored(), 2);
    });

    test('that changed something tells it before its answer, and raises what the loop has seen', async () => {
      const { ledger, changed } = await openLedger();
      const before = ledger.seen;
      await ledger.submit(job({ changes: [TENANT_PUT] }));
      assert.deepEqual(changed, [['t:019a0000-0000-7000-8000-000000000001']]);
      assert.ok(ledger.seen > before);
    });

    test('that was decided before a change of what it read is stale', async () => {
      const { ledger } = await openLedger();
      const decidedAt = ledger.seen;
      await ledger.submit(job({ changes: PUT_KEY }));
      assert.deepEqual(await ledger.submit(job({ decidedAt, read: [entity.key(KEY)] })), { verdict: 'stale' });
      assert.equal(stored(), 1);
    });

    test('that collides is recorded, and says so', async () => {
      const { ledger } = await openLedger();
      const orphan: Change = { put: 'material', keyId: 'nobody', version: 1, sealed: Buffer.alloc(1) };
      assert.deepEqual(await ledger.submit(job({ changes: [orphan] })), { verdict: 'conflict', index: 0 });
    });
  });

  describe('a signature', () => {
    const message = Buffer.from('hello');

    test('is made by the thread, each of a job in its order', async () => {
      const { ledger } = await openLedger();
      const [first, second] = [signer('k/1'), signer('k/2')];
      const receipt = await ledger.submit(job({ signs: [first.task, second.task, first.task] }));
      assert.ok(receipt.verdict === 'done');
      const [a, b, c] = receipt.signatures;
      assert.ok(verify('sha256', message, first.publicKey, a!));
      assert.ok(verify('sha256', message, second.publicKey, b!));
      assert.ok(verify('sha256', message, first.publicKey, c!));
      assert.ok(!verify('sha256', message, second.publicKey, a!));
    });

    test('of many jobs at once goes to the job that asked for it', async () => {
      const { ledger } = await openLedger();
      const signers = Array.from({ length: 50 }, (_, n) => signer(`k/${n}`));
      const receipts = await Promise.all(signers.map(({ task }) => ledger.submit(job({ signs: [task] }))));
      for (const [n, receipt] of receipts.entries()) {
        assert.ok(receipt.verdict === 'done');
        assert.ok(verify('sha256', message, signers[n]!.publicKey, receipt.signatures[0]!));
      }
    });

    test('that was asked for before its key is forgotten is made, in whatever message the two travel', async () => {
      const { ledger } = await openLedger();
      const { task } = signer('k/1');
      await ledger.submit(job({ signs: [task] }));
      const asked = ledger.submit(job({ signs: [task] }));
      ledger.forget('k/1');
      assert.equal((await asked).verdict, 'done');
    });

    test('with a key that was forgotten and given anew is made with the new one', async () => {
      const { ledger } = await openLedger();
      const [old, next] = [signer('k/1'), signer('k/1')];
      await ledger.submit(job({ signs: [old.task] }));
      ledger.forget('k/1');
      const receipts = await Promise.all([1, 2, 3].map(() => ledger.submit(job({ signs: [next.task] }))));
      const later = await ledger.submit(job({ signs: [next.task] }));
      for (const receipt of [...receipts, later]) {
        assert.ok(receipt.verdict === 'done');
        assert.ok(verify('sha256', message, next.publicKey, receipt.signatures[0]!));
      }
    });

    test('with a key that is forgotten before it was handed over leaves nothing of it in the thread', async () => {
      const { ledger, thread } = await openLedger();
      const held = keysInThread(thread);
      const asked = ledger.submit(job({ signs: [signer('k/1').task] }));
      ledger.forget('k/1');
      assert.equal((await asked).verdict, 'done');
      await ledger.submit(job());
      assert.deepEqual([...held], []);
    });

    test('of a decision that is stale leaves nothing of its key in the thread: what changed may be its end', async () => {
      const { ledger, thread } = await openLedger();
      const held = keysInThread(thread);
      const { task } = signer(`${KEY}/1`);
      const decidedAt = ledger.seen;
      await ledger.submit(job({ changes: PUT_KEY }));
      ledger.forget(task.keyHandleId);
      const late = await ledger.submit(job({ decidedAt, read: [entity.key(KEY)], signs: [task] }));
      assert.equal(late.verdict, 'stale');
      await ledger.submit(job());
      assert.deepEqual([...held], []);
    });

    test('of a key that cannot make it is refused as sign-failed, with a record, and hinders nobody else', async () => {
      const { ledger } = await openLedger();
      const { task } = signer('k/1');
      const wrong = { ...task, keyHandleId: 'k/2', algorithm: 'ED25519_SHA_512' } as const;
      const [bad, good] = await Promise.all([
        ledger.submit(job({ signs: [{ ...wrong, input: { digest: Buffer.alloc(3) } }] })),
        ledger.submit(job({ signs: [task] })),
      ]);
      assert.deepEqual([bad.verdict, good.verdict], ['sign-failed', 'done']);
    });

    function signer(keyHandleId: string): { task: SignTask; publicKey: KeyObject } {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const task = {
        keyHandleId,
        spec: 'P-256',
        key: privateKey,
        algorithm: 'ECDSA_SHA_256',
        input: { message },
      } as const;
      return { task, publicKey };
    }
  });

  describe('the end', () => {
    test('close waits for what was submitted; after it nothing is taken', async () => {
      const { ledger } = await openLedger();
      const waiting = Array.from({ length: 1000 }, () => ledger.submit(job()));
      await ledger.close();
      const receipts = await Promise.all(waiting);
      assert.equal(receipts.length, 1000);
      assert.equal(stored(), 1000);
      await assert.rejects(ledger.submit(job()), { code: 'AUDIT_UNAVAILABLE' });
    });

    test('close ends the thread though it has just failed with nobody waiting', async () => {
      const { ledger } = await openLedger();
      ledger.signWith({ origin: 'test', key: generateKeyPairSync('ed25519').privateKey });
      await ledger.submit(job());
      const db = new DatabaseSync(databasePath(folder), { timeout: 5000 });
      db.exec('DROP TABLE checkpoints');
      db.close();
      await ledger.submit(job()).catch(() => undefined);
      // Meanwhile the thread makes its next checkpoint, which fails, and this side has not heard of it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * CHECKPOINT_EVERY_MS);
      await ledger.close();
    });

    test('a thread that dies refuses all who wait and all who come, and tells it once', async () => {
      const { ledger, thread, failures } = await openLedger();
      await ledger.submit(job());
      const waiting = Array.from({ length: 20 }, () => ledger.submit(job()));
      await thread.terminate();
      for (const result of await Promise.allSettled(waiting)) {
        if (result.status === 'rejected') assert.equal((result.reason as { code: string }).code, 'AUDIT_UNAVAILABLE');
      }
      assert.equal(ledger.healthy, false);
      assert.equal(failures.length, 1);
      await assert.rejects(ledger.submit(job()), {
        code: 'AUDIT_UNAVAILABLE',
        message: 'the audit log cannot be written, so nothing is answered; see the server log',
      });
    });

    test('a store that breaks under the thread refuses what waits and all that follows', async () => {
      const { ledger, failures } = await openLedger();
      const db = new DatabaseSync(databasePath(folder), { timeout: 5000 });
      db.exec('DROP TABLE records');
      db.close();
      await assert.rejects(ledger.submit(job({ changes: [TENANT_PUT] })), { code: 'AUDIT_UNAVAILABLE' });
      assert.equal(ledger.healthy, false);
      assert.equal(failures.length, 1);
      await assert.rejects(ledger.submit(job()), { code: 'AUDIT_UNAVAILABLE' });
    });
  });

  describe('the start', () => {
    test('on a store of a newer schema is refused in words, and is no failure of a running log', async () => {
      await (await openLedger()).ledger.close();
      const db = new DatabaseSync(databasePath(folder), { timeout: 5000 });
      db.exec('PRAGMA user_version = 99');
      db.close();
      const failures: string[] = [];
      await assert.rejects(
        Ledger.open(start(), { changed: () => undefined, failed: (reason) => failures.push(reason) }),
        { code: 'STORE_UNAVAILABLE', message: /schema version 99, this Claviger knows up to \d+: .*newer release/ },
      );
      assert.deepEqual(failures, []);
    });

    test('finds the log of the store again, whatever id it was started with', async () => {
      const first = await openLedger();
      const { logId } = first.ledger;
      await first.ledger.submit(job());
      await first.ledger.close();
      const second = await openLedger();
      assert.equal(second.ledger.logId, logId);
      assert.deepEqual(await second.ledger.submit(job()), { verdict: 'done', index: 1, signatures: [] });
    });
  });
});

/** Ids of the keys that the thread holds, by what it is sent from now on: a message's drops come before its keys. */
function keysInThread(thread: Worker): ReadonlySet<string> {
  const held = new Set<string>();
  const post = thread.postMessage.bind(thread);
  thread.postMessage = (message: GroupMessage, transfer) => {
    for (const id of message.drops ?? []) held.delete(id);
    for (const { id } of message.keys ?? []) held.add(id);
    post(message, transfer);
  };
  return held;
}

const PUT_KEY: readonly Change[] = [TENANT_PUT, { put: 'key', key: key() }];

function start() {
  return { databasePath: databasePath(folder), settings: { 'log-id': randomUUID() } };
}

async function openLedger(): Promise<TestLedger> {
  const changed: string[][] = [];
  const failures: string[] = [];
  const started = once(process, 'worker');
  const ledger = await Ledger.open(start(), {
    changed: (entities) => changed.push([...entities]),
    failed: (reason) => failures.push(reason),
  });
  const [thread] = (await started) as [Worker];
  opened = { ledger, thread, changed, failures };
  return opened;
}

function job(more: Partial<Job> = {}): Job {
  return { decidedAt: 0, read: [], draft: draft(), outcome: 'OK', changes: [], signs: [], ...more };
}

function stored(): number {
  const db = new DatabaseSync(databasePath(folder), { readOnly: true, timeout: 5000 });
  try {
    return (db.prepare('SELECT count(*) AS count FROM records').get() as { count: number }).count;
  } finally {
    db.close();
  }
}
