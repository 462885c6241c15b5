/**
 * HMAC (FIPS 198-1), and comparing MACs in constant time.
 *
 * @module
 */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { MAC_ALGORITHMS, type MacAlgorithmName } from '../model/algorithm.ts';

/** The whole MAC, never truncated. */
export function mac(key: KeyObject, algorithm: MacAlgorithmName, message: Uint8Array): Buffer {
  return createHmac(MAC_ALGORITHMS[algorithm].hash, key).update(message).digest();
}

/** Constant time in the bytes; that the lengths differ is no secret. */
export function macMatches(expected: Uint8Array, given: Uint8Array): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}
