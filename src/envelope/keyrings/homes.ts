/**
 * A message that opens as long as one of its homes lives: its data key is wrapped by each of them, and unwrapped by the
 * first that answers.
 *
 * Quorum, grace, deadline, balance, hedges and circuits are those of the groups of a server (`resilience/`). A refusal by a
 * home is passed on and never worked around; a home that is down is passed over. A wrap that does not open is neither:
 * names of native keys may be the same at two places, so the next home is asked.
 *
 * @module
 */
import { HOMES_MAX } from '../ciphertext.ts';
import { systemRandom } from '../../crypto/random.ts';
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import type { Random } from '../../ports/random.ts';
import type { CallOptions, HomeKey, Made } from '../../providers/provider.ts';
import {
  anyHome,
  DEFAULT_GROUP,
  GivenSecrets,
  wrapEverywhere,
  type GroupSettings,
  type Guard,
  type Guarded,
  type Home,
} from '../../resilience/index.ts';
import type {
  EncryptedDataKey,
  Keyring,
  UnwrappedDataKey,
  UnwrapRequest,
  WrappedDataKey,
  WrapRequest,
} from '../keyring.ts';
import { dataKeyFor, type Unwrapped, type WrappedEntry, type WrappingKey } from './wrapping-key.ts';

/** One home of messages: a key, behind the guard of whoever keeps it. */
export interface KeyHome {
  /** Stands in `missing` and in errors. */
  readonly name: string;
  readonly guard: Guard<Guarded>;
  readonly key: WrappingKey;
  /** Share of the unwraps where they are balanced by weight; 1 where it is not given. */
  readonly weight?: number;
}

/** A home as `resilience/` takes it, for one request. */
interface Asked extends Home {
  readonly home: KeyHome;
}

/** Keeps what resilience wants to know of a home's key, and is never called. */
const NO_KEY: HomeKey = { ref: '' };

export class HomesKeyring implements Keyring {
  readonly homes: readonly KeyHome[];
  readonly #settings: GroupSettings;
  readonly #random: Random;

  /**
   * @param settings what is not given is as in `DEFAULT_GROUP`
   * @throws INVALID_ARGUMENT for no home, more than 16, or a quorum that they could not reach
   */
  constructor(homes: readonly KeyHome[], settings: Partial<GroupSettings> = {}, random: Random = systemRandom) {
    this.homes = homes;
    this.#settings = { ...DEFAULT_GROUP, ...settings };
    this.#random = random;
    if (homes.length < 1 || homes.length > HOMES_MAX) {
      throw new ClavigerError('INVALID_ARGUMENT', `a keyring has 1 to ${HOMES_MAX} keys, not ${homes.length}`);
    }
    const { wrapQuorum } = this.#settings;
    if (Number.isInteger(wrapQuorum) && wrapQuorum >= 1 && wrapQuorum <= homes.length) return;
    throw new ClavigerError('INVALID_ARGUMENT', `\`wrapQuorum\` must be from 1 to the number of keys, ${homes.length}`);
  }

  async wrap(request: WrapRequest): Promise<WrappedDataKey> {
    const { context, signal } = request;
    // What a home has made, by the very bytes that `resilience/` gives back.
    const madeOf = new WeakMap<Buffer, WrappedEntry>();
    const homes = this.homes.map((home): Asked => {
      const wrap = async (dataKey: Uint8Array, _: unknown, options: CallOptions): Promise<Made<Buffer>> => {
        const made = await home.key.wrap(dataKey, context, options);
        const { ciphertext } = made.entry;
        const value = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
        madeOf.set(value, made);
        return { value, version: null };
      };
      return { ...asked(home), key: { ref: home.name, wrap: { bindsContext: true, wrap, unwrap: notHere } } };
    });
    const dataKey = dataKeyFor(request, this.#random);
    try {
      const { wraps, missing } = await wrapEverywhere(homes, dataKey.reveal(), () => context, this.#settings, signal);
      const made = wraps.map(({ home: { home }, wrapped }) => ({ home, ...madeOf.get(wrapped)! }));
      return {
        dataKey,
        encryptedDataKeys: made.map(({ entry }) => entry),
        missing: [
          ...missing.map(({ home: { home }, error }) => ({ home: home.name, error })),
          ...made.flatMap(({ home, missing: within }) => within.map((name) => missingWithin(home, name))),
        ],
      };
    } catch (error) {
      dataKey[Symbol.dispose]();
      throw error;
    }
  }

  async unwrap({ encryptedDataKeys, bytes, context, signal }: UnwrapRequest): Promise<UnwrappedDataKey> {
    const ownOf = new Map(
      this.homes.map((home) => [home, encryptedDataKeys.filter((entry) => home.key.mayHaveMade(entry))]),
    );
    using given = new GivenSecrets();
    const open = async ({ home }: Asked, options: CallOptions): Promise<Unwrapped | null> => {
      const unwrapped = await home.key.unwrap(ownOf.get(home)!, bytes, context, options);
      if (unwrapped !== null) given.add(unwrapped.dataKey);
      return unwrapped;
    };
    let left = this.homes.filter((home) => ownOf.get(home)!.length > 0).map(asked);
    while (left.length > 0) {
      const { home, value } = await anyHome(left, 'unwrap', true, open, this.#settings, signal);
      if (value !== null) return { dataKey: new SecretBytes(given.take(value.dataKey)), opened: value.opened };
      left = left.filter((other) => other !== home);
    }
    throw invalidCiphertext();
  }
}

function asked(home: KeyHome): Asked {
  const { guard, weight } = home;
  return { home, guard, key: NO_KEY, ...(weight === undefined ? {} : { weight }) };
}

function missingWithin({ name }: KeyHome, within: string): { readonly home: string; readonly error: ClavigerError } {
  const error = new ClavigerError(
    'PROVIDER_UNAVAILABLE',
    `\`${within}\`, a home of the key at \`${name}\`, has no wrap`,
  );
  return { home: `${name}/${within}`, error };
}

function notHere(): Promise<never> {
  return Promise.reject(new ClavigerError('INTERNAL', 'wraps are opened by `unwrap` of the keyring'));
}

/** What an entry names, as text; null where it is none. */
export function infoText({ providerInfo }: EncryptedDataKey): string | null {
  try {
    return UTF8.decode(providerInfo);
  } catch {
    return null;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
