/** The PKCS#11 adapter on SoftHSM: every facet, judged by node:crypto and by OpenSC's own client. */
import assert from 'node:assert/strict';
import {
  constants,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  verify,
} from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { SIGNING_ALGORITHMS, type SigningAlgorithmName } from '../../src/model/algorithm.ts';
import { algorithmsOf, type Spec, type Usage } from '../../src/model/spec.ts';
import type { Pkcs11Provider } from '../../src/providers/pkcs11/provider.ts';
import type { BackingInfo } from '../../src/providers/provider.ts';
import { requirePeer } from '../../tools/peers/require.ts';
import { mustRun } from '../../tools/run.ts';
import { listener, newSoftHsm, openOn, spiedCalls, TOKEN_LABEL, within, type SoftHsm } from '../support/softhsm.ts';

const MESSAGE = Buffer.from('attack at dawn');
const SIGNING_SPECS = ['RSA-2048', 'RSA-3072', 'P-256', 'P-384', 'P-521', 'secp256k1', 'Ed25519'] as const;
const soon = within(20_000);

let hsm: SoftHsm;
let provider: Pkcs11Provider;
let there = false;

before(async () => {
  const { findPeer } = await import('../../tools/peers/peer.ts');
  const { PEERS } = await import('../../tools/peers/index.ts');
  const paths = await findPeer(PEERS.softhsm);
  if (paths === null) return;
  hsm = await newSoftHsm(paths);
  provider = await openOn(hsm.config());
  there = true;
});
after(async () => {
  if (!there) return;
  await provider.close();
  hsm.remove();
});

/** The paths, where the token is there. */
const peer = (t: TestContext) => requirePeer(t, 'softhsm');

let created = 0;
function make(spec: Spec, usage: Usage): Promise<BackingInfo> {
  created += 1;
  return provider.lifecycle.create({ spec, usage, name: `key-${created}`, tags: {} }, soon);
}

function spkiKey(spki: Buffer | null): ReturnType<typeof createPublicKey> {
  return createPublicKey({ key: spki!, format: 'der', type: 'spki' });
}

function isValid(name: SigningAlgorithmName, spki: Buffer | null, message: Buffer, signature: Buffer): boolean {
  const { scheme, hash } = SIGNING_ALGORITHMS[name];
  const padding =
    scheme === 'rsa-pss'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {};
  return verify(hash, message, { key: spkiKey(spki), ...padding }, signature);
}

describe('signatures', () => {
  for (const spec of SIGNING_SPECS) {
    test(`${spec}: message and digest give signatures that node:crypto verifies`, async (t) => {
      if ((await peer(t)) === null) return;
      const info = await make(spec, 'sign-verify');
      const key = provider.key(info.ref, spec);
      for (const name of algorithmsOf(spec, 'sign-verify') as SigningAlgorithmName[]) {
        const { hash, takesMessage } = SIGNING_ALGORITHMS[name];
        if (!takesMessage) continue;
        const { value } = await key.sign!(name, { message: MESSAGE }, soon);
        assert.ok(isValid(name, info.publicKey, MESSAGE, value), name);
        assert.ok(!isValid(name, info.publicKey, Buffer.from('attack at dusk'), value), name);
        if (hash === null) continue;
        const digest = createHash(hash).update(MESSAGE).digest();
        const ofDigest = await key.sign!(name, { digest }, soon);
        assert.ok(isValid(name, info.publicKey, MESSAGE, ofDigest.value), `${name} of a digest`);
      }
    });
  }

  test('many at once each sign their own message', async (t) => {
    if ((await peer(t)) === null) return;
    const info = await make('P-256', 'sign-verify');
    const key = provider.key(info.ref, 'P-256');
    const messages = Array.from({ length: 1000 }, () => randomBytes(40));
    const signatures = await Promise.all(messages.map((message) => key.sign!('ECDSA_SHA_256', { message }, soon)));
    for (const [at, message] of messages.entries()) {
      assert.ok(isValid('ECDSA_SHA_256', info.publicKey, message, signatures[at]!.value));
    }
  });

  test('a digest of another length is refused before any call', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('P-256', 'sign-verify');
    const signed = provider.key(ref, 'P-256').sign!('ECDSA_SHA_256', { digest: Buffer.alloc(31) }, soon);
    await assert.rejects(signed, { code: 'INVALID_ARGUMENT' });
  });
});

describe('encryption', () => {
  test('a wrapped data key opens under its context alone', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('AES-256-GCM', 'encrypt-decrypt');
    const { wrap } = provider.key(ref, 'AES-256-GCM');
    assert.equal(wrap!.bindsContext, true);
    for (const bytes of [1, 16, 32, 64]) {
      const dataKey = randomBytes(bytes);
      const { value } = await wrap!.wrap(dataKey, { tenant: 'a', key: 'b' }, soon);
      assert.deepEqual((await wrap!.unwrap(value, { key: 'b', tenant: 'a' }, soon)).value, dataKey);
      assert.notDeepEqual((await wrap!.wrap(dataKey, { tenant: 'a', key: 'b' }, soon)).value, value);
      await assert.rejects(wrap!.unwrap(value, { tenant: 'a', key: 'c' }, soon), { code: 'INVALID_CIPHERTEXT' });
    }
  });

  test('what was changed, cut or made by another key does not open, and no host ends of it', async (t) => {
    if ((await peer(t)) === null) return;
    const [one, other] = [await make('AES-256-GCM', 'encrypt-decrypt'), await make('AES-256-GCM', 'encrypt-decrypt')];
    const facet = provider.key(one.ref, 'AES-256-GCM').wrap!;
    const { value: wrapped } = await facet.wrap(randomBytes(32), {}, soon);
    const { pids } = provider.status();
    const flipped = Buffer.from(wrapped);
    flipped[20]! ^= 1;
    for (const bad of [flipped, wrapped.subarray(0, -1), wrapped.subarray(0, 12), Buffer.alloc(0), randomBytes(60)]) {
      await assert.rejects(facet.unwrap(bad, {}, soon), { code: 'INVALID_CIPHERTEXT' });
    }
    const underOther = provider.key(other.ref, 'AES-256-GCM').wrap!.unwrap(wrapped, {}, soon);
    await assert.rejects(underOther, { code: 'INVALID_CIPHERTEXT' });
    assert.deepEqual(provider.status().pids, pids);
  });

  test('a data key that the token made opens', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('AES-256-GCM', 'encrypt-decrypt');
    const facet = provider.key(ref, 'AES-256-GCM').wrap!;
    const { value } = await facet.generate!(32, { a: 'b' }, soon);
    assert.equal(value.plaintext.length, 32);
    assert.deepEqual((await facet.unwrap(value.wrapped, { a: 'b' }, soon)).value, value.plaintext);
  });

  test('without AES-GCM data keys are wrapped by AES key wrap, which binds no context', async (t) => {
    if ((await peer(t)) === null) return;
    for (const wrapMechanism of ['AES_KEY_WRAP_PAD', 'AES_KEY_WRAP'] as const) {
      const changed = { gcmIv: null, wrapMechanisms: [wrapMechanism] };
      const without = await openOn(hsm.config({ name: 'without-gcm' }), listener(), changed);
      try {
        const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', tags: {} } as const;
        const name = wrapMechanism.toLowerCase().replaceAll('_', '-');
        const { ref } = await without.lifecycle.create({ ...wanted, name }, soon);
        const { wrap, cipher } = without.key(ref, 'AES-256-GCM');
        assert.equal(cipher, undefined);
        assert.equal(wrap!.bindsContext, false);
        const dataKey = randomBytes(32);
        const { value } = await wrap!.wrap(dataKey, {}, soon);
        assert.deepEqual((await wrap!.unwrap(value, {}, soon)).value, dataKey);
        const flipped = Buffer.from(value);
        flipped[3]! ^= 1;
        await assert.rejects(wrap!.unwrap(flipped, {}, soon), { code: 'INVALID_CIPHERTEXT' });
        await assert.rejects(wrap!.unwrap(value.subarray(8), {}, soon), { code: 'INVALID_CIPHERTEXT' });
      } finally {
        await without.close();
      }
    }
  });

  test('RSA-OAEP: encrypted here, opened by the token', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('RSA-2048', 'encrypt-decrypt');
    const { cipher } = provider.key(ref, 'RSA-2048');
    const { value } = await cipher!.encrypt('RSAES_OAEP_SHA_1', MESSAGE, {}, soon);
    assert.deepEqual((await cipher!.decrypt('RSAES_OAEP_SHA_1', value, {}, soon)).value, MESSAGE);
    for (const bad of [Buffer.alloc(256, 1), value.subarray(1), Buffer.alloc(0)]) {
      await assert.rejects(cipher!.decrypt('RSAES_OAEP_SHA_1', bad, {}, soon), { code: 'INVALID_CIPHERTEXT' });
    }
    // SoftHSM takes SHA-1 only, which its list of mechanisms does not say.
    await assert.rejects(cipher!.decrypt('RSAES_OAEP_SHA_256', value, {}, soon), { code: 'UNSUPPORTED' });
  });
});

describe('asynchronous lanes', () => {
  test('mix no call with another', async (t) => {
    if ((await peer(t)) === null) return;
    const told = listener();
    const many = await openOn(hsm.config({ name: 'many', hosts: 1, lanes: 6 }), told, { asynchronous: true });
    try {
      const aes = await make('AES-256-GCM', 'encrypt-decrypt');
      const rsa = await make('RSA-2048', 'encrypt-decrypt');
      const [{ wrap }, { cipher }] = [many.key(aes.ref, 'AES-256-GCM'), many.key(rsa.ref, 'RSA-2048')];
      const round = async (at: number): Promise<void> => {
        const [dataKey, context] = [randomBytes(32), { at: String(at) }];
        const { value } = await wrap!.wrap(dataKey, context, soon);
        assert.deepEqual((await wrap!.unwrap(value, context, soon)).value, dataKey);
        await assert.rejects(wrap!.unwrap(value, {}, soon), { code: 'INVALID_CIPHERTEXT' });
        const sealed = await cipher!.encrypt('RSAES_OAEP_SHA_1', dataKey, {}, soon);
        assert.deepEqual((await cipher!.decrypt('RSAES_OAEP_SHA_1', sealed.value, {}, soon)).value, dataKey);
      };
      await Promise.all(Array.from({ length: 150 }, (_, at) => round(at)));
      assert.deepEqual(told.lines, [], 'no host has ended meanwhile');
    } finally {
      await many.close();
    }
  });

  test('a token that was to make the nonce, and has not, is found out', async (t) => {
    if ((await peer(t)) === null) return;
    const lazy = await openOn(hsm.config({ name: 'lazy' }), listener(), { gcmIv: 'hsm-writeback' });
    try {
      const { ref } = await make('AES-256-GCM', 'encrypt-decrypt');
      const wrapped = lazy.key(ref, 'AES-256-GCM').wrap!.wrap(randomBytes(32), {}, soon);
      await assert.rejects(wrapped, { code: 'PROVIDER_INTEGRITY', message: /ciphertext/ });
    } finally {
      await lazy.close();
    }
  });
});

describe('other facets', () => {
  for (const [spec, name, hash] of [
    ['HMAC-SHA-224', 'HMAC_SHA_224', 'sha224'],
    ['HMAC-SHA-256', 'HMAC_SHA_256', 'sha256'],
    ['HMAC-SHA-384', 'HMAC_SHA_384', 'sha384'],
    ['HMAC-SHA-512', 'HMAC_SHA_512', 'sha512'],
  ] as const) {
    test(`${spec}: an imported key gives the MAC of node:crypto, for an empty message, too`, async (t) => {
      if ((await peer(t)) === null) return;
      const material = randomBytes({ sha224: 28, sha256: 32, sha384: 48, sha512: 64 }[hash]);
      const wanted = { spec, usage: 'mac', name: `imported-${hash}`, tags: {} } as const;
      const info = await provider.lifecycle.importMaterial!(wanted, material, soon);
      assert.equal(info.origin, 'external');
      assert.equal(info.claims['imported'], 'true');
      for (const message of [MESSAGE, Buffer.alloc(0), randomBytes(4096)]) {
        const { value } = await provider.key(info.ref, spec).mac!(name, message, soon);
        assert.deepEqual(value, createHmac(hash, material).update(message).digest());
      }
    });
  }

  for (const [spec, namedCurve] of [
    ['P-256', 'P-256'],
    ['P-384', 'P-384'],
    ['P-521', 'P-521'],
  ] as const) {
    test(`${spec}: the shared secret is that of the other side`, async (t) => {
      if ((await peer(t)) === null) return;
      const info = await make(spec, 'key-agreement');
      for (let round = 0; round < 8; round += 1) {
        const other = generateKeyPairSync('ec', { namedCurve });
        const spki = other.publicKey.export({ format: 'der', type: 'spki' });
        const { value } = await provider.key(info.ref, spec).agree!(spki, soon);
        const theirs = diffieHellman({ privateKey: other.privateKey, publicKey: spkiKey(info.publicKey) });
        assert.deepEqual(value, theirs);
      }
    });
  }

  test('random bytes of any length', async (t) => {
    if ((await peer(t)) === null) return;
    for (const bytes of [0, 1, 1024, 5000]) assert.equal((await provider.random(bytes, soon)).length, bytes);
  });

  test('imported private keys sign, and are told from those that were made inside', async (t) => {
    if ((await peer(t)) === null) return;
    const pairs = [
      ['RSA-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
      ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
      ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
      ['Ed25519', generateKeyPairSync('ed25519')],
    ] as const;
    for (const [spec, pair] of pairs) {
      const material = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
      const wanted = { spec, usage: 'sign-verify', name: `imported-${spec.toLowerCase()}`, tags: {} } as const;
      const info = await provider.lifecycle.importMaterial!(wanted, material, soon);
      assert.deepEqual(info.publicKey, pair.publicKey.export({ format: 'der', type: 'spki' }), spec);
      const { local, alwaysSensitive, neverExtractable } = info.claims;
      assert.deepEqual([local, alwaysSensitive, neverExtractable], ['false', 'false', 'false']);
      const name = algorithmsOf(spec, 'sign-verify')[0] as SigningAlgorithmName;
      const { value } = await provider.key(info.ref, spec).sign!(name, { message: MESSAGE }, soon);
      assert.ok(isValid(name, info.publicKey, MESSAGE, value), spec);
    }
  });

  test('material that does not fit is refused before it reaches the token', async (t) => {
    if ((await peer(t)) === null) return;
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'short', tags: {} } as const;
    const imported = provider.lifecycle.importMaterial!(wanted, randomBytes(16), soon);
    await assert.rejects(imported, { code: 'INVALID_ARGUMENT' });
  });
});

describe('making and ending keys', () => {
  test('a new key has the properties that it was to have, in the eyes of pkcs11-tool', async (t) => {
    if ((await peer(t)) === null) return;
    const info = await make('P-256', 'sign-verify');
    const [, id] = info.ref.split('=');
    const shown = await hsm.tool('--list-objects', '--type', 'privkey', '--id', id!);
    assert.match(shown, /Usage:\s+sign\n/);
    assert.match(shown, /Access:\s+sensitive, always sensitive, never extractable, local/);
    assert.equal(info.origin, 'provider');
    assert.equal(info.protection, 'software');
    assert.equal(info.nativeId, `pkcs11:${provider.facts!.serial}/${id}`);
  });

  test('a key that could leave the token is destroyed', async (t) => {
    if ((await peer(t)) === null) return;
    const lax = await openOn(hsm.config({ name: 'lax' }), listener(), { templateForce: { EXTRACTABLE: true } });
    try {
      for (const [spec, usage] of [
        ['P-256', 'sign-verify'],
        ['AES-256-GCM', 'encrypt-decrypt'],
      ] as const) {
        const wanted = { spec, usage, name: `lax-${usage}`, tags: {} };
        await assert.rejects(lax.lifecycle.create(wanted, soon), { code: 'PROVIDER_MISCONFIGURED', message: /1,1,0/ });
        await assert.rejects(lax.resolve(wanted.name, soon), { code: 'KEY_NOT_FOUND' });
      }
      assert.doesNotMatch(await hsm.tool('--list-objects'), /lax-/);
    } finally {
      await lax.close();
    }
  });

  test('a name is given once', async (t) => {
    if ((await peer(t)) === null) return;
    const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'once', tags: {} } as const;
    await provider.lifecycle.create(wanted, soon);
    await assert.rejects(provider.lifecycle.create(wanted, soon), { code: 'KEY_EXISTS' });
  });

  test('a destroyed key is gone, for hosts that have used it, too', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('P-256', 'sign-verify');
    const key = provider.key(ref, 'P-256');
    await Promise.all(Array.from({ length: 200 }, () => key.sign!('ECDSA_SHA_256', { message: MESSAGE }, soon)));
    await provider.lifecycle.destroy(ref, soon);
    await assert.rejects(key.sign!('ECDSA_SHA_256', { message: MESSAGE }, soon), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.describe(ref, soon), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.lifecycle.destroy(ref, soon), { code: 'KEY_NOT_FOUND' });
    assert.equal(provider.status().state, 'ready');
  });

  test('keys that pkcs11-tool makes are found by label, by id and by URI, and work', async (t) => {
    if ((await peer(t)) === null) return;
    await hsm.tool(
      '--keypairgen',
      '--key-type',
      'EC:prime256v1',
      '--id',
      'ab01',
      '--label',
      'from outside',
      '--usage-sign',
    );
    for (const reference of [
      'from outside',
      'label=from outside',
      'id=AB01',
      `pkcs11:token=${TOKEN_LABEL};object=from%20outside;type=private`,
      'pkcs11:id=%ab%01',
    ]) {
      assert.equal(await provider.resolve(reference, soon), 'id=ab01');
    }
    const info = await provider.describe('id=ab01', soon);
    assert.deepEqual([info.spec, info.usage, info.origin], ['P-256', 'sign-verify', 'provider']);
    const { value } = await provider.key('id=ab01', 'P-256').sign!('ECDSA_SHA_256', { message: MESSAGE }, soon);
    assert.ok(isValid('ECDSA_SHA_256', info.publicKey, MESSAGE, value));
  });

  test('our signatures and our ciphertexts are right for OpenSSL and OpenSC', async (t) => {
    if ((await peer(t)) === null) return;
    const openssl = await requirePeer(t, 'openssl');
    if (openssl === null) return;
    const info = await make('P-384', 'sign-verify');
    const { value } = await provider.key(info.ref, 'P-384').sign!('ECDSA_SHA_384', { message: MESSAGE }, soon);
    const file = (name: string): string => join(hsm.folder, name);
    writeFileSync(file('message'), MESSAGE);
    writeFileSync(file('signature'), value);
    writeFileSync(file('public.der'), info.publicKey!);
    const args = ['dgst', '-sha384', '-keyform', 'DER', '-verify', file('public.der'), '-signature', file('signature')];
    assert.match((await mustRun(openssl.program, [...args, file('message')])).stdout, /Verified OK/);
    const [, id] = info.ref.split('=');
    const theirs = ['--verify', '--mechanism', 'ECDSA', '--id', id!, '--signature-format', 'openssl'];
    writeFileSync(file('digest'), createHash('sha384').update(MESSAGE).digest());
    const shown = await hsm.tool(...theirs, '--input-file', file('digest'), '--signature-file', file('signature'));
    assert.match(shown, /Signature is valid/);
  });
});

describe('refusals', () => {
  test('names of nothing', async (t) => {
    if ((await peer(t)) === null) return;
    await assert.rejects(provider.resolve('nobody', soon), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.resolve('id=00', soon), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.resolve('', soon), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(provider.resolve('id=xy', soon), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(provider.resolve('pkcs11:token=other;id=%01', soon), { code: 'KEY_NOT_FOUND' });
    await assert.rejects(provider.resolve('pkcs11:id=%01?pin-value=1234', soon), (error: Error) => {
      assert.doesNotMatch(error.message, /1234/);
      return true;
    });
    assert.throws(() => provider.key('label=x', 'P-256'), { code: 'INVALID_ARGUMENT' });
  });

  test('several keys with one label are told apart by their ids', async (t) => {
    if ((await peer(t)) === null) return;
    for (const id of ['0a', '0b']) {
      await hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--id', id, '--label', 'twins', '--usage-sign');
    }
    await assert.rejects(provider.resolve('twins', soon), { code: 'CONFLICT' });
  });

  test('a key does nothing but what it was made for', async (t) => {
    if ((await peer(t)) === null) return;
    const signing = await make('RSA-2048', 'sign-verify');
    const { cipher } = provider.key(signing.ref, 'RSA-2048');
    const { value } = await cipher!.encrypt('RSAES_OAEP_SHA_1', MESSAGE, {}, soon);
    await assert.rejects(cipher!.decrypt('RSAES_OAEP_SHA_1', value, {}, soon), { code: 'KEY_USAGE' });
    const agreeing = await make('P-256', 'key-agreement');
    const signed = provider.key(agreeing.ref, 'P-256').sign!('ECDSA_SHA_256', { message: MESSAGE }, soon);
    await assert.rejects(signed, { code: 'KEY_USAGE' });
  });

  test('a spec without mechanisms is refused before any call', async (t) => {
    const paths = await peer(t);
    if (paths === null) return;
    assert.throws(() => provider.key('id=01', 'ML-DSA-44'), { code: 'UNSUPPORTED' });
    const wanted = { spec: 'X25519', usage: 'key-agreement', name: 'x', tags: {} } as const;
    await assert.rejects(provider.lifecycle.create(wanted, soon), { code: 'UNSUPPORTED' });
    const output = join(hsm.folder, 'spy-unsupported.log');
    const env = { ...hsm.env, PKCS11SPY: paths.library, PKCS11SPY_OUTPUT: output };
    const spied = await openOn(hsm.config({ name: 'spied', library: paths.spy, hosts: 1, env }), listener(), {
      oaepHashes: [],
    });
    try {
      const { ref } = await make('RSA-2048', 'encrypt-decrypt');
      const key = spied.key(ref, 'RSA-2048');
      assert.equal(key.cipher, undefined);
      assert.ok(spied.capabilities().every(({ algorithm }) => !algorithm?.startsWith('RSAES')));
      assert.equal(spiedCalls(output, 'C_DecryptInit'), 0);
      assert.ok(spiedCalls(output, 'C_SignInit') > 0, 'the canary is seen by the spy');
    } finally {
      await spied.close();
    }
  });

  test('an aborted call is CANCELED, one without time PROVIDER_TIMEOUT', async (t) => {
    if ((await peer(t)) === null) return;
    const { ref } = await make('P-256', 'sign-verify');
    const sign = provider.key(ref, 'P-256').sign!;
    const input = { message: MESSAGE };
    const aborted = { signal: AbortSignal.abort(), timeoutMs: 1000 };
    await assert.rejects(sign('ECDSA_SHA_256', input, aborted), { code: 'CANCELED' });
    const late = { signal: AbortSignal.abort(new DOMException('late', 'TimeoutError')), timeoutMs: 1000 };
    await assert.rejects(sign('ECDSA_SHA_256', input, late), { code: 'PROVIDER_TIMEOUT' });
  });

  test('what is declared is what works', async (t) => {
    if ((await peer(t)) === null) return;
    const specs = new Set(provider.capabilities().map(({ spec }) => spec));
    for (const spec of ['AES-256-GCM', 'RSA-4096', 'P-256', 'Ed25519', 'HMAC-SHA-512', 'secp256k1'] as const)
      assert.ok(specs.has(spec));
    for (const spec of ['X25519', 'ML-KEM-768'] as const) assert.ok(!specs.has(spec));
  });
});

test('a provider closes twice, and answers nothing after it', async (t) => {
  if ((await peer(t)) === null) return;
  const other = await openOn(hsm.config({ name: 'closing' }));
  assert.equal((await other.probe(soon)).ok, true);
  await other.close();
  await other.close();
  await assert.rejects(other.describe('id=01', soon), { code: 'PROVIDER_UNAVAILABLE' });
  assert.equal((await other.probe(soon)).ok, false);
});
