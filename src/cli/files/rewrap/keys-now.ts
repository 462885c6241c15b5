/**
 * What a key makes now: its current version, and the homes that wrap. A key is asked once, by having it encrypt nothing:
 * the blob that comes back says it all.
 *
 * @module
 */
import type { KeyService } from '../../../envelope/key-service.ts';
import { ClavigerError } from '../../../errors.ts';
import type { EncryptionContext } from '../../../model/encryption-context.ts';
import { describeBlob, type DescribedBlob } from '../describe.ts';

export interface KeyNow {
  readonly arn: string;
  /** As the key wraps at this moment. */
  readonly blob: DescribedBlob;
  /** Whether some home of the key did not wrap. */
  readonly isComplete: boolean;
}

export class KeysNow {
  readonly #service: KeyService;
  readonly #known = new Map<string, KeyNow>();

  constructor(service: KeyService) {
    this.#service = service;
  }

  /**
   * @param key id, ARN or alias
   * @param context of the file that is looked at: a policy may ask for it
   * @throws what the service refuses with; UNSUPPORTED for a key that is not for data
   */
  async of(key: string, context: EncryptionContext): Promise<KeyNow> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const {
      arn,
      ciphertext,
      missingHomes = [],
    } = await this.#service.encrypt({
      key,
      plaintext: new Uint8Array(0),
      context,
    });
    const blob = describeBlob(ciphertext);
    if (blob === null) throw new ClavigerError('UNSUPPORTED', `key \`${key}\` makes no blobs: a symmetric key does`);
    const now = { arn, blob, isComplete: missingHomes.length === 0 };
    this.#known.set(key, now);
    return now;
  }
}

/**
 * Whether a key would make this blob again: the same version, and every home that wraps now. A home more is one that is
 * down, or was removed; it counts where no home of the key is down.
 */
export function isOf(blob: DescribedBlob | null, { blob: now, isComplete }: KeyNow): boolean {
  if (blob === null || blob.keyId !== now.keyId || blob.keyVersion !== now.keyVersion || blob.kind !== now.kind)
    return false;
  return (
    now.homes.every((home) => blob.homes.includes(home)) && (!isComplete || blob.homes.length === now.homes.length)
  );
}
