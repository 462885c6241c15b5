/** What becomes of a key in PEM whose file changes. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import type { ClavigerError } from '../../../../src/errors.ts';
import { removeFolder, testFolder } from '../../../support/server.ts';
import { openPem, options, type Opened } from './files.ts';

const folder = testFolder();
after(() => removeFolder(folder));
const file = join(folder, 'key.pem');

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

function write(key: KeyObject, type: 'pkcs8' | 'sec1' = 'pkcs8'): void {
  writeFileSync(file, key.export({ format: 'pem', type }));
}

describe('a key in PEM whose file', () => {
  let key: KeyObject;
  let opened: Opened;
  let ref: string;
  const sign = (): Promise<unknown> =>
    opened.provider.key(ref, 'P-256').sign!('ECDSA_SHA_256', { message: Buffer.of(1) }, options());

  beforeEach(async () => {
    key = newKey();
    write(key);
    opened = await openPem({ name: 'k', file });
    ref = await opened.provider.resolve('k', options());
  });

  test('holds another key is refused with KEY_STATE, and the name means the new one', async () => {
    await sign();
    write(newKey());
    await assert.rejects(sign(), { code: 'KEY_STATE', message: /another key stands in its place/ });
    await assert.rejects(opened.provider.describe(ref, options()), { code: 'KEY_STATE' });
    await assert.rejects(opened.provider.resolve(ref, options()), { code: 'KEY_STATE' });
    const now = await opened.provider.resolve('k', options());
    assert.notEqual(now, ref);
    write(key);
    await sign();
  });

  test('holds the same key in another form goes on', async () => {
    write(key, 'sec1');
    await sign();
    assert.equal((await opened.provider.describe(ref, options())).claims['form'], 'SEC 1');
  });

  test('is half written is unavailable, until it is whole', async () => {
    writeFileSync(file, '-----BEGIN PRIVATE KEY-----\nMIG');
    await assert.rejects(sign(), (error: ClavigerError) => {
      assert.deepEqual([error.code, error.native?.code], ['PROVIDER_UNAVAILABLE', 'unreadable']);
      assert.match(error.message, /has changed, and cannot be used/);
      return true;
    });
    const { ok, detail } = await opened.provider.probe(options());
    assert.deepEqual([ok, /cut off/.test(detail)], [false, true]);
    write(key);
    await sign();
  });

  test('is removed is not found', async () => {
    rmSync(file);
    await assert.rejects(sign(), { code: 'KEY_NOT_FOUND', message: /its file is not there/ });
    assert.equal((await opened.provider.probe(options())).ok, false);
  });
});

test('two names for one key have one native id', async () => {
  const text = newKey().export({ format: 'pem', type: 'pkcs8' });
  const { provider } = await openPem({ name: 'a', pem: text }, { name: 'b', pem: text });
  const [a, b] = await Promise.all(
    ['a', 'b'].map(async (name) => provider.describe(await provider.resolve(name, options()), options())),
  );
  assert.equal(a!.nativeId, b!.nativeId);
  assert.notEqual(a!.ref, b!.ref);
});

test('a key of another spec than is said is refused', async () => {
  const { provider } = await openPem({ name: 'k', pem: newKey().export({ format: 'pem', type: 'pkcs8' }) });
  const ref = await provider.resolve('k', options());
  const wrong = provider.key(ref, 'RSA-2048').sign!('RSASSA_PSS_SHA_256', { message: Buffer.of(1) }, options());
  await assert.rejects(wrong, { code: 'KEY_USAGE', message: /it is a key of spec `P-256`, not `RSA-2048`/ });
});
