/** What each kind of key of the `gcp-kms` adapter does, and what it refuses, through Google's own client. */
import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import type { SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { defaultUsage, isAsymmetric, type Spec, type Usage } from '../../src/model/spec.ts';
import type { BackingInfo, Provider } from '../../src/providers/provider.ts';
import { KEY_RING, keyName, options, scene } from './gcp-support.ts';

const CONTEXT = { tenant: 'acme', purpose: 'test' };

function create(provider: Provider, spec: Spec, usage: Usage = defaultUsage(spec)): Promise<BackingInfo> {
  return provider.lifecycle!.create({ spec, usage, name: keyName(), tags: {} }, options());
}

describe('an AES key', () => {
  for (const symmetricKeys of ['google', 'raw']) {
    test(`of kind ${symmetricKeys} wraps, unwraps, and binds the context`, async (t) => {
      const { provider } = await scene(t, { symmetricKeys });
      const { ref } = await create(provider, 'AES-256-GCM');
      const { wrap } = provider.key(ref, 'AES-256-GCM');
      const dataKey = Buffer.alloc(32, 7);
      const wrapped = await wrap!.wrap(dataKey, CONTEXT, options());
      assert.equal(wrapped.version, '1');
      const opened = await wrap!.unwrap(wrapped.value, { purpose: 'test', tenant: 'acme' }, options());
      assert.deepEqual(opened.value, dataKey);
      await assert.rejects(wrap!.unwrap(wrapped.value, {}, options()), { code: 'INVALID_CIPHERTEXT' });
      for (const at of [0, 5, 20, wrapped.value.length - 1]) {
        const changed = Buffer.from(wrapped.value);
        changed[at]! ^= 1;
        await assert.rejects(wrap!.unwrap(changed, CONTEXT, options()), { code: 'INVALID_CIPHERTEXT' }, `byte ${at}`);
      }
    });
  }
});

describe('a signing key', () => {
  const CASES: readonly (readonly [Spec, SigningAlgorithmName, string | null, object?])[] = [
    ['P-256', 'ECDSA_SHA_256', 'sha256'],
    ['P-384', 'ECDSA_SHA_384', 'sha384'],
    ['Ed25519', 'ED25519_SHA_512', null],
    ['RSA-2048', 'RSASSA_PSS_SHA_256', 'sha256'],
    ['RSA-3072', 'RSASSA_PSS_SHA_256', 'sha256'],
    ['RSA-2048', 'RSASSA_PKCS1_V1_5_SHA_256', 'sha256', { rsaSigning: 'pkcs1-sha256' }],
    ['RSA-4096', 'RSASSA_PKCS1_V1_5_SHA_512', 'sha512', { rsaSigning: 'pkcs1-sha512' }],
    ['ML-DSA-65', 'ML_DSA_SHAKE_256', null],
  ];
  for (const [spec, algorithm, hash, config] of CASES) {
    test(`${spec}, ${algorithm}: message and digest give signatures that node:crypto verifies`, async (t) => {
      const { provider } = await scene(t, { ...config });
      const info = await create(provider, spec);
      const key = provider.key(info.ref, spec);
      const message = Buffer.from('a message');
      const publicKey = createPublicKey({ key: info.publicKey!, format: 'der', type: 'spki' });
      const verifier = algorithm.includes('PSS') ? { key: publicKey, padding: 6, saltLength: 32 } : publicKey;
      const signed = await key.sign!(algorithm, { message }, options());
      assert.ok(verify(hash, message, verifier, signed.value));
      assert.equal(signed.version, '1');
      if (hash === null) return;
      const digest = createHash(hash).update(message).digest();
      const ofDigest = await key.sign!(algorithm, { digest }, options());
      assert.ok(verify(hash, message, verifier, ofDigest.value));
    });
  }

  test('of another algorithm is refused before any call for a signature', async (t) => {
    const { provider, server, open } = await scene(t);
    const { ref } = await create(provider, 'RSA-2048');
    const message = Buffer.from('m');
    const fresh = await open({ rsaSigning: 'pkcs1-sha256' });
    await assert.rejects(fresh.key(ref, 'RSA-2048').sign!('RSASSA_PKCS1_V1_5_SHA_256', { message }, options()), {
      code: 'UNSUPPORTED',
      message:
        /the key has algorithm `RSA_SIGN_PSS_2048_SHA256`, and provider `gcp` is for `RSA_SIGN_PKCS1_2048_SHA256`/,
    });
    assert.equal(server.calls('AsymmetricSign'), 0);
    const before = server.calls();
    await assert.rejects(fresh.key(ref, 'RSA-2048').sign!('RSASSA_PSS_SHA_256', { message }, options()), {
      code: 'UNSUPPORTED',
    });
    assert.equal(server.calls(), before);
  });
});

test('an RSA key for decryption encrypts here and opens there; as a wrap it binds no context', async (t) => {
  const { provider, server } = await scene(t);
  const { ref } = await create(provider, 'RSA-2048', 'encrypt-decrypt');
  const { cipher, wrap } = provider.key(ref, 'RSA-2048');
  const before = server.calls();
  const sealed = await cipher!.encrypt('RSAES_OAEP_SHA_256', Buffer.from('hello'), {}, options());
  assert.equal(server.calls(), before, 'the public key is at hand');
  const opened = await cipher!.decrypt('RSAES_OAEP_SHA_256', sealed.value, {}, options());
  assert.equal(opened.value.toString(), 'hello');
  assert.equal(wrap!.bindsContext, false);
  const wrapped = await wrap!.wrap(Buffer.alloc(32, 9), CONTEXT, options());
  assert.deepEqual((await wrap!.unwrap(wrapped.value, {}, options())).value, Buffer.alloc(32, 9));
  await assert.rejects(cipher!.decrypt('RSAES_OAEP_SHA_1', sealed.value, {}, options()), { code: 'UNSUPPORTED' });
});

test('an HMAC key makes the MAC that its material makes elsewhere', async (t) => {
  const { provider } = await scene(t);
  const material = Buffer.alloc(48, 5);
  const wanted = { spec: 'HMAC-SHA-384', usage: 'mac', name: keyName(), tags: {} } as const;
  const info = await provider.lifecycle!.importMaterial!(wanted, material, options());
  assert.equal(info.origin, 'external');
  const made = await provider.key(info.ref, 'HMAC-SHA-384').mac!('HMAC_SHA_384', Buffer.from('m'), options());
  assert.deepEqual(made.value, createHmac('sha384', material).update('m').digest());
});

test('keys of every spec that is declared for software are made and described', async (t) => {
  const { provider } = await scene(t);
  for (const { spec, usage } of declared(provider)) {
    const info = await create(provider, spec, usage);
    assert.deepEqual(
      [info.spec, info.usage, info.state, info.version, info.protection, info.origin],
      [spec, usage, 'enabled', '1', 'software', 'provider'],
    );
    assert.equal(info.publicKey !== null, isAsymmetric(spec), spec);
    assert.equal(info.nativeId, info.ref.slice(0, info.ref.indexOf('/cryptoKeyVersions/')));
    assert.ok(info.nativeId.startsWith(`${KEY_RING}/cryptoKeys/`));
  }
});

function declared(provider: Provider): readonly { readonly spec: Spec; readonly usage: Usage }[] {
  const usages: Readonly<Record<string, Usage>> = {
    wrap: 'encrypt-decrypt',
    sign: 'sign-verify',
    mac: 'mac',
    decapsulate: 'kem',
  };
  return provider
    .capabilities()
    .filter(({ operation, spec }) => operation in usages && spec !== 'RSA-4096' && spec !== 'secp256k1')
    .map(({ operation, spec }) => ({ spec, usage: usages[operation]! }));
}
