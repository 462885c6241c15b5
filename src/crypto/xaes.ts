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

export class XaesKey {
  /** AES-256 of single blocks: no mode, no state between calls. */
  readonly #aes: Cipheriv;
  /** (M1 ⊕ K1) ‖ (M2 ⊕ K1) for a nonce of zeros; a nonce is XORed into it. */
  readonly #template: Buffer;

  /**
   * @param key 32 bytes; the caller keeps them and may zero them
   * @throws TypeError where they are not 32
   */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new TypeError(`an XAES-256-GCM key has ${KEY_BYTES} bytes`);
    this.#aes = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    const k1 = doubled(this.#aes.update(Buffer.alloc(BLOCK_BYTES)));
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
    const key = this.#deriveKey(nonce);
    const cipher = createCipheriv('aes-256-gcm', key, nonce.subarray(CONTEXT_BYTES));
    key.fill(0);
    cipher.setAAD(aad);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([before, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @throws INVALID_CIPHERTEXT */
  open(sealed: Uint8Array, aad: Uint8Array): Buffer {
    const tagAt = sealed.length - TAG_BYTES;
    if (tagAt < NONCE_BYTES) throw invalidCiphertext();
    const key = this.#deriveKey(sealed);
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

  #deriveKey(nonce: Uint8Array): Buffer {
    const blocks = Buffer.from(this.#template);
    for (let at = 0; at < CONTEXT_BYTES; at += 1) {
      blocks[4 + at]! ^= nonce[at]!;
      blocks[BLOCK_BYTES + 4 + at]! ^= nonce[at]!;
    }
    return this.#aes.update(blocks);
  }
}

/** Doubling in GF(2^128), as CMAC makes its subkey K1: SP 800-38B, section 6.1. */
function doubled(block: Buffer): Buffer {
  const top = block[0]! >> 7;
  const shifted = block.map((byte, at) => (byte << 1) | ((block[at + 1] ?? 0) >> 7)) as Buffer;
  shifted[BLOCK_BYTES - 1]! ^= top * R128;
  return shifted;
}
