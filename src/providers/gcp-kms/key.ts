/**
 * One version of a key, and what it can do.
 *
 * An AES key encrypts under its primary version, and opens with whichever version a ciphertext names. Encrypt is asked of
 * the key, which every implementation of the service knows, and the answer names the version; where that is not ours,
 * because somebody has moved the primary, it is thrown away, and our version is asked for by its name.
 *
 * RSA keys of one spec differ in padding and hash, and the service would sign with a key's own without a word: whether a
 * key has ours is asked once, with its public key, before it is used.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { oaepEncrypt } from '../../crypto/oaep.ts';
import { requireSignable } from '../../crypto/sign-input.ts';
import { isSignatureShaped } from '../../crypto/signature-shape.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import {
  MAC_ALGORITHMS,
  type MacAlgorithmName,
  SIGNING_ALGORITHMS,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { SignInput } from '../key-handle.ts';
import type { CallOptions, CipherFacet, HomeKey, Made, WrapFacet } from '../provider.ts';
import { algorithmFor, type GcpAlgorithm, limitsOf, type Limits, oaepBytesMax, signsData } from './algorithms.ts';
import type { Connection } from './connection.ts';
import { checksum } from './integrity.ts';
import { parseVersion, type VersionName } from './names.ts';
import type { PublicKeys } from './public-key.ts';

/** What Encrypt adds to a plaintext is some 100 bytes; emulators put the key's name in as well. */
const CIPHERTEXT_EXTRA_BYTES_MAX = 1024;
/** AES-GCM as RawEncrypt has it. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SHARED_SECRET_BYTES = 32;
/** FIPS 203, table 3. */
const ENCAPSULATION_BYTES: Readonly<Partial<Record<Spec, number>>> = { 'ML-KEM-768': 1088, 'ML-KEM-1024': 1568 };
/** Versions that are remembered not to be the primary one. */
const MOVED_MAX = 10_000;

/** Makes the keys of one provider. */
export class Keys {
  readonly #connection: Connection;
  readonly #publicKeys: PublicKeys;
  readonly #limits: Limits;
  /** Versions that the key does not encrypt under by itself. */
  readonly #moved = new Set<string>();

  constructor(connection: Connection, publicKeys: PublicKeys) {
    this.#connection = connection;
    this.#publicKeys = publicKeys;
    this.#limits = limitsOf(connection.config);
  }

  /**
   * Without a call.
   *
   * @throws INVALID_ARGUMENT where `ref` is no version
   */
  of(ref: string, spec: Spec): HomeKey {
    const version = parseVersion(ref);
    const algorithms = (Object.keys(specRow(spec).usages) as Usage[])
      .map((usage) => algorithmFor(spec, usage, this.#connection.config))
      .filter((algorithm) => algorithm !== null);
    if (algorithms.length === 0) {
      throw new ClavigerError('UNSUPPORTED', `provider \`${this.#connection.name}\` has no keys of spec \`${spec}\``);
    }
    let key: HomeKey = { ref };
    for (const algorithm of algorithms) key = { ...key, ...this.#facets(version, algorithm) };
    return key;
  }

  #facets(version: VersionName, algorithm: GcpAlgorithm): Omit<HomeKey, 'ref'> {
    switch (algorithm.purpose) {
      case 'ENCRYPT_DECRYPT':
      case 'RAW_ENCRYPT_DECRYPT':
        return this.#aes(version, algorithm);
      case 'ASYMMETRIC_SIGN':
        return { sign: this.#signer(version, algorithm) };
      case 'ASYMMETRIC_DECRYPT':
        return this.#rsa(version, algorithm);
      case 'MAC':
        return { mac: (asked, message, options) => this.#mac(version, algorithm, asked, message, options) };
      case 'KEY_ENCAPSULATION':
        return { decapsulate: (ciphertext, options) => this.#decapsulate(version, algorithm, ciphertext, options) };
    }
  }

  #aes(version: VersionName, { purpose }: GcpAlgorithm): { readonly wrap: WrapFacet; readonly cipher: CipherFacet } {
    const raw = purpose === 'RAW_ENCRYPT_DECRYPT';
    const seal = (plaintext: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> => {
      const aad = encodeContext(context);
      this.#requireFits(plaintext, aad);
      return raw ? this.#rawEncrypt(version, plaintext, aad, options) : this.#encrypt(version, plaintext, aad, options);
    };
    const open = (sealed: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> => {
      const aad = encodeContext(context);
      const bytesMax = this.#limits.cipherBytes + CIPHERTEXT_EXTRA_BYTES_MAX;
      if (sealed.length === 0 || sealed.length > bytesMax) throw invalidCiphertext();
      return raw ? this.#rawDecrypt(version, sealed, aad, options) : this.#decrypt(version, sealed, aad, options);
    };
    return {
      wrap: {
        bindsContext: true,
        wrap: async (dataKey, context, options) => seal(dataKey, context, options),
        unwrap: async (wrapped, context, options) => open(wrapped, context, options),
      },
      cipher: {
        encrypt: async (algorithm, plaintext, context, options) => {
          requireSame(algorithm, 'SYMMETRIC_DEFAULT');
          return seal(plaintext, context, options);
        },
        decrypt: async (algorithm, ciphertext, context, options) => {
          requireSame(algorithm, 'SYMMETRIC_DEFAULT');
          return open(ciphertext, context, options);
        },
      },
    };
  }

  async #encrypt(
    { ref, key, version }: VersionName,
    plaintext: Uint8Array,
    aad: Buffer,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    const ask = async (name: string): Promise<{ readonly ciphertext: Buffer; readonly by: unknown }> => {
      const made = await client.call(
        'encrypt',
        {
          name,
          plaintext,
          plaintextCrc32c: checksum(plaintext),
          additionalAuthenticatedData: aad,
          additionalAuthenticatedDataCrc32c: checksum(aad),
        },
        options,
      );
      const ciphertext = answer.bytes('ciphertext', made.ciphertext, made.ciphertextCrc32c);
      answer.verified('verifiedPlaintextCrc32c', made.verifiedPlaintextCrc32c);
      answer.verified('verifiedAdditionalAuthenticatedDataCrc32c', made.verifiedAdditionalAuthenticatedDataCrc32c);
      return { ciphertext, by: made.name };
    };
    if (!this.#moved.has(ref)) {
      const made = await ask(key).catch((error: unknown) => {
        if (isAboutAnother(version, error)) return null;
        throw error;
      });
      if (made?.by === ref) return { value: made.ciphertext, version };
      if (made !== null && !isVersionOf(key, made.by)) throw answer.another(made.by);
      if (this.#moved.size >= MOVED_MAX) this.#moved.clear();
      this.#moved.add(ref);
    }
    const { ciphertext, by } = await ask(ref);
    answer.named(ref, by);
    return { value: ciphertext, version };
  }

  async #decrypt(
    { key }: VersionName,
    ciphertext: Uint8Array,
    aad: Buffer,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    const request = {
      name: key,
      ciphertext,
      ciphertextCrc32c: checksum(ciphertext),
      additionalAuthenticatedData: aad,
      additionalAuthenticatedDataCrc32c: checksum(aad),
    };
    const opened = await client.call('decrypt', request, options).catch(async (error: unknown) => {
      if (!(error instanceof ClavigerError) || error.code !== 'KEY_NOT_FOUND') throw error;
      // Either the key is not there, or the version that the ciphertext names.
      await client.call('getCryptoKey', { name: key }, options);
      throw invalidCiphertext();
    });
    // The service does not say which version it was, nor that it saw our checksums: a ciphertext that was changed on its
    // way does not open.
    return { value: answer.bytes('plaintext', opened.plaintext, opened.plaintextCrc32c), version: null };
  }

  /** The IV, then the ciphertext with its tag. */
  async #rawEncrypt(
    { ref, version }: VersionName,
    plaintext: Uint8Array,
    aad: Buffer,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    const made = await client.call(
      'rawEncrypt',
      {
        name: ref,
        plaintext,
        plaintextCrc32c: checksum(plaintext),
        additionalAuthenticatedData: aad,
        additionalAuthenticatedDataCrc32c: checksum(aad),
      },
      options,
    );
    answer.named(ref, made.name);
    answer.verified('verifiedPlaintextCrc32c', made.verifiedPlaintextCrc32c);
    answer.verified('verifiedAdditionalAuthenticatedDataCrc32c', made.verifiedAdditionalAuthenticatedDataCrc32c);
    const iv = answer.bytes('initializationVector', made.initializationVector, made.initializationVectorCrc32c);
    const ciphertext = answer.bytes('ciphertext', made.ciphertext, made.ciphertextCrc32c);
    if (iv.length !== IV_BYTES || made.tagLength !== TAG_BYTES || ciphertext.length !== plaintext.length + TAG_BYTES) {
      throw answer.fault('IV, tag or ciphertext have lengths that AES-256-GCM does not give');
    }
    return { value: Buffer.concat([iv, ciphertext]), version };
  }

  async #rawDecrypt(
    { ref, version }: VersionName,
    sealed: Uint8Array,
    aad: Buffer,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    if (sealed.length < IV_BYTES + TAG_BYTES) throw invalidCiphertext();
    const iv = sealed.subarray(0, IV_BYTES);
    const ciphertext = sealed.subarray(IV_BYTES);
    const opened = await client.call(
      'rawDecrypt',
      {
        name: ref,
        ciphertext,
        ciphertextCrc32c: checksum(ciphertext),
        initializationVector: iv,
        initializationVectorCrc32c: checksum(iv),
        additionalAuthenticatedData: aad,
        additionalAuthenticatedDataCrc32c: checksum(aad),
        tagLength: TAG_BYTES,
      },
      options,
    );
    const value = answer.bytes('plaintext', opened.plaintext, opened.plaintextCrc32c);
    answer.verified('verifiedCiphertextCrc32c', opened.verifiedCiphertextCrc32c);
    answer.verified('verifiedInitializationVectorCrc32c', opened.verifiedInitializationVectorCrc32c);
    answer.verified('verifiedAdditionalAuthenticatedDataCrc32c', opened.verifiedAdditionalAuthenticatedDataCrc32c);
    if (value.length !== ciphertext.length - TAG_BYTES) throw answer.fault('the plaintext has another length');
    return { value, version };
  }

  /** Encryption is ours, with the public key; opening is the service's. */
  #rsa(
    { ref, version }: VersionName,
    algorithm: GcpAlgorithm,
  ): { readonly wrap: WrapFacet; readonly cipher: CipherFacet } {
    const { spec } = algorithm;
    const encryption = algorithm.encryption!;
    const encrypt = async (plaintext: Uint8Array, options: CallOptions): Promise<Made<Buffer>> => {
      requireAtMost(plaintext, oaepBytesMax(spec, encryption));
      const spki = await this.#publicKeyOf(ref, algorithm, options);
      return { value: oaepEncrypt(spki, spec, encryption, plaintext), version };
    };
    const decrypt = async (ciphertext: Uint8Array, options: CallOptions): Promise<Made<Buffer>> => {
      if (ciphertext.length !== specRow(spec).size! / 8) throw invalidCiphertext();
      await this.#publicKeyOf(ref, algorithm, options);
      const { client, answer } = this.#connection;
      const request = { name: ref, ciphertext, ciphertextCrc32c: checksum(ciphertext) };
      const opened = await client.call('asymmetricDecrypt', request, options);
      const value = answer.bytes('plaintext', opened.plaintext, opened.plaintextCrc32c);
      answer.verified('verifiedCiphertextCrc32c', opened.verifiedCiphertextCrc32c);
      return { value, version };
    };
    return {
      wrap: {
        bindsContext: false,
        wrap: (dataKey, _context, options) => encrypt(dataKey, options),
        unwrap: (wrapped, _context, options) => decrypt(wrapped, options),
      },
      cipher: {
        encrypt: async (asked, plaintext, _context, options) => {
          requireSame(asked, encryption);
          return encrypt(plaintext, options);
        },
        decrypt: async (asked, ciphertext, _context, options) => {
          requireSame(asked, encryption);
          return decrypt(ciphertext, options);
        },
      },
    };
  }

  /** @throws UNSUPPORTED where the key has another algorithm, KEY_USAGE where it is for something else */
  async #publicKeyOf(ref: string, algorithm: GcpAlgorithm, options: CallOptions): Promise<Buffer> {
    const { algorithm: has, spki } = await this.#publicKeys.get(ref, algorithm.spec, options);
    if (has.name === algorithm.name) return spki;
    if (has.usage !== algorithm.usage) throw new ClavigerError('KEY_USAGE', `the key is one for \`${has.usage}\``);
    const words = `the key has algorithm \`${has.name}\`, and provider \`${this.#connection.name}\` is for \`${algorithm.name}\``;
    throw new ClavigerError('UNSUPPORTED', words);
  }

  #signer({ ref, version }: VersionName, algorithm: GcpAlgorithm): NonNullable<HomeKey['sign']> {
    const { spec } = algorithm;
    const signing = algorithm.signing!;
    return async (asked, input, options) => {
      requireSignable(spec, asked, input);
      requireSame(asked, signing);
      const data = this.#dataToSign(signing, input);
      if (specRow(spec).family === 'rsa') await this.#publicKeyOf(ref, algorithm, options);
      const value =
        data === null ? await this.#signDigest(ref, signing, input, options) : await this.#signData(ref, data, options);
      if (!isSignatureShaped(spec, signing, value))
        throw this.#connection.answer.fault(`the signature is none of spec \`${spec}\``);
      return { value, version };
    };
  }

  /** What the service has to hash by itself; null where a digest does. */
  #dataToSign(signing: SigningAlgorithmName, input: SignInput): Uint8Array | null {
    if (!signsData(signing, this.#connection.config)) return null;
    if (!('message' in input)) {
      throw new ClavigerError('UNSUPPORTED', `these keys take no digest for \`${signing}\`; give them the message`);
    }
    requireAtMost(input.message, this.#limits.signBytes);
    return input.message;
  }

  async #signDigest(
    ref: string,
    signing: SigningAlgorithmName,
    input: SignInput,
    options: CallOptions,
  ): Promise<Buffer> {
    const { client, answer } = this.#connection;
    const hash = SIGNING_ALGORITHMS[signing].hash!;
    const digest = 'digest' in input ? input.digest : createHash(hash).update(input.message).digest();
    const request = { name: ref, digest: { [hash]: digest }, digestCrc32c: checksum(digest) };
    const signed = await client.call('asymmetricSign', request, options);
    answer.named(ref, signed.name);
    answer.verified('verifiedDigestCrc32c', signed.verifiedDigestCrc32c);
    return answer.bytes('signature', signed.signature, signed.signatureCrc32c);
  }

  async #signData(ref: string, data: Uint8Array, options: CallOptions): Promise<Buffer> {
    const { client, answer } = this.#connection;
    const signed = await client.call('asymmetricSign', { name: ref, data, dataCrc32c: checksum(data) }, options);
    answer.named(ref, signed.name);
    answer.verified('verifiedDataCrc32c', signed.verifiedDataCrc32c);
    return answer.bytes('signature', signed.signature, signed.signatureCrc32c);
  }

  async #mac(
    { ref, version }: VersionName,
    { mac: own }: GcpAlgorithm,
    asked: MacAlgorithmName,
    data: Uint8Array,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    requireSame(asked, own!);
    requireAtMost(data, this.#limits.macBytes);
    const made = await client.call('macSign', { name: ref, data, dataCrc32c: checksum(data) }, options);
    answer.named(ref, made.name);
    answer.verified('verifiedDataCrc32c', made.verifiedDataCrc32c);
    const value = answer.bytes('mac', made.mac, made.macCrc32c);
    if (value.length !== MAC_ALGORITHMS[asked].macBytes) throw answer.fault('the MAC has another length');
    return { value, version };
  }

  async #decapsulate(
    { ref, version }: VersionName,
    { spec }: GcpAlgorithm,
    ciphertext: Uint8Array,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const { client, answer } = this.#connection;
    if (ciphertext.length !== ENCAPSULATION_BYTES[spec]) throw invalidCiphertext();
    const request = { name: ref, ciphertext, ciphertextCrc32c: checksum(ciphertext) };
    const opened = await client.call('decapsulate', request, options);
    answer.named(ref, opened.name);
    answer.verified('verifiedCiphertextCrc32c', opened.verifiedCiphertextCrc32c);
    const value = answer.bytes('sharedSecret', opened.sharedSecret, opened.sharedSecretCrc32c);
    if (value.length !== SHARED_SECRET_BYTES) throw answer.fault('the shared secret has another length');
    return { value, version };
  }

  /** In an HSM the limit is one for plaintext and context together. */
  #requireFits(plaintext: Uint8Array, aad: Uint8Array): void {
    if (plaintext.length === 0) throw new ClavigerError('INVALID_ARGUMENT', 'an empty plaintext cannot be encrypted');
    const together = this.#connection.config.protectionLevel === 'hsm' ? aad.length : 0;
    requireAtMost(plaintext, this.#limits.cipherBytes - together);
  }
}

/** Before any call: what the provider's keys do not have. */
function requireSame(asked: string, has: string): void {
  if (asked === has) return;
  throw new ClavigerError('UNSUPPORTED', `these keys have \`${has}\`, and no other algorithm, such as \`${asked}\``);
}

function requireAtMost(bytes: Uint8Array, bytesMax: number): void {
  if (bytes.length <= bytesMax) return;
  throw new ClavigerError('INVALID_ARGUMENT', `the key takes at most ${bytesMax} bytes here, not ${bytes.length}`);
}

/** A refusal for the state of the primary version, which is not ours. */
function isAboutAnother(version: string, error: unknown): boolean {
  if (!(error instanceof ClavigerError) || (error.code !== 'KEY_DISABLED' && error.code !== 'KEY_STATE')) return false;
  const named = /\/cryptoKeyVersions\/(?<version>[0-9]+)\b/.exec(String(error.cause))?.groups?.['version'];
  return named !== undefined && named !== version;
}

function isVersionOf(key: string, name: unknown): boolean {
  return typeof name === 'string' && name.startsWith(`${key}/cryptoKeyVersions/`);
}
