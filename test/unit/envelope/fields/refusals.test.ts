import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { ClavigerError } from '../../../../src/errors.ts';
import { encodeNumber, parseField } from '../../../../src/envelope/fields/field-value.ts';
import type { Fields } from '../../../../src/envelope/fields/index.ts';
import { openFieldsWorld, type FieldsWorld } from '../../../support/fields.ts';

let world: FieldsWorld;
before(async () => {
  world = await openFieldsWorld();
});
after(() => world.remove());

const COLUMNS = {
  email: 'string',
  name: 'string',
  iban: { type: 'string', deterministic: true },
  account: { type: 'string', deterministic: true },
} as const;
const SECRET = 'attack-at-dawn';

interface Refused {
  readonly id: unknown;
  readonly [name: string]: unknown;
}

function customersOf(table = 'customers', extra: { tenant?: string } = {}): Fields<typeof COLUMNS> {
  return world.make({ table, row: 'id', subject: 'owner', columns: COLUMNS, keySet: 'customers', ...extra });
}

const ROW = { id: 'a', owner: 'ada', email: SECRET, name: SECRET, iban: SECRET, account: SECRET };

/** A refusal that names what it is about, and never what it says. */
function refuses(promise: Promise<unknown>, code: string, ...words: readonly (string | RegExp)[]): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof ClavigerError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.match(word), `${error.message} does not say ${String(word)}`);
    assert.ok(!inspect(error, { depth: 9 }).includes(SECRET), 'the error has the value');
    return true;
  });
}

suite('a value opens where it was made, and nowhere else', () => {
  const MOVED = /`customers\.email` of row `\w+` does not open: .*another row, column, table, tenant or subject/;

  test('not in another row', async () => {
    const customers = customersOf();
    const [a, b] = await customers.encryptMany([ROW, { ...ROW, id: 'b' }]);
    await refuses(customers.decrypt({ ...a!, email: b!.email }), 'INVALID_CIPHERTEXT', MOVED);
  });

  test('not in another column, randomised or deterministic', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    await refuses(customers.decrypt({ ...a, email: a.name }), 'INVALID_CIPHERTEXT', MOVED);
    await refuses(customers.decrypt({ ...a, iban: a.account }), 'INVALID_CIPHERTEXT', /customers\.iban/);
  });

  test('not in another table that has the same keys', async () => {
    const a = await customersOf('orders').encrypt(ROW);
    await refuses(customersOf().decrypt({ ...a, iban: null, account: null }), 'INVALID_CIPHERTEXT', MOVED);
    await refuses(customersOf().decrypt({ ...a, email: null, name: null }), 'INVALID_CIPHERTEXT', /customers\.iban/);
  });

  test('not for another tenant, also where the wrapped key was moved with it', async () => {
    const acme = customersOf('customers', { tenant: 'acme' });
    const evil = customersOf('customers', { tenant: 'evil' });
    const a = await acme.encrypt(ROW);
    await evil.encrypt(ROW);
    await refuses(evil.decrypt(a), 'INVALID_CIPHERTEXT', MOVED);
    await world.database.run("DELETE FROM claviger_field_keys WHERE tenant = 'evil'", []);
    await world.database.run("UPDATE claviger_field_keys SET tenant = 'evil' WHERE tenant = 'acme'", []);
    evil.clear();
    await refuses(evil.decrypt(a), 'INVALID_CIPHERTEXT');
  });

  test('not for another subject, or without one', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    await customers.encrypt({ ...ROW, owner: 'bob' });
    await refuses(customers.decrypt({ ...a, owner: 'bob' }), 'INVALID_CIPHERTEXT', MOVED);
    await refuses(customers.decrypt({ ...a, owner: null }), 'INVALID_ARGUMENT', /`owner` that says whose it is/);
    await refuses(customers.decrypt({ ...a, owner: 'eve' }), 'INVALID_CIPHERTEXT', 'there is no such field key');
  });

  test('but equal deterministic values are equal in all rows and for all subjects', async () => {
    const customers = customersOf();
    const [a, b] = await customers.encryptMany([ROW, { ...ROW, id: 'b', owner: 'bob' }]);
    assert.equal(a!.iban, b!.iban);
    assert.notEqual(a!.iban, a!.account);
    assert.equal((await customers.decrypt({ ...a!, iban: b!.iban })).iban, SECRET);
  });

  test('ids that drivers give as numbers, bigints or strings are one id', async () => {
    const customers = customersOf();
    const a = await customers.encrypt({ ...ROW, id: 42, owner: 7n });
    assert.equal((await customers.decrypt({ ...a, id: 42n, owner: '7' })).email, SECRET);
    await refuses(customers.decrypt({ ...a, id: '042' }), 'INVALID_CIPHERTEXT');
  });
});

suite('a value that was changed is refused', () => {
  test('cut off anywhere', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    for (const column of ['email', 'iban'] as const) {
      const whole = Buffer.from(a[column] as string, 'base64url');
      for (let length = 0; length < whole.length; length += 1) {
        const cut = whole.subarray(0, length).toString('base64url');
        await refuses(customers.decrypt({ id: 'a', owner: 'ada', [column]: cut }), 'INVALID_CIPHERTEXT');
      }
    }
  });

  test('at any bit, and with a byte more', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    for (const column of ['email', 'iban'] as const) {
      const whole = Buffer.from(a[column] as string, 'base64url');
      for (let bit = 0; bit < 8 * whole.length; bit += 1) {
        const changed = Buffer.from(whole);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const row: Refused = { id: 'a', owner: 'ada', [column]: changed };
        await refuses(customers.decrypt(row), 'INVALID_CIPHERTEXT', column);
      }
      const longer: Refused = { id: 'a', owner: 'ada', [column]: Buffer.concat([whole, Buffer.of(0)]) };
      await refuses(customers.decrypt(longer), 'INVALID_CIPHERTEXT', column);
    }
  });

  test('of a version or kind that is not known', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    const changed = Buffer.from(a.email as string, 'base64url');
    changed[1] = 0x11;
    await refuses(
      customers.decrypt({ ...a, email: changed }),
      'INVALID_CIPHERTEXT',
      'version that this program does not know',
    );
  });

  test('with bits to spare in the last letter of its text', async () => {
    const customers = customersOf();
    const a = await customers.encrypt({ ...ROW, email: 'xy' });
    const text = a.email as string;
    assert.equal(Buffer.from(text, 'base64url').length % 3, 1);
    const other = text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
    assert.deepEqual(Buffer.from(other, 'base64url'), Buffer.from(text, 'base64url'));
    await refuses(customers.decrypt({ ...a, email: other }), 'INVALID_CIPHERTEXT');
    await refuses(customers.decrypt({ ...a, email: `${text} ` }), 'INVALID_CIPHERTEXT');
  });

  test('with a number of a key that is written longer than it need be, or is zero, or too large', () => {
    const body = Buffer.alloc(60);
    const parse = (...number: number[]): unknown =>
      parseField(Buffer.concat([Buffer.of(0xcf, 1), Buffer.from(number), body]));
    for (const number of [[0], [0x81, 0], [0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x80, 1]]) {
      assert.equal(parse(...number), 'malformed', String(number));
    }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (number) => {
        assert.equal((parse(...encodeNumber(number)) as { number: number }).number, number);
      }),
    );
  });
});

suite('what the column is not declared to hold', () => {
  test('plaintext is told to be that, with what to do', async () => {
    const customers = customersOf();
    for (const plain of [SECRET, '', 'zwE', 17, new Date(), Buffer.from(SECRET)]) {
      const row: Refused = { id: 'a', owner: 'ada', email: plain };
      const words = typeof plain === 'string' && plain === 'zwE' ? 'cut off' : '`claviger fields rotate --adopt`';
      await refuses(customers.decrypt(row), 'INVALID_CIPHERTEXT', words, /row `a`/);
    }
  });

  test('a randomised value in a deterministic column, and the reverse', async () => {
    const customers = customersOf();
    const a = await customers.encrypt(ROW);
    await refuses(
      customers.decrypt({ ...a, iban: a.email }),
      'INVALID_CIPHERTEXT',
      /is random, .*declared to be deterministic/,
    );
    await refuses(
      customers.decrypt({ ...a, email: a.iban }),
      'INVALID_CIPHERTEXT',
      /is deterministic, .*declared to be random/,
    );
  });

  test('a value of another type, though it is authentic', async () => {
    const before = world.make({ table: 'typed', row: 'id', columns: { age: 'string' } });
    const now = world.make({ table: 'typed', row: 'id', columns: { age: 'number' } });
    const stored = await before.encrypt({ id: 1, age: '36' });
    await refuses(now.decrypt(stored), 'INVALID_CIPHERTEXT', 'is of type string, and the column is declared as number');
  });

  test('a JavaScript value of another type is refused by name', async () => {
    const wrong: readonly (readonly [keyof typeof TYPES, unknown])[] = [
      ['s', 5],
      ['s', '\ud800'],
      ['s', Buffer.from(SECRET)],
      ['n', '5'],
      ['n', NaN],
      ['n', Infinity],
      ['n', 5n],
      ['b', 5],
      ['b', true],
      ['d', '2020-01-01'],
      ['d', new Date(NaN)],
      ['j', { at: new Date() }],
      ['j', [undefined]],
      ['j', { deep: NaN }],
      ['j', new Map([[SECRET, 1]])],
      ['j', () => SECRET],
      ['j', 5n],
      ['j', ['\udc00']],
      ['y', SECRET],
      ['y', [1, 2]],
      ['o', 0],
      ['o', 'false'],
      ['s', { toString: () => SECRET }],
    ];
    const table = world.make({ table: 'types', row: 'id', columns: TYPES });
    for (const [column, value] of wrong) {
      const row: Refused = { id: 1, [column]: value };
      await refuses(table.encrypt(row), 'INVALID_ARGUMENT', `column \`types.${column}\` takes `);
    }
  });
  const TYPES = { s: 'string', n: 'number', b: 'bigint', d: 'date', j: 'json', y: 'bytes', o: 'boolean' } as const;

  test('JSON that goes round in circles ends at the limit of depth', async () => {
    const table = world.make({ table: 'types', row: 'id', columns: TYPES });
    const round: Record<string, unknown> = {};
    round['round'] = round;
    await refuses(table.encrypt({ id: 1, j: round }), 'INVALID_ARGUMENT', 'at most 64 levels');
  });

  test('a value that is too large', async () => {
    const table = world.make({ table: 'types', row: 'id', columns: TYPES });
    const most = await table.encrypt({ id: 1, y: new Uint8Array(2 ** 20) });
    assert.equal((await table.decrypt(most)).y.length, 2 ** 20);
    await refuses(table.encrypt({ id: 1, y: new Uint8Array(2 ** 20 + 1) }), 'INVALID_ARGUMENT', '1048576 bytes');
    await refuses(table.encrypt({ id: 1, b: 1n << 8191n }), 'INVALID_ARGUMENT', '1024 bytes');
  });
});

suite('a row that lacks what its values are bound to', () => {
  test('has no id: it must be known before the insert', async () => {
    for (const id of [undefined, null, '']) {
      await refuses(customersOf().encrypt({ ...ROW, id }), 'INVALID_ARGUMENT', 'before the insert', 'UUIDv7');
    }
    for (const id of [1.5, NaN, {}, true, '\ud800', 'x'.repeat(513)]) {
      await refuses(customersOf().encrypt({ ...ROW, id }), 'INVALID_ARGUMENT', 'is no id');
    }
  });

  test('needs none where only deterministic values are in it', async () => {
    const customers = customersOf();
    const stored = await customers.encrypt({ iban: SECRET });
    assert.equal((await customers.decrypt(stored)).iban, SECRET);
  });
});

suite('a search', () => {
  test('of a column that is not declared, has no index, or is not deterministic is refused', async () => {
    const customers = customersOf();
    await refuses(
      customers.index('nothing' as 'email', 'x'),
      'INVALID_ARGUMENT',
      'declares no encrypted column `nothing`',
    );
    await refuses(customers.index('__proto__' as 'email', 'x'), 'INVALID_ARGUMENT', 'declares no encrypted column');
    await refuses(customers.index('email', 'x'), 'INVALID_ARGUMENT', 'has no such index');
    await refuses(customers.value('email', 'x'), 'INVALID_ARGUMENT', 'is not deterministic');
    await refuses(customers.value('iban', 5 as unknown as string), 'INVALID_ARGUMENT', 'takes a string');
  });

  test('in a table with tenants names one', async () => {
    const table = world.make({
      table: 'shared',
      row: 'id',
      tenant: { column: 'org' },
      columns: { iban: { type: 'string', deterministic: true } },
    });
    const stored = await table.encrypt({ org: 'acme', iban: 'DE1' });
    assert.deepEqual(await table.value('iban', 'DE1', { tenant: 'acme' }), [stored.iban]);
    assert.deepEqual(await table.value('iban', 'DE1', { tenant: 'other' }), [], 'no key is made for a search');
    await refuses(table.value('iban', 'DE1'), 'INVALID_ARGUMENT', 'needs `tenant`');
  });
});

test('a row that was encrypted is not encrypted again', async () => {
  const table = world.make({
    table: 'indexed',
    row: 'id',
    columns: { email: { type: 'string', index: { bits: 16 } } },
  });
  const stored = await table.encrypt({ id: 1, email: SECRET });
  await refuses(table.encrypt(stored), 'INVALID_ARGUMENT', 'encrypt no row twice');
});

test('declarations that contradict themselves are refused', () => {
  const wrong: readonly object[] = [
    { columns: {} },
    { columns: { x: 'text' } },
    { columns: { id: 'string' } },
    { columns: { x: { type: 'json', deterministic: true } } },
    { columns: { x: { type: 'json', index: { bits: 8 } } } },
    { columns: { x: { type: 'number', index: { bits: 8, normalize: 'email' } } } },
    { columns: { x: { type: 'string', index: { bits: 0 } } } },
    { columns: { x: { type: 'string', index: { bits: 257 } } } },
    { columns: { x: { type: 'string', index: { bits: 8, normalize: 'constructor' } } } },
    { columns: { x: { type: 'string', index: { bits: 8, version: 0 } } } },
    { columns: { x: { type: 'string', index: { bits: 8, older: [{ version: 1, bits: 8 }] } } } },
    { columns: { x: { type: 'string', padTo: 1 } } },
    { columns: { x: 'string', y: { type: 'string', index: { column: 'x', bits: 8 } } } },
    { columns: { x: 'string', y: 'string' }, names: { x: 'same', y: 'same' } },
    { columns: { x: 'string' }, subject: 'x' },
    { columns: { x: 'string' }, table: '' },
    { columns: { x: 'string' }, tenant: '' },
    { columns: { x: 'string' }, keySet: '\ud800' },
    { columns: { x: 'string' }, storage: 'hex' },
    { columns: { x: 'string' }, cache: { ttlMs: 3_600_001 } },
    { columns: { x: 'string' }, cache: { ttlMs: Infinity } },
    { columns: { x: 'string' }, cache: { ttlMs: 0 } },
    { columns: { x: 'string' }, cache: { keysMax: 0 } },
  ];
  for (const declaration of wrong) {
    assert.throws(
      () => world.make({ table: 't', row: 'id', ...declaration } as never),
      { code: 'INVALID_ARGUMENT' },
      inspect(declaration, { depth: 5 }),
    );
  }
});
