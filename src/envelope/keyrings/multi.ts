/**
 * Several keyrings as one, as the AWS Encryption SDK has it: the generator makes the data key, and it and every child wrap
 * it; any of them opens the message.
 *
 * All have to wrap: where one fails, nothing is encrypted. For homes of which some may be missing, `homesKeyring`.
 *
 * @module
 */
import { ClavigerError, invalidCiphertext, toClavigerError } from '../../errors.ts';
import { verdictOf } from '../../resilience/index.ts';
import type { Keyring, UnwrappedDataKey, UnwrapRequest, WrappedDataKey, WrapRequest } from '../keyring.ts';

export interface MultiKeyringOptions {
  /** Makes data keys, and wraps them; without it the keyring only opens. */
  readonly generator?: Keyring;
  /** Wrap what the generator made. */
  readonly children?: readonly Keyring[];
}

/** @throws INVALID_ARGUMENT for no keyring at all */
export function multiKeyring({ generator, children = [] }: MultiKeyringOptions): Keyring {
  if (generator === undefined && children.length === 0) {
    throw new ClavigerError('INVALID_ARGUMENT', 'a multi-keyring has a `generator`, `children`, or both');
  }
  return new MultiKeyring(generator ?? null, children);
}

class MultiKeyring implements Keyring {
  readonly #generator: Keyring | null;
  readonly #children: readonly Keyring[];

  constructor(generator: Keyring | null, children: readonly Keyring[]) {
    this.#generator = generator;
    this.#children = [...children];
  }

  async wrap(request: WrapRequest): Promise<WrappedDataKey> {
    if (this.#generator === null) {
      throw new ClavigerError('UNSUPPORTED', 'a multi-keyring without a `generator` only opens; give one to encrypt');
    }
    const generated = await this.#generator.wrap(request);
    const { dataKey } = generated;
    const wraps = await Promise.allSettled(this.#children.map((child) => child.wrap({ ...request, dataKey })));
    const failed = wraps.find((wrap) => wrap.status === 'rejected');
    const made = wraps.flatMap((wrap) => (wrap.status === 'fulfilled' ? [wrap.value] : []));
    for (const copy of made) copy.dataKey[Symbol.dispose]();
    if (failed !== undefined) {
      dataKey[Symbol.dispose]();
      throw toClavigerError(failed.reason);
    }
    return {
      dataKey,
      encryptedDataKeys: [generated, ...made].flatMap(({ encryptedDataKeys }) => encryptedDataKeys),
      missing: [generated, ...made].flatMap(({ missing }) => missing),
    };
  }

  /** The first that opens it; a refusal ends it, and what cannot be reached is told where no other opened it. */
  async unwrap(request: UnwrapRequest): Promise<UnwrappedDataKey> {
    let failed: ClavigerError | null = null;
    for (const keyring of [...(this.#generator === null ? [] : [this.#generator]), ...this.#children]) {
      try {
        return await keyring.unwrap(request);
      } catch (thrown) {
        const error = toClavigerError(thrown);
        if (error.code === 'INVALID_CIPHERTEXT') continue;
        if (verdictOf(error) === 'refusal') throw error;
        failed ??= error;
      }
    }
    throw failed ?? invalidCiphertext();
  }
}
