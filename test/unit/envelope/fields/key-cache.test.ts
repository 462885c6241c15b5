import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { SecretBytes } from '../../../../src/crypto/secret-bytes.ts';
import { ringOf, writingKey, type FieldKeyRow } from '../../../../src/envelope/fields/key-store.ts';
import { openFieldsWorld, type FieldsWorld } from '../../../support/fields.ts';

let world: FieldsWorld;

const COLUMNS = { email: 'string' } as const;
const one = () => world.make({ table: 'customers', row: 'id', columns: COLUMNS });
const bySubject = (cache = {}) =>
  world.make({ table: 'customers', row: 'id', subject: 'owner', columns: COLUMNS, cache });

suite('field keys in memory', () => {
  beforeEach(async () => {
    world = await openFieldsWorld();
  });
  afterEach(() => world.remove());

  suite('one lookup', () => {
    test('serves a thousand callers at once: one query, one unwrap', async () => {
      const stored = await one().encrypt({ id: 1, email: 'a' });
      Object.assign(world.calls, { find: 0, decrypt: 0, generateDataKey: 0 });
      const customers = one();
      await Promise.all(Array.from({ length: 1000 }, () => customers.decrypt(stored)));
      assert.deepEqual(world.calls, { find: 1, decrypt: 1, generateDataKey: 0 });
    });

    test('makes the first key once, also for a thousand callers at once', async () => {
      const customers = one();
      const rows = await Promise.all(Array.from({ length: 1000 }, (_, id) => customers.encrypt({ id, email: 'a' })));
      assert.equal(world.calls.generateDataKey, 1);
      assert.ok(world.calls.find <= 2, String(world.calls.find));
      assert.equal((await one().decryptMany(rows)).length, 1000);
    });

    test('of 300 subjects is one query, with few unwraps at a time', async () => {
      const rows = Array.from({ length: 300 }, (_, id) => ({ id, owner: id, email: 'a' }));
      const stored = await bySubject().encryptMany(rows);
      Object.assign(world.calls, { find: 0, decrypt: 0 });
      assert.deepEqual(await bySubject().decryptMany(stored), rows);
      assert.ok(world.calls.find <= 2, String(world.calls.find));
      assert.equal(world.calls.decrypt, 300);
    });
  });

  test('of ten processes that make the first key at once one wins, and all use its key', async () => {
    const programs = Array.from({ length: 10 }, one);
    const rows = await Promise.all(programs.map((program, id) => program.encrypt({ id, email: `a${id}` })));
    const { rows: keys } = await world.database.run('SELECT number FROM claviger_field_keys', []);
    assert.equal(keys.length, 1);
    for (const program of programs) assert.equal((await program.decryptMany(rows)).length, 10);
  });

  suite('what is in memory', () => {
    test('is asked for again when its time is over, so that a revocation reaches it', async () => {
      const customers = one();
      const stored = await customers.encrypt({ id: 1, email: 'a' });
      await world.service.api.disableKey({ key: world.key });
      world.service.clock.advance(299_999);
      assert.equal((await customers.decrypt(stored)).email, 'a');
      world.service.clock.advance(1);
      await assert.rejects(customers.decrypt(stored), { code: 'KEY_DISABLED' });
    });

    test('does not live longer where the clock is set back', async () => {
      const customers = one();
      const stored = await customers.encrypt({ id: 1, email: 'a' });
      await world.service.api.disableKey({ key: world.key });
      world.service.clock.advance(-1000);
      await assert.rejects(customers.decrypt(stored), { code: 'KEY_DISABLED' });
    });

    test('is never more than was allowed, and zeroed when it goes', async () => {
      const customers = bySubject({ keysMax: 5 });
      const rows = Array.from({ length: 50 }, (_, id) => ({ id, owner: id, email: `a${id}` }));
      const stored = [];
      for (const row of rows) {
        stored.push(await customers.encrypt(row));
        assert.ok(customers.fieldKeys.size <= 5);
      }
      assert.deepEqual(await customers.decryptMany(stored), rows);
      assert.ok(customers.fieldKeys.size <= 5);
      customers.clear();
      assert.equal(customers.fieldKeys.size, 0);
    });

    test('is zeroed by a sweep after its time, by `clear` and by disposal', async () => {
      const zeroed = countZeroed();
      try {
        const customers = one();
        const use = () => customers.encrypt({ id: 1, email: 'a' });
        await use();
        world.service.clock.advance(300_000);
        customers.fieldKeys.sweep();
        assert.equal(customers.fieldKeys.size, 0);
        const afterSweep = zeroed.count();
        assert.ok(afterSweep > 0);
        await use();
        customers.clear();
        assert.ok(zeroed.count() > afterSweep);
        await use();
        customers[Symbol.dispose]();
        assert.equal(customers.fieldKeys.size, 0);
      } finally {
        zeroed.end();
      }
    });

    test('is not zeroed while a call uses it', async () => {
      const customers = bySubject({ keysMax: 1 });
      const rows = Array.from({ length: 20 }, (_, id) => ({ id, owner: id, email: `a${id}` }));
      const stored = await customers.encryptMany(rows);
      const opening = customers.decryptMany(stored);
      customers.clear();
      const others = stored.map((row) => customers.decrypt(row));
      customers.clear();
      assert.deepEqual(await opening, rows);
      assert.deepEqual(await Promise.all(others), rows);
      assert.ok(customers.fieldKeys.size <= 1);
    });
  });

  test('a key that another program has made since is found, and one that nobody made is asked for once a call', async () => {
    const customers = one();
    const stored = await customers.encrypt({ id: 1, email: 'a' });
    Object.assign(world.calls, { find: 0 });
    const forged = Buffer.from(stored.email as string, 'base64url');
    forged[2] = 9;
    await assert.rejects(customers.decrypt({ id: 1, email: forged }), { code: 'INVALID_CIPHERTEXT' });
    assert.equal(world.calls.find, 1);
  });

  test('a failure of the store or the service is told, and the next call tries again', async () => {
    const customers = one();
    await world.service.api.disableKey({ key: world.key });
    await assert.rejects(customers.encrypt({ id: 1, email: 'a' }), { code: 'KEY_DISABLED' });
    await world.service.api.enableKey({ key: world.key });
    await customers.encrypt({ id: 1, email: 'a' });
    world.sqlite.exec('ALTER TABLE claviger_field_keys RENAME TO gone');
    customers.clear();
    await assert.rejects(customers.encrypt({ id: 1, email: 'a' }));
    world.sqlite.exec('ALTER TABLE gone RENAME TO claviger_field_keys');
    await customers.encrypt({ id: 1, email: 'a' });
  });

  test('a field key that another key of the tenant wrapped does not open, unless that key is named', async () => {
    const { id: other } = await world.service.api.createKey({ spec: 'AES-256-GCM' });
    const stored = await one().encrypt({ id: 1, email: 'a' });
    const moved = world.make({ table: 'customers', row: 'id', columns: COLUMNS, key: other });
    await assert.rejects(moved.decrypt(stored), { code: 'INCORRECT_KEY' });
    const both = world.make({ table: 'customers', row: 'id', columns: COLUMNS, key: other, olderKeys: [world.key] });
    assert.equal((await both.decrypt(stored)).email, 'a');
  });

  suite('the rules of the key table', () => {
    const row = (number: number, more: Partial<FieldKeyRow> = {}): FieldKeyRow => ({
      set: 's',
      tenant: '',
      subject: 'x',
      number,
      state: 'live',
      readmitted: false,
      madeAtMs: 0,
      activeFromMs: 0,
      shreddedAtMs: null,
      wrapped: new Uint8Array(1),
      ...more,
    });
    const tombstone = (number: number): FieldKeyRow =>
      row(number, { state: 'shredded', shreddedAtMs: 5, wrapped: null });
    const usable = (...rows: FieldKeyRow[]): number[] => [...ringOf(rows).usable.keys()];

    test('a tombstone kills every other key of its scope, also one that a rotation inserts behind it', () => {
      assert.deepEqual(usable(tombstone(1), row(2)), []);
      assert.deepEqual(usable(row(1), tombstone(2)), []);
      assert.equal(ringOf([tombstone(1), row(2)]).shreddedAtMs, 5);
    });

    test('a readmission and what comes behind it live, until the next tombstone', () => {
      assert.deepEqual(usable(tombstone(1), row(2), row(3, { readmitted: true }), row(4)), [3, 4]);
      assert.deepEqual(usable(tombstone(1), row(2, { readmitted: true }), tombstone(3), row(4)), []);
      assert.deepEqual(usable(row(1), row(2, { readmitted: true })), [1, 2]);
    });

    test('the newest active key writes; where none is active, the oldest', () => {
      const at = (...rows: FieldKeyRow[]): number | undefined => writingKey(ringOf(rows), 10)?.number;
      assert.equal(at(row(1), row(2, { activeFromMs: 10 })), 2);
      assert.equal(at(row(1), row(2, { activeFromMs: 11 })), 1);
      assert.equal(at(row(1, { activeFromMs: 11 }), row(2, { activeFromMs: 12 })), 1);
      assert.equal(at(row(1, { state: 'retired' })), undefined);
    });
  });
});

/** Secrets that are disposed of while it runs, and really become zeros. */
function countZeroed(): { count(): number; end(): void } {
  const original = SecretBytes.prototype[Symbol.dispose];
  let count = 0;
  SecretBytes.prototype[Symbol.dispose] = function dispose(this: SecretBytes) {
    let bytes: Buffer | null = null;
    try {
      bytes = this.reveal();
    } catch {
      // It was disposed of before.
    }
    original.call(this);
    if (bytes?.every((byte) => byte === 0)) count += 1;
  };
  return {
    count: () => count,
    end: () => {
      SecretBytes.prototype[Symbol.dispose] = original;
    },
  };
}
