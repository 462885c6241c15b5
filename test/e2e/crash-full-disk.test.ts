/** A full disk: nothing is released while nothing can be recorded, and all goes on once there is space. */
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { LogLevel } from '../../src/ports/log.ts';
import type { Change } from '../../src/store/change.ts';
import { databasePath } from '../../src/store/sqlite/open.ts';
import { SqliteWriter } from '../../src/store/sqlite/writer.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { openTestService } from '../support/service.ts';
import { smallDisk, type SmallDisk } from '../support/small-disk.ts';
import { checkLog, readLog } from '../support/stored-log.ts';
import { query } from '../support/store-files.ts';

const PLAINTEXT = Buffer.from('hello').toString('base64');

describe('over HTTP', () => {
  let disk: SmallDisk | string;
  let server: TestServer;
  const told: [LogLevel, string][] = [];
  before(async () => {
    disk = smallDisk(4096);
    if (typeof disk === 'string') return;
    const log = { write: (level: LogLevel, message: string) => void told.push([level, message]) };
    server = await startTestServer({ folder: disk.folder, log });
  });
  after(async () => {
    if (typeof disk === 'string') return;
    await server.stop();
    disk.remove();
  });

  test('every kind of call is refused with AUDIT_UNAVAILABLE, and answered again once there is space', async (t) => {
    if (typeof disk === 'string') return skip(t, disk);
    const { id } = await server.client.createKey({ spec: 'P-256', alias: 'kept' });
    const aes = await server.client.createKey({ spec: 'AES-256-GCM' });
    const { body: encrypted } = await server.fetch('POST', `/v1/keys/${aes.id}:encrypt`, { plaintext: PLAINTEXT });
    const before = readLog(disk.folder).length;
    disk.fill();
    const calls = [
      ['POST', '/v1/keys', { spec: 'AES-256-GCM', alias: 'never' }],
      ['POST', `/v1/keys/${aes.id}:encrypt`, { plaintext: PLAINTEXT }],
      ['POST', `/v1/keys/${aes.id}:decrypt`, { ciphertext: encrypted.ciphertext }],
      ['POST', `/v1/keys/${id}:sign`, { message: PLAINTEXT }],
      ['POST', `/v1/keys/${id}:disable`, {}],
      ['POST', '/v1/random', { bytes: 8 }],
      ['POST', '/v1/tokens', { name: 'never', roles: ['auditor'] }],
      ['GET', '/v1/keys', undefined],
      ['GET', '/v1/keys/nothing-of-ours', undefined],
    ] as const;
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(calls.map(([method, path, body]) => server.fetch(method, path, body)));
      for (const [n, { status, body }] of answers.entries()) {
        assert.deepEqual([status, body.code], [503, 'AUDIT_UNAVAILABLE'], `${calls[n]![0]} ${calls[n]![1]}`);
        assert.deepEqual(Object.keys(body).toSorted(), ['code', 'detail', 'requestId', 'status', 'title', 'type']);
      }
    }
    assert.equal(readLog(disk.folder).length, before, 'nothing was recorded');
    assert.equal((await server.fetch('GET', '/livez')).status, 200);

    disk.free();
    assert.equal((await server.fetch('POST', `/v1/keys/${id}:sign`, { message: PLAINTEXT })).status, 200);
    assert.equal((await server.client.describeKey({ key: id })).state, 'Active', 'the refused disable did not happen');
    await assert.rejects(server.client.describeKey({ key: 'alias:never' }), { code: 'KEY_NOT_FOUND' });
    const opened = await server.fetch('POST', `/v1/keys/${aes.id}:decrypt`, { ciphertext: encrypted.ciphertext });
    assert.equal(opened.body.plaintext, PLAINTEXT);
    checkLog(disk.folder);
    assert.deepEqual(
      told.filter(([level]) => level === 'error'),
      [],
      'the log has not failed for good',
    );
  });

  test('under load, what was answered before the disk was full is there, and what was refused is not', async (t) => {
    if (typeof disk === 'string') return skip(t, disk);
    const made = new Set<string>();
    let refused = 0;
    const over = { now: false };
    const caller = async (): Promise<void> => {
      while (!over.now) {
        const { status, body } = await server.fetch('POST', '/v1/keys', { spec: 'HMAC-SHA-256' });
        if (status === 201) made.add(body.id as string);
        else if (body.code === 'AUDIT_UNAVAILABLE') refused += 1;
        else assert.equal(body.code, 'THROTTLED');
      }
    };
    const callers = Array.from({ length: 16 }, caller);
    try {
      for (let round = 0; round < 4; round++) {
        await until(() => made.size > round * 20);
        disk.fill();
        const before = refused;
        await until(() => refused > before + 20);
        disk.free();
      }
    } finally {
      over.now = true;
      await Promise.all(callers);
    }
    const stored = query(disk.folder, "SELECT id FROM keys WHERE spec = 'HMAC-SHA-256'").map(({ id }) => id as string);
    assert.deepEqual(stored.toSorted(), [...made].toSorted());
    checkLog(disk.folder);
  });
});

describe('in the service', () => {
  test('a recovered log still knows what changed: what was decided before goes stale', async (t) => {
    const disk = smallDisk(4096);
    if (typeof disk === 'string') return skip(t, disk);
    const service = await openTestService({ folder: disk.folder });
    try {
      const { api, services } = service;
      const { id } = await api.createKey({ spec: 'AES-256-GCM' });
      for (let n = 0; n < 5; n++) await api.tagKey({ key: id, tags: { n: String(n) } });
      const seen = services.ledger.seen;
      disk.fill();
      await assert.rejects(api.generateRandom({ bytes: 1 }), { code: 'AUDIT_UNAVAILABLE' });
      disk.free();
      await api.disableKey({ key: id });
      assert.ok(services.ledger.seen > seen, 'the sequence of changes goes on, and does not begin again');
      assert.equal(services.ledger.healthy, true);
    } finally {
      await service.close();
      disk.remove();
    }
  });

  test('a store that is full in the middle of a change takes none of it, and says that the disk is full', (t) => {
    const disk = smallDisk(2048);
    if (typeof disk === 'string') return skip(t, disk);
    const writer = new SqliteWriter(databasePath(disk.folder));
    const tenant = (n: number): Change => ({
      put: 'tenant',
      tenant: { id: String(n), name: `t${n}`, accountId: String(n), createdAt: 1 },
      sealedKey: Buffer.alloc(4000),
    });
    try {
      writer.begin();
      // More than SQLite keeps in memory, so that it meets the end of the disk before the commit.
      const many = Array.from({ length: 2000 }, (_, n) => tenant(n));
      assert.throws(() => writer.apply(many), { errcode: 13 });
      writer.rollback();
      writer.begin();
      writer.apply([tenant(1)]);
      writer.commit();
    } finally {
      writer.close();
      disk.remove();
    }
  });
});

function skip(t: TestContext, reason: string): void {
  t.skip(reason);
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 2));
}
