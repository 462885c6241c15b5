/**
 * A field key and the keys that are derived from it: one for randomised values, one for deterministic ones, one for each
 * index. spec/field-value.md, "Keys".
 *
 * XAES-256-GCM (C2SP) and AES-256-SIV (RFC 5297, whose key is twice as long, 64 bytes) both on OpenSSL.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, type CipherGCMTypes } from 'node:crypto';
import { invalidCiphertext } from '../../errors.ts';
import { lengthPrefixed } from '../../bytes/length-prefixed.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { XaesKey, type PreparedNonces } from '../../crypto/xaes.ts';
import type { Random } from '../../ports/random.ts';

export const FIELD_KEY_BYTES = 32;
const XAES_KEY_BYTES = 32;
/** Node's types do not know it yet; it is used as GCM is: additional data, text, tag. */
const SIV = 'aes-256-siv' as CipherGCMTypes;
const SIV_KEY_BYTES = 64;
const SIV_BYTES = 16;
/** SIV makes its own. */
const NO_IV = Buffer.alloc(0);
const INDEX_KEY_BYTES = 32;
const LABEL = 'claviger/field-key/v1';
/** 3.5 KiB for each key that is busy. */
const PREPARED_MAX = 64;
const NO_SALT = Buffer.alloc(0);

export class FieldKey implements Disposable {
  readonly #secret: SecretBytes;
  readonly #derived = new Map<string, SecretBytes>();
  #xaes: XaesKey | null = null;
  #prepared: PreparedNonces | null = null;
  /** One for a key that seals one value, more and more for one that seals many. */
  #prepareNext = 1;

  /**
   * @param secret 32 bytes that become this object's
   * @throws INVALID_CIPHERTEXT where they are not 32
   */
  constructor(secret: Buffer) {
    this.#secret = new SecretBytes(secret);
    if (secret.length === FIELD_KEY_BYTES) return;
    this.#secret[Symbol.dispose]();
    throw invalidCiphertext();
  }

  /** @returns header ‖ nonce ‖ ciphertext ‖ tag */
  sealRandom(header: Uint8Array, plaintext: Uint8Array, aad: Uint8Array, random: Random): Buffer {
    if (this.#prepared === null || this.#prepared.left === 0) {
      this.#prepared = this.#randomised().prepare(this.#prepareNext, random);
      this.#prepareNext = Math.min(2 * this.#prepareNext, PREPARED_MAX);
    }
    return this.#prepared.seal(plaintext, aad, header);
  }

  /** @throws INVALID_CIPHERTEXT */
  openRandom(body: Uint8Array, aad: Uint8Array): Buffer {
    return this.#randomised().open(body, aad);
  }

  /** @returns header ‖ synthetic IV ‖ ciphertext: the same for the same text and additional data */
  sealDeterministic(header: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
    const cipher = createCipheriv(SIV, this.#derive(SIV_KEY_BYTES, 'deterministic'), NO_IV);
    cipher.setAAD(aad);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([header, cipher.getAuthTag(), ciphertext]);
  }

  /** @throws INVALID_CIPHERTEXT */
  openDeterministic(body: Uint8Array, aad: Uint8Array): Buffer {
    const cipher = createDecipheriv(SIV, this.#derive(SIV_KEY_BYTES, 'deterministic'), NO_IV);
    cipher.setAAD(aad);
    cipher.setAuthTag(body.subarray(0, SIV_BYTES));
    try {
      const plaintext = cipher.update(body.subarray(SIV_BYTES));
      cipher.final();
      return plaintext;
    } catch {
      throw invalidCiphertext();
    }
  }

  /**
   * HMAC-SHA-256 of a normalised value under the key of an index.
   *
   * @param names table, column and index column
   * @param version of the index as it is declared
   * @returns 32 bytes
   */
  indexOf(names: readonly string[], version: number, value: Uint8Array): Buffer {
    const key = this.#derive(INDEX_KEY_BYTES, 'index', ...names, String(version));
    return createHmac('sha256', key).update(value).digest();
  }

  [Symbol.dispose](): void {
    this.#xaes?.[Symbol.dispose]();
    this.#xaes = null;
    this.#prepared?.[Symbol.dispose]();
    for (const secret of this.#derived.values()) secret[Symbol.dispose]();
    this.#derived.clear();
    this.#secret[Symbol.dispose]();
  }

  #randomised(): XaesKey {
    if (this.#xaes !== null) return this.#xaes;
    using key = new SecretBytes(this.#expand(XAES_KEY_BYTES, ['random']));
    this.#xaes = new XaesKey(key.reveal());
    return this.#xaes;
  }

  #derive(bytes: number, ...purpose: readonly string[]): Buffer {
    const name = purpose.length === 1 ? purpose[0]! : JSON.stringify(purpose);
    const known = this.#derived.get(name);
    if (known !== undefined) return known.reveal();
    const secret = new SecretBytes(this.#expand(bytes, purpose));
    this.#derived.set(name, secret);
    return secret.reveal();
  }

  /** HKDF-SHA-512 (RFC 5869) without salt: a field key is uniformly random. */
  #expand(bytes: number, purpose: readonly string[]): Buffer {
    const info = lengthPrefixed(...[LABEL, ...purpose].map((part) => Buffer.from(part)));
    return Buffer.from(hkdfSync('sha512', this.#secret.reveal(), NO_SALT, info, bytes));
  }
}
