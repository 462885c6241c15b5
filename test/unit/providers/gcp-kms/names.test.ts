import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ClavigerError } from '../../../../src/errors.ts';
import { keyId, labelsOf } from '../../../../src/providers/gcp-kms/lifecycle.ts';
import { idOf, locationOf, parseReference, parseVersion } from '../../../../src/providers/gcp-kms/names.ts';

const RING = 'projects/acme-prod/locations/europe-west1/keyRings/Ring_1';
const KEY = `${RING}/cryptoKeys/orders`;

describe('names', () => {
  test('a version is read as its key and its number', () => {
    const ref = `${KEY}/cryptoKeyVersions/12`;
    assert.deepEqual(parseVersion(ref), { ref, key: KEY, version: '12' });
    assert.equal(locationOf(RING), 'projects/acme-prod/locations/europe-west1');
    assert.equal(idOf(RING), 'Ring_1');
  });

  test('one key has one name: no number of a project, no leading zero, no other letters', () => {
    for (const ref of [
      KEY,
      '',
      `${KEY}/cryptoKeyVersions/0`,
      `${KEY}/cryptoKeyVersions/01`,
      `${KEY}/cryptoKeyVersions/1/`,
      `/${KEY}/cryptoKeyVersions/1`,
      `${KEY.replace('acme-prod', '123456789')}/cryptoKeyVersions/1`,
      `${KEY.replace('acme-prod', 'Acme')}/cryptoKeyVersions/1`,
      `${KEY.replace('orders', '../x')}/cryptoKeyVersions/1`,
      `${KEY}/cryptoKeyVersions/1\n`,
      `${KEY}/cryptoKeyVersions/1?x`,
    ]) {
      assert.throws(() => parseVersion(ref), { code: 'INVALID_ARGUMENT' }, ref);
    }
  });

  test('what a person writes is found in the key ring, or anywhere by its full name', () => {
    assert.deepEqual(parseReference('orders', RING), { key: KEY, ref: null });
    assert.deepEqual(parseReference(KEY, 'projects/p/locations/l/keyRings/other'), { key: KEY, ref: null });
    const ref = `${KEY}/cryptoKeyVersions/3`;
    for (const text of ['orders/cryptoKeyVersions/3', ref, `gcpkms://${ref}`, `gcp-kms://${ref}`]) {
      assert.deepEqual(parseReference(text, RING), { key: KEY, ref });
    }
    for (const text of ['', 'a/b', 'projects/x', `https://${KEY}`, `gcpkms:${KEY}`, 'x'.repeat(64)]) {
      assert.throws(() => parseReference(text, RING), { code: 'INVALID_ARGUMENT' }, text);
    }
  });

  test('any text is read or refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseVersion, (one: string) => parseReference(one, RING)]) {
          try {
            parse(text);
          } catch (error) {
            assert.ok(error instanceof ClavigerError && error.code === 'INVALID_ARGUMENT');
            assert.ok(error.message.length < 500);
          }
        }
      }),
    );
  });
});

test('names of ours become ids that Cloud KMS takes, and different ones stay different', () => {
  assert.equal(keyId('k'.repeat(63)), 'k'.repeat(63));
  const [a, b] = [keyId(`${'k'.repeat(126)}a`), keyId(`${'k'.repeat(126)}b`)];
  assert.match(a, /^[a-z0-9-]{63}$/);
  assert.notEqual(a, b);
});

test('any tags become labels that Cloud KMS takes', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string(), { maxKeys: 80 }), (tags) => {
      const labels = Object.entries(labelsOf(tags));
      assert.ok(labels.length <= 64);
      for (const [name, value] of labels) {
        assert.match(name, /^[a-z][a-z0-9_-]{0,62}$/);
        assert.match(value, /^[a-z0-9_-]{0,63}$/);
      }
    }),
  );
});
