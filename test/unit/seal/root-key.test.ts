/**
 * Root keys in files.
 */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { fileUnseal, passphraseUnseal } from '../../../src/seal/root-key.ts';
import { removeFolder, testFolder } from '../../support/server.ts';

const folder = testFolder();
after(() => removeFolder(folder));
let files = 0;

function path(content?: string): string {
  files += 1;
  const file = join(folder, `root-${files}.key`);
  if (content !== undefined) writeFileSync(file, content, { mode: 0o600 });
  return file;
}

test("a root key comes back from the file that it was made into, which is its owner's", async () => {
  const file = path();
  using made = await fileUnseal(file, systemRandom).create();
  assert.equal(
    readFileSync(file, 'utf8'),
    `{"format":"claviger-root-key-v1","key":"${made.reveal().toString('base64')}"}\n`,
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  using read = await fileUnseal(file, systemRandom).unseal();
  assert.deepEqual(read.reveal(), made.reveal());
  await assert.rejects(fileUnseal(file, systemRandom).create(), { code: 'EEXIST' });
});

test('a file that people wrote may have blanks', async () => {
  const key = systemRandom.bytes(32);
  const file = path(`{\n  "key" : "${key.toString('base64')}",\n  "format": "claviger-root-key-v1"\n}`);
  using read = await fileUnseal(file, systemRandom).unseal();
  assert.deepEqual(read.reveal(), key);
});

test('what is no root key is refused, without its words', async () => {
  const key = systemRandom.bytes(32).toString('base64');
  for (const content of [
    '',
    '{}',
    'no JSON',
    '"key"',
    '{"key":"',
    `{"key":"${key}"}`,
    `{"format":"claviger-root-key-v2","key":"${key}"}`,
    `{"format":"claviger-root-key-v1","key":"${key}","more":1}`,
    `{"format":"claviger-root-key-v1","key":"${key.slice(0, 40)}"}`,
    `{"format":"claviger-root-key-v1","key":"${key.slice(1)}"}`,
    '{"format":"claviger-root-key-v1","key":1}',
  ]) {
    await assert.rejects(fileUnseal(path(content), systemRandom).unseal(), (error: Error & { code: string }) => {
      assert.match(error.code, /^(SEALED|INVALID_ARGUMENT)$/, content);
      assert.ok(!error.message.includes(key.slice(1, 20)));
      return true;
    });
  }
  const open = path(`{"format":"claviger-root-key-v1","key":"${key}"}`);
  chmodSync(open, 0o644);
  await assert.rejects(fileUnseal(open, systemRandom).unseal(), { code: 'SEALED', message: /chmod 600/ });
});

test('a passphrase opens the root key that it wrapped, and no other does', async () => {
  const file = path();
  const unseal = (words: string): ReturnType<typeof passphraseUnseal> =>
    passphraseUnseal(file, new SecretBytes(Buffer.from(words)), systemRandom);
  using made = await unseal('correct horse battery').create();
  using read = await unseal('correct horse battery').unseal();
  assert.deepEqual(read.reveal(), made.reveal());
  await assert.rejects(unseal('another horse battery').unseal(), {
    code: 'SEALED',
    message: /passphrase does not open/,
  });
});
