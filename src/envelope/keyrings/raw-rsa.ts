/**
 * Data keys wrapped by an RSA key of one's own, as the raw RSA keyring of the AWS Encryption SDK specification has it: who
 * encrypts needs the public key alone. The provider information is the name of the key.
 *
 * RSA binds no encryption context to the wrap; the header of the message does.
 *
 * @module
 * @see https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/framework/raw-rsa-keyring.md
 */
import {
  constants,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  subtle,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { isModulusLong, modulusBytes } from '../../crypto/key-material.ts';
import { systemRandom } from '../../crypto/random.ts';
import { slowTurns } from '../../crypto/slow.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Random } from '../../ports/random.ts';
import type { EncryptedDataKey, Keyring } from '../keyring.ts';
import { requireRawName, type RawName } from './raw-name.ts';
import { firstThatOpens, LocalKeyring, type WrappingKey } from './wrapping-key.ts';

/** OAEP with MGF1 over the same hash and no label (RFC 8017, section 7.1); PKCS #1 v1.5 (7.2) for old messages only. */
export type RsaPadding = 'oaep-sha1' | 'oaep-sha256' | 'oaep-sha384' | 'oaep-sha512' | 'pkcs1';

export interface RawRsaOptions extends RawName {
  /** PEM, or a key; wraps. Made of the private key where only that is given. */
  readonly publicKey?: string | KeyObject;
  /** PEM, or a key; unwraps. */
  readonly privateKey?: string | KeyObject;
  /** Of an encrypted private key in PEM. */
  readonly passphrase?: string;
  /** `oaep-sha256` where it is not given. */
  readonly padding?: RsaPadding;
  readonly random?: Random;
}

interface PaddingRow {
  /** Null for PKCS #1 v1.5. */
  readonly hash: string | null;
  readonly webName: string;
}

const PADDINGS: Readonly<Record<RsaPadding, PaddingRow>> = {
  'oaep-sha1': { hash: 'sha1', webName: 'SHA-1' },
  'oaep-sha256': { hash: 'sha256', webName: 'SHA-256' },
  'oaep-sha384': { hash: 'sha384', webName: 'SHA-384' },
  'oaep-sha512': { hash: 'sha512', webName: 'SHA-512' },
  pkcs1: { hash: null, webName: '' },
};
/** Below this, RSA protects nothing any more (SP 800-131A). */
const MODULUS_BITS_MIN = 2048;
/** A signature or a decryption takes a second with more, which a message's author could ask for. */
const MODULUS_BITS_MAX = 8192;

/**
 * A keyring of one RSA key pair, or of one half of it: with the public key alone it only wraps, and UNSUPPORTED is what
 * `unwrap` says of its messages.
 *
 * @throws INVALID_ARGUMENT for what are no RSA keys of 2,048 to 8,192 bits that belong together, or a name or namespace that
 *   cannot be one
 */
export function rawRsaKeyring({ random = systemRandom, ...options }: RawRsaOptions): Keyring {
  return new LocalKeyring(rawRsaKey(options), random);
}

/** The key of `rawRsaKeyring`, as one of several homes. @throws as there */
export function rawRsaKey(options: Omit<RawRsaOptions, 'random'>): WrappingKey {
  const { publicKey, privateKey, passphrase, padding = 'oaep-sha256' } = options;
  const names = requireRawName(options);
  const row: PaddingRow | undefined = Object.hasOwn(PADDINGS, padding) ? PADDINGS[padding] : undefined;
  if (row === undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`padding\` must be one of ${Object.keys(PADDINGS).join(', ')}`);
  }
  const opener = privateKey === undefined ? null : privateOf(privateKey, passphrase);
  if (opener === null && publicKey === undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give `publicKey` to wrap, `privateKey` to unwrap, or both');
  }
  const wrapper = publicKey === undefined ? createPublicKey(opener!) : publicOf(publicKey);
  requireRsa(wrapper);
  if (opener !== null && !createPublicKey(opener).equals(wrapper)) {
    throw new ClavigerError('INVALID_ARGUMENT', '`publicKey` and `privateKey` do not belong together');
  }
  return new RawRsaKey(names, row, wrapper, opener);
}

class RawRsaKey implements WrappingKey {
  readonly #namespace: string;
  readonly #info: Buffer;
  readonly #padding: PaddingRow;
  readonly #publicKey: KeyObject;
  readonly #privateKey: KeyObject | null;
  /** As `subtle` takes it, which alone of node:crypto decrypts on the thread pool. */
  #webKey: webcrypto.CryptoKey | null = null;

  constructor({ namespace, name }: RawName, padding: PaddingRow, publicKey: KeyObject, privateKey: KeyObject | null) {
    this.#namespace = namespace;
    this.#info = Buffer.from(name);
    this.#padding = padding;
    this.#publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  mayHaveMade({ providerId, providerInfo, ciphertext }: EncryptedDataKey): boolean {
    const isNamed = providerId === this.#namespace && this.#info.equals(providerInfo);
    return isNamed && ciphertext.length === modulusBytes(this.#publicKey);
  }

  async wrap(dataKey: Uint8Array): ReturnType<WrappingKey['wrap']> {
    const { hash } = this.#padding;
    const padding = hash === null ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_OAEP_PADDING;
    const how = { key: this.#publicKey, padding, ...(hash === null ? {} : { oaepHash: hash }) };
    const entry = {
      providerId: this.#namespace,
      providerInfo: this.#info,
      ciphertext: publicEncrypt(how, dataKey),
    };
    return { entry, missing: [] };
  }

  async unwrap(
    entries: readonly EncryptedDataKey[],
    bytes: number,
    _context: EncryptionContext,
  ): ReturnType<WrappingKey['unwrap']> {
    const key = this.#privateKey;
    if (entries.length === 0) return null;
    if (key === null) {
      throw new ClavigerError(
        'UNSUPPORTED',
        'the keyring has the public key alone, which only wraps; give `privateKey`',
      );
    }
    return firstThatOpens(entries, bytes, ({ ciphertext }) =>
      slowTurns.run(async () => {
        if (!isModulusLong(key, ciphertext)) return null;
        try {
          return this.#padding.hash === null ? openPkcs1(key, ciphertext) : await this.#openOaep(key, ciphertext);
        } catch {
          return null;
        }
      }),
    );
  }

  async #openOaep(key: KeyObject, ciphertext: Uint8Array): Promise<Buffer> {
    this.#webKey ??= key.toCryptoKey({ name: 'RSA-OAEP', hash: this.#padding.webName }, false, ['decrypt']);
    return Buffer.from(await subtle.decrypt({ name: 'RSA-OAEP' }, this.#webKey, ciphertext as Uint8Array<ArrayBuffer>));
  }
}

/**
 * OpenSSL answers a wrong padding with bytes that look random (implicit rejection), so that nobody learns of it here; the
 * commitment of the message, or its tag, does not hold then.
 */
function openPkcs1(key: KeyObject, ciphertext: Uint8Array): Buffer {
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, ciphertext);
}

function requireRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): void {
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (asymmetricKeyType === 'rsa' && bits >= MODULUS_BITS_MIN && bits <= MODULUS_BITS_MAX) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `a raw RSA keyring takes RSA keys of ${MODULUS_BITS_MIN} to ${MODULUS_BITS_MAX} bits`,
  );
}

function privateOf(given: string | KeyObject, passphrase: string | undefined): KeyObject {
  if (typeof given !== 'string') {
    if (given.type === 'private') return given;
    throw new ClavigerError('INVALID_ARGUMENT', '`privateKey` is a key of another type');
  }
  try {
    return createPrivateKey({ key: given, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // Its cause could quote the key.
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      '`privateKey` is no private key in PEM that opens, with this `passphrase`',
    );
  }
}

function publicOf(given: string | KeyObject): KeyObject {
  if (typeof given !== 'string') {
    if (given.type === 'public') return given;
    throw new ClavigerError('INVALID_ARGUMENT', '`publicKey` is a key of another type');
  }
  try {
    return createPublicKey({ key: given, format: 'pem' });
  } catch {
    throw new ClavigerError('INVALID_ARGUMENT', '`publicKey` is no public key in PEM');
  }
}
