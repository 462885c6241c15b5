/**
 * Data keys wrapped by an AES key of one's own: AES-GCM, as the raw AES keyring of the AWS Encryption SDK specification has
 * it, so that official clients with the same key, namespace and name open the message, and the reverse.
 *
 * The provider information is the name of the key, the length of the tag in bits, the length of the IV, and the IV. Each wrap
 * has a random IV of 12 bytes: by SP 800-38D, section 8.3, a key wraps at most 2³² data keys.
 *
 * @module
 * @see https://github.com/awslabs/aws-encryption-sdk-specification/blob/master/framework/raw-aes-keyring.md
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { systemRandom } from '../../crypto/random.ts';
import { ClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Random } from '../../ports/random.ts';
import type { EncryptedDataKey, Keyring } from '../keyring.ts';
import { encodeMessageContext } from '../message/context.ts';
import { requireRawName, type RawName } from './raw-name.ts';
import { firstThatOpens, LocalKeyring, type WrappingKey } from './wrapping-key.ts';

export interface RawAesOptions extends RawName {
  /** 16, 24 or 32 bytes; they are copied, and the caller may wipe them. */
  readonly key: Uint8Array;
  readonly random?: Random;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;
const CIPHERS = new Map([
  [16, 'aes-128-gcm'],
  [24, 'aes-192-gcm'],
  [32, 'aes-256-gcm'],
] as const);
type Cipher = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';

/**
 * A keyring of one AES key.
 *
 * @throws INVALID_ARGUMENT for a key of another length, or a name or namespace that cannot be one
 */
export function rawAesKeyring({ random = systemRandom, ...options }: RawAesOptions): Keyring {
  return new LocalKeyring(rawAesKey(options, random), random);
}

/** The key of `rawAesKeyring`, as one of several homes. @throws as there */
export function rawAesKey({ key, ...names }: Omit<RawAesOptions, 'random'>, random: Random): WrappingKey {
  const cipher: Cipher | undefined = (CIPHERS as ReadonlyMap<number, Cipher>).get(key.length);
  if (cipher === undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', `an AES key has 16, 24 or 32 bytes, not ${key.length}`);
  }
  const { namespace, name } = requireRawName(names);
  return new RawAesKey(namespace, infoHead(name), cipher, createSecretKey(key), random);
}

class RawAesKey implements WrappingKey {
  readonly #namespace: string;
  /** What the provider information has before the IV. */
  readonly #head: Buffer;
  readonly #cipher: Cipher;
  readonly #key: KeyObject;
  readonly #random: Random;

  constructor(namespace: string, head: Buffer, cipher: Cipher, key: KeyObject, random: Random) {
    this.#namespace = namespace;
    this.#head = head;
    this.#cipher = cipher;
    this.#key = key;
    this.#random = random;
  }

  mayHaveMade({ providerId, providerInfo }: EncryptedDataKey): boolean {
    const { length } = this.#head;
    const fits = providerId === this.#namespace && providerInfo.length === length + IV_BYTES;
    return fits && this.#head.equals(providerInfo.subarray(0, length));
  }

  async wrap(dataKey: Uint8Array, context: EncryptionContext): ReturnType<WrappingKey['wrap']> {
    const iv = this.#random.bytes(IV_BYTES);
    const cipher = createCipheriv(this.#cipher, this.#key, iv).setAAD(encodeMessageContext(context));
    const ciphertext = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
    const providerInfo = Buffer.concat([this.#head, iv]);
    return { entry: { providerId: this.#namespace, providerInfo, ciphertext }, missing: [] };
  }

  unwrap(
    entries: readonly EncryptedDataKey[],
    bytes: number,
    context: EncryptionContext,
  ): ReturnType<WrappingKey['unwrap']> {
    const fitting = entries.filter(({ ciphertext }) => ciphertext.length === bytes + TAG_BYTES);
    return firstThatOpens(fitting, bytes, async (entry) => this.#open(entry, context));
  }

  #open({ providerInfo, ciphertext }: EncryptedDataKey, context: EncryptionContext): Buffer | null {
    const iv = providerInfo.subarray(this.#head.length);
    const decipher = createDecipheriv(this.#cipher, this.#key, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(encodeMessageContext(context)).setAuthTag(ciphertext.subarray(-TAG_BYTES));
    const dataKey = decipher.update(ciphertext.subarray(0, -TAG_BYTES));
    try {
      decipher.final();
      return dataKey;
    } catch {
      dataKey.fill(0);
      return null;
    }
  }
}

/** name ‖ u32(bits of the tag) ‖ u32(bytes of the IV) */
function infoHead(name: string): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(TAG_BYTES * 8, 0);
  lengths.writeUInt32BE(IV_BYTES, 4);
  return Buffer.concat([Buffer.from(name), lengths]);
}
