/**
 * AES-GCM by the OpenSSL inside Node, called through node:ffi: a key is made ready once for all of its texts, where
 * node:crypto does it for each, and leaves an object of its own, a tag and an empty rest to be collected.
 *
 * node:ffi is experimental. Where it is missing, forbidden, or does not encrypt as it should, `nativeGcm` is null and
 * `gcm-portable.ts` takes its place.
 *
 * INVARIANT: OpenSSL gets the address of memory only together with a length that was taken from that memory, and keeps none.
 *
 * @module
 */
import type * as Ffi from 'node:ffi';
import { ClavigerError } from '../errors.ts';
import { makeNative } from './ffi.ts';
import {
  GCM_CIPHERS,
  GCM_IV_BYTES,
  GCM_TAG_BYTES,
  type GcmCipher,
  type GcmDecryption,
  type GcmEncryption,
  type GcmEngine,
} from './gcm-engine.ts';
import { portableGcm } from './gcm-portable.ts';
import { SecretBytes } from './secret-bytes.ts';

const POINTER = 'pointer';
const FUNCTIONS = {
  EVP_CIPHER_fetch: { return: POINTER, arguments: [POINTER, POINTER, POINTER] },
  EVP_CIPHER_CTX_new: { return: POINTER, arguments: [] },
  EVP_CIPHER_CTX_reset: { return: 'i32', arguments: [POINTER] },
  EVP_CIPHER_CTX_free: { return: 'void', arguments: [POINTER] },
  EVP_CIPHER_CTX_ctrl: { return: 'i32', arguments: [POINTER, 'i32', 'i32', POINTER] },
  EVP_CipherInit_ex2: { return: 'i32', arguments: [POINTER, POINTER, POINTER, POINTER, 'i32', POINTER] },
  EVP_CipherUpdate: { return: 'i32', arguments: [POINTER, POINTER, POINTER, POINTER, 'i32'] },
  EVP_CipherFinal_ex: { return: 'i32', arguments: [POINTER, POINTER, POINTER] },
  ERR_clear_error: { return: 'void', arguments: [] },
} as const;

const GET_TAG = 0x10;
const SET_TAG = 0x11;
const DECRYPT = 0;
const ENCRYPT = 1;

/** Contexts that are kept for the next key; those of more messages at a time are made and freed. */
const IDLE_MAX = 64;

/** Null where this Node cannot do it. */
export const nativeGcm: GcmEngine | null = makeNative(engineOf, worksRight);

/** Two texts under each kind of key, to and fro, and one with a wrong tag. */
function worksRight(engine: GcmEngine): boolean {
  return Object.entries(GCM_CIPHERS).every(([name, keyBytes]) => {
    const cipher = name as GcmCipher;
    const key = (): SecretBytes => new SecretBytes(Buffer.alloc(keyBytes, 7));
    using here = engine.encryption(cipher, key());
    using there = portableGcm.decryption(cipher, key());
    using back = engine.decryption(cipher, key());
    return [1, 2].every((number) => {
      const iv = Buffer.alloc(GCM_IV_BYTES, number);
      const text = Buffer.alloc(100, number);
      for (const each of [here, there, back]) {
        each.begin(iv);
        each.aad(Buffer.from('claviger'));
      }
      const sealed = here.update(text);
      const tag = here.tag();
      const isSame = [there, back].every((each) => each.update(sealed).equals(text) && each.isGenuine(tag));
      back.begin(iv);
      back.update(sealed);
      return isSame && !back.isGenuine(tag);
    });
  });
}

/** An EVP_CIPHER_CTX; its memory is freed after it. */
interface Context {
  readonly pointer: bigint;
}

function engineOf(ffi: typeof Ffi): GcmEngine {
  const { functions: openssl } = ffi.dlopen(null, FUNCTIONS);
  // What is short goes through memory whose address is known: V8 would have to move it out of its heap each time.
  const memory = Buffer.alloc(256);
  const at = (offset: number, bytes: number): { readonly bytes: Buffer; readonly pointer: bigint } => {
    const part = memory.subarray(offset, offset + bytes);
    return { bytes: part, pointer: ffi.getRawPointer(part) };
  };
  const keyArea = at(0, 32);
  const ivArea = at(32, GCM_IV_BYTES);
  const tagArea = at(48, GCM_TAG_BYTES);
  /** For what is of no use to us: the length of what was written, and the rest, of which GCM has none. */
  const { pointer: unused } = at(64, 32);
  const idle: Context[] = [];
  const freed = new FinalizationRegistry<bigint>((pointer) => openssl.EVP_CIPHER_CTX_free(pointer));
  const ciphers = new Map<GcmCipher, bigint>();

  function newContext(): Context {
    const context: Context = { pointer: openssl.EVP_CIPHER_CTX_new() };
    require(context.pointer === 0n ? 0 : 1);
    freed.register(context, context.pointer);
    return context;
  }

  function fetched(name: GcmCipher): bigint {
    const known = ciphers.get(name) ?? openssl.EVP_CIPHER_fetch(null, name, null);
    require(known === 0n ? 0 : 1);
    ciphers.set(name, known);
    return known;
  }

  function require(result: number): void {
    if (result === 1) return;
    openssl.ERR_clear_error();
    throw new ClavigerError('INTERNAL', 'OpenSSL refused an operation of AES-GCM');
  }

  class NativeText implements Disposable {
    #context: Context | null;
    readonly #direction: number;

    constructor(direction: number, cipher: GcmCipher, key: SecretBytes) {
      using secret = key;
      requireLength(secret.reveal(), GCM_CIPHERS[cipher]);
      this.#direction = direction;
      this.#context = idle.pop() ?? newContext();
      const { pointer } = this.#context;
      keyArea.bytes.set(secret.reveal());
      const result = openssl.EVP_CipherInit_ex2(pointer, fetched(cipher), keyArea.pointer, null, direction, null);
      keyArea.bytes.fill(0);
      require(result);
    }

    begin(iv: Uint8Array): void {
      requireLength(iv, GCM_IV_BYTES);
      ivArea.bytes.set(iv);
      require(openssl.EVP_CipherInit_ex2(this.pointer, null, null, ivArea.pointer, this.#direction, null));
    }

    aad(bytes: Uint8Array): void {
      if (bytes.length === 0) return;
      require(openssl.EVP_CipherUpdate(this.pointer, null, unused, bytes, bytes.length));
    }

    update(bytes: Uint8Array): Buffer {
      const output = Buffer.allocUnsafeSlow(bytes.length);
      if (bytes.length > 0) require(openssl.EVP_CipherUpdate(this.pointer, output, unused, bytes, bytes.length));
      return output;
    }

    /** @throws INTERNAL after this was disposed of */
    protected get pointer(): bigint {
      if (this.#context === null) throw new ClavigerError('INTERNAL', 'the key of AES-GCM was disposed of already');
      return this.#context.pointer;
    }

    [Symbol.dispose](): void {
      const context = this.#context;
      if (context === null) return;
      this.#context = null;
      // Zeroes the key.
      openssl.EVP_CIPHER_CTX_reset(context.pointer);
      if (idle.length < IDLE_MAX) idle.push(context);
    }
  }

  class NativeEncryption extends NativeText implements GcmEncryption {
    tag(): Buffer {
      const { pointer } = this;
      require(openssl.EVP_CipherFinal_ex(pointer, unused, unused));
      require(openssl.EVP_CIPHER_CTX_ctrl(pointer, GET_TAG, GCM_TAG_BYTES, tagArea.pointer));
      return Buffer.from(tagArea.bytes);
    }
  }

  class NativeDecryption extends NativeText implements GcmDecryption {
    isGenuine(tag: Uint8Array): boolean {
      const { pointer } = this;
      requireLength(tag, GCM_TAG_BYTES);
      tagArea.bytes.set(tag);
      require(openssl.EVP_CIPHER_CTX_ctrl(pointer, SET_TAG, GCM_TAG_BYTES, tagArea.pointer));
      const result = openssl.EVP_CipherFinal_ex(pointer, unused, unused);
      // Without this, node:crypto would report the reason of this refusal at its own next one.
      if (result !== 1) openssl.ERR_clear_error();
      return result === 1;
    }
  }

  return {
    encryption: (cipher, key) => new NativeEncryption(ENCRYPT, cipher, key),
    decryption: (cipher, key) => new NativeDecryption(DECRYPT, cipher, key),
  };
}

/** OpenSSL reads as much as it needs, whatever there is. */
function requireLength(bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  throw new ClavigerError('INTERNAL', `AES-GCM got ${bytes.length} bytes where it needs ${length}`);
}
