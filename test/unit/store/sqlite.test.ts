import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, suite, test } from 'node:test';
import fc from 'fast-check';
import type { Key, KeyVersion } from '../../../src/model/key.ts';
import type { Credential } from '../../../src/model/principal.ts';
import { entityOf, type Change } from '../../../src/store/change.ts';
import type { RecordRow } from '../../../src/store/contract.ts';
import { SQLITE_MIGRATIONS } from '../../../src/store/migrations/sqlite.ts';
import { databasePath, lockFolder, migrate, openForReading, openForWriting } from '../../../src/store/sqlite/open.ts';
import { SqliteReader } from '../../../src/store/sqlite/reader.ts';
import { SqliteWriter } from '../../../src/store/sqlite/writer.ts';
import { alias, key, KEY, TENANT, TENANT_PUT } from '../audit/jobs.ts';

let folder: string;

suite('the store on SQLite', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-store-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('opening', () => {
    test('a new store is in WAL, waits for the disk at each commit, overwrites what it deletes', () => {
      const db = openForWriting(databasePath(folder));
      const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0];
      assert.equal(pragma('journal_mode'), 'wal');
      assert.equal(pragma('synchronous'), 2);
      assert.equal(pragma('secure_delete'), 1);
      assert.equal(pragma('foreign_keys'), 1);
      assert.equal(pragma('user_version'), SQLITE_MIGRATIONS.length);
      db.close();
    });

    test('its files are for the owner only, whatever the folder and the umask allow', () => {
      const script = `
      import { openForWriting } from ${JSON.stringify(join(import.meta.dirname, '../../../src/store/sqlite/open.ts'))};
      process.umask(0);
      const db = openForWriting(${JSON.stringify(databasePath(folder))});
      db.exec('BEGIN; CREATE TABLE t (a); COMMIT');
      process.kill(process.pid, 'SIGKILL');`;
      spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script]);
      for (const name of ['claviger.db', 'claviger.db-wal', 'claviger.db-shm']) {
        assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
      }
    });

    test('a store of a newer schema is refused, named by its version, and is not changed', () => {
      const path = databasePath(folder);
      openForWriting(path).close();
      const db = new DatabaseSync(path);
      const newer = SQLITE_MIGRATIONS.length + 1;
      db.exec(`PRAGMA user_version = ${newer}`);
      db.close();
      assert.throws(() => openForWriting(path), {
        code: 'STORE_UNAVAILABLE',
        message: `the store \`${path}\` has schema version ${newer}, this Claviger knows up to ${newer - 1}: it was written by a newer release, start that one`,
      });
      assert.equal(new DatabaseSync(path).prepare('PRAGMA user_version').get()!['user_version'], newer);
    });

    test('a file that is no database is refused in words', () => {
      const path = databasePath(folder);
      writeFileSync(path, 'this is not a database, and long enough to be looked at as one'.repeat(100));
      assert.throws(() => openForWriting(path), { code: 'STORE_UNAVAILABLE', message: /cannot open the store/ });
    });

    test('a reader does not make a store where there is none', () => {
      assert.throws(() => openForReading(databasePath(folder)), { code: 'STORE_UNAVAILABLE' });
    });

    test('a reader cannot write', () => {
      openForWriting(databasePath(folder)).close();
      const db = openForReading(databasePath(folder));
      assert.throws(() => db.exec("INSERT INTO settings VALUES ('a', 'b')"), /readonly|read-only/i);
      db.close();
    });
  });

  describe('migrations', () => {
    const STEPS = ['CREATE TABLE a (x) STRICT', 'CREATE TABLE b (x) STRICT', 'ALTER TABLE a ADD COLUMN y TEXT'];
    const fixed = STEPS.map((sql) => sql.replace('(x)', '(x TEXT)'));

    test('run in order from where a store stands, each once', () => {
      const db = new DatabaseSync(':memory:');
      migrate(db, 'test', fixed.slice(0, 1));
      db.exec("INSERT INTO a VALUES ('kept')");
      migrate(db, 'test', fixed);
      migrate(db, 'test', fixed);
      assert.deepEqual({ ...db.prepare('SELECT * FROM a').get() }, { x: 'kept', y: null });
      assert.equal(db.prepare('PRAGMA user_version').get()!['user_version'], 3);
    });

    test('that fail leave the store at the last one that did not', () => {
      const db = new DatabaseSync(':memory:');
      const broken = [fixed[0]!, 'CREATE TABLE c (x TEXT) STRICT; CREATE TABLE a (x TEXT) STRICT'];
      assert.throws(() => migrate(db, 'test', broken), /already exists/);
      assert.equal(db.prepare('PRAGMA user_version').get()!['user_version'], 1);
      assert.deepEqual(
        db
          .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
          .all()
          .map(({ name }) => name),
        ['a'],
      );
    });
  });

  describe('the lock of a folder', () => {
    test('is given to one process, and another is told whose it is', () => {
      const lock = lockFolder(folder);
      lock.announce('http://127.0.0.1:8550');
      const other = lockInOtherProcess();
      assert.equal(other.code, 'STORE_UNAVAILABLE');
      assert.equal(
        other.message,
        `the data folder \`${folder}\` is in use by another process (pid ${process.pid}, http://127.0.0.1:8550); stop it first, or use its address`,
      );
      lock.release();
      assert.equal(lockInOtherProcess().code, 'ok');
    });

    test('is refused before the first has said its address too', () => {
      const lock = lockFolder(folder);
      assert.match(lockInOtherProcess().message, /is in use by another process; stop it first/);
      lock.release();
    });

    test('is free again after its process was killed, and the address that it left is not believed', () => {
      const killed = inOtherProcess(`
      lockFolder(FOLDER).announce('http://127.0.0.1:1');
      process.kill(process.pid, 'SIGKILL');`);
      assert.equal(killed.signal, 'SIGKILL');
      lockFolder(folder).release();
    });

    test('holds within one process too', () => {
      const lock = lockFolder(folder);
      assert.throws(() => lockFolder(folder), { code: 'STORE_UNAVAILABLE' });
      lock.release();
    });

    function lockInOtherProcess(): { code: string; message: string } {
      const { stdout } = inOtherProcess(`
      try {
        lockFolder(FOLDER).release();
        console.log(JSON.stringify({ code: 'ok', message: '' }));
      } catch ({ code, message }) {
        console.log(JSON.stringify({ code, message }));
      }`);
      return JSON.parse(stdout) as { code: string; message: string };
    }

    function inOtherProcess(script: string) {
      const open = JSON.stringify(join(import.meta.dirname, '../../../src/store/sqlite/open.ts'));
      const source = `import { lockFolder } from ${open}; const FOLDER = ${JSON.stringify(folder)};${script}`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
    }
  });

  describe('rows', () => {
    const name = fc.string({ maxLength: 20 });
    const time = fc.integer({ min: 0, max: 2 ** 43 });
    const state = fc.constantFrom(
      'PreActive',
      'Active',
      'Suspended',
      'Deactivated',
      'Compromised',
      'Destroyed' as const,
    );
    const keys: fc.Arbitrary<Key> = fc.record({
      id: fc.uuid(),
      tenantId: fc.constant(TENANT),
      spec: fc.constantFrom('AES-256-GCM', 'P-256', 'ML-KEM-512'),
      usage: fc.constantFrom('encrypt-decrypt', 'sign-verify', 'kem'),
      state,
      origin: fc.constantFrom('claviger', 'external'),
      description: fc.string({ unit: 'grapheme', maxLength: 50 }),
      tags: fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }), name),
      createdAt: time,
      deletionAt: fc.option(time),
      primaryVersion: fc.nat({ max: 2 ** 31 }),
      materialPresent: fc.boolean(),
      rotation: fc.option(fc.record({ periodDays: fc.integer({ min: 90, max: 2560 }), nextAt: time })),
      policy: fc.option(fc.string({ unit: 'grapheme' })),
      published: fc.boolean(),
      homes: fc.constantFrom(null, {
        group: 'payments',
        providers: ['aws', 'hsm'],
        onHomeRefusal: 'quarantine' as const,
        siblings: true,
      }),
    });
    const versions: fc.Arbitrary<Omit<KeyVersion, 'keyId' | 'version'>> = fc.record({
      state,
      cause: fc.constantFrom('created', 'imported', 'rotated-on-demand', 'rotated-by-schedule'),
      createdAt: time,
      expiresAt: fc.option(time),
      backings: fc.constantFrom(
        [{ number: 1, provider: 'software', ref: 'x/1' }],
        [{ number: 3, provider: 'aws', ref: 'arn', nativeId: 'arn', adopted: true, removedAt: 7, fingerprint: 'f' }],
      ),
      publicKey: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 })),
      refusal: fc.constantFrom(null, { provider: 'aws', code: 'KEY_DISABLED' as const, at: 5 }),
    });

    test('a key with its versions comes back as it was put, and again after it was changed', async () => {
      const { writer, reader, end } = openStore();
      await fc.assert(
        fc.asyncProperty(keys, keys, fc.array(versions, { maxLength: 3 }), async (key, changes, made) => {
          const rows = made.map((version, index) => ({ ...version, keyId: key.id, version: index + 1 }));
          put(writer, [{ put: 'key', key }, ...rows.map((version): Change => ({ put: 'version', version }))]);
          assert.deepEqual(await reader.key(key.id), { key: plain(key), versions: rows });
          // What a key is, and whose, never changes.
          const { id, tenantId, spec, usage, origin, createdAt } = key;
          const after = { ...changes, id, tenantId, spec, usage, origin, createdAt };
          put(writer, [{ put: 'key', key: after }]);
          assert.deepEqual((await reader.key(key.id))!.key, plain(after));
        }),
        { numRuns: 60 },
      );
      end();
    });

    test('a credential comes back as it was put', async () => {
      const { writer, reader, end } = openStore();
      const credential: Credential = {
        id: 'c1',
        tenantId: TENANT,
        kind: 'aws',
        name: 'shop “one”',
        roles: ['crypto-user', 'approver'],
        systemScope: true,
        accessKeyId: 'CLAV1',
        verifier: Uint8Array.of(1, 2, 3),
        createdAt: 1,
        expiresAt: 2,
        revokedAt: null,
      };
      put(writer, [{ put: 'credential', credential }]);
      assert.deepEqual(await reader.credential('c1'), credential);
      assert.deepEqual(await reader.credentialByAccessKey('CLAV1'), credential);
      put(writer, [{ put: 'credential', credential: { ...credential, revokedAt: 9, roles: [] } }]);
      assert.deepEqual(
        await reader.credential('c1'),
        { ...credential, revokedAt: 9 },
        'a token never gets other roles',
      );
      end();
    });

    test('what is not there is null, for every way to ask', async () => {
      const { reader, end } = openStore();
      assert.deepEqual(
        await Promise.all([
          reader.key('x'),
          reader.tenant('x'),
          reader.tenantByName('x'),
          reader.tenantByAccount('x'),
          reader.sealedTenantKey('x'),
          reader.sealedMaterial('x', 1),
          reader.alias(TENANT, 'x'),
          reader.credential('x'),
          reader.credentialByAccessKey('x'),
          reader.importSlot('x'),
          reader.idempotent('x'),
          reader.setting('x'),
        ]),
        Array.from({ length: 12 }, () => null),
      );
      end();
    });
  });

  describe('lists', () => {
    test('give every key of a tenant once, over pages of any size, and none of another tenant', async () => {
      const { writer, reader, end } = openStore();
      const other = { id: 'other', name: 'other', accountId: '210987654321', createdAt: 1 };
      put(writer, [{ put: 'tenant', tenant: other, sealedKey: Buffer.alloc(1) }]);
      const ids = Array.from({ length: 23 }, (_, n) => `019a0000-0000-7000-8000-${String(n).padStart(12, '0')}`);
      put(
        writer,
        ids.map((id, n): Change => ({ put: 'key', key: key(id, n % 4 === 3 ? { tenantId: 'other' } : {}) })),
      );
      const mine = ids.filter((_, n) => n % 4 !== 3);
      for (const limit of [1, 2, 5, 18, 100]) {
        const found: string[] = [];
        for (let after: string | null = null; ;) {
          const page = await reader.keyIds(TENANT, { after, limit });
          found.push(...page);
          if (page.length < limit) break;
          after = page.at(-1)!;
        }
        assert.deepEqual(found, mine);
      }
      end();
    });

    test('give aliases of one key, or all, by name', async () => {
      const { writer, reader, end } = openStore();
      const second = '019a0000-0000-7000-8000-0000000000bb';
      put(writer, [
        { put: 'key', key: key() },
        { put: 'key', key: key(second) },
        ...['b', 'a', 'c'].map((name): Change => ({ put: 'alias', alias: alias(name) })),
        { put: 'alias', alias: alias('d', second) },
      ]);
      const names = async (keyId: string | null, after: string | null = null): Promise<string[]> =>
        (await reader.aliases(TENANT, keyId, { after, limit: 10 })).map(({ name }) => name);
      assert.deepEqual(await names(null), ['a', 'b', 'c', 'd']);
      assert.deepEqual(await names(KEY), ['a', 'b', 'c']);
      assert.deepEqual(await names(second), ['d']);
      assert.deepEqual(await names(null, 'b'), ['c', 'd']);
      end();
    });

    test('of what is due name a key when its date has come, and not before', async () => {
      const { writer, reader, end } = openStore();
      const version = {
        keyId: KEY,
        version: 1,
        state: 'Active',
        cause: 'imported',
        createdAt: 1,
        backings: [],
      } as const;
      put(writer, [
        { put: 'key', key: key(KEY, { deletionAt: 100, rotation: { periodDays: 90, nextAt: 200 } }) },
        { put: 'version', version: { ...version, expiresAt: 300, publicKey: null, refusal: null } },
        { put: 'material', keyId: KEY, version: 1, sealed: Buffer.alloc(1) },
      ]);
      assert.deepEqual(await reader.dueKeys('deletion', 99, 10), []);
      assert.deepEqual(await reader.dueKeys('deletion', 100, 10), [KEY]);
      assert.deepEqual(await reader.dueKeys('rotation', 200, 10), [], 'what is going does not rotate');
      assert.deepEqual(await reader.dueKeys('expiry', 299, 10), []);
      assert.deepEqual(await reader.dueKeys('expiry', 300, 10), [KEY]);
      put(writer, [{ drop: 'material', keyId: KEY, version: 1 }]);
      assert.deepEqual(await reader.dueKeys('expiry', 300, 10), [], 'what is gone does not expire');
      put(writer, [{ put: 'key', key: key(KEY, { rotation: { periodDays: 90, nextAt: 200 } }) }]);
      assert.deepEqual(await reader.dueKeys('rotation', 199, 10), []);
      assert.deepEqual(await reader.dueKeys('rotation', 200, 10), [KEY]);
      end();
    });
  });

  describe('the first record since a time', () => {
    test('is found in a log of thousands of millions', async () => {
      const { writer, reader, end } = openStore();
      const last = 3_000_000_000;
      writer.begin();
      writer.append(row(last, 2));
      // Of all the records before it only those that a binary search looks at.
      for (let low = 0; low < last;) {
        const middle = Math.floor((low + last + 1) / 2);
        if (middle < last) writer.append(row(middle, 1));
        low = middle + 1;
      }
      writer.commit();
      assert.equal(await reader.firstIndexSince(2), last);
      end();
    });

    function row(index: number, timeMs: number): RecordRow {
      const names = { tenantId: null, requestId: '', keyId: null, principal: null, operation: '', outcome: 'OK' };
      return { index, timeMs, ...names, entry: Buffer.alloc(0), leaf: Buffer.alloc(0), openings: '{}', items: null };
    }
  });

  describe('the writer', () => {
    test('applies all changes of a job or none', async () => {
      const { writer, reader, end } = openStore();
      writer.begin();
      writer.apply([{ put: 'key', key: key() }]);
      assert.throws(() =>
        writer.apply([
          { put: 'alias', alias: alias('x') },
          { put: 'alias', alias: alias('y', 'no such key') },
        ]),
      );
      writer.commit();
      assert.notEqual(await reader.key(KEY), null);
      assert.equal(await reader.alias(TENANT, 'x'), null);
      end();
    });

    test('forgets idempotent answers after a day, when another is kept', async () => {
      const { writer, reader, end } = openStore();
      const day = 24 * 60 * 60 * 1000;
      const kept = (scope: string, createdAt: number): Change => ({
        put: 'idempotency',
        kept: { scope, requestHash: Uint8Array.of(1), answer: '{}', createdId: null, createdAt },
      });
      put(writer, [kept('first', 0)]);
      put(writer, [kept('second', day)]);
      assert.notEqual(await reader.idempotent('first'), null);
      put(writer, [kept('third', day + 1)]);
      assert.equal(await reader.idempotent('first'), null);
      assert.notEqual(await reader.idempotent('second'), null);
      end();
    });

    test('keeps a setting as it was first written', async () => {
      const { writer, reader, end } = openStore();
      writer.settle({ 'log-id': 'one' });
      writer.settle({ 'log-id': 'two', other: 'new' });
      assert.equal(await reader.setting('log-id'), 'one');
      assert.equal(await reader.setting('other'), 'new');
      end();
    });
  });

  test('every change but an idempotent answer names the entity that decisions go stale by', () => {
    const slot = {
      id: 's',
      tenantId: TENANT,
      keyId: KEY,
      algorithm: 'RSAES_OAEP_SHA_256',
      wrappingPublicKey: Buffer.alloc(1),
      expiresAt: 1,
    } as const;
    const version = {
      keyId: KEY,
      version: 1,
      state: 'Active',
      cause: 'created',
      createdAt: 1,
      expiresAt: null,
    } as const;
    const k = `k:${KEY}`;
    const cases: readonly (readonly [Change, string | null])[] = [
      [TENANT_PUT, `t:${TENANT}`],
      [{ put: 'key', key: key() }, k],
      [{ put: 'version', version: { ...version, backings: [], publicKey: null, refusal: null } }, k],
      [{ put: 'material', keyId: KEY, version: 1, sealed: Buffer.alloc(1) }, k],
      [{ drop: 'material', keyId: KEY, version: 1 }, k],
      [{ put: 'alias', alias: alias('x') }, `a:${TENANT}/x`],
      [{ drop: 'alias', tenantId: TENANT, name: 'x' }, `a:${TENANT}/x`],
      [{ put: 'importSlot', slot, sealedKey: Buffer.alloc(1) }, k],
      [{ drop: 'importSlot', keyId: KEY }, k],
      [{ drop: 'openings', from: 0, to: 1 }, 'redaction'],
      [
        {
          put: 'idempotency',
          kept: { scope: 's', requestHash: Buffer.alloc(1), answer: null, createdId: null, createdAt: 1 },
        },
        null,
      ],
    ];
    for (const [change, name] of cases) assert.equal(entityOf(change), name);
  });
});

function openStore(): { writer: SqliteWriter; reader: SqliteReader; end: () => void } {
  const writer = new SqliteWriter(databasePath(folder));
  put(writer, [TENANT_PUT]);
  const reader = new SqliteReader(databasePath(folder));
  const end = (): void => {
    reader.close();
    writer.close();
  };
  return { writer, reader, end };
}

function put(writer: SqliteWriter, changes: readonly Change[]): void {
  writer.begin();
  writer.apply(changes);
  writer.commit();
}

/** fast-check's records have no prototype. */
function plain(key: Key): Key {
  return { ...key, tags: { ...key.tags }, rotation: key.rotation && { ...key.rotation } };
}
