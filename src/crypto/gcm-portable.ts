/**
 * AES-GCM by node:crypto, which makes a cipher for each text.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, type CipherGCM, type DecipherGCM } from 'node:crypto';
import { GCM_TAG_BYTES, type GcmDecryption, type GcmEncryption, type GcmEngine } from './gcm-engine.ts';
import type { SecretBytes } from './secret-bytes.ts';

const OPTIONS = { authTagLength: GCM_TAG_BYTES };

export const portableGcm: GcmEngine = {
  encryption: (cipher, key) => new PortableEncryption(key, (iv) => createCipheriv(cipher, key.reveal(), iv, OPTIONS)),
  decryption: (cipher, key) => new PortableDecryption(key, (iv) => createDecipheriv(cipher, key.reveal(), iv, OPTIONS)),
};

abstract class PortableText<Cipher extends CipherGCM | DecipherGCM> implements Disposable {
  readonly #key: SecretBytes;
  readonly #create: (iv: Uint8Array) => Cipher;
  #cipher: Cipher | null = null;

  constructor(key: SecretBytes, create: (iv: Uint8Array) => Cipher) {
    this.#key = key;
    this.#create = create;
  }

  begin(iv: Uint8Array): void {
    this.#cipher = this.#create(iv);
  }

  aad(bytes: Uint8Array): void {
    this.cipher.setAAD(bytes);
  }

  update(bytes: Uint8Array): Buffer {
    return this.cipher.update(bytes);
  }

  protected get cipher(): Cipher {
    // Asks for the key, which is not there any more after this was disposed of.
    this.#key.reveal();
    return this.#cipher!;
  }

  [Symbol.dispose](): void {
    this.#cipher = null;
    this.#key[Symbol.dispose]();
  }
}

class PortableEncryption extends PortableText<CipherGCM> implements GcmEncryption {
  tag(): Buffer {
    this.cipher.final();
    return this.cipher.getAuthTag();
  }
}

class PortableDecryption extends PortableText<DecipherGCM> implements GcmDecryption {
  isGenuine(tag: Uint8Array): boolean {
    const { cipher } = this;
    cipher.setAuthTag(tag);
    try {
      cipher.final();
      return true;
    } catch {
      return false;
    }
  }
}
