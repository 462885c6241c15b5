/**
 * Opens what any key of a service made, without naming the keys beforehand. It wraps nothing: what a message is encrypted
 * under must not be left to chance.
 *
 * Whoever wrote a message chooses which keys are asked for it, so limit whose keys may be: by account, by partition, by
 * region. The rights of the caller are the last limit.
 *
 * @module
 */
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { canceledBy } from '../../resilience/index.ts';
import type { KeyService } from '../key-service.ts';
import type { Keyring, UnwrappedDataKey, UnwrapRequest, WrappedDataKey } from '../keyring.ts';
import { openAt } from './claviger.ts';
import { infoText } from './homes.ts';
import { parseKeyArn } from './key-arn.ts';
import { AWS_PROVIDER_ID, TRIES_MAX } from './wrapping-key.ts';

export interface DiscoveryFilter {
  /** Twelve digits each: the accounts whose keys may be asked; all where it is not given. */
  readonly accountIds?: readonly string[];
  /** `aws` where it is not given. */
  readonly partition?: string;
  /** All where it is not given. */
  readonly regions?: readonly string[];
}

/**
 * A keyring that opens, through a service, messages of the keys that a filter admits.
 *
 * Keys that are not the caller's are passed over; a key that is disabled is not.
 *
 * @throws INVALID_ARGUMENT for a filter that admits nothing
 */
export function discoveryKeyring(service: KeyService, filter: DiscoveryFilter = {}): Keyring {
  const { accountIds = null, partition = 'aws', regions = null } = filter;
  if (accountIds?.length === 0 || regions?.length === 0) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'an empty `accountIds` or `regions` admits no key; leave it out for all',
    );
  }
  const wrong = accountIds?.find((id) => !/^\d{12}$/.test(id));
  if (wrong !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'each of `accountIds` has twelve digits');
  }
  return new DiscoveryKeyring(service, (text) => {
    const arn = parseKeyArn(text);
    return (
      arn !== null &&
      arn.partition === partition &&
      (accountIds === null || accountIds.includes(arn.accountId)) &&
      (regions === null || regions.includes(arn.region))
    );
  });
}

class DiscoveryKeyring implements Keyring {
  readonly #service: KeyService;
  readonly #admits: (arn: string) => boolean;

  constructor(service: KeyService, admits: (arn: string) => boolean) {
    this.#service = service;
    this.#admits = admits;
  }

  wrap(): Promise<WrappedDataKey> {
    const words = 'a discovery keyring only opens; name the keys to encrypt under, with `clavigerKeyring`';
    return Promise.reject(new ClavigerError('UNSUPPORTED', words));
  }

  async unwrap({ encryptedDataKeys, bytes, context, signal }: UnwrapRequest): Promise<UnwrappedDataKey> {
    const admitted = encryptedDataKeys.filter((entry) => {
      const arn = entry.providerId === AWS_PROVIDER_ID ? infoText(entry) : null;
      return arn !== null && this.#admits(arn);
    });
    let denied: ClavigerError | null = null;
    for (const opened of admitted.slice(0, TRIES_MAX)) {
      if (signal.aborted) throw canceledBy(signal);
      const key = infoText(opened)!;
      try {
        const found = await openAt(this.#service, key, opened.ciphertext, context);
        if (found === null) continue;
        if (found.arn === key && found.dataKey.length === bytes) {
          return { dataKey: new SecretBytes(found.dataKey), opened };
        }
        found.dataKey.fill(0);
      } catch (error) {
        if (!(error instanceof ClavigerError) || !NOT_THE_CALLERS.has(error.code)) throw error;
        if (error.code === 'PERMISSION_DENIED') denied ??= error;
      }
    }
    throw denied ?? invalidCiphertext();
  }
}

/** Another key of the message may be. */
const NOT_THE_CALLERS: ReadonlySet<string> = new Set(['KEY_NOT_FOUND', 'PERMISSION_DENIED']);
