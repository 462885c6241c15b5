import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  aliasArn,
  isUuid,
  keyArn,
  parseKeyName,
  printable,
  requireAliasName,
  uuidBytes,
  uuidText,
  uuidV7,
} from '../../../src/model/ids.ts';

const ID = '019a0000-0000-7000-8000-0000000000aa';
const alias = fc.string({ unit: fc.constantFrom('a', 'Z', '0', '/', '_', '-'), minLength: 1, maxLength: 250 });

test('RFC 9562, appendix A.6: the example of a UUID version 7', () => {
  // Time 0x017F22E279B0, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
  const random = Buffer.from('0cc318c4dc0c0c07398f', 'hex');
  assert.equal(uuidV7(0x017f22e279b0, random), '017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
});

test('a UUID version 7 has its version and variant, and sorts by its time', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.integer({ min: 0, max: 2 ** 48 - 1 }), (a, b) => {
      const [first, second] = [uuidV7(a, randomBytes(10)), uuidV7(b, randomBytes(10))];
      assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      if (a < b) assert.ok(first < second);
      assert.equal(uuidText(uuidBytes(first)), first);
    }),
  );
});

test('an id, ARNs and aliases are read as what they name', () => {
  const none = { accountId: null, region: null };
  assert.deepEqual(parseKeyName(ID), { kind: 'id', value: ID, ...none });
  assert.deepEqual(parseKeyName('alias/a/b'), { kind: 'alias', value: 'a/b', ...none });
  assert.deepEqual(parseKeyName('alias:a/b'), { kind: 'alias', value: 'a/b', ...none });
  const where = { accountId: '123456789012', region: 'eu-west-1' };
  assert.deepEqual(parseKeyName(keyArn('eu-west-1', '123456789012', ID)), { kind: 'id', value: ID, ...where });
  assert.deepEqual(parseKeyName(aliasArn('eu-west-1', '123456789012', 'a/b')), {
    kind: 'alias',
    value: 'a/b',
    ...where,
  });
  assert.equal(parseKeyName(`arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/${ID}`).value, ID);
});

test('an alias ARN that we print is read as that alias', () => {
  fc.assert(
    fc.property(alias, (name) => {
      assert.deepEqual(parseKeyName(aliasArn('r', '123456789012', name)).value, name);
    }),
  );
});

test('any text either names something or is refused with a code of ours, and never throws anything else', () => {
  const nearly = fc.tuple(
    fc.constantFrom('', 'arn:', 'arn:aws:kms:', 'alias/', 'alias:', 'key/'),
    fc.string({ maxLength: 40 }),
  );
  fc.assert(
    fc.property(nearly, ([start, rest]) => {
      try {
        parseKeyName(start + rest);
      } catch (error) {
        const { code, reason } = error as { code: string; reason: string };
        assert.ok(code === 'KEY_NOT_FOUND' || (code === 'INVALID_ARGUMENT' && reason === 'InvalidArn'));
      }
    }),
    { numRuns: 1000 },
  );
  assert.throws(() => parseKeyName('x'.repeat(513)), { code: 'INVALID_ARGUMENT', message: 'key name is too long' });
});

test('an id is lower case, and nothing is around it', () => {
  for (const text of [ID.toUpperCase(), ` ${ID}`, `${ID}\n`, `{${ID}}`, ID.slice(1), ID.replaceAll('-', '')]) {
    assert.equal(isUuid(text), false, JSON.stringify(text));
  }
});

test('alias names are those of AWS', () => {
  fc.assert(
    fc.property(alias, (name) => {
      if (!name.startsWith('aws/')) assert.equal(requireAliasName(name), name);
    }),
  );
  for (const name of ['', 'a b', 'a:b', 'ä', 'a\n', 'x'.repeat(251), 'aws/', 'aws/s3']) {
    assert.throws(() => requireAliasName(name), { code: 'INVALID_ARGUMENT', reason: 'InvalidAliasName' }, name);
  }
});

test('a text from outside that stands in a message is short, one line, and closes no quotation of ours', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      assert.match(printable(text), /^[\x20-\x5f\x61-\x7e]{0,100}…?$/);
    }),
  );
});
