/**
 * Imports material into a key, wrapped as its owner would wrap it.
 *
 * @module
 */
import { systemRandom } from '../../src/crypto/random.ts';
import { wrapForImport } from '../../src/crypto/key-wrap.ts';
import type { ImportAlgorithmName } from '../../src/model/algorithm.ts';
import type { ClavigerApi } from '../../src/operations/index.ts';
import type { KeyInfo } from '../../src/operations/key-info.ts';

export interface ImportWish {
  readonly algorithm?: ImportAlgorithmName;
  readonly wrappingKeyBits?: 2048 | 3072 | 4096;
  readonly expiresAt?: string;
}

export interface Wrapped {
  readonly importToken: Uint8Array;
  readonly encryptedKeyMaterial: Uint8Array;
}

/** Asks for parameters and wraps; nothing is imported yet. */
export async function wrapFor(
  api: ClavigerApi,
  key: string,
  material: Uint8Array,
  { algorithm = 'RSA_AES_KEY_WRAP_SHA_256', wrappingKeyBits = 2048 }: ImportWish = {},
): Promise<Wrapped> {
  const { importToken, publicKey } = await api.getParametersForImport({ key, algorithm, wrappingKeyBits });
  return { importToken, encryptedKeyMaterial: wrapForImport(algorithm, publicKey, material, systemRandom) };
}

export async function importInto(
  api: ClavigerApi,
  key: string,
  material: Uint8Array,
  wish: ImportWish = {},
): Promise<KeyInfo> {
  const wrapped = await wrapFor(api, key, material, wish);
  return api.importKeyMaterial({
    key,
    ...wrapped,
    ...(wish.expiresAt === undefined ? {} : { expiresAt: wish.expiresAt }),
  });
}
