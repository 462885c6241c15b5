/**
 * Cases: keys that the provider makes and takes in.
 *
 * @module
 */
import assert from 'node:assert/strict';
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  type KeyObject,
} from 'node:crypto';
import type { EncryptionAlgorithmName, SigningAlgorithmName } from '../../../model/algorithm.ts';
import { isAsymmetric, SPEC_NAMES, specRow, type Spec, type Usage } from '../../../model/spec.ts';
import type { BackingInfo, WantedKey } from '../../provider.ts';
import { OPERATIONS_OF, type Bench, type Case } from '../bench.ts';
import { callsOn, MESSAGE, newPeer, oaepOutside } from '../calls.ts';
import { refused, refusedHere } from '../expect.ts';
import { inputOf, requireVerifies } from './sign.ts';

export const lifecycleCases: readonly Case[] = [
  ...SPEC_NAMES.map((spec): Case => ({
    name: `create ${spec}: the key is as it was wanted, and works at once`,
    run: async (bench) => {
      const { lifecycle } = bench.provider;
      if (lifecycle === undefined) return;
      if (!bench.can('create', spec)) {
        const wanted = wantedKey(spec, bench.usageOf(spec));
        return refusedHere(bench, `create a key of ${spec}`, 'UNSUPPORTED', () =>
          lifecycle.create(wanted, bench.options),
        );
      }
      for (const usage of usagesOf(bench, spec)) {
        const info = await lifecycle.create(wantedKey(spec, usage), bench.options);
        requireInfo(info, spec, usage, 'provider');
        const later = await bench.provider.describe(info.ref, bench.options);
        assert.equal(later.nativeId, info.nativeId);
        assert.deepEqual(later.publicKey, info.publicKey);
        assert.equal(await bench.provider.resolve(info.ref, bench.options), info.ref);
        for (const { make } of await callsOn(bench, info.ref, spec, usage)) await make(bench.options);
        if (bench.can('destroy', spec)) await lifecycle.destroy(info.ref, bench.options);
      }
    },
  })),
  ...SPEC_NAMES.map((spec): Case => ({
    name: `import ${spec}: the key is the one that was given`,
    run: async (bench) => {
      const { lifecycle } = bench.provider;
      if (lifecycle?.importMaterial === undefined) return;
      const { bytes, key } = newMaterial(spec);
      if (!bench.can('import', spec)) {
        return refusedHere(bench, `import a key of ${spec}`, 'UNSUPPORTED', () =>
          lifecycle.importMaterial!(wantedKey(spec, bench.usageOf(spec)), bytes, bench.options),
        );
      }
      for (const usage of usagesOf(bench, spec)) {
        const given = Buffer.from(bytes);
        const info = await lifecycle.importMaterial(wantedKey(spec, usage), given, bench.options);
        assert.deepEqual(given, bytes, 'the caller wipes what he gave');
        requireInfo(info, spec, usage, 'external');
        await requireMaterial(bench, info, spec, usage, key);
        if (bench.can('destroy', spec)) await lifecycle.destroy(info.ref, bench.options);
      }
    },
  })),
  {
    name: 'import: material that is no key of the spec is refused',
    run: async (bench) => {
      const spec = bench.specWith('import');
      if (spec === null) return;
      const wanted = wantedKey(spec, bench.usageOf(spec));
      const { bytes } = newMaterial(spec);
      for (const material of [Buffer.alloc(0), bytes.subarray(1), Buffer.concat([bytes, bytes])]) {
        await refused(`${material.length} bytes`, 'INVALID_ARGUMENT', () =>
          bench.lifecycle.importMaterial!(wanted, material, bench.options),
        );
      }
    },
  },
  {
    name: 'tags: they are taken',
    run: async (bench) => {
      const { lifecycle } = bench.provider;
      if (lifecycle?.setTags === undefined) return;
      const { spec, usage } = await bench.anyRef();
      const ref = await bench.freshRef(spec, usage);
      await lifecycle.setTags(ref, { team: 'payments', stage: 'test' }, bench.options);
      await lifecycle.setTags(ref, { team: 'orders' }, bench.options);
      assert.equal((await bench.provider.describe(ref, bench.options)).state, 'enabled');
    },
  },
  {
    name: 'random: bytes of the length that was asked for, and other ones each time',
    run: async (bench) => {
      if (bench.provider.random === undefined) return;
      for (const length of [16, 32, 1024]) {
        const one = await bench.provider.random(length, bench.options);
        const two = await bench.provider.random(length, bench.options);
        assert.deepEqual([one.length, two.length], [length, length]);
        assert.notDeepEqual(one, two);
      }
    },
  },
];

/** A key with this material, by the service's tools or by the provider; null where neither can. */
export async function importedRef(bench: Bench, spec: Spec, usage: Usage, material: Buffer): Promise<string | null> {
  const { importKey } = bench.harness.admin;
  if (importKey !== undefined) return importKey(spec, usage, material);
  if (!bench.can('import', spec)) return null;
  return (await bench.lifecycle.importMaterial!(wantedKey(spec, usage), material, bench.options)).ref;
}

function wantedKey(spec: Spec, usage: Usage): WantedKey {
  return { spec, usage, name: `conformance-${randomUUID()}`, tags: { made: 'conformance' } };
}

function usagesOf(bench: Bench, spec: Spec): readonly Usage[] {
  const usages = Object.keys(specRow(spec).usages) as Usage[];
  return usages.filter((usage) => OPERATIONS_OF[usage].some((operation) => bench.can(operation, spec)));
}

function requireInfo(info: BackingInfo, spec: Spec, usage: Usage, origin: BackingInfo['origin']): void {
  assert.equal(info.spec, spec);
  assert.ok(info.usage === usage || info.usage === null, `usage is ${info.usage}, not ${usage}`);
  assert.equal(info.state, 'enabled');
  assert.equal(info.origin, origin);
  assert.equal(info.publicKey !== null, isAsymmetric(spec));
}

interface Material {
  /** Raw bytes, or PKCS#8 DER. */
  readonly bytes: Buffer;
  /** Null for symmetric keys. */
  readonly key: KeyObject | null;
}

/** Made by node:crypto, and not by us. */
function newMaterial(spec: Spec): Material {
  const { family, size, curve } = specRow(spec);
  if (!isAsymmetric(spec)) return { bytes: randomBytes(size!), key: null };
  const type = family === 'ml-dsa' || family === 'ml-kem' ? spec.toLowerCase() : family;
  const generate = generateKeyPairSync as unknown as (type: string, options: object) => { privateKey: KeyObject };
  const { privateKey } = generate(type, { modulusLength: size, namedCurve: curve });
  return { bytes: privateKey.export({ format: 'der', type: 'pkcs8' }), key: privateKey };
}

/** Fails where the key that was made is another than the one that was given. */
async function requireMaterial(
  bench: Bench,
  info: BackingInfo,
  spec: Spec,
  usage: Usage,
  given: KeyObject | null,
): Promise<void> {
  const calls = await callsOn(bench, info.ref, spec, usage);
  for (const { make } of calls) await make(bench.options);
  // Of a symmetric key nothing can be seen from outside; mac.ts compares MACs, which would show another key.
  if (given === null) return;
  const publicKey = createPublicKey(createPrivateKey(given.export({ format: 'pem', type: 'pkcs8' })));
  assert.deepEqual(Buffer.from(info.publicKey!), publicKey.export({ format: 'der', type: 'spki' }));
  const key = bench.provider.key(info.ref, spec);
  switch (usage) {
    case 'sign-verify': {
      const { algorithm, input } = bench.find('sign', spec)!;
      const name = algorithm as SigningAlgorithmName;
      const { value } = await key.sign!(name, inputOf(input!, name, publicKey, MESSAGE), bench.options);
      return requireVerifies(bench, name, publicKey, MESSAGE, value);
    }
    case 'encrypt-decrypt': {
      const algorithm = bench.find('decrypt', spec)?.algorithm as EncryptionAlgorithmName | undefined;
      if (algorithm === undefined) return;
      const ciphertext = oaepOutside(algorithm, publicKey, MESSAGE);
      const { value } = await key.cipher!.decrypt(algorithm, ciphertext, {}, bench.options);
      return assert.deepEqual(Buffer.from(value), MESSAGE);
    }
    case 'key-agreement': {
      const peer = newPeer(spec);
      const { value } = await key.agree!(peer.spki, bench.options);
      return assert.deepEqual(Buffer.from(value), diffieHellman({ privateKey: peer.privateKey, publicKey }));
    }
    case 'kem': {
      const { ciphertext, sharedKey } = encapsulate(publicKey);
      const { value } = await key.decapsulate!(ciphertext, bench.options);
      return assert.deepEqual(Buffer.from(value), sharedKey);
    }
    default:
  }
}
