/**
 * XAES-256-GCM (C2SP, c2sp.org/XAES-256-GCM): AES-256-GCM under a key derived from the first half of a 24-byte nonce,
 * so that random nonces do not run out. A sealed value is nonce ‖ ciphertext ‖ tag.
 *
 * The derivation is the counter KDF of SP 800-108 with AES-CMAC over a single block each, which is two blocks of AES.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, type Cipheriv } from 'node:crypto';
import { invalidCiphertext } from '../errors.ts';
import type { Random } from '../ports/random.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const CONTEXT_BYTES = 12;
const BLOCK_BYTES = 16;
/** The constant of doubling in GF(2^128): SP 800-38B, section 5.3. */
const R128 = 0x87;
const NOTHING = Buffer.alloc(0);

export class XaesKey implements Disposable {
  /** AES-256 of single blocks: no mode, no state between calls; null once it was disposed of. */
  #aes: Cipheriv | null;
  /** (M1 ⊕ K1) ‖ (M2 ⊕ K1) for a nonce of zeros; a nonce is XORed into it. */
  readonly #template: Buffer;

  /**
   * @param key 32 bytes; the caller keeps them and may zero them
   * @throws TypeError where they are not 32
   */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new TypeError(`an XAES-256-GCM key has ${KEY_BYTES} bytes`);
    const aes = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    this.#aes = aes;
    const k1 = doubled(aes.update(Buffer.alloc(BLOCK_BYTES)));
    const counters = Buffer.alloc(2 * BLOCK_BYTES);
    counters.set([0, 1, 0x58, 0], 0);
    counters.set([0, 2, 0x58, 0], BLOCK_BYTES);
    this.#template = counters.map((byte, at) => byte ^ k1[at % BLOCK_BYTES]!) as Buffer;
    k1.fill(0);
  }

  /**
   * Seals a plaintext.
   *
   * @param before stands in front of the result as it is
   * @returns before ‖ nonce ‖ ciphertext ‖ tag: 40 bytes more than `before` and the plaintext
   */
  seal(plaintext: Uint8Array, aad: Uint8Array, random: Random, before: Uint8Array = NOTHING): Buffer {
    const nonce = random.bytes(NONCE_BYTES);
    const key = this.#deriveKeys(nonce);
    const sealed = sealUnder(key, nonce, 0, plaintext, aad, before);
    key.fill(0);
    return sealed;
  }

  /** Random nonces and their keys for so many values, derived in one call of the cipher, which costs about as much as one. */
  prepare(count: number, random: Random): PreparedNonces {
    const nonces = random.bytes(count * NONCE_BYTES);
    return new PreparedNonces(nonces, this.#deriveKeys(nonces));
  }

  /** @throws INVALID_CIPHERTEXT */
  open(sealed: Uint8Array, aad: Uint8Array): Buffer {
    const tagAt = sealed.length - TAG_BYTES;
    if (tagAt < NONCE_BYTES) throw invalidCiphertext();
    const key = this.#deriveKeys(sealed.subarray(0, NONCE_BYTES));
    const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(CONTEXT_BYTES, NONCE_BYTES));
    key.fill(0);
    cipher.setAAD(aad);
    cipher.setAuthTag(sealed.subarray(tagAt));
    const plaintext = cipher.update(sealed.subarray(NONCE_BYTES, tagAt));
    try {
      cipher.final();
    } catch {
      // What was not authenticated is nobody's plaintext.
      plaintext.fill(0);
      throw invalidCiphertext();
    }
    return plaintext;
  }

  /** OpenSSL zeroes its copy at once; without this, when the object is collected. */
  [Symbol.dispose](): void {
    this.#aes?.final();
    this.#aes = null;
    this.#template.fill(0);
  }

  /** The keys of one or more nonces: 32 bytes for each. @throws TypeError where it was disposed of */
  #deriveKeys(nonces: Uint8Array): Buffer {
    const count = nonces.length / NONCE_BYTES;
    const blocks = Buffer.allocUnsafe(count * KEY_BYTES);
    for (let one = 0; one < count; one += 1) {
      const first = one * KEY_BYTES;
      blocks.set(this.#template, first);
      for (let at = 0; at < CONTEXT_BYTES; at += 1) {
        const byte = nonces[one * NONCE_BYTES + at]!;
        blocks[first + 4 + at]! ^= byte;
        blocks[first + BLOCK_BYTES + 4 + at]! ^= byte;
      }
    }
    return this.#aes!.update(blocks);
  }
}

/** Nonces that nothing was sealed under yet, with their keys. */
export class PreparedNonces implements Disposable {
  readonly #nonces: Buffer;
  readonly #keys: Buffer;
  #left: number;

  /** @param keys 32 bytes for each nonce */
  constructor(nonces: Buffer, keys: Buffer) {
    this.#nonces = nonces;
    this.#keys = keys;
    this.#left = nonces.length / NONCE_BYTES;
  }

  get left(): number {
    return this.#left;
  }

  /** As `XaesKey.seal`, under the next of them, which is gone then. There must be one. */
  seal(plaintext: Uint8Array, aad: Uint8Array, before: Uint8Array): Buffer {
    if (this.#left === 0) throw new TypeError('no nonce is left');
    this.#left -= 1;
    const nonceAt = this.#left * NONCE_BYTES;
    const keyAt = this.#left * KEY_BYTES;
    const key = this.#keys.subarray(keyAt, keyAt + KEY_BYTES);
    const sealed = sealUnder(key, this.#nonces, nonceAt, plaintext, aad, before);
    // All at once: the key that they come from is in memory as long.
    if (this.#left === 0) this.#keys.fill(0);
    return sealed;
  }

  [Symbol.dispose](): void {
    this.#left = 0;
    this.#keys.fill(0);
  }
}

/** before ‖ nonce ‖ ciphertext ‖ tag, under the nonce that stands in `nonces` and its key. */
function sealUnder(
  key: Buffer,
  nonces: Buffer,
  nonceAt: number,
  plaintext: Uint8Array,
  aad: Uint8Array,
  before: Uint8Array,
): Buffer {
  const nonceEnd = nonceAt + NONCE_BYTES;
  const cipher = createCipheriv('aes-256-gcm', key, nonces.subarray(nonceAt + CONTEXT_BYTES, nonceEnd));
  cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const ciphertextAt = before.length + NONCE_BYTES;
  const tagAt = ciphertextAt + ciphertext.length;
  const sealed = Buffer.allocUnsafe(tagAt + TAG_BYTES);
  sealed.set(before, 0);
  nonces.copy(sealed, before.length, nonceAt, nonceEnd);
  sealed.set(ciphertext, ciphertextAt);
  sealed.set(cipher.getAuthTag(), tagAt);
  return sealed;
}

/** Doubling in GF(2^128), as CMAC makes its subkey K1: SP 800-38B, section 6.1. */
function doubled(block: Buffer): Buffer {
  const top = block[0]! >> 7;
  const shifted = block.map((byte, at) => (byte << 1) | ((block[at + 1] ?? 0) >> 7)) as Buffer;
  shifted[BLOCK_BYTES - 1]! ^= top * R128;
  return shifted;
}
