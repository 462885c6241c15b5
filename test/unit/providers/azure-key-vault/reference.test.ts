import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ClavigerError } from '../../../../src/errors.ts';
import {
  nativeIdOf,
  parseKeyId,
  parseLoose,
  parseReference,
} from '../../../../src/providers/azure-key-vault/reference.ts';

const VERSION = '5d68b0c2c91d0de7402a5db027dbf01d';

test('a name, a name with version and the URL of a key are references', () => {
  assert.deepEqual(parseLoose('payments'), { name: 'payments', version: null, host: null });
  assert.deepEqual(parseLoose(`payments/${VERSION}`), { name: 'payments', version: VERSION, host: null });
  assert.deepEqual(parseLoose('https://team.vault.azure.net/keys/payments'), {
    name: 'payments',
    version: null,
    host: 'team.vault.azure.net',
  });
  assert.deepEqual(parseLoose(`https://localhost:8443/keys/payments/${VERSION}`), {
    name: 'payments',
    version: VERSION,
    host: 'localhost:8443',
  });
});

test('what is kept has name and version, and no host', () => {
  assert.deepEqual(parseReference(`payments/${VERSION}`), { name: 'payments', version: VERSION });
  for (const ref of ['payments', `https://team.vault.azure.net/keys/payments/${VERSION}`])
    assert.throws(() => parseReference(ref), { code: 'INVALID_ARGUMENT' });
});

test('what names no key of a vault is refused', () => {
  for (const text of [
    '',
    '/',
    'a/b/c',
    'pay ments',
    'payments/',
    'pay_ments',
    '../keys/x',
    'a'.repeat(128),
    'payments/versions',
    'payments/5d68_b0c2',
    'http://team.vault.azure.net/keys/payments',
    'https://team.vault.azure.net/secrets/payments',
    'https://team.vault.azure.net/keys/',
    'https://team.vault.azure.net/keys/a/b/c',
    'https://team.vault.azure.net/keys/payments?api-version=7.6',
    'https://user:password@team.vault.azure.net/keys/payments',
    `https://team.vault.azure.net/keys/${'a'.repeat(600)}`,
  ])
    assert.throws(() => parseLoose(text), { code: 'INVALID_ARGUMENT' }, text);
});

test('a refusal does not repeat a URL, which may hold a password', () => {
  assert.throws(
    () => parseLoose('https://user:hunter2@team.vault.azure.net/keys/payments'),
    (error: Error) => !error.message.includes('hunter2'),
  );
});

test('whatever the text, it is read or refused with INVALID_ARGUMENT', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.string({ unit: 'binary' })), (text) => {
      try {
        parseLoose(text);
      } catch (error) {
        assert.equal((error as ClavigerError).code, 'INVALID_ARGUMENT');
      }
      parseKeyId(text);
    }),
  );
});

test('the service may write `http:` into the id of a key; nobody else', () => {
  const id = `http://localhost:8080/keys/payments/${VERSION}`;
  assert.deepEqual(parseKeyId(id), { name: 'payments', version: VERSION, host: 'localhost:8080' });
  assert.throws(() => parseLoose(id), { code: 'INVALID_ARGUMENT' });
});

test('one key has one native id, in whatever case host and name are written', () => {
  assert.equal(nativeIdOf('Team.vault.azure.net', 'Payments'), 'https://team.vault.azure.net/keys/payments');
});
