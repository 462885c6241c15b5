import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  formatRef,
  formatVersioned,
  parseRef,
  parseReference,
  parseVersioned,
} from '../../../../src/providers/vault-transit/names.ts';

const version = fc.integer({ min: 1, max: 999_999_999 });
const name = fc.stringMatching(/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$/);

suite('references', () => {
  test('parse and print to the same text', () => {
    fc.assert(
      fc.property(name, version, (name, version) => {
        assert.deepEqual(parseRef(formatRef({ name, version })), { name, version });
        assert.deepEqual(parseReference(name), { name, version: null });
      }),
    );
  });

  test('hold nothing that a path could be led astray with', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let parsed: { readonly name: string };
        try {
          parsed = parseReference(text);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'INVALID_ARGUMENT');
          return;
        }
        assert.equal(encodeURIComponent(parsed.name), parsed.name);
        assert.doesNotMatch(parsed.name, /^\.|\/|\.$/);
      }),
    );
    for (const text of [
      '.',
      '..',
      'a/../b',
      'a\n',
      'a@1\n',
      'a@1 ',
      ' a',
      '@',
      'a@',
      'a@1@1',
      'a@1e3',
      'x'.repeat(129),
    ]) {
      assert.throws(() => parseReference(text), { code: 'INVALID_ARGUMENT' }, JSON.stringify(text));
    }
  });

  test('without a version name no key', () => {
    assert.throws(() => parseRef('key'), { code: 'INVALID_ARGUMENT', message: /name@version/ });
  });
});

suite('texts with a version', () => {
  test('come back as they went', () => {
    fc.assert(
      fc.property(version, fc.uint8Array({ maxLength: 100 }), (version, bytes) => {
        const parsed = parseVersioned(formatVersioned(version, bytes));
        assert.deepEqual(parsed, { version, bytes: Buffer.from(bytes) });
      }),
    );
  });

  test('are one for a value: whatever parses prints as it was', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^vault:v[0-9]{1,3}:[A-Za-z0-9+/]{0,12}={0,2}$/), (text) => {
        const parsed = parseVersioned(text);
        if (parsed !== null) assert.equal(formatVersioned(parsed.version, parsed.bytes), text);
      }),
    );
    for (const text of [
      'vault:v1:YQ',
      'vault:v1:YR==',
      'vault:v1:YQ==\n',
      'vault:v1:Y\nQ==',
      'vault:v01:YQ==',
      'vault:v+1:YQ==',
      'vault:v0:YQ==',
      'vault:v1:vault:v1:YQ==',
      'Vault:v1:YQ==',
      'vault:v1',
      'YQ==',
      '',
    ]) {
      assert.equal(parseVersioned(text), null, JSON.stringify(text));
    }
  });
});
