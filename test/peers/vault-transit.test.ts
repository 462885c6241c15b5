/** Keys in a real Vault, with the policies of the guide: what they do, and what is refused. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, verify, constants } from 'node:crypto';
import { after, before, suite, test, type TestContext } from 'node:test';
import { oaepEncrypt } from '../../src/crypto/oaep.ts';
import { SIGNING_ALGORITHMS, type MacAlgorithmName, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import type { Spec, Usage } from '../../src/model/spec.ts';
import type { BackingInfo, HomeKey, KeyLifecycle, Provider } from '../../src/providers/provider.ts';
import { askVerifier, requirePeer, type VerifierRequest } from '../../tools/peers/require.ts';
import { findPeer } from '../../tools/peers/peer.ts';
import { PEERS } from '../../tools/peers/index.ts';
import type { VaultServer } from '../../tools/peers/vault-server.ts';
import { removeFolder, testFolder } from '../support/server.ts';
import { inTime, MANAGE, newToken, openTransit, refuses, startTransit, USE } from '../support/transit.ts';

const CONTEXT = { tenant: 'a', purpose: 'test' };
const PSS = ['RSASSA_PSS_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512'] as const;
const PKCS1 = ['RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_384', 'RSASSA_PKCS1_V1_5_SHA_512'] as const;
const SIGNING: readonly (readonly [Spec, readonly SigningAlgorithmName[]])[] = [
  ['RSA-2048', [...PSS, ...PKCS1]],
  ['RSA-3072', ['RSASSA_PSS_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_256']],
  ['RSA-4096', ['RSASSA_PSS_SHA_512', 'RSASSA_PKCS1_V1_5_SHA_512']],
  ['P-256', ['ECDSA_SHA_256']],
  ['P-384', ['ECDSA_SHA_384']],
  ['P-521', ['ECDSA_SHA_512']],
  ['Ed25519', ['ED25519_SHA_512']],
];
const MACS: readonly (readonly [Spec, MacAlgorithmName])[] = [
  ['HMAC-SHA-256', 'HMAC_SHA_256'],
  ['HMAC-SHA-384', 'HMAC_SHA_384'],
  ['HMAC-SHA-512', 'HMAC_SHA_512'],
];

const folder = testFolder();
let server: VaultServer | null = null;
let provider: Provider;
let lifecycle: KeyLifecycle;

before(async () => {
  const paths = await findPeer(PEERS.vault);
  if (paths === null) return;
  server = await startTransit(paths, { parent: folder });
  provider = await openTransit(server, await newToken(server));
  lifecycle = provider.lifecycle!;
});

after(async () => {
  await provider?.close();
  await server?.stop();
  removeFolder(folder);
});

/** The server, where the peer is there. */
async function running(t: TestContext): Promise<VaultServer | null> {
  return (await requirePeer(t, 'vault')) === null ? null : server;
}

let made = 0;

async function newKey(spec: Spec, usage: Usage): Promise<BackingInfo> {
  made += 1;
  return lifecycle.create({ spec, usage, name: `key-${made}`, tags: {} }, inTime());
}

async function newAes(): Promise<{ readonly info: BackingInfo; readonly key: HomeKey }> {
  const info = await newKey('AES-256-GCM', 'encrypt-decrypt');
  return { info, key: provider.key(info.ref, 'AES-256-GCM') };
}

function nameOf({ ref }: BackingInfo): string {
  return ref.slice(0, ref.lastIndexOf('@'));
}

suite('a symmetric key in Vault', () => {
  test('wraps and unwraps, and says which version did', async (t) => {
    if ((await running(t)) === null) return;
    const { key } = await newAes();
    for (const bytes of [1, 16, 32, 64]) {
      const dataKey = randomBytes(bytes);
      const wrapped = await key.wrap!.wrap(dataKey, CONTEXT, inTime());
      assert.equal(wrapped.version, '1');
      const opened = await key.wrap!.unwrap(wrapped.value, CONTEXT, inTime());
      assert.deepEqual(opened, { value: dataKey, version: '1' });
    }
  });

  test('binds the encryption context, an empty one too', async (t) => {
    if ((await running(t)) === null) return;
    const { key } = await newAes();
    const dataKey = randomBytes(32);
    const bound = await key.wrap!.wrap(dataKey, CONTEXT, inTime());
    const free = await key.wrap!.wrap(dataKey, {}, inTime());
    assert.deepEqual((await key.wrap!.unwrap(free.value, {}, inTime())).value, dataKey);
    for (const wrong of [{}, { tenant: 'a' }, { ...CONTEXT, tenant: 'b' }, { tenant: 'test', purpose: 'a' }]) {
      await refuses(key.wrap!.unwrap(bound.value, wrong, inTime()), 'INVALID_CIPHERTEXT');
    }
    await refuses(key.wrap!.unwrap(free.value, CONTEXT, inTime()), 'INVALID_CIPHERTEXT');
  });

  test('gives a wrap that Vault opens by hand', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const { info, key } = await newAes();
    const { value } = await key.wrap!.wrap(Buffer.from('by hand'), {}, inTime());
    const { data } = await vault.call('POST', `transit/decrypt/${nameOf(info)}`, { ciphertext: value.toString() });
    assert.equal(Buffer.from(data!['plaintext'] as string, 'base64').toString(), 'by hand');
  });

  test('opens nothing that was changed anywhere, cut or made by another key', async (t) => {
    if ((await running(t)) === null) return;
    const [{ key }, { key: other }] = [await newAes(), await newAes()];
    const { value } = await key.wrap!.wrap(randomBytes(64), CONTEXT, inTime());
    for (let at = 0; at < value.length; at += 5) {
      for (const bit of [1, 4, 32]) {
        const changed = Buffer.from(value);
        changed[at]! ^= bit;
        await refuses(key.wrap!.unwrap(changed, CONTEXT, inTime()), 'INVALID_CIPHERTEXT');
      }
    }
    for (const length of [0, 1, 9, 10, 30, value.length - 4, value.length - 1]) {
      await refuses(key.wrap!.unwrap(value.subarray(0, length), CONTEXT, inTime()), 'INVALID_CIPHERTEXT');
    }
    for (const tail of ['\n', '=', 'AAAA']) {
      const longer = Buffer.concat([value, Buffer.from(tail)]);
      await refuses(key.wrap!.unwrap(longer, CONTEXT, inTime()), 'INVALID_CIPHERTEXT');
    }
    await refuses(other.wrap!.unwrap(value, CONTEXT, inTime()), 'INVALID_CIPHERTEXT');
  });

  test('encrypts texts of any length, and no two alike', async (t) => {
    if ((await running(t)) === null) return;
    const { key } = await newAes();
    for (const bytes of [0, 1, 4096, 100_000]) {
      const plaintext = randomBytes(bytes);
      const { value } = await key.cipher!.encrypt('SYMMETRIC_DEFAULT', plaintext, CONTEXT, inTime());
      const again = await key.cipher!.encrypt('SYMMETRIC_DEFAULT', plaintext, CONTEXT, inTime());
      assert.notDeepEqual(again.value, value);
      const opened = await key.cipher!.decrypt('SYMMETRIC_DEFAULT', value, CONTEXT, inTime());
      assert.deepEqual(opened.value, plaintext);
    }
  });

  test('opens what its old versions made after it was rotated, and new wraps name the version of their reference', async (t) => {
    if ((await running(t)) === null) return;
    const { info, key } = await newAes();
    const old = await key.wrap!.wrap(randomBytes(32), CONTEXT, inTime());
    const next = await lifecycle.rotate!(info.ref, inTime());
    assert.equal(next.ref, `${nameOf(info)}@2`);
    assert.equal(next.nativeId, info.nativeId);
    const newer = provider.key(next.ref, 'AES-256-GCM');
    const fresh = await newer.wrap!.wrap(randomBytes(32), CONTEXT, inTime());
    assert.equal(fresh.version, '2');
    assert.match(fresh.value.toString(), /^vault:v2:/);
    assert.equal((await key.wrap!.unwrap(old.value, CONTEXT, inTime())).version, '1');
    assert.equal((await newer.wrap!.unwrap(old.value, CONTEXT, inTime())).version, '1');
    // The reference is immutable: its version goes on to be the one that works.
    assert.equal((await key.wrap!.wrap(randomBytes(32), CONTEXT, inTime())).version, '1');
    assert.equal(await provider.resolve(nameOf(info), inTime()), next.ref);
    assert.equal(await provider.resolve(info.ref, inTime()), info.ref);
  });

  test('refuses versions that the key does not use any more', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const { info, key } = await newAes();
    const old = await key.wrap!.wrap(randomBytes(32), CONTEXT, inTime());
    const { ref } = await lifecycle.rotate!(info.ref, inTime());
    const newer = provider.key(ref, 'AES-256-GCM');
    await vault.call('POST', `transit/keys/${nameOf(info)}/config`, { min_encryption_version: 2 });
    await refuses(key.wrap!.wrap(randomBytes(32), CONTEXT, inTime()), 'KEY_STATE', /min_encryption_version/);
    await key.wrap!.unwrap(old.value, CONTEXT, inTime());
    await vault.call('POST', `transit/keys/${nameOf(info)}/config`, { min_decryption_version: 2 });
    await refuses(key.wrap!.unwrap(old.value, CONTEXT, inTime()), 'KEY_STATE', /min_decryption_version/);
    assert.equal((await provider.describe(info.ref, inTime())).state, 'disabled');
    // What anybody can write into a ciphertext is no state of the key that is asked.
    await refuses(newer.wrap!.unwrap(old.value, CONTEXT, inTime()), 'INVALID_CIPHERTEXT');

    await refuses(provider.resolve(`${nameOf(info)}@3`, inTime()), 'KEY_NOT_FOUND');
  });

  test('that is missing is never made by encrypting with it', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const { key } = await newAes();
    const { value } = await key.wrap!.wrap(randomBytes(32), CONTEXT, inTime());
    for (const upsert of [true, false]) {
      await vault.call('POST', 'transit/config/keys', { disable_upsert: !upsert });
      for (const token of [await newToken(vault), vault.rootToken]) {
        const missing = (await openTransit(vault, token)).key('is-not-there@1', 'AES-256-GCM');
        await refuses(missing.wrap!.wrap(randomBytes(32), CONTEXT, inTime()), 'KEY_NOT_FOUND');
        await refuses(missing.wrap!.unwrap(value, CONTEXT, inTime()), 'KEY_NOT_FOUND');
        await refuses(provider.describe('is-not-there@1', inTime()), 'KEY_NOT_FOUND');
      }
    }
  });
});

suite('an asymmetric key in Vault', () => {
  test('signs messages and digests alike, as OpenSSL and Python verify', async (t) => {
    if ((await running(t)) === null) return;
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const questions: VerifierRequest[] = [];
    for (const [spec, algorithms] of SIGNING) {
      const info = await newKey(spec, 'sign-verify');
      const key = provider.key(info.ref, spec);
      for (const algorithm of algorithms) {
        const message = randomBytes(100);
        const { hash } = SIGNING_ALGORITHMS[algorithm];
        const inputs = [{ message }, ...(hash === null ? [] : [{ digest: createHash(hash).update(message).digest() }])];
        for (const input of inputs) {
          const { value, version } = await key.sign!(algorithm, input, inTime());
          assert.equal(version, '1');
          assert.ok(verifies(info.publicKey!, algorithm, message, value), `${spec} ${algorithm}`);
          questions.push({
            alg: algorithm,
            publicKeySpkiBase64: info.publicKey!.toString('base64'),
            messageBase64: message.toString('base64'),
            signatureBase64: value.toString('base64'),
          });
        }
      }
    }
    const answers = await askVerifier(python.verifier, questions);
    assert.deepEqual(
      answers,
      questions.map(() => ({ valid: true })),
    );
  });

  test('keeps the version of a signature: an old one verifies with the old public key after a rotation', async (t) => {
    if ((await running(t)) === null) return;
    const info = await newKey('P-256', 'sign-verify');
    const message = randomBytes(20);
    const old = await provider.key(info.ref, 'P-256').sign!('ECDSA_SHA_256', { message }, inTime());
    const next = await lifecycle.rotate!(info.ref, inTime());
    const fresh = await provider.key(next.ref, 'P-256').sign!('ECDSA_SHA_256', { message }, inTime());
    assert.deepEqual([old.version, fresh.version], ['1', '2']);
    const before = (await provider.describe(info.ref, inTime())).publicKey!;
    assert.deepEqual(before, info.publicKey);
    assert.ok(verifies(before, 'ECDSA_SHA_256', message, old.value));
    assert.ok(verifies(next.publicKey!, 'ECDSA_SHA_256', message, fresh.value));
    assert.ok(!verifies(next.publicKey!, 'ECDSA_SHA_256', message, old.value));
  });

  test('decrypts OAEP that was made here, in Vault or by Python', async (t) => {
    if ((await running(t)) === null) return;
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    const algorithm = 'RSAES_OAEP_SHA_256';
    for (const spec of ['RSA-2048', 'RSA-4096'] as const) {
      const info = await newKey(spec, 'encrypt-decrypt');
      const { cipher } = provider.key(info.ref, spec);
      const plaintext = randomBytes(64);
      const [answer] = await askVerifier(python.verifier, [
        {
          op: 'encrypt',
          alg: algorithm,
          publicKeySpkiBase64: info.publicKey!.toString('base64'),
          plaintextBase64: plaintext.toString('base64'),
        },
      ]);
      const ciphertexts = [
        oaepEncrypt(info.publicKey!, spec, algorithm, plaintext),
        (await cipher!.encrypt(algorithm, plaintext, {}, inTime())).value,
        Buffer.from(answer!['ciphertextBase64']!, 'base64'),
      ];
      for (const ciphertext of ciphertexts) {
        assert.deepEqual(await cipher!.decrypt(algorithm, ciphertext, {}, inTime()), {
          value: plaintext,
          version: '1',
        });
      }
      const changed = Buffer.from(ciphertexts[0]!);
      changed[20]! ^= 1;
      await refuses(cipher!.decrypt(algorithm, changed, {}, inTime()), 'INVALID_CIPHERTEXT');
      await refuses(cipher!.decrypt(algorithm, changed.subarray(1), {}, inTime()), 'INVALID_CIPHERTEXT');
      await refuses(cipher!.decrypt('RSAES_OAEP_SHA_1', changed, {}, inTime()), 'UNSUPPORTED');
      await refuses(cipher!.encrypt(algorithm, plaintext, CONTEXT, inTime()), 'INVALID_ARGUMENT', /context/);
    }
  });
});

suite('keys that are made and ended', () => {
  test('MACs are those of the imported material', async (t) => {
    if ((await running(t)) === null) return;
    const python = await requirePeer(t, 'python');
    if (python === null) return;
    for (const [spec, algorithm] of MACS) {
      const material = randomBytes(Number(spec.slice(-3)) / 8);
      const info = await imported(spec, 'mac', material);
      const message = randomBytes(33);
      const { value, version } = await provider.key(info.ref, spec).mac!(algorithm, message, inTime());
      assert.equal(version, '1');
      const [answer] = await askVerifier(python.verifier, [
        {
          op: 'mac',
          alg: algorithm,
          keyBase64: material.toString('base64'),
          messageBase64: message.toString('base64'),
        },
      ]);
      assert.equal(value.toString('base64'), answer!['macBase64']);
    }
  });

  test('imported key pairs keep their public key and say that they came from outside', async (t) => {
    if ((await running(t)) === null) return;
    for (const [spec, { privateKey, publicKey }] of [
      ['RSA-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
      ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
      ['Ed25519', generateKeyPairSync('ed25519')],
    ] as const) {
      const info = await imported(spec, 'sign-verify', privateKey.export({ format: 'der', type: 'pkcs8' }));
      assert.equal(info.origin, 'external');
      assert.deepEqual(info.publicKey, publicKey.export({ format: 'der', type: 'spki' }));
      await refuses(lifecycle.rotate!(info.ref, inTime()), 'KEY_STATE', /imported/);
    }
    const aes = await imported('AES-256-GCM', 'encrypt-decrypt', randomBytes(32));
    const { wrap } = provider.key(aes.ref, 'AES-256-GCM');
    await wrap!.unwrap((await wrap!.wrap(randomBytes(32), CONTEXT, inTime())).value, CONTEXT, inTime());
  });

  test('material that is none of the spec is refused, and nothing of it is said', async (t) => {
    if ((await running(t)) === null) return;
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    await refuses(imported('P-256', 'sign-verify', pkcs8), 'INVALID_ARGUMENT');
    await refuses(imported('RSA-2048', 'sign-verify', pkcs8), 'INVALID_ARGUMENT');
    await refuses(imported('P-256', 'sign-verify', pkcs8.subarray(1)), 'INVALID_ARGUMENT');
    await refuses(imported('AES-256-GCM', 'encrypt-decrypt', randomBytes(16)), 'INVALID_ARGUMENT');
  });

  test('a name that is taken is refused, for a new key and for an imported one', async (t) => {
    if ((await running(t)) === null) return;
    const info = await newKey('P-256', 'sign-verify');
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: nameOf(info), tags: {} } as const;
    await refuses(lifecycle.create(wanted, inTime()), 'KEY_EXISTS');
    await refuses(lifecycle.importMaterial!(wanted, randomBytes(32), inTime()), 'KEY_EXISTS');
    assert.equal((await provider.describe(info.ref, inTime())).spec, 'P-256');
  });

  test('versions are destroyed from the oldest, the last one with its key', async (t) => {
    if ((await running(t)) === null) return;
    const { info, key } = await newAes();
    const old = await key.wrap!.wrap(randomBytes(32), CONTEXT, inTime());
    const second = await lifecycle.rotate!(info.ref, inTime());
    const third = await lifecycle.rotate!(info.ref, inTime());
    await refuses(lifecycle.destroy(third.ref, inTime()), 'KEY_STATE', /from the oldest, which is 1/);
    await lifecycle.destroy(info.ref, inTime());
    await lifecycle.destroy(info.ref, inTime());
    assert.equal((await provider.describe(info.ref, inTime())).state, 'destroyed');
    await refuses(key.wrap!.unwrap(old.value, CONTEXT, inTime()), 'KEY_STATE');
    await refuses(key.wrap!.wrap(randomBytes(32), CONTEXT, inTime()), 'KEY_STATE');
    const { wrap } = provider.key(second.ref, 'AES-256-GCM');
    await wrap!.unwrap((await wrap!.wrap(randomBytes(32), CONTEXT, inTime())).value, CONTEXT, inTime());
    await lifecycle.destroy(second.ref, inTime());
    await lifecycle.destroy(third.ref, inTime());
    await refuses(provider.describe(third.ref, inTime()), 'KEY_NOT_FOUND');
    await refuses(lifecycle.destroy(third.ref, inTime()), 'KEY_NOT_FOUND');
  });

  test('a signing version that is archived is refused by its state', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    for (const [spec, usage] of [
      ['P-256', 'sign-verify'],
      ['HMAC-SHA-256', 'mac'],
    ] as const) {
      const info = await newKey(spec, usage);
      await lifecycle.rotate!(info.ref, inTime());
      await vault.call('POST', `transit/keys/${nameOf(info)}/config`, { min_decryption_version: 2 });
      const key = provider.key(info.ref, spec);
      const message = randomBytes(8);
      const work =
        usage === 'mac'
          ? key.mac!('HMAC_SHA_256', message, inTime())
          : key.sign!('ECDSA_SHA_256', { message }, inTime());
      await refuses(work, 'KEY_STATE');
    }
  });

  test('random bytes come from Vault', async (t) => {
    if ((await running(t)) === null) return;
    const [a, b] = [await provider.random!(32, inTime()), await provider.random!(32, inTime())];
    assert.equal(a.length, 32);
    assert.notDeepEqual(a, b);
    await refuses(provider.random!(0, inTime()), 'INVALID_ARGUMENT');
  });

  test('keys of other kinds are described and not used', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    for (const [name, input] of [
      ['chacha', { type: 'chacha20-poly1305' }],
      ['derived', { type: 'aes256-gcm96', derived: true }],
      ['odd-hmac', { type: 'hmac', key_size: 40 }],
    ] as const) {
      await vault.call('POST', `transit/keys/${name}`, input);
      assert.equal((await provider.describe(`${name}@1`, inTime())).spec, null, name);
    }
    const derived = provider.key('derived@1', 'AES-256-GCM');
    await refuses(derived.wrap!.wrap(randomBytes(32), CONTEXT, inTime()), 'UNSUPPORTED', /derived/);
  });
});

suite('policies', () => {
  test('one that only lets keys be used lets nothing be made or ended', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const { info } = await newAes();
    const user = await openTransit(vault, await newToken(vault, { policies: [USE] }));
    const { wrap } = user.key(info.ref, 'AES-256-GCM');
    await wrap!.unwrap((await wrap!.wrap(randomBytes(32), CONTEXT, inTime())).value, CONTEXT, inTime());
    assert.equal((await user.probe(inTime())).ok, true);
    const wanted = { spec: 'P-256', usage: 'sign-verify', name: 'denied', tags: {} } as const;
    await refuses(user.lifecycle!.create(wanted, inTime()), 'PROVIDER_DENIED', /update `transit\/keys\/denied`/);
    await refuses(user.lifecycle!.rotate!(info.ref, inTime()), 'PROVIDER_DENIED');
    await refuses(user.lifecycle!.destroy(info.ref, inTime()), 'PROVIDER_DENIED');
  });

  test('one that only lets keys be managed lets none be used', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    const { info } = await newAes();
    const manager = await openTransit(vault, await newToken(vault, { policies: [MANAGE] }));
    const { wrap } = manager.key(info.ref, 'AES-256-GCM');
    await refuses(wrap!.wrap(randomBytes(32), CONTEXT, inTime()), 'PROVIDER_DENIED');
  });
});

suite('a configuration that points elsewhere', () => {
  test('a mount that is not there, or is no Transit, is said to be so', async (t) => {
    const vault = await running(t);
    if (vault === null) return;
    await vault.call('POST', 'sys/mounts/kv', { type: 'kv' });
    const none = await openTransit(vault, vault.rootToken, { mount: 'nowhere' });
    await refuses(none.describe('key@1', inTime()), 'PROVIDER_MISCONFIGURED', /mount/);
    const kv = await openTransit(vault, vault.rootToken, { mount: 'kv' });
    const health = await kv.probe(inTime());
    assert.equal(health.ok, false);
    assert.match(health.detail, /`kv`, not Transit/);
  });
});

async function imported(spec: Spec, usage: Usage, material: Buffer): Promise<BackingInfo> {
  made += 1;
  return lifecycle.importMaterial!({ spec, usage, name: `imported-${made}`, tags: {} }, material, inTime());
}

function verifies(spki: Buffer, algorithm: SigningAlgorithmName, message: Buffer, signature: Buffer): boolean {
  const { scheme, hash } = SIGNING_ALGORITHMS[algorithm];
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return verify(hash, message, scheme === 'rsa-pss' ? { key, ...pss } : key, signature);
}
