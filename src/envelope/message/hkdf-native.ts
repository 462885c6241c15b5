/**
 * HKDF with SHA-512 by the OpenSSL inside Node, called through node:ffi: half the time of `hkdf-portable.ts`, as what is
 * made on the way lies in one block of memory, and the two hashes of an HMAC begin from states that are made once a key.
 *
 * node:ffi is experimental. Where it is missing, forbidden, or does not derive as it should, `nativeHkdfSha512` is null.
 *
 * @module
 */
import type * as Ffi from 'node:ffi';
import { makeNative } from '../../crypto/ffi.ts';
import { INPUT_BYTES_MAX, portableHkdf } from './hkdf-portable.ts';

export type HkdfSha512 = (salt: Uint8Array, key: Uint8Array, infos: readonly Uint8Array[]) => readonly Buffer[];

const POINTER = 'pointer';
const FUNCTIONS = {
  SHA512_Init: { return: 'i32', arguments: [POINTER] },
  SHA512_Update: { return: 'i32', arguments: [POINTER, POINTER, 'u64'] },
  SHA512_Final: { return: 'i32', arguments: [POINTER, POINTER] },
} as const;

const BLOCK_BYTES = 128;
const DIGEST_BYTES = 64;
/** OpenSSL's SHA512_CTX has 216. It is only copied here, never looked into. */
const STATE_BYTES = 256;
/** What is XORed to a key for the inner and the outer hash (RFC 2104), four bytes of it. */
const INNER = 0x3636_3636;
const OUTER = 0x5c5c_5c5c;

/** Null where this Node cannot do it. */
export const nativeHkdfSha512: HkdfSha512 | null = makeNative(deriverOf, derivesRight);

function derivesRight(derive: HkdfSha512): boolean {
  const [salt, key] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const infos = [Buffer.from('one\x01'), Buffer.alloc(INPUT_BYTES_MAX, 3)];
  const expected = portableHkdf('sha512', salt, key, infos);
  return derive(salt, key, infos).every((output, at) => output.equals(expected[at]!));
}

function deriverOf(ffi: typeof Ffi): HkdfSha512 {
  const { functions: openssl } = ffi.dlopen(null, FUNCTIONS);
  // All that is secret, so that all of it is zeroed in one call.
  const memory = Buffer.alloc(3 * STATE_BYTES + BLOCK_BYTES + INPUT_BYTES_MAX + 2 * DIGEST_BYTES);
  let at = 0;
  const take = (bytes: number): { readonly bytes: Buffer; readonly pointer: bigint } => {
    const part = memory.subarray(at, at + bytes);
    at += bytes;
    return { bytes: part, pointer: ffi.getRawPointer(part) };
  };
  const state = take(STATE_BYTES);
  const innerOfKey = take(STATE_BYTES);
  const outerOfKey = take(STATE_BYTES);
  const block = take(BLOCK_BYTES);
  const words = new Uint32Array(block.bytes.buffer, block.bytes.byteOffset, BLOCK_BYTES / 4);
  const input = take(INPUT_BYTES_MAX);
  const digest = take(DIGEST_BYTES);
  const output = take(DIGEST_BYTES);
  /** Lengths as they are handed over. */
  const sizes = Array.from({ length: BLOCK_BYTES + 1 }, (_, size) => BigInt(size));

  function setKey(key: Uint8Array): void {
    block.bytes.fill(0);
    block.bytes.set(key);
    beginWith(INNER, innerOfKey.pointer);
    beginWith(INNER ^ OUTER, outerOfKey.pointer);
  }

  /** The state of a hash after the block of the key, which is XORed where it lies. */
  function beginWith(pad: number, pointer: bigint): void {
    for (let index = 0; index < words.length; index++) words[index]! ^= pad;
    openssl.SHA512_Init(pointer);
    openssl.SHA512_Update(pointer, block.pointer, sizes[BLOCK_BYTES]!);
  }

  /** HMAC of the input under the key that was set, to `output`. */
  function authenticate(bytes: Uint8Array): void {
    input.bytes.set(bytes);
    state.bytes.set(innerOfKey.bytes);
    openssl.SHA512_Update(state.pointer, input.pointer, sizes[bytes.length]!);
    openssl.SHA512_Final(digest.pointer, state.pointer);
    state.bytes.set(outerOfKey.bytes);
    openssl.SHA512_Update(state.pointer, digest.pointer, sizes[DIGEST_BYTES]!);
    openssl.SHA512_Final(output.pointer, state.pointer);
  }

  return (salt, key, infos) => {
    setKey(salt);
    authenticate(key);
    setKey(output.bytes);
    const outputs = infos.map((info) => {
      authenticate(info);
      const own = Buffer.allocUnsafeSlow(DIGEST_BYTES);
      output.bytes.copy(own);
      return own;
    });
    memory.fill(0);
    return outputs;
  };
}
