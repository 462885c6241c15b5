/**
 * Cases: short texts encrypted with the native key itself.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ENCRYPTION_ALGORITHMS, type EncryptionAlgorithmName } from '../../../model/algorithm.ts';
import { algorithmsOf, SPECS, type Spec } from '../../../model/spec.ts';
import type { CipherFacet, HomeKey } from '../../provider.ts';
import { specsOf, type Bench, type Case } from '../bench.ts';
import { CONTEXT, MESSAGE, oaepOutside } from '../calls.ts';
import { refused, refusedHere, REFUSED_HERE } from '../expect.ts';
import { brokenBytes, Draw, flipped, positions } from '../fuzz.ts';
import { requireVersion } from './wrap.ts';

const FLIPS_MAX = 24;

export const cipherCases: readonly Case[] = specsOf('encrypt-decrypt').flatMap((spec) => [
  ...(algorithmsOf(spec, 'encrypt-decrypt') as EncryptionAlgorithmName[]).flatMap((algorithm) => [
    cipherCase(spec, algorithm, 'what was encrypted elsewhere with the public key is decrypted', async (bench, key) => {
      if (!isRsa(spec) || !bench.can('decrypt', spec, algorithm)) return;
      const publicKey = await bench.publicKey(key.ref);
      const { version } = await bench.provider.describe(key.ref, bench.options);
      for (const text of [MESSAGE, randomBytes(32), Buffer.alloc(16)]) {
        const made = await key.cipher.decrypt(algorithm, oaepOutside(algorithm, publicKey, text), {}, bench.options);
        assert.deepEqual(Buffer.from(made.value), text);
        requireVersion(made, version);
      }
    }),
    cipherCase(spec, algorithm, 'texts come back as they were, and two ciphertexts differ', async (bench, key) => {
      const { cipher } = key;
      if (!bench.can('encrypt', spec, algorithm) || !bench.can('decrypt', spec, algorithm)) return;
      const context = contextOf(spec);
      const one = await cipher.encrypt(algorithm, MESSAGE, context, bench.options);
      const two = await cipher.encrypt(algorithm, MESSAGE, context, bench.options);
      assert.notDeepEqual(one.value, two.value);
      for (const { value } of [one, two]) {
        const opened = await cipher.decrypt(algorithm, value, context, bench.options);
        assert.deepEqual(Buffer.from(opened.value), MESSAGE);
      }
    }),
    cipherCase(spec, algorithm, 'changed ciphertexts, and those of other keys, are refused', async (bench, key) => {
      if (!bench.can('decrypt', spec, algorithm)) return;
      const context = contextOf(spec);
      const open = (ciphertext: Buffer, facet = key.cipher): Promise<unknown> =>
        facet.decrypt(algorithm, ciphertext, context, bench.options);
      const ciphertext = await encrypted(bench, key, spec, algorithm);
      for (const at of positions(ciphertext.length, FLIPS_MAX)) {
        await refused(`a changed bit in byte ${at}`, 'INVALID_CIPHERTEXT', () => open(flipped(ciphertext, at)));
      }
      const { cipher: other } = await bench.key(spec, 'encrypt-decrypt', 1);
      await refused('another key', 'INVALID_CIPHERTEXT', () => open(ciphertext, other));
      const draw = new Draw(bench.seed);
      for (let n = 0; n < bench.fuzzRuns; n++) {
        const noise = brokenBytes(draw, ciphertext);
        const what = `noise ${n} of seed ${bench.seed}: ${noise.toString('base64')}`;
        await refused(what, 'INVALID_CIPHERTEXT', () => open(noise));
      }
    }),
    cipherCase(spec, algorithm, 'another context is refused where one is bound', async (bench, key) => {
      if (isRsa(spec) || key.bindsContext !== true || !bench.can('decrypt', spec, algorithm)) return;
      const ciphertext = await encrypted(bench, key, spec, algorithm);
      for (const context of [{}, { ...CONTEXT, tenant: 'other' }]) {
        await refused('another context', 'INVALID_CIPHERTEXT', () =>
          key.cipher.decrypt(algorithm, ciphertext, context, bench.options),
        );
      }
    }),
    cipherCase(spec, algorithm, 'a text that is too long is refused before any call', async (bench, key) => {
      const row = bench.find('encrypt', spec, algorithm);
      if (row === null || row.maxBytes === null) return;
      const context = contextOf(spec);
      const longest = Buffer.alloc(row.maxBytes, 7);
      const { value } = await key.cipher.encrypt(algorithm, longest, context, bench.options);
      if (bench.can('decrypt', spec, algorithm)) {
        const opened = await key.cipher.decrypt(algorithm, value, context, bench.options);
        assert.deepEqual(Buffer.from(opened.value), longest, 'the longest text comes back as it was');
      }
      await refusedHere(bench, `${longest.length + 1} bytes`, ['LIMIT_EXCEEDED', 'INVALID_ARGUMENT'], () =>
        key.cipher.encrypt(algorithm, Buffer.alloc(longest.length + 1), context, bench.options),
      );
    }),
  ]),
  {
    name: `cipher ${spec}: algorithms that are not declared are refused before any call`,
    run: async (bench) => {
      const key = await cipherKey(bench, spec);
      if (key === null) return;
      for (const algorithm of Object.keys(ENCRYPTION_ALGORITHMS) as EncryptionAlgorithmName[]) {
        const isOfSpec = algorithmsOf(spec, 'encrypt-decrypt').includes(algorithm);
        const codes = isOfSpec ? 'UNSUPPORTED' : REFUSED_HERE;
        if (!bench.can('encrypt', spec, algorithm)) {
          await refusedHere(bench, `encrypt with ${algorithm}`, codes, () =>
            key.cipher.encrypt(algorithm, MESSAGE, {}, bench.options),
          );
        }
        if (!bench.can('decrypt', spec, algorithm)) {
          await refusedHere(bench, `decrypt with ${algorithm}`, codes, () =>
            key.cipher.decrypt(algorithm, Buffer.alloc(256, 7), {}, bench.options),
          );
        }
      }
    },
  },
]);

interface CipherKey {
  readonly ref: string;
  readonly cipher: CipherFacet;
  readonly bindsContext: boolean | undefined;
}

/** A ciphertext of `MESSAGE`, made without the provider where that can be. */
async function encrypted(
  bench: Bench,
  key: CipherKey,
  spec: Spec,
  algorithm: EncryptionAlgorithmName,
): Promise<Buffer> {
  if (isRsa(spec)) return oaepOutside(algorithm, await bench.publicKey(key.ref), MESSAGE);
  return (await key.cipher.encrypt(algorithm, MESSAGE, CONTEXT, bench.options)).value;
}

function contextOf(spec: Spec): typeof CONTEXT {
  return isRsa(spec) ? {} : CONTEXT;
}

function isRsa(spec: Spec): boolean {
  return SPECS[spec].family === 'rsa';
}

async function cipherKey(bench: Bench, spec: Spec): Promise<CipherKey | null> {
  if (!bench.can('decrypt', spec) && !bench.can('encrypt', spec)) return null;
  const { ref, cipher, wrap }: HomeKey = await bench.key(spec, 'encrypt-decrypt');
  assert.ok(cipher, 'it is declared, and the facet is absent');
  return { ref, cipher, bindsContext: wrap?.bindsContext };
}

function cipherCase(
  spec: Spec,
  algorithm: EncryptionAlgorithmName,
  claim: string,
  run: (bench: Bench, key: CipherKey) => Promise<void>,
): Case {
  return {
    name: `cipher ${spec} ${algorithm}: ${claim}`,
    run: async (bench) => {
      const key = await cipherKey(bench, spec);
      if (key !== null) await run(bench, key);
    },
  };
}
