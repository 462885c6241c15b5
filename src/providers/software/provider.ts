/**
 * The built-in keystore: material sealed in our own store, used through node:crypto.
 *
 * An opened key stays in memory as a native key object until its key changes in a way that ends its use, or until it
 * makes room for others.
 *
 * @module
 */
import { deriveSharedSecret } from '../../crypto/agree.ts';
import { decapsulate } from '../../crypto/kem.ts';
import { loadPrivate, type PrivateHandle } from '../../crypto/key-material.ts';
import { mac } from '../../crypto/mac.ts';
import { oaepDecrypt } from '../../crypto/oaep.ts';
import type { SecretBytes } from '../../crypto/secret-bytes.ts';
import { sign, signsNow } from '../../crypto/sign.ts';
import { XaesKey } from '../../crypto/xaes.ts';
import { SPECS } from '../../model/spec.ts';
import { inBlocks, type Random } from '../../ports/random.ts';
import type { KeyHandle, MaterialName } from '../key-handle.ts';

export const SOFTWARE_PROVIDER_NAME = 'software';
/** Opened versions kept in memory; an RSA-4096 key object is about 4 KiB. */
const HANDLES_MAX = 10_000;

export interface SoftwareOptions {
  /** Opens the sealed material of a version: raw bytes, or PKCS#8 DER. */
  readonly open: (name: MaterialName) => Promise<SecretBytes>;
  readonly random: Random;
  /** Told of every version that is no longer held, so that who has its key object forgets it too. */
  readonly onForget: (keyHandleId: string) => void;
}

export class SoftwareProvider {
  readonly name = SOFTWARE_PROVIDER_NAME;
  readonly kind = 'software';
  readonly #options: SoftwareOptions;
  /** Nonces are no secret, and in blocks they cost a fortieth: 2 µs less of a ciphertext's 9. */
  readonly #nonces: Random;
  /** Key id → version → handle. */
  readonly #handles = new Map<string, Map<number, KeyHandle>>();
  #count = 0;
  /** Raised by every `forget`, so that material opened before it is not kept after it. */
  #forgotten = 0;

  constructor(options: SoftwareOptions) {
    this.#options = options;
    this.#nonces = inBlocks(options.random);
  }

  /** Versions whose material is open in memory. */
  get openCount(): number {
    return this.#count;
  }

  key(name: MaterialName): KeyHandle | Promise<KeyHandle> {
    return this.#handles.get(name.keyId)?.get(name.version) ?? this.#load(name);
  }

  forget(keyId: string): void {
    this.#forgotten += 1;
    const versions = this.#handles.get(keyId);
    if (versions === undefined) return;
    this.#count -= versions.size;
    this.#handles.delete(keyId);
    for (const version of versions.keys()) this.#options.onForget(keyHandleId(keyId, version));
  }

  close(): void {
    this.#handles.clear();
  }

  async #load(name: MaterialName): Promise<KeyHandle> {
    const forgotten = this.#forgotten;
    using material = await this.#options.open(name);
    const handle = handleOf(name, material, this.#nonces);
    if (forgotten === this.#forgotten) this.#keep(name, handle);
    return handle;
  }

  #keep({ keyId, version }: MaterialName, handle: KeyHandle): void {
    if (this.#count >= HANDLES_MAX) this.forget(this.#handles.keys().next().value!);
    const versions = this.#handles.get(keyId) ?? new Map<number, KeyHandle>();
    versions.set(version, handle);
    this.#handles.set(keyId, versions);
    this.#count += 1;
  }
}

/** The facets of a version, by the family of its spec. */
function handleOf(name: MaterialName, material: SecretBytes, nonces: Random): KeyHandle {
  const { family } = SPECS[name.spec];
  if (family === 'aes') {
    const key = new XaesKey(material.reveal());
    return {
      aead: {
        seal: (plaintext, aad, header) => key.seal(plaintext, aad, nonces, header),
        open: (sealed, aad) => key.open(sealed, aad),
      },
    };
  }
  const key = loadPrivate(name.spec, material.reveal());
  switch (family) {
    case 'hmac':
      return { mac: (algorithm, message) => mac(key.key, algorithm, message) };
    case 'x25519':
      return { agree: (peer) => deriveSharedSecret(key, peer) };
    case 'ml-kem':
      return { decapsulate: (ciphertext) => decapsulate(key, ciphertext) };
    case 'ec':
      return { sign: signer(name, key), agree: (peer) => deriveSharedSecret(key, peer) };
    case 'rsa':
      return {
        sign: signer(name, key),
        decrypt: async (algorithm, ciphertext) => oaepDecrypt(key, algorithm, ciphertext),
      };
    case 'ed25519':
    case 'ml-dsa':
      return { sign: signer(name, key) };
  }
}

function signer({ keyId, version, spec }: MaterialName, key: PrivateHandle): NonNullable<KeyHandle['sign']> {
  if (!signsNow(spec)) return (algorithm, input) => sign(key, algorithm, input);
  const id = keyHandleId(keyId, version);
  return (algorithm, input) => ({ keyHandleId: id, spec, key: key.key, algorithm, input });
}

function keyHandleId(keyId: string, version: number): string {
  return `${keyId}/${version}`;
}
