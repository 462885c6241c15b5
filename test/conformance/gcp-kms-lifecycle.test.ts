/** Keys of the `gcp-kms` adapter from their making to their end. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { keyName, KEY_RING, options, scene } from './gcp-support.ts';

const AES = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', tags: {} } as const;
const DAY_MS = 86_400_000;

describe('making keys', () => {
  test('a key ring that is not there is made with the first key, once', async (t) => {
    const { provider, server } = await scene(t);
    assert.match((await provider.probe(options())).detail, /is made with the first key/);
    await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    assert.equal(server.calls('CreateKeyRing'), 1);
    assert.deepEqual(await provider.probe(options()), {
      ok: true,
      detail: `Cloud KMS answers; the key ring is \`${KEY_RING}\``,
    });
  });

  test('credentials that may not make the key ring are told so', async (t) => {
    const { provider, server } = await scene(t);
    server.set({ kind: 'status', status: 'PERMISSION_DENIED' }, { methods: ['CreateKeyRing'] });
    await assert.rejects(provider.lifecycle!.create({ ...AES, name: keyName() }, options()), {
      code: 'PROVIDER_DENIED',
      message: `the key ring \`${KEY_RING}\` is not there, and the credentials of provider \`gcp\` may not make it`,
    });
  });

  test('a name that is taken is KEY_EXISTS; one that is too long for Cloud KMS is cut, and stays unique', async (t) => {
    const { provider } = await scene(t);
    const name = keyName();
    await provider.lifecycle!.create({ ...AES, name }, options());
    await assert.rejects(provider.lifecycle!.create({ ...AES, name }, options()), { code: 'KEY_EXISTS' });
    const long = 'k'.repeat(126);
    const a = await provider.lifecycle!.create({ ...AES, name: `${long}a` }, options());
    const b = await provider.lifecycle!.create({ ...AES, name: `${long}b` }, options());
    assert.notEqual(a.nativeId, b.nativeId);
  });

  test('tags become labels, in the letters that labels have', async (t) => {
    const { provider } = await scene(t);
    const tags = { Owner: 'Käthe & Co', 'claviger:key': '0192', '7': 'x'.repeat(100) };
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName(), tags }, options());
    await provider.lifecycle!.setTags!(ref, { team: 'payments' }, options());
  });

  test('a key that takes longer than the call is described as pending', async (t) => {
    const { provider } = await scene(t, {}, { generationMs: 20_000 });
    const made = await provider.lifecycle!.create({ ...AES, name: keyName() }, options(4000));
    assert.equal(made.state, 'pending');
  });

  test('what the protection level does not have is refused before any call', async (t) => {
    const { server, open } = await scene(t);
    const software = await open();
    const hsm = await open({ protectionLevel: 'hsm' });
    const external = await open({ protectionLevel: 'external' });
    const before = server.calls();
    const create = (provider: typeof hsm, spec: 'secp256k1' | 'Ed25519' | 'P-521' | 'P-256'): Promise<unknown> =>
      provider.lifecycle!.create({ spec, usage: 'sign-verify', name: keyName(), tags: {} }, options());
    await assert.rejects(create(software, 'secp256k1'), { code: 'UNSUPPORTED' });
    await assert.rejects(create(hsm, 'Ed25519'), { code: 'UNSUPPORTED' });
    await assert.rejects(create(software, 'P-521'), { code: 'UNSUPPORTED' });
    await assert.rejects(create(external, 'P-256'), { code: 'UNSUPPORTED', message: /adopt them here/ });
    assert.equal(server.calls(), before);
    const made = await hsm.lifecycle!.create(
      { spec: 'secp256k1', usage: 'sign-verify', name: keyName(), tags: {} },
      options(),
    );
    assert.equal(made.protection, 'hsm');
    const signed = await hsm.key(made.ref, 'secp256k1').sign!(
      'ECDSA_SHA_256',
      { message: Buffer.from('m') },
      options(),
    );
    const key = createPublicKey({ key: made.publicKey!, format: 'der', type: 'spki' });
    assert.ok(verify('sha256', Buffer.from('m'), key, signed.value));
  });
});

describe('rotation', () => {
  test('an AES key wraps under the new version, opens the old wraps, and each version wraps under itself', async (t) => {
    const { provider, server } = await scene(t);
    const first = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const old = provider.key(first.ref, 'AES-256-GCM').wrap!;
    const oldWrap = await old.wrap(Buffer.alloc(32, 1), {}, options());
    const second = await provider.lifecycle!.rotate!(first.ref, options());
    assert.deepEqual([second.version, second.nativeId], ['2', first.nativeId]);
    const fresh = provider.key(second.ref, 'AES-256-GCM').wrap!;
    assert.equal((await fresh.wrap(Buffer.alloc(32, 1), {}, options())).version, '2');
    assert.deepEqual((await fresh.unwrap(oldWrap.value, {}, options())).value, Buffer.alloc(32, 1));
    const before = server.calls('Encrypt');
    assert.equal((await old.wrap(Buffer.alloc(32, 1), {}, options())).version, '1');
    assert.equal(server.calls('Encrypt'), before + 2, 'the primary has moved: asked again, by the version');
    await old.wrap(Buffer.alloc(32, 1), {}, options());
    assert.equal(server.calls('Encrypt'), before + 3, 'which is remembered');
  });

  test('a version works although the primary one is disabled, which says so with one call', async (t) => {
    const { provider, server, open } = await scene(t);
    const first = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const second = await provider.lifecycle!.rotate!(first.ref, options());
    await provider.lifecycle!.setEnabled!(second.ref, false, options());
    const fresh = await open();
    const wrap = (ref: string): Promise<{ readonly version: string | null }> =>
      fresh.key(ref, 'AES-256-GCM').wrap!.wrap(Buffer.alloc(32), {}, options());
    assert.equal((await wrap(first.ref)).version, '1');
    const before = server.calls();
    await assert.rejects(wrap(second.ref), { code: 'KEY_DISABLED' });
    assert.equal(server.calls(), before + 1);
  });

  test('a signing key has a new public key, and signatures of the old version still verify', async (t) => {
    const { provider } = await scene(t);
    const wanted = { spec: 'P-256', usage: 'sign-verify', name: keyName(), tags: {} } as const;
    const first = await provider.lifecycle!.create(wanted, options());
    const message = Buffer.from('m');
    const signed = await provider.key(first.ref, 'P-256').sign!('ECDSA_SHA_256', { message }, options());
    const second = await provider.lifecycle!.rotate!(first.ref, options());
    assert.equal(second.version, '2');
    assert.notDeepEqual(second.publicKey, first.publicKey);
    const publicKey = createPublicKey({ key: first.publicKey!, format: 'der', type: 'spki' });
    assert.ok(verify('sha256', message, publicKey, signed.value));
    assert.equal(
      await provider.resolve(first.nativeId, options()),
      second.ref,
      'the newest, where there is no primary',
    );
  });
});

describe('states', () => {
  test('disabled: KEY_DISABLED with one call, for each kind of key; enabled again it works', async (t) => {
    const { provider, server, open } = await scene(t);
    const message = Buffer.from('m');
    const cases = [
      [
        AES,
        'AES-256-GCM',
        (p: typeof provider, ref: string) => p.key(ref, 'AES-256-GCM').wrap!.wrap(message, {}, options()),
      ],
      [
        { spec: 'P-256', usage: 'sign-verify', tags: {} },
        'P-256',
        (p: typeof provider, ref: string) => p.key(ref, 'P-256').sign!('ECDSA_SHA_256', { message }, options()),
      ],
      [
        { spec: 'RSA-2048', usage: 'sign-verify', tags: {} },
        'RSA-2048',
        (p: typeof provider, ref: string) => p.key(ref, 'RSA-2048').sign!('RSASSA_PSS_SHA_256', { message }, options()),
      ],
      [
        { spec: 'HMAC-SHA-256', usage: 'mac', tags: {} },
        'HMAC-SHA-256',
        (p: typeof provider, ref: string) => p.key(ref, 'HMAC-SHA-256').mac!('HMAC_SHA_256', message, options()),
      ],
    ] as const;
    for (const [wanted, spec, use] of cases) {
      const { ref } = await provider.lifecycle!.create({ ...wanted, name: keyName() }, options());
      await provider.lifecycle!.setEnabled!(ref, false, options());
      assert.equal((await provider.describe(ref, options())).state, 'disabled');
      // One that has just started, and one that has the public key.
      for (const user of [await open(), provider]) {
        const before = server.calls();
        await assert.rejects(use(user, ref), { code: 'KEY_DISABLED' }, spec);
        assert.equal(server.calls(), before + 1, spec);
      }
      await provider.lifecycle!.setEnabled!(ref, true, options());
      await use(provider, ref);
    }
  });

  test('destroyed: KEY_STATE, at once; restored it comes back disabled; after its days it is gone', async (t) => {
    let nowMs = Date.now();
    const { provider } = await scene(t, { destroyAfterDays: 7 }, { now: () => nowMs });
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const { wrap } = provider.key(ref, 'AES-256-GCM');
    const wrapped = await wrap!.wrap(Buffer.alloc(32), {}, options());
    await provider.lifecycle!.destroy(ref, options());
    await assert.rejects(wrap!.unwrap(wrapped.value, {}, options()), { code: 'KEY_STATE' });
    assert.equal((await provider.describe(ref, options())).state, 'pending-deletion');
    await provider.lifecycle!.restore!(ref, options());
    assert.equal((await provider.describe(ref, options())).state, 'disabled');
    await provider.lifecycle!.destroy(ref, options());
    nowMs += 7 * DAY_MS + 1;
    assert.equal((await provider.describe(ref, options())).state, 'destroyed');
    await assert.rejects(wrap!.unwrap(wrapped.value, {}, options()), { code: 'KEY_STATE' });
    await assert.rejects(provider.lifecycle!.restore!(ref, options()), { code: 'KEY_STATE' });
  });

  test('what is not there is KEY_NOT_FOUND', async (t) => {
    const { provider } = await scene(t);
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const other = ref.replace(/1$/, '9');
    await assert.rejects(provider.describe(other, options()), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.resolve('nothing', options()), { code: 'KEY_NOT_FOUND' });
    const lost = provider.key(other, 'P-256').sign!('ECDSA_SHA_256', { message: Buffer.from('m') }, options());
    await assert.rejects(lost, { code: 'KEY_NOT_FOUND' });
  });
});

describe('references', () => {
  test('a name in the key ring, a full name, a version and a URL of go-cloud are one key', async (t) => {
    const { provider } = await scene(t);
    const name = keyName();
    const { ref, nativeId } = await provider.lifecycle!.create({ ...AES, name }, options());
    for (const reference of [name, nativeId, ref, `gcpkms://${nativeId}`, `${name}/cryptoKeyVersions/1`]) {
      assert.equal(await provider.resolve(reference, options()), ref, reference);
    }
  });
});

describe('a server as emulators are', () => {
  test('encrypts by the name of the key alone, and has the true status of an error in its words', async (t) => {
    const { provider } = await scene(t, {}, { asEmulator: true });
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const other = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const { wrap } = provider.key(ref, 'AES-256-GCM');
    const { value } = await wrap!.wrap(Buffer.alloc(32, 2), { a: 'b' }, options());
    assert.deepEqual((await wrap!.unwrap(value, { a: 'b' }, options())).value, Buffer.alloc(32, 2));
    await assert.rejects(wrap!.unwrap(value, {}, options()), { code: 'INVALID_CIPHERTEXT' });
    const elsewhere = provider.key(other.ref, 'AES-256-GCM').wrap!;
    await assert.rejects(elsewhere.unwrap(value, { a: 'b' }, options()), { code: 'INVALID_CIPHERTEXT' });
    await provider.lifecycle!.setEnabled!(ref, false, options());
    await assert.rejects(wrap!.unwrap(value, { a: 'b' }, options()), { code: 'KEY_DISABLED' });
  });

  test('says NOT_FOUND of a version that a ciphertext names, and of a key that is not there', async (t) => {
    const { provider, server } = await scene(t);
    const { ref } = await provider.lifecycle!.create({ ...AES, name: keyName() }, options());
    const unwrap = (of: string): Promise<unknown> =>
      provider.key(of, 'AES-256-GCM').wrap!.unwrap(Buffer.alloc(100), {}, options());
    server.set({ kind: 'status', status: 'NOT_FOUND' }, { methods: ['Decrypt'] });
    await assert.rejects(unwrap(ref), { code: 'INVALID_CIPHERTEXT' });
    await assert.rejects(unwrap(ref.replace('cryptoKeys/', 'cryptoKeys/no-')), { code: 'KEY_NOT_FOUND' });
  });
});

test('a key that Google does not let us see is not there, in any ring but our own', async (t) => {
  const { provider, server } = await scene(t);
  server.set({ kind: 'status', status: 'PERMISSION_DENIED' });
  const foreign = 'projects/other/locations/global/keyRings/r/cryptoKeys/k';
  await assert.rejects(provider.resolve(foreign, options()), { code: 'KEY_NOT_FOUND' });
  await assert.rejects(provider.describe(`${foreign}/cryptoKeyVersions/1`, options()), { code: 'KEY_NOT_FOUND' });
  await assert.rejects(provider.resolve('k', options()), { code: 'PROVIDER_DENIED' });
});

describe('import', () => {
  test('material that comes from elsewhere does the same here, through one import job', async (t) => {
    const { provider, server } = await scene(t);
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const material = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
    const wanted = { spec: 'P-256', usage: 'sign-verify', name: keyName(), tags: {} } as const;
    const info = await provider.lifecycle!.importMaterial!(wanted, material, options());
    assert.deepEqual(info.publicKey, pair.publicKey.export({ format: 'der', type: 'spki' }));
    assert.equal(info.origin, 'external');
    const aes = { ...AES, name: keyName() };
    const imported = await provider.lifecycle!.importMaterial!(aes, Buffer.alloc(32, 3), options());
    const { wrap } = provider.key(imported.ref, 'AES-256-GCM');
    const wrapped = await wrap!.wrap(Buffer.alloc(32), {}, options());
    await wrap!.unwrap(wrapped.value, {}, options());
    assert.equal(server.calls('GetImportJob'), 1);
  });

  test('material of another length is refused before any call', async (t) => {
    const { provider, server } = await scene(t);
    const call = provider.lifecycle!.importMaterial!({ ...AES, name: keyName() }, Buffer.alloc(16), options());
    await assert.rejects(call, { code: 'INVALID_ARGUMENT', reason: 'IncorrectKeyMaterial' });
    assert.equal(server.calls(), 0);
  });
});

test('an AES key of the other kind has no spec here, so nobody adopts it', async (t) => {
  const { provider, open } = await scene(t);
  const raw = await open({ symmetricKeys: 'raw' });
  const { ref } = await raw.lifecycle!.create({ ...AES, name: keyName() }, options());
  const info = await provider.describe(ref, options());
  assert.deepEqual([info.spec, info.claims['algorithm']], [null, 'AES_256_GCM']);
});
