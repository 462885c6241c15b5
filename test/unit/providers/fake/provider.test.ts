import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPairSync, verify } from 'node:crypto';
import { encapsulate } from '../../../../src/crypto/kem.ts';
import { oaepEncrypt } from '../../../../src/crypto/oaep.ts';
import { systemRandom } from '../../../../src/crypto/random.ts';
import { NO_CONTEXT } from '../../../../src/model/encryption-context.ts';
import { defaultUsage, SPEC_NAMES, type Spec, type Usage } from '../../../../src/model/spec.ts';
import { silentLog } from '../../../../src/ports/log.ts';
import { fake, FakeProvider, fakeSchema, type FakeOptions } from '../../../../src/providers/fake/index.ts';
import type { HomeKey } from '../../../../src/providers/provider.ts';
import { FakeClock } from '../../../support/clock.ts';
import { patient } from '../../../support/homes.ts';
import { VirtualTime } from '../../../support/virtual-time.ts';

const DATA_KEY = Buffer.alloc(32, 7);
const CONTEXT = { tenant: 'a' };

function makeFake(options: Partial<FakeOptions> = {}): FakeProvider {
  return new FakeProvider({ name: 'pretend', clock: new FakeClock(), random: systemRandom, ...options });
}

async function keyOf(provider: FakeProvider, spec: Spec, usage: Usage = defaultUsage(spec)): Promise<HomeKey> {
  const { ref } = await provider.lifecycle.create({ spec, usage, name: 'key', tags: {} }, patient());
  return provider.key(ref, spec);
}

test('a wrap opens with its key and context only', async () => {
  const provider = makeFake();
  const { wrap } = await keyOf(provider, 'AES-256-GCM');
  const { value, version } = await wrap!.wrap(DATA_KEY, CONTEXT, patient());
  assert.equal(version, '1');
  assert.deepEqual((await wrap!.unwrap(value, CONTEXT, patient())).value, DATA_KEY);
  await assert.rejects(wrap!.unwrap(value, { tenant: 'b' }, patient()), { code: 'INVALID_CIPHERTEXT' });
  const other = await provider.lifecycle.create(
    { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'other', tags: {} },
    patient(),
  );
  const otherWrap = provider.key(other.ref, 'AES-256-GCM').wrap!;
  await assert.rejects(otherWrap.unwrap(value, CONTEXT, patient()), { code: 'INVALID_CIPHERTEXT' });
  for (let at = 0; at < value.length; at += 1) {
    const changed = Buffer.from(value);
    changed[at]! ^= 1;
    await assert.rejects(wrap!.unwrap(changed, CONTEXT, patient()), { code: 'INVALID_CIPHERTEXT' });
    await assert.rejects(wrap!.unwrap(value.subarray(0, at), CONTEXT, patient()), { code: 'INVALID_CIPHERTEXT' });
  }
});

test('it can behave like a service that binds no context', async () => {
  const { wrap } = await keyOf(makeFake({ bindsContext: false }), 'AES-256-GCM');
  assert.equal(wrap!.bindsContext, false);
  const { value } = await wrap!.wrap(DATA_KEY, CONTEXT, patient());
  assert.deepEqual((await wrap!.unwrap(value, NO_CONTEXT, patient())).value, DATA_KEY);
});

test('after a rotation old wraps open, new ones name the new version, and a rewrap brings one to the other', async () => {
  const provider = makeFake();
  const { wrap, ref } = await keyOf(provider, 'AES-256-GCM');
  const old = await wrap!.wrap(DATA_KEY, CONTEXT, patient());
  const rotated = await provider.lifecycle.rotate!(ref, patient());
  assert.equal(rotated.ref, 'key@2');
  assert.equal(rotated.nativeId, (await provider.describe(ref, patient())).nativeId);
  const renewed = await provider.key(rotated.ref, 'AES-256-GCM').wrap!.rewrap!(old.value, CONTEXT, patient());
  assert.equal(renewed.version, '2');
  for (const wrapped of [old.value, renewed.value]) {
    assert.deepEqual((await wrap!.unwrap(wrapped, CONTEXT, patient())).value, DATA_KEY);
  }
  assert.equal(await provider.resolve('key', patient()), 'key@2');
});

test('a data key that it makes opens as one that it was given', async () => {
  const { wrap } = await keyOf(makeFake(), 'AES-256-GCM');
  const { value } = await wrap!.generate!(32, CONTEXT, patient());
  assert.deepEqual((await wrap!.unwrap(value.wrapped, CONTEXT, patient())).value, value.plaintext);
  await assert.rejects(wrap!.generate!(65, CONTEXT, patient()), { code: 'LIMIT_EXCEEDED' });
});

test('disabled is KEY_DISABLED, destroyed is KEY_STATE, with the days between them', async () => {
  const clock = new FakeClock();
  const provider = makeFake({ clock, destructionMs: 1000 });
  const { lifecycle } = provider;
  const { wrap, ref } = await keyOf(provider, 'AES-256-GCM');
  const { value } = await wrap!.wrap(DATA_KEY, CONTEXT, patient());
  const state = async (): Promise<string> => (await provider.describe(ref, patient())).state;
  await lifecycle.setEnabled!(ref, false, patient());
  await assert.rejects(wrap!.unwrap(value, CONTEXT, patient()), { code: 'KEY_DISABLED' });
  assert.equal(await state(), 'disabled');
  await lifecycle.setEnabled!(ref, true, patient());
  await lifecycle.destroy(ref, patient());
  assert.equal(await state(), 'pending-deletion');
  await assert.rejects(wrap!.unwrap(value, CONTEXT, patient()), { code: 'KEY_STATE' });
  await assert.rejects(lifecycle.setEnabled!(ref, true, patient()), { code: 'KEY_STATE' });
  await lifecycle.restore!(ref, patient());
  assert.equal(await state(), 'disabled');
  await lifecycle.destroy(ref, patient());
  clock.advance(1000);
  assert.equal(await state(), 'destroyed');
  await assert.rejects(lifecycle.restore!(ref, patient()), { code: 'KEY_STATE' });
  await assert.rejects(wrap!.wrap(DATA_KEY, CONTEXT, patient()), { code: 'KEY_STATE' });
});

test('signatures verify with the public key that it describes', async () => {
  for (const spec of ['P-256', 'Ed25519', 'RSA-2048'] as const) {
    const provider = makeFake();
    const { sign, ref } = await keyOf(provider, spec, 'sign-verify');
    const { publicKey } = await provider.describe(ref, patient());
    const key = { key: publicKey!, format: 'der', type: 'spki' } as const;
    const message = Buffer.from('message');
    const algorithm = {
      'P-256': 'ECDSA_SHA_256',
      Ed25519: 'ED25519_SHA_512',
      'RSA-2048': 'RSASSA_PKCS1_V1_5_SHA_256',
    } as const;
    const { value } = await sign!(algorithm[spec], { message }, patient());
    assert.ok(verify(spec === 'Ed25519' ? null : 'sha256', message, key, value));
    await assert.rejects(sign!('ML_DSA_SHAKE_256', { message }, patient()), { code: 'UNSUPPORTED' });
  }
});

test('the other facets do what they say', async () => {
  const hmac = await keyOf(makeFake(), 'HMAC-SHA-256');
  assert.equal((await hmac.mac!('HMAC_SHA_256', DATA_KEY, patient())).value.length, 32);

  const peer = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' });
  assert.equal((await (await keyOf(makeFake(), 'X25519')).agree!(peer, patient())).value.length, 32);

  const kem = makeFake();
  const decapsulating = await keyOf(kem, 'ML-KEM-768');
  const { publicKey: kemKey } = await kem.describe(decapsulating.ref, patient());
  const { ciphertext, sharedSecret } = encapsulate('ML-KEM-768', kemKey!);
  assert.deepEqual((await decapsulating.decapsulate!(ciphertext, patient())).value, sharedSecret);

  const rsa = makeFake();
  const { cipher, ref } = await keyOf(rsa, 'RSA-2048', 'encrypt-decrypt');
  const { publicKey } = await rsa.describe(ref, patient());
  const encrypted = oaepEncrypt(publicKey!, 'RSA-2048', 'RSAES_OAEP_SHA_256', DATA_KEY);
  const decrypted = await cipher!.decrypt('RSAES_OAEP_SHA_256', encrypted, NO_CONTEXT, patient());
  assert.deepEqual(decrypted.value, DATA_KEY);

  const aes = await keyOf(makeFake(), 'AES-256-GCM');
  const { value } = await aes.cipher!.encrypt('SYMMETRIC_DEFAULT', DATA_KEY, CONTEXT, patient());
  assert.deepEqual((await aes.cipher!.decrypt('SYMMETRIC_DEFAULT', value, CONTEXT, patient())).value, DATA_KEY);
  await assert.rejects(aes.cipher!.decrypt('SYMMETRIC_DEFAULT', value, NO_CONTEXT, patient()), {
    code: 'INVALID_CIPHERTEXT',
  });
  assert.equal((await makeFake().random(16, patient())).length, 16);
});

test('facets are those that the capabilities name', async () => {
  const facets = {
    wrap: 'wrap',
    encrypt: 'cipher',
    sign: 'sign',
    mac: 'mac',
    agree: 'agree',
    decapsulate: 'decapsulate',
  } as const;
  const provider = makeFake();
  for (const spec of SPEC_NAMES) {
    const able = new Set(
      provider
        .capabilities()
        .filter((row) => row.spec === spec)
        .map((row) => row.operation),
    );
    const key = provider.key('key', spec);
    for (const [operation, facet] of Object.entries(facets)) {
      assert.equal(able.has(operation as 'wrap'), key[facet as 'wrap'] !== undefined, `${spec} ${operation}`);
    }
  }
});

test('keys are refused that it has already, has not, or that are asked for as something else', async () => {
  const provider = makeFake();
  const { ref } = await keyOf(provider, 'HMAC-SHA-256');
  const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'key', tags: {} } as const;
  await assert.rejects(provider.lifecycle.create(wanted, patient()), { code: 'KEY_EXISTS' });
  await assert.rejects(provider.lifecycle.create({ ...wanted, name: 'new', usage: 'mac' }, patient()), {
    code: 'UNSUPPORTED',
  });
  await assert.rejects(provider.describe('missing', patient()), { code: 'KEY_NOT_FOUND' });
  await assert.rejects(provider.describe('key@9', patient()), { code: 'KEY_NOT_FOUND' });
  await assert.rejects(provider.key(ref, 'AES-256-GCM').wrap!.wrap(DATA_KEY, CONTEXT, patient()), {
    code: 'KEY_USAGE',
  });
  const signing = await keyOf(makeFake(), 'P-256', 'key-agreement');
  await assert.rejects(signing.sign!('ECDSA_SHA_256', { message: DATA_KEY }, patient()), { code: 'KEY_USAGE' });
  for (const bad of ['', '@', 'key@0', 'key@', 'Key', '../key', 'key@1@2', `k${'e'.repeat(200)}`]) {
    assert.throws(() => provider.key(bad, 'AES-256-GCM'), { code: 'INVALID_ARGUMENT' }, bad);
    await assert.rejects(provider.resolve(bad, patient()), { code: 'INVALID_ARGUMENT' }, bad);
  }
});

test('imported material is described as from outside', async () => {
  const provider = makeFake();
  const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'mine', tags: { team: 'a' } } as const;
  const { ref, origin, claims } = await provider.lifecycle.importMaterial!(wanted, DATA_KEY, patient());
  assert.equal(origin, 'external');
  assert.deepEqual(claims, { team: 'a' });
  await provider.lifecycle.setTags!(ref, { team: 'b' }, patient());
  assert.deepEqual((await provider.describe(ref, patient())).claims, { team: 'b' });
});

test('faults come in pairs: a call that fails has been done, or has not', async () => {
  const provider = makeFake();
  const wanted = { spec: 'AES-256-GCM', usage: 'encrypt-decrypt', name: 'key', tags: {} } as const;
  provider.fault = () => ({ kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: false });
  await assert.rejects(provider.lifecycle.create(wanted, patient()), { code: 'PROVIDER_UNAVAILABLE' });
  provider.fault = () => null;
  await assert.rejects(provider.describe('key', patient()), { code: 'KEY_NOT_FOUND' });
  provider.fault = () => ({ kind: 'fail', code: 'PROVIDER_UNAVAILABLE', applied: true });
  await assert.rejects(provider.lifecycle.create(wanted, patient()), { code: 'PROVIDER_UNAVAILABLE' });
  provider.fault = () => null;
  assert.equal((await provider.describe('key', patient())).state, 'enabled');
  assert.equal(provider.calls('create'), 2);
  assert.equal(provider.calls(), 4);
});

test('a corrupt answer has other bytes than it should', async () => {
  const provider = makeFake();
  const { wrap } = await keyOf(provider, 'AES-256-GCM');
  const { value } = await wrap!.wrap(DATA_KEY, CONTEXT, patient());
  provider.fault = () => ({ kind: 'corrupt' });
  const { value: other } = await wrap!.unwrap(value, CONTEXT, patient());
  assert.equal(other.length, DATA_KEY.length);
  assert.notDeepEqual(other, DATA_KEY);
});

test('latency, slowness and hangs end with the time of the call, or with its caller', async () => {
  using time = new VirtualTime();
  const provider = makeFake({ latencyMs: 20 });
  await time.until(provider.probe(patient()));
  assert.equal(time.nowMs, 20);
  provider.fault = () => ({ kind: 'slow', ms: 30 });
  await time.until(provider.probe(patient()));
  assert.equal(time.nowMs, 70);
  provider.fault = () => ({ kind: 'hang', applied: false });
  await assert.rejects(time.until(provider.probe(patient(100))), { code: 'PROVIDER_TIMEOUT' });
  const caller = new AbortController();
  const probe = provider.probe({ signal: caller.signal, timeoutMs: 1000 });
  await time.pass(50);
  caller.abort();
  await assert.rejects(time.until(probe), { code: 'CANCELED' });
  await assert.rejects(provider.probe({ signal: caller.signal, timeoutMs: 1000 }), { code: 'CANCELED' });
  assert.equal(time.pending, 0);
});

test('it is configured as any other, is loud about what it is, and may be closed twice', async () => {
  const lines: string[] = [];
  const log = { ...silentLog, write: (level: string, message: string) => void lines.push(`${level} ${message}`) };
  const config = fakeSchema.parse({ kind: 'fake', name: 'pretend' });
  const provider = await fake.open(config, { clock: new FakeClock(), random: systemRandom, log });
  assert.deepEqual(lines, ['warn `pretend` is a fake provider: its keys are gone when this process ends']);
  assert.equal((await provider.probe(patient())).ok, true);
  await provider.close();
  await provider.close();
  await assert.rejects(provider.probe(patient()), { code: 'PROVIDER_UNAVAILABLE' });
  assert.throws(() => fakeSchema.parse({ kind: 'fake', name: 'pretend', latency: 1 }));
});
