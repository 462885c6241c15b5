/**
 * Signatures over a digest by the OpenSSL inside Node, called through node:ffi: ECDSA over any digest, Ed25519ph
 * (RFC 8032, section 5.1) over SHA-512, ML-DSA over the external mu (FIPS 204, algorithm 7, line 6).
 *
 * node:ffi is experimental. Where it is missing, forbidden, or does not sign as it should, `nativeDigests` is null and
 * `digest-portable.ts` takes its place.
 *
 * A context belongs to one key object of one thread and is freed after it.
 *
 * @module
 */
import { generateKeyPairSync, hash, verify, type KeyObject } from 'node:crypto';
import type * as Ffi from 'node:ffi';
import { specRow, type Spec } from '../model/spec.ts';
import { makeNative } from './ffi.ts';
import { SecretBytes } from './secret-bytes.ts';

/** A way to sign and verify digests with the keys of the families ec, ed25519 and ml-dsa. */
export interface DigestSigner {
  readonly sign: (spec: Spec, key: KeyObject, digest: Uint8Array) => Buffer;
  /** False for every signature that is malformed, too. */
  readonly verify: (spec: Spec, key: KeyObject, digest: Uint8Array, signature: Uint8Array) => boolean;
}

const POINTER = 'pointer';
const FUNCTIONS = {
  d2i_AutoPrivateKey: { return: POINTER, arguments: [POINTER, POINTER, 'i64'] },
  d2i_PUBKEY: { return: POINTER, arguments: [POINTER, POINTER, 'i64'] },
  EVP_PKEY_free: { return: 'void', arguments: [POINTER] },
  EVP_PKEY_CTX_new: { return: POINTER, arguments: [POINTER, POINTER] },
  EVP_PKEY_CTX_free: { return: 'void', arguments: [POINTER] },
  EVP_PKEY_CTX_ctrl_str: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  EVP_SIGNATURE_fetch: { return: POINTER, arguments: [POINTER, POINTER, POINTER] },
  EVP_PKEY_sign_init: { return: 'i32', arguments: [POINTER] },
  EVP_PKEY_sign_init_ex2: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  EVP_PKEY_sign_message_init: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  EVP_PKEY_sign: { return: 'i32', arguments: [POINTER, POINTER, POINTER, POINTER, 'u64'] },
  EVP_PKEY_verify_init: { return: 'i32', arguments: [POINTER] },
  EVP_PKEY_verify_init_ex2: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  EVP_PKEY_verify_message_init: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  EVP_PKEY_verify: { return: 'i32', arguments: [POINTER, POINTER, 'u64', POINTER, 'u64'] },
  ERR_clear_error: { return: 'void', arguments: [] },
} as const;

/** The longest signature is that of ML-DSA-87, 4,627 bytes. */
const SIGNATURE_BYTES_MAX = 4627;

/** Null where this Node cannot do it. */
export const nativeDigests: DigestSigner | null = makeNative(signerOf, signsRight);

/** One signature that node:crypto must accept. */
function signsRight(signer: DigestSigner): boolean {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const message = Buffer.from('claviger');
  const digest = hash('sha256', message, 'buffer');
  const signature = signer.sign('P-256', privateKey, digest);
  return verify('sha256', message, publicKey, signature) && signer.verify('P-256', publicKey, digest, signature);
}

function signerOf(ffi: typeof Ffi): DigestSigner {
  const { functions: openssl } = ffi.dlopen(null, FUNCTIONS);
  const SIGN = {
    digest: openssl.EVP_PKEY_sign_init,
    prehashed: openssl.EVP_PKEY_sign_init_ex2,
    message: openssl.EVP_PKEY_sign_message_init,
  };
  const VERIFY = {
    digest: openssl.EVP_PKEY_verify_init,
    prehashed: openssl.EVP_PKEY_verify_init_ex2,
    message: openssl.EVP_PKEY_verify_message_init,
  };

  const contexts = new WeakMap<KeyObject, bigint>();
  const freed = new FinalizationRegistry<bigint>((context) => openssl.EVP_PKEY_CTX_free(context));
  const algorithms = new Map<string, bigint>();
  const length = new BigUint64Array(1);
  const scratch = Buffer.alloc(SIGNATURE_BYTES_MAX);

  function contextOf(spec: Spec, key: KeyObject): bigint {
    const known = contexts.get(key);
    if (known !== undefined) return known;
    const context = newContext(key);
    freed.register(key, context);
    require(key.type === 'private' ? begin(spec, context, SIGN) : begin(spec, context, VERIFY));
    contexts.set(key, context);
    return context;
  }

  function newContext(key: KeyObject): bigint {
    const parsed = parse(key);
    const context = openssl.EVP_PKEY_CTX_new(parsed, null);
    // The context holds the key from here on.
    openssl.EVP_PKEY_free(parsed);
    require(context === 0n ? 0 : 1);
    return context;
  }

  function parse(key: KeyObject): bigint {
    const isPrivate = key.type === 'private';
    using exported = new SecretBytes(key.export({ format: 'der', type: isPrivate ? 'pkcs8' : 'spki' }));
    const read = isPrivate ? openssl.d2i_AutoPrivateKey : openssl.d2i_PUBKEY;
    const der = exported.reveal();
    return read(null, BigUint64Array.of(ffi.getRawPointer(der)), BigInt(der.length));
  }

  /** Makes a context ready for any number of operations. */
  function begin(spec: Spec, context: bigint, init: typeof SIGN): number {
    switch (specRow(spec).family) {
      case 'ed25519':
        return init.prehashed(context, algorithm('ED25519ph'), null);
      case 'ml-dsa':
        require(init.message(context, algorithm(spec), null));
        return openssl.EVP_PKEY_CTX_ctrl_str(context, 'mu', '1');
      default:
        return init.digest(context);
    }
  }

  function algorithm(name: string): bigint {
    const known = algorithms.get(name) ?? openssl.EVP_SIGNATURE_fetch(null, name, null);
    algorithms.set(name, known);
    return known;
  }

  function require(result: number): void {
    if (result > 0) return;
    openssl.ERR_clear_error();
    throw new Error('OpenSSL refused a digest operation');
  }

  return {
    sign(spec, key, digest) {
      const context = contextOf(spec, key);
      length[0] = BigInt(SIGNATURE_BYTES_MAX);
      require(openssl.EVP_PKEY_sign(context, scratch, length, digest, BigInt(digest.length)));
      return Buffer.from(scratch.subarray(0, Number(length[0])));
    },
    verify(spec, key, digest, signature) {
      const context = contextOf(spec, key);
      const result = openssl.EVP_PKEY_verify(
        context,
        signature,
        BigInt(signature.length),
        digest,
        BigInt(digest.length),
      );
      // Without this, node:crypto would report the reason of this refusal at its own next one.
      if (result !== 1) openssl.ERR_clear_error();
      return result === 1;
    },
  };
}
