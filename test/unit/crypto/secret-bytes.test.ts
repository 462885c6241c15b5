import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';

test('a secret is revealed as the very bytes that it was given', () => {
  const bytes = Buffer.from('hush');
  using secret = new SecretBytes(bytes);
  assert.equal(secret.reveal(), bytes);
  assert.equal(secret.length, 4);
});

test('a secret that was disposed of is zeroed and cannot be revealed', () => {
  const bytes = Buffer.from('hush');
  const secret = new SecretBytes(bytes);
  secret[Symbol.dispose]();
  secret[Symbol.dispose]();
  assert.deepEqual(bytes, Buffer.alloc(4));
  assert.throws(() => secret.reveal(), { code: 'INTERNAL' });
  assert.throws(() => secret.length, { code: 'INTERNAL' });
});

test('`using` disposes of a secret at the end of its block', () => {
  const bytes = Buffer.from('hush');
  {
    using secret = new SecretBytes(bytes);
    assert.equal(secret.length, 4);
  }
  assert.deepEqual(bytes, Buffer.alloc(4));
});

test('a secret is shown nowhere', () => {
  using secret = new SecretBytes(Buffer.from('hush'));
  const shown = [
    String(secret),
    ['', secret].join(''),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
    format('%s %o %j', secret, secret, secret),
  ];
  for (const text of shown) {
    assert.match(text, /\[secret\]/);
    assert.doesNotMatch(text, /hush|68 ?75 ?73|aHVz/i);
  }
});

test('a copy has an owner and memory of its own', () => {
  const secret = new SecretBytes(Buffer.from('secret'));
  const copy = secret.copy();
  assert.notEqual(copy.reveal().buffer, Buffer.from('x').buffer, 'it is in no shared slab');
  secret[Symbol.dispose]();
  assert.equal(copy.reveal().toString(), 'secret');
  assert.throws(() => secret.copy(), { code: 'INTERNAL' });
});

test('what is kept is the secret itself where its memory is its own, and otherwise a copy, and the secret is gone', () => {
  const own = new SecretBytes(Buffer.alloc(6, 's'));
  assert.equal(own.kept(), own);
  const bytes = Buffer.from('secret');
  const shared = new SecretBytes(bytes);
  const kept = shared.kept();
  assert.equal(kept.reveal().toString(), 'secret');
  assert.equal(kept.reveal().buffer.byteLength, 6);
  assert.deepEqual([...bytes], [0, 0, 0, 0, 0, 0]);
  assert.throws(() => shared.kept(), { code: 'INTERNAL' });
});
