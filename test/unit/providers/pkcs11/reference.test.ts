/** Names of keys on a token. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ClavigerError } from '../../../../src/errors.ts';
import { idOf, parseReference, refOf } from '../../../../src/providers/pkcs11/reference.ts';

const token = { provider: 'hsm-1', label: 'prod', serial: '0a1b' };
const parse = (text: string) => parseReference(text, token);

describe('references', () => {
  test('of ids come back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 128 }), (bytes) => {
        const hex = Buffer.from(bytes).toString('hex');
        assert.deepEqual(idOf(refOf(hex)), Buffer.from(bytes));
        assert.deepEqual(parse(refOf(hex)), { id: hex });
        assert.deepEqual(parse(`id=${hex.toUpperCase()}`), { id: hex });
        const escaped = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
        assert.deepEqual(parse(`pkcs11:token=prod;id=${escaped}`), { id: hex });
      }),
    );
  });

  test('name labels', () => {
    for (const text of [
      'orders',
      'label=orders',
      'pkcs11:object=orders',
      'pkcs11:serial=0a1b;object=orders;type=private',
    ]) {
      assert.deepEqual(parse(text), { label: 'orders' });
    }
    assert.deepEqual(parse('pkcs11:object=gr%C3%BCn%20%3B'), { label: 'grün ;' });
  });

  test('of another token name no key here', () => {
    for (const text of ['pkcs11:token=test;id=%01', 'pkcs11:serial=ffff;object=orders']) {
      assert.throws(() => parse(text), { code: 'KEY_NOT_FOUND' });
    }
  });

  for (const text of [
    '',
    ' ',
    'a\nb',
    'label=',
    'id=',
    'id=0',
    'id=xy',
    `id=${'00'.repeat(129)}`,
    'x'.repeat(300),
    '\ud800',
    'pkcs11:',
    'pkcs11:id',
    'pkcs11:id=%0',
    'pkcs11:id=%01;id=%02',
    'pkcs11:token=prod',
    'pkcs11:slot-id=0;id=%01',
    'pkcs11:type=cert;id=%01',
  ]) {
    test(`${JSON.stringify(text.slice(0, 30))} is none`, () => {
      assert.throws(() => parse(text), { code: 'INVALID_ARGUMENT' });
    });
  }

  test('with a PIN are refused, and the refusal does not repeat it', () => {
    assert.throws(
      () => parse('pkcs11:id=%01?pin-value=s3cret'),
      (error: Error) => error instanceof ClavigerError && !error.message.includes('s3cret'),
    );
  });

  test('that are noise never break anything', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.constantFrom('', 'id=', 'pkcs11:', 'pkcs11:id='),
        (text, start) => {
          try {
            parse(start + text);
          } catch (error) {
            assert.ok(error instanceof ClavigerError);
          }
        },
      ),
    );
  });
});
