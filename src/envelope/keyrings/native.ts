/**
 * Data keys wrapped by a native key of a provider: of a cloud's KMS, of Vault, of a token.
 *
 * A symmetric key of AWS KMS stands in a message as official keyrings write it: provider id `aws-kms`, the ARN of the key,
 * and KMS's own ciphertext, with the message's encryption context as KMS's. Any other stands under `claviger:` and its kind,
 * with its native reference.
 *
 * @module
 */
import { ClavigerError, type ErrorCode } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { printable } from '../../model/ids.ts';
import type { ProviderKind } from '../../model/provider-kind.ts';
import type { Spec } from '../../model/spec.ts';
import type { CallOptions, Provider, WrapFacet } from '../../providers/provider.ts';
import type { EncryptedDataKey } from '../keyring.ts';
import { infoText } from './homes.ts';
import { AWS_PROVIDER_ID, firstThatOpens, HOME_PROVIDER_PREFIX, type WrappingKey } from './wrapping-key.ts';

export interface NativeKeyOptions {
  /** As a person writes it, or the immutable reference. */
  readonly ref: string;
  /** Of the key. Where it is given, `ref` is the immutable reference, and the service is not asked for either. */
  readonly spec?: Spec;
}

/** What is known of the key once it was found. */
interface Found {
  readonly ref: string;
  readonly spec: Spec;
  readonly providerId: string;
}

/** What a reference has after the name of the native key, where it names a version: every version opens what it made. */
const VERSION_SUFFIXES: Readonly<Partial<Record<ProviderKind, RegExp>>> = {
  'vault-transit': /@\d+$/,
  'gcp-kms': /\/cryptoKeyVersions\/\d+$/,
  'azure-key-vault': /\/[^/]+$/,
  fake: /@\d+$/,
};

/** What a provider says of a reference that is none of its own, before any call. */
const NO_REFERENCE: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'UNSUPPORTED']);

export class NativeKey implements WrappingKey {
  readonly #provider: Provider;
  readonly #ref: string;
  #found: Found | null;

  /** @throws INVALID_ARGUMENT, UNSUPPORTED for a reference with a spec that could never wrap */
  constructor(provider: Provider, { ref, spec }: NativeKeyOptions) {
    this.#provider = provider;
    this.#ref = ref;
    this.#found = spec === undefined ? null : this.#foundAs(ref, spec);
  }

  mayHaveMade(entry: EncryptedDataKey): boolean {
    if (this.#found !== null) return this.#isOf(this.#found, entry);
    const { kind } = this.#provider;
    const ids: readonly string[] = [providerIdOf(kind, 'AES-256-GCM'), providerIdOf(kind, 'RSA-2048')];
    return ids.includes(entry.providerId);
  }

  async wrap(dataKey: Uint8Array, context: EncryptionContext, options: CallOptions): ReturnType<WrappingKey['wrap']> {
    const { ref, spec, providerId } = this.#found ?? (await this.#find(options));
    const { value } = await this.#facet(ref, spec).wrap(dataKey, context, options);
    return { entry: { providerId, providerInfo: Buffer.from(ref), ciphertext: value }, missing: [] };
  }

  async unwrap(
    entries: readonly EncryptedDataKey[],
    bytes: number,
    context: EncryptionContext,
    options: CallOptions,
  ): ReturnType<WrappingKey['unwrap']> {
    const found = this.#found ?? (await this.#find(options));
    const own = entries.filter((entry) => this.#isOf(found, entry));
    return firstThatOpens(own, bytes, async (entry) => {
      try {
        const facet = this.#facetOfEntry(entry, found.spec);
        return facet === null ? null : (await facet.unwrap(entry.ciphertext, context, options)).value;
      } catch (error) {
        if (error instanceof ClavigerError && error.code === 'INVALID_CIPHERTEXT') return null;
        throw error;
      }
    });
  }

  /** Asks the service what the reference stands for, once. */
  async #find(options: CallOptions): Promise<Found> {
    const { ref, spec } = await this.#provider.describe(await this.#provider.resolve(this.#ref, options), options);
    if (spec === null) throw this.#wrapsNothing();
    this.#found ??= this.#foundAs(ref, spec);
    return this.#found;
  }

  #foundAs(ref: string, spec: Spec): Found {
    this.#facet(ref, spec);
    return { ref, spec, providerId: providerIdOf(this.#provider.kind, spec) };
  }

  #isOf({ ref, providerId }: Found, entry: EncryptedDataKey): boolean {
    const named = entry.providerId === providerId ? infoText(entry) : null;
    return named !== null && this.#withoutVersion(named) === this.#withoutVersion(ref);
  }

  #withoutVersion(ref: string): string {
    const suffix = VERSION_SUFFIXES[this.#provider.kind];
    return suffix === undefined ? ref : ref.replace(suffix, '');
  }

  #facet(ref: string, spec: Spec): WrapFacet {
    const { wrap } = this.#provider.key(ref, spec);
    if (wrap === undefined) throw this.#wrapsNothing();
    return wrap;
  }

  /** Null where the message names a version as none can be named. */
  #facetOfEntry(entry: EncryptedDataKey, spec: Spec): WrapFacet | null {
    try {
      return this.#facet(infoText(entry)!, spec);
    } catch (error) {
      if (error instanceof ClavigerError && NO_REFERENCE.has(error.code)) return null;
      throw error;
    }
  }

  #wrapsNothing(): ClavigerError {
    const { name } = this.#provider;
    return new ClavigerError('UNSUPPORTED', `\`${name}\` wraps no data keys with \`${printable(this.#ref)}\``);
  }
}

/** AWS's symmetric keys are those of official keyrings; what RSA wrapped is not what they would have. */
function providerIdOf(kind: ProviderKind, spec: Spec): string {
  return kind === 'aws-kms' && spec === 'AES-256-GCM' ? AWS_PROVIDER_ID : `${HOME_PROVIDER_PREFIX}${kind}`;
}
