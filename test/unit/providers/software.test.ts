import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateMaterial } from '../../../src/crypto/key-material.ts';
import { systemRandom } from '../../../src/crypto/random.ts';
import { SecretBytes } from '../../../src/crypto/secret-bytes.ts';
import { SPEC_NAMES, SPECS, type Spec } from '../../../src/model/spec.ts';
import type { KeyHandle, MaterialName } from '../../../src/providers/key-handle.ts';
import { SoftwareProvider } from '../../../src/providers/software/index.ts';

const NAME = { tenantId: 't', keyId: 'k', version: 1 } as const;

interface TestProvider {
  readonly provider: SoftwareProvider;
  readonly opened: MaterialName[];
  readonly forgotten: string[];
}

/** A provider on fresh material for each name, which stays the same. */
function openProvider(): TestProvider {
  const opened: MaterialName[] = [];
  const forgotten: string[] = [];
  const materials = new Map<string, Buffer>();
  const provider = new SoftwareProvider({
    random: systemRandom,
    onForget: (id) => forgotten.push(id),
    open: async (name) => {
      opened.push(name);
      const id = JSON.stringify(name);
      if (!materials.has(id)) {
        const { privateMaterial } = await generateMaterial(name.spec, systemRandom);
        using material = privateMaterial;
        materials.set(id, Buffer.from(material.reveal()));
      }
      return new SecretBytes(Buffer.from(materials.get(id)!));
    },
  });
  return { provider, opened, forgotten };
}

/** Family → the facets that its handle has. */
const FACETS: Readonly<Record<string, readonly (keyof KeyHandle)[]>> = {
  aes: ['aead'],
  hmac: ['mac'],
  rsa: ['sign', 'decrypt'],
  ec: ['sign', 'agree'],
  ed25519: ['sign'],
  x25519: ['agree'],
  'ml-dsa': ['sign'],
  'ml-kem': ['decapsulate'],
};

for (const spec of SPEC_NAMES.filter((name) => !/RSA-[34]/.test(name))) {
  test(`a key of spec ${spec} can what its family can, and nothing else`, async () => {
    const { provider } = openProvider();
    const handle = await provider.key({ ...NAME, spec });
    assert.deepEqual(Object.keys(handle).toSorted(), [...FACETS[SPECS[spec].family]!].toSorted());
    provider.close();
  });
}

test('material is opened once, and the handle is at hand from then on', async () => {
  const { provider, opened } = openProvider();
  const name = { ...NAME, spec: 'AES-256-GCM' } as const;
  const first = await provider.key(name);
  assert.equal(provider.key(name), first);
  assert.equal(opened.length, 1);
});

test('a key that is forgotten is opened anew, every version of it, and no other', async () => {
  const { provider, opened, forgotten } = openProvider();
  const name = (keyId: string, version: number, spec: Spec = 'P-256') => ({ ...NAME, keyId, version, spec });
  for (const one of [name('a', 1), name('a', 2), name('b', 1)]) await provider.key(one);
  provider.forget('a');
  assert.deepEqual(forgotten, ['a/1', 'a/2'], 'who holds its key objects is told');
  assert.ok(provider.key(name('a', 1)) instanceof Promise);
  assert.ok(!(provider.key(name('b', 1)) instanceof Promise));
  await provider.key(name('a', 1));
  assert.equal(opened.length, 5);
});

test('material that was being opened while its key was forgotten is not kept', async () => {
  const { provider } = openProvider();
  const name = { ...NAME, spec: 'AES-256-GCM' } as const;
  const opening = provider.key(name);
  provider.forget(NAME.keyId);
  await opening;
  assert.ok(provider.key(name) instanceof Promise, 'it is opened again');
});

test('a refusal to open is passed on, and the next call tries again', async () => {
  let refuse = true;
  const provider = new SoftwareProvider({
    random: systemRandom,
    onForget: () => undefined,
    open: async () => {
      if (refuse) throw new Error('sealed');
      return new SecretBytes(systemRandom.bytes(32));
    },
  });
  const name = { ...NAME, spec: 'AES-256-GCM' } as const;
  await assert.rejects(async () => provider.key(name), /sealed/);
  refuse = false;
  const { aead } = await provider.key(name);
  const sealed = aead!.seal(Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(0));
  assert.deepEqual(aead!.open(sealed, Buffer.alloc(0)), Buffer.from('a'));
});

test('what it opened is zeroed once the handle is made', async () => {
  const secret = new SecretBytes(systemRandom.bytes(32));
  const bytes = secret.reveal();
  const provider = new SoftwareProvider({ random: systemRandom, onForget: () => undefined, open: async () => secret });
  await provider.key({ ...NAME, spec: 'HMAC-SHA-256' });
  assert.deepEqual(bytes, Buffer.alloc(32));
});

test('the fast curves hand a task to the writer thread, the others sign by themselves', async () => {
  const { provider } = openProvider();
  const signs = async (spec: Spec, algorithm: string): Promise<boolean> => {
    const { sign } = await provider.key({ ...NAME, keyId: spec, spec });
    const made = sign!(algorithm as never, { message: Buffer.from('m') });
    if (made instanceof Promise) await made;
    return !(made instanceof Promise);
  };
  assert.equal(await signs('P-256', 'ECDSA_SHA_256'), true);
  assert.equal(await signs('Ed25519', 'ED25519_SHA_512'), true);
  assert.equal(await signs('RSA-2048', 'RSASSA_PSS_SHA_256'), false);
  assert.equal(await signs('P-384', 'ECDSA_SHA_384'), false);
  assert.equal(await signs('ML-DSA-44', 'ML_DSA_SHAKE_256'), false);
});
