import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { test } from 'node:test';
import {
  derivePassphraseKey,
  PASSPHRASE_BOUNDS,
  PASSPHRASE_PARAMETERS,
  type PassphraseParameters,
} from '../../../src/crypto/passphrase.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';

const CHEAP: PassphraseParameters = { memoryKib: PASSPHRASE_BOUNDS.memoryKib[0], passes: 1, parallelism: 1 };
const SALT = Buffer.from('somesaltsomesalt');

async function derive(text: string, salt: Uint8Array = SALT, parameters = CHEAP): Promise<string> {
  using passphrase = new SecretBytes(Buffer.from(text));
  using key = await derivePassphraseKey(passphrase, salt, parameters);
  assert.equal(key.length, 32);
  return key.reveal().toString('hex');
}

test('the same passphrase, salt and parameters give the same key; another one of these gives another', async () => {
  const key = await derive('password');
  assert.equal(await derive('password'), key);
  const others = [
    await derive('Password'),
    await derive('password', Buffer.from('somesaltsomesalT')),
    await derive('password', SALT, { ...CHEAP, passes: 2 }),
    await derive('password', SALT, { ...CHEAP, parallelism: 2 }),
    await derive('password', SALT, { ...CHEAP, memoryKib: CHEAP.memoryKib + 8 }),
  ];
  assert.equal(new Set([key, ...others]).size, 6);
});

test('the key is that of Argon2id, version 1.3', async () => {
  const { memoryKib: memory, passes, parallelism } = CHEAP;
  const inputs = { message: 'password', nonce: SALT, tagLength: 32, memory, passes, parallelism };
  assert.equal(await derive('password'), argon2Sync('argon2id', inputs).toString('hex'));
  // As @noble/hashes 2.4.0 computes it.
  assert.equal(await derive('password'), '8553f186b1c42789d851ce762573e646100f10e586a68b3f7b46e0ac9bd7eedb');
});

test('our own parameters are within the bounds, and no weaker than the second choice of RFC 9106', () => {
  for (const [name, value] of Object.entries(PASSPHRASE_PARAMETERS)) {
    const [min, max] = PASSPHRASE_BOUNDS[name as keyof typeof PASSPHRASE_PARAMETERS];
    assert.ok(value >= min && value <= max, name);
  }
  assert.ok(PASSPHRASE_PARAMETERS.memoryKib >= 65_536 && PASSPHRASE_PARAMETERS.passes >= 3);
});

test('parameters that a forged file could harm with are refused before any work', async () => {
  const wrong = [
    { memoryKib: 19_455 },
    { memoryKib: 1_048_577 },
    { memoryKib: 2 ** 40 },
    { memoryKib: -1 },
    { memoryKib: 65_536.5 },
    { memoryKib: NaN },
    { passes: 0 },
    { passes: 17 },
    { parallelism: 0 },
    { parallelism: 17 },
  ];
  for (const change of wrong) await assert.rejects(derive('x', SALT, { ...CHEAP, ...change }), { code: 'SEALED' });
  for (const length of [0, 15, 65]) await assert.rejects(derive('x', Buffer.alloc(length)), { code: 'SEALED' });
});

test('an empty passphrase is refused', async () => {
  await assert.rejects(derive(''), { code: 'SEALED', message: 'the passphrase is empty' });
});
