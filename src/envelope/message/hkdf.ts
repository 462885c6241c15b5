/**
 * HKDF (RFC 5869) with one block of output, which is all that a suite needs.
 *
 * @module
 */
import { nativeHkdfSha512 } from './hkdf-native.ts';
import { portableHkdf } from './hkdf-portable.ts';

export type HkdfHash = 'sha256' | 'sha384' | 'sha512';

/**
 * @param salt at most a block of the hash
 * @param key at most 64 bytes, as each of the infos
 * @param infos for each output; with the counter 1 behind it
 * @returns an output for each, as long as the hash's; they belong to the caller
 */
export function hkdf(
  name: HkdfHash,
  salt: Uint8Array,
  key: Uint8Array,
  infos: readonly Uint8Array[],
): readonly Buffer[] {
  if (name === 'sha512' && nativeHkdfSha512 !== null) return nativeHkdfSha512(salt, key, infos);
  return portableHkdf(name, salt, key, infos);
}
