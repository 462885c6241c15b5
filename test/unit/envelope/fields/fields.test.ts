import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { openFieldsWorld, type FieldsWorld } from '../../../support/fields.ts';

let world: FieldsWorld;
before(async () => {
  world = await openFieldsWorld();
});
after(() => world.remove());

const COLUMNS = {
  email: { type: 'string', index: { normalize: 'email', bits: 32 } },
  iban: { type: 'string', deterministic: true },
  born: 'date',
  notes: 'json',
  visits: 'number',
  balance: 'bigint',
  photo: 'bytes',
  active: 'boolean',
} as const;

const ROW = {
  id: '01a20a5b-0000-7000-8000-000000000001',
  name: 'Ada',
  email: 'Ada@Example.org',
  iban: 'DE02120300000000202051',
  born: new Date('1815-12-10'),
  notes: { likes: ['engines', 1, true, null], deep: { er: '…' } },
  visits: -0.5,
  balance: -(2n ** 70n),
  photo: new Uint8Array([0, 255, 7]),
  active: false,
};

for (const storage of ['text', 'bytes'] as const) {
  suite(`a row, stored as ${storage}`, () => {
    test('comes back as it went in, and what is not declared passes through', async () => {
      const customers = world.make({ table: `customers-${storage}`, row: 'id', columns: COLUMNS, storage });
      const encrypted = await customers.encrypt(ROW);
      assert.equal(encrypted.id, ROW.id);
      assert.equal(encrypted.name, 'Ada');
      for (const column of Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]) {
        const stored = encrypted[column];
        assert.ok(storage === 'text' ? typeof stored === 'string' : stored instanceof Uint8Array, column);
      }
      assert.deepEqual(await customers.decrypt(encrypted), ROW);
    });

    test('is found by its index in any way of writing, and by its deterministic value', async () => {
      const customers = world.make({ table: `customers-${storage}`, row: 'id', columns: COLUMNS, storage });
      const encrypted = await customers.encrypt(ROW);
      assert.deepEqual(await customers.index('email', ' ada@EXAMPLE.org'), [encrypted['email_index']]);
      assert.notDeepEqual(await customers.index('email', 'bob@example.org'), [encrypted['email_index']]);
      assert.deepEqual(await customers.value('iban', ROW.iban), [encrypted.iban]);
    });
  });
}

test('null stays null, and its index too; what is not in the row is not made up', async () => {
  const customers = world.make({ table: 'customers', row: 'id', columns: COLUMNS });
  const encrypted = await customers.encrypt({ id: 1, email: null, born: new Date(0) });
  assert.equal(encrypted.email, null);
  assert.equal(encrypted['email_index'], null);
  assert.deepEqual(Object.keys(encrypted), ['id', 'email', 'born', 'email_index']);
  assert.deepEqual(await customers.decrypt(encrypted), { id: 1, email: null, born: new Date(0) });
});
