/** What falls due, by a clock that the test moves: destruction, rotation, expiry of imported material. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { runLifecycle } from '../../src/jobs/lifecycle.ts';
import type { KeyInfo } from '../../src/operations/key-info.ts';
import { DAY_MS } from '../support/clock.ts';
import { importInto } from '../support/import.ts';
import { emptyKeyIn, keyIn } from '../support/keys.ts';
import { openTestService, type TestService } from '../support/service.ts';
import { readLog } from '../support/stored-log.ts';
import { filesWith, query } from '../support/store-files.ts';

const TEXT = Buffer.from('hello');
let service: TestService;
before(async () => {
  service = await openTestService();
});
after(() => service.remove());

describe('deletion', () => {
  for (const [given, days] of [
    [7, 7],
    [12, 12],
    [30, 30],
    [undefined, 30],
  ] as const) {
    test(`with a window of ${given ?? 'no'} days a key is destroyed after ${days} days, and not a millisecond before`, async () => {
      const { api, clock } = service;
      const { id } = await keyIn(service, 'Active');
      await api.scheduleKeyDeletion({ key: id, pendingWindowDays: given });
      clock.advance(days * DAY_MS - 1);
      await service.runJobs();
      assert.equal((await api.describeKey({ key: id })).state, 'Active');
      clock.advance(1);
      await service.runJobs();
      const info = await api.describeKey({ key: id });
      assert.equal(info.state, 'Destroyed');
      assert.equal(info.materialPresent, false);
      assert.equal(info.deletionAt, null);
    });
  }

  for (const days of [0, 6, 31, 365, -7, 7.5, Number.NaN]) {
    test(`a window of ${days} days is refused`, async () => {
      const { id } = await keyIn(service, 'Active');
      await assert.rejects(service.api.scheduleKeyDeletion({ key: id, pendingWindowDays: days }), {
        code: 'INVALID_ARGUMENT',
        message: /from 7 to 30/,
      });
      assert.equal((await service.api.describeKey({ key: id })).deletionAt, null);
    });
  }

  test('a key whose date was taken back in time is there long after it', async () => {
    const { api, clock } = service;
    const { id, made } = await keyIn(service, 'Active', {
      whileActive: async (api, key) => (await api.encrypt({ key, plaintext: TEXT })).ciphertext,
    });
    await api.scheduleKeyDeletion({ key: id, pendingWindowDays: 7 });
    clock.advance(7 * DAY_MS - 1);
    await api.cancelKeyDeletion({ key: id });
    clock.advanceDays(60);
    await service.runJobs();
    await api.enableKey({ key: id });
    assert.deepEqual((await api.decrypt({ key: id, ciphertext: made as Uint8Array })).plaintext, TEXT);
  });

  test('a destroyed key leaves none of its material behind: no row, and no byte in the files of the store', async () => {
    const { api, folder } = service;
    const { id } = await keyIn(service, 'Active');
    await api.rotateKey({ key: id });
    await api.rotateKey({ key: id });
    const sealed = materialsOf(id);
    assert.equal(sealed.length, 3);
    for (const blob of sealed)
      assert.notDeepEqual(filesWith(folder, blob), [], 'the test can find it while it is there');
    await destroy(id);
    assert.deepEqual(materialsOf(id), []);
    for (const blob of sealed) assert.deepEqual(filesWith(folder, blob), []);
  });

  test('a reader in the way delays the shredding to the next commit, and no longer', async () => {
    const { api, folder } = service;
    const { id } = await keyIn(service, 'Active');
    const [sealed] = materialsOf(id);
    const reader = new DatabaseSync(join(folder, 'claviger.db'), { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM records').get();
    await destroy(id);
    reader.exec('COMMIT');
    reader.close();
    await api.generateRandom({ bytes: 1 });
    assert.deepEqual(filesWith(folder, sealed!), []);
  });

  test('aliases, imports and automatic rotation go with their key, its description stays', async () => {
    const { api } = service;
    const { id } = await api.createKey({ spec: 'AES-256-GCM', alias: 'going', description: 'ledger of 2025' });
    await api.setKeyRotation({ key: id, periodDays: 90 });
    await destroy(id);
    await assert.rejects(api.describeKey({ key: 'alias:going' }), { code: 'KEY_NOT_FOUND' });
    const info = await api.describeKey({ key: id });
    assert.deepEqual([info.aliases, info.rotation, info.description], [[], null, 'ledger of 2025']);
    await api.createKey({ spec: 'AES-256-GCM', alias: 'going' });
  });

  test('an alias that is given to another key while its own is destroyed stays with the other', async () => {
    const { api, services, clock } = service;
    const first = await api.createKey({ spec: 'AES-256-GCM', alias: 'moving' });
    const second = await api.createKey({ spec: 'AES-256-GCM' });
    await api.scheduleKeyDeletion({ key: first.id, pendingWindowDays: 7 });
    clock.advanceDays(7);
    // The alias moves right after the destruction has read which aliases there are.
    let moved = false;
    const store = intercepted(services.cache.store, 'aliases', async (read) => {
      const found = await read();
      if (!moved) {
        moved = true;
        await api.updateAlias({ name: 'moving', key: second.id });
      }
      return found;
    });
    const cache = intercepted(services.cache, 'store', () => store);
    await runLifecycle({ ...services, cache });
    assert.ok(moved);
    assert.equal((await api.describeKey({ key: first.id })).state, 'Destroyed');
    assert.equal((await api.describeKey({ key: 'alias:moving' })).id, second.id);
  });

  test('a destroyed key can still be marked as compromised, and is used no more for that', async () => {
    const { api } = service;
    const { id } = await keyIn(service, 'Destroyed');
    assert.equal((await api.compromiseKey({ key: id })).state, 'DestroyedCompromised');
    await assert.rejects(api.encrypt({ key: id, plaintext: TEXT }), { code: 'KEY_STATE' });
  });

  test('the job does in one run all that is due, however much it is, each with its record', async () => {
    const { api, clock, folder } = service;
    const ids = await Promise.all(
      Array.from({ length: 250 }, async () => (await api.createKey({ spec: 'HMAC-SHA-256' })).id),
    );
    await Promise.all(ids.map((key) => api.scheduleKeyDeletion({ key, pendingWindowDays: 7 })));
    clock.advanceDays(7);
    await service.runJobs();
    const destroyed = new Set(
      readLog(folder)
        .filter(({ record }) => record['operation'] === 'DestroyKey' && record['outcome'] === 'OK')
        .map(({ record }) => record['key'] as string),
    );
    for (const id of ids) assert.ok(destroyed.has(id));
  });

  test('a caller cannot destroy: there is no such call in the API', () => {
    assert.ok(!('destroyKey' in service.api));
  });
});

describe('rotation by schedule', () => {
  test('a key rotates when its period is over, not before, and again after the next', async () => {
    const { api, clock } = service;
    const { id, made } = await keyIn(service, 'Active', {
      whileActive: async (api, key) => (await api.encrypt({ key, plaintext: TEXT })).ciphertext,
    });
    const start = clock.now();
    const info = await api.setKeyRotation({ key: id, periodDays: 90 });
    assert.deepEqual(info.rotation, { periodDays: 90, nextAt: new Date(start + 90 * DAY_MS).toISOString() });
    clock.advance(90 * DAY_MS - 1);
    await service.runJobs();
    assert.equal((await api.describeKey({ key: id })).primaryVersion, 1);
    clock.advance(1);
    await service.runJobs();
    const rotated = await api.describeKey({ key: id });
    assert.deepEqual(versionsOf(rotated), [
      [1, 'Deactivated', 'created'],
      [2, 'Active', 'rotated-by-schedule'],
    ]);
    assert.equal(rotated.rotation!.nextAt, new Date(start + 180 * DAY_MS).toISOString());
    clock.advanceDays(90);
    await service.runJobs();
    assert.equal((await api.describeKey({ key: id })).primaryVersion, 3);
    assert.equal((await api.encrypt({ key: id, plaintext: TEXT })).keyVersion, 3);
    const opened = await api.decrypt({ key: id, ciphertext: made as Uint8Array });
    assert.deepEqual([opened.plaintext, opened.keyVersion], [TEXT, 1]);
  });

  test('periods that were missed come to one rotation', async () => {
    const { api, clock } = service;
    const { id } = await keyIn(service, 'Active');
    await api.setKeyRotation({ key: id, periodDays: 90 });
    clock.advanceDays(1000);
    await service.runJobs();
    await service.runJobs();
    assert.equal((await api.describeKey({ key: id })).primaryVersion, 2);
  });

  test('a rotation on demand counts: the next one by schedule is a whole period later', async () => {
    const { api, clock } = service;
    const { id } = await keyIn(service, 'Active');
    await api.setKeyRotation({ key: id, periodDays: 90 });
    clock.advanceDays(80);
    await api.rotateKey({ key: id });
    clock.advanceDays(80);
    await service.runJobs();
    assert.equal((await api.describeKey({ key: id })).primaryVersion, 2);
    clock.advanceDays(10);
    await service.runJobs();
    assert.equal((await api.describeKey({ key: id })).primaryVersion, 3);
  });

  test('a key that is disabled, going, or told not to rotate any more stays as it is', async () => {
    const { api, clock } = service;
    const [disabled, going, ended] = await Promise.all(
      [1, 2, 3].map(async () => {
        const { id } = await keyIn(service, 'Active');
        await api.setKeyRotation({ key: id, periodDays: 90 });
        return id;
      }),
    );
    await api.disableKey({ key: disabled! });
    await api.setKeyRotation({ key: ended!, periodDays: null });
    clock.advanceDays(89);
    await api.scheduleKeyDeletion({ key: going!, pendingWindowDays: 30 });
    clock.advanceDays(1);
    await service.runJobs();
    for (const id of [disabled!, going!, ended!]) {
      assert.equal((await api.describeKey({ key: id })).primaryVersion, 1);
    }
    await api.enableKey({ key: disabled! });
    await service.runJobs();
    assert.equal((await api.describeKey({ key: disabled! })).primaryVersion, 2, 'what was due is done once it may be');
  });

  for (const days of [0, 89, 2561, -1, 90.5, Number.NaN]) {
    test(`a period of ${days} days is refused`, async () => {
      const { id } = await keyIn(service, 'Active');
      await assert.rejects(service.api.setKeyRotation({ key: id, periodDays: days }), {
        code: 'INVALID_ARGUMENT',
        message: /from 90 to 2560/,
      });
    });
  }

  test('only symmetric keys that were made here rotate by themselves', async () => {
    const { api } = service;
    const signing = await api.createKey({ spec: 'P-256' });
    const mac = await api.createKey({ spec: 'HMAC-SHA-256' });
    const imported = await emptyKeyIn(service, 'Active');
    for (const { id } of [signing, mac, imported]) {
      await assert.rejects(api.setKeyRotation({ key: id, periodDays: 90 }), { code: 'UNSUPPORTED' });
    }
  });
});

describe('expiry of imported material', () => {
  const material = Buffer.alloc(32, 0x5a);

  test('material goes on its date, the key keeps its state, and the same material makes it whole again', async () => {
    const { api, clock, folder } = service;
    const { id } = await emptyKeyIn(service, 'Active');
    const expiresAt = new Date(clock.now() + 10 * DAY_MS).toISOString();
    const info = await importInto(api, id, material, { expiresAt });
    assert.equal(info.versions[0]!.expiresAt, expiresAt);
    const { ciphertext } = await api.encrypt({ key: id, plaintext: TEXT });
    const [sealed] = materialsOf(id);
    clock.advance(10 * DAY_MS - 1);
    await service.runJobs();
    assert.deepEqual((await api.decrypt({ key: id, ciphertext })).plaintext, TEXT);
    clock.advance(1);
    await service.runJobs();
    const gone = await api.describeKey({ key: id });
    assert.deepEqual([gone.state, gone.materialPresent], ['Active', false]);
    await assert.rejects(api.decrypt({ key: id, ciphertext }), { code: 'KEY_STATE', message: /import it first/ });
    assert.deepEqual(filesWith(folder, sealed!), []);

    await assert.rejects(importInto(api, id, Buffer.alloc(32, 0x5b)), {
      code: 'INVALID_ARGUMENT',
      reason: 'IncorrectKeyMaterial',
    });
    const again = await importInto(api, id, material);
    assert.deepEqual([again.materialPresent, again.versions[0]!.expiresAt], [true, null]);
    clock.advanceDays(400);
    await service.runJobs();
    assert.deepEqual((await api.decrypt({ key: id, ciphertext })).plaintext, TEXT);
  });

  test('material is not used after its date, whenever the job comes that removes it', async () => {
    const { api, clock } = service;
    const { id } = await emptyKeyIn(service, 'Active');
    await importInto(api, id, material, { expiresAt: new Date(clock.now() + DAY_MS).toISOString() });
    const { ciphertext } = await api.encrypt({ key: id, plaintext: TEXT });
    clock.advanceDays(1);
    for (const use of [api.encrypt({ key: id, plaintext: TEXT }), api.decrypt({ key: id, ciphertext })]) {
      await assert.rejects(use, { code: 'KEY_STATE', message: /has expired; import it again/ });
    }
    await importInto(api, id, material);
    assert.deepEqual((await api.decrypt({ key: id, ciphertext })).plaintext, TEXT);
  });

  test('the same material can be given another date', async () => {
    const { api, clock } = service;
    const { id } = await emptyKeyIn(service, 'Active');
    await importInto(api, id, material, { expiresAt: new Date(clock.now() + 10 * DAY_MS).toISOString() });
    await importInto(api, id, material, { expiresAt: new Date(clock.now() + 20 * DAY_MS).toISOString() });
    clock.advanceDays(10);
    await service.runJobs();
    await api.encrypt({ key: id, plaintext: TEXT });
    clock.advanceDays(10);
    await service.runJobs();
    await assert.rejects(api.encrypt({ key: id, plaintext: TEXT }), { code: 'KEY_STATE' });
  });

  test('a date in the past, or more than a year ahead, is refused, and the token stays good', async () => {
    const { api, clock } = service;
    const { id } = await emptyKeyIn(service, 'Active');
    for (const at of [clock.now(), clock.now() - DAY_MS, clock.now() + 366 * DAY_MS]) {
      await assert.rejects(importInto(api, id, material, { expiresAt: new Date(at).toISOString() }), {
        code: 'INVALID_ARGUMENT',
      });
    }
    assert.equal((await importInto(api, id, material)).materialPresent, true);
  });
});

describe('the clock', () => {
  test('a clock that is set back makes no record older than the one before', async () => {
    const { api, clock, folder } = service;
    await api.generateRandom({ bytes: 1 });
    clock.advanceDays(-3);
    await api.generateRandom({ bytes: 1 });
    clock.advanceDays(3);
    const times = readLog(folder).map(({ record }) => record['time'] as string);
    assert.deepEqual(times, times.toSorted());
  });
});

/** The same object, but for one method or getter, which is handed the original. */
function intercepted<T extends object, N extends keyof T>(
  target: T,
  name: N,
  instead: (original: () => any) => unknown,
): T {
  return new Proxy(target, {
    get: (_, asked) => {
      const value: unknown = target[asked as N];
      if (typeof value !== 'function') return asked === name ? instead(() => value) : value;
      const method = value as (...args: unknown[]) => unknown;
      if (asked !== name) return method.bind(target);
      return (...args: unknown[]) => instead(() => method.apply(target, args));
    },
  });
}

async function destroy(key: string): Promise<void> {
  await service.api.scheduleKeyDeletion({ key, pendingWindowDays: 7 });
  service.clock.advanceDays(7);
  await service.runJobs();
  assert.equal((await service.api.describeKey({ key })).state, 'Destroyed');
}

function materialsOf(keyId: string): Uint8Array[] {
  return query(service.folder, 'SELECT sealed FROM materials WHERE key_id = ?', keyId).map(
    ({ sealed }) => sealed as Uint8Array,
  );
}

function versionsOf({ versions }: KeyInfo): unknown[] {
  return versions.map(({ version, state, cause }) => [version, state, cause]);
}
