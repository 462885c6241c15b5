/**
 * Data keys wrapped by keys of Claviger: of a server, through its client, or of a service in this process.
 *
 * They stand in a message as those of AWS KMS do: provider id `aws-kms`, the ARN of the key, and the ciphertext blob, bound
 * to the message's encryption context. Official clients of any language open them at the AWS endpoint of the server.
 *
 * @module
 */
import { systemRandom } from '../../crypto/random.ts';
import { ClavigerError, toClavigerError, type ErrorCode } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { systemClock, type Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { CallOptions, Health } from '../../providers/provider.ts';
import {
  canceledBy,
  Guard,
  type GroupSettings,
  type Guarded,
  type GuardEvents,
  type GuardSettings,
} from '../../resilience/index.ts';
import type { KeyService, ServedKey } from '../key-service.ts';
import type { EncryptedDataKey } from '../keyring.ts';
import { defined } from './defined.ts';
import { HomesKeyring, infoText, type KeyHome } from './homes.ts';
import { parseKeyArn } from './key-arn.ts';
import { AWS_PROVIDER_ID, firstThatOpens, type WrappingKey } from './wrapping-key.ts';

/** A key of a service, as one home of messages. */
export interface ServiceKey {
  readonly service: KeyService;
  /** Its ARN, id or alias. An alias stands for the key that it names when it is first used, for as long as the keyring lives. */
  readonly key: string;
}

export interface ClavigerKeyringOptions extends Partial<GroupSettings>, ServiceSettings {
  /** One key, by its ARN, id or alias. */
  readonly key?: string;
  /** Several: each wraps every data key, and any of them opens it. */
  readonly keys?: readonly string[];
  readonly random?: Random;
}

export interface ServiceSettings extends Partial<GuardSettings> {
  /** Stands in errors, and in `missing` before the key; `claviger` where it is not given. */
  readonly name?: string;
  readonly clock?: Clock;
  readonly events?: GuardEvents;
}

/** A service may have to ask homes of its own, with a deadline of its own. */
const SERVICE: GuardSettings = {
  timeoutMs: 10_000,
  attempts: 3,
  maxConcurrent: 256,
  breaker: { failures: 5, openMs: 10_000 },
};
const DEADLINE_MS = 15_000;

/** What the service as a whole could not do, whichever key was asked for: another home may. */
const OF_THE_SERVICE: ReadonlySet<ErrorCode> = new Set([
  'ALL_BACKINGS_FAILED',
  'SEALED',
  'AUDIT_UNAVAILABLE',
  'STORE_UNAVAILABLE',
]);

/** What it says of a blob that is not one of this key. */
const DOES_NOT_OPEN: ReadonlySet<ErrorCode> = new Set(['INVALID_CIPHERTEXT', 'INCORRECT_KEY']);

/**
 * A keyring over keys of one service. It opens only what names its keys.
 *
 * The caller needs the rights to Encrypt and Decrypt; DescribeKey too, for a key that is not named by its ARN.
 *
 * @example new Envelope({ keyring: clavigerKeyring(client, { key: 'alias:orders' }) })
 * @throws INVALID_ARGUMENT for no key, or a quorum that the keys could not reach
 */
export function clavigerKeyring(service: KeyService, options: ClavigerKeyringOptions): HomesKeyring {
  const { key, keys = key === undefined ? [] : [key], random = systemRandom } = options;
  if (key !== undefined && options.keys !== undefined) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give `key` or `keys`, not both');
  }
  const guard = serviceGuard(service, options);
  const homes = keys.map((name) => serviceHome(guard, { service, key: name }));
  return new HomesKeyring(homes, { deadlineMs: DEADLINE_MS, ...groupOf(options) }, random);
}

/** The guard of a service, which its keys share. */
export function serviceGuard(service: KeyService, settings: ServiceSettings): Guard<Guarded> {
  const { name = 'claviger', clock = systemClock, events } = settings;
  const guarded: Guarded = {
    name,
    // What answers that there is no such key has answered.
    probe: async (): Promise<Health> => {
      try {
        await service.describeKey({ key: PROBED_KEY });
      } catch (thrown) {
        const error = serviceError(name, thrown);
        if (error.code === 'PROVIDER_UNAVAILABLE') throw error;
      }
      return { ok: true, detail: `\`${name}\` answers` };
    },
    close: async () => undefined,
  };
  const { timeoutMs, attempts, maxConcurrent, breaker } = { ...SERVICE, ...defined(settings) };
  const ports = { clock, random: systemRandom, ...(events === undefined ? {} : { events }) };
  return new Guard(guarded, { timeoutMs, attempts, maxConcurrent, breaker }, ports);
}

/** A key of a service as one of several homes. */
export function serviceHome(guard: Guard<Guarded>, { service, key }: ServiceKey): KeyHome {
  return { name: `${guard.name}:${key}`, guard, key: new ClavigerKey(guard.name, service, key) };
}

const PROBED_KEY = '00000000-0000-7000-8000-000000000000';

class ClavigerKey implements WrappingKey {
  readonly #home: string;
  readonly #service: KeyService;
  readonly #name: string;
  /** Null until it is known. */
  #arn: string | null;

  constructor(home: string, service: KeyService, name: string) {
    if (typeof name !== 'string' || name === '')
      throw new ClavigerError('INVALID_ARGUMENT', 'the name of a key is missing');
    this.#home = home;
    this.#service = service;
    this.#name = name;
    this.#arn = parseKeyArn(name) === null ? null : name;
  }

  mayHaveMade(entry: EncryptedDataKey): boolean {
    if (entry.providerId !== AWS_PROVIDER_ID) return false;
    const arn = infoText(entry);
    return arn !== null && (this.#arn === null ? parseKeyArn(arn) !== null : arn === this.#arn);
  }

  async wrap(dataKey: Uint8Array, context: EncryptionContext): ReturnType<WrappingKey['wrap']> {
    const key = this.#arn ?? (await this.#find());
    // The caller may wipe its data key while a call that nobody waits for any more is still being put into bytes.
    const { arn, ciphertext, missingHomes } = await this.#ask(() =>
      this.#service.encrypt({ key, plaintext: dataKey, context }),
    );
    this.#requireSame(key, arn);
    const entry = { providerId: AWS_PROVIDER_ID, providerInfo: Buffer.from(arn), ciphertext };
    return { entry, missing: missingHomes ?? [] };
  }

  async unwrap(
    entries: readonly EncryptedDataKey[],
    bytes: number,
    context: EncryptionContext,
    { signal }: CallOptions,
  ): ReturnType<WrappingKey['unwrap']> {
    const key = this.#arn ?? (await this.#find());
    const own = entries.filter((entry) => infoText(entry) === key);
    return firstThatOpens(own, bytes, async ({ ciphertext }) => {
      if (signal.aborted) throw canceledBy(signal);
      const opened = await this.#ask(() => openAt(this.#service, key, ciphertext, context));
      if (opened === null) return null;
      try {
        this.#requireSame(key, opened.arn);
        return opened.dataKey;
      } catch (error) {
        opened.dataKey.fill(0);
        throw error;
      }
    });
  }

  /** The ARN of the key, asked for once. */
  async #find(): Promise<string> {
    const described = await this.#ask(() => this.#service.describeKey({ key: this.#name }));
    const arn = (described as Partial<ServedKey> | null)?.arn;
    if (typeof arn !== 'string' || parseKeyArn(arn) === null) throw this.#notBelieved('it names no key');
    this.#arn ??= arn;
    return this.#arn;
  }

  #requireSame(key: string, arn: string): void {
    if (arn !== key) throw this.#notBelieved('it is of another key');
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      throw serviceError(this.#home, thrown);
    }
  }

  #notBelieved(what: string): ClavigerError {
    return new ClavigerError('PROVIDER_INTEGRITY', `the answer of \`${this.#home}\` is not to be believed: ${what}`, {
      native: { provider: this.#home, code: null, requestId: null },
    });
  }
}

/** What a key of a service opens a blob to; null where it is not one of this key, or bound to another context. */
export async function openAt(
  service: KeyService,
  key: string,
  ciphertext: Uint8Array,
  context: EncryptionContext,
): Promise<{ readonly arn: string; readonly dataKey: Buffer } | null> {
  try {
    const { arn, plaintext } = await service.decrypt({ key, ciphertext, context });
    return { arn, dataKey: Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength) };
  } catch (error) {
    if (error instanceof ClavigerError && DOES_NOT_OPEN.has(error.code)) return null;
    throw error;
  }
}

/** What a service throws, as its guard is to see it. */
function serviceError(home: string, thrown: unknown): ClavigerError {
  const error = toClavigerError(thrown);
  if (!OF_THE_SERVICE.has(error.code)) return error;
  return new ClavigerError('PROVIDER_UNAVAILABLE', `\`${home}\`: ${error.message}`, {
    cause: error,
    native: { provider: home, code: error.code, requestId: null },
  });
}

function groupOf(options: ClavigerKeyringOptions): Partial<GroupSettings> {
  const { wrapQuorum, wrapGraceMs, deadlineMs, balance, hedgeMs } = options;
  return defined({ wrapQuorum, wrapGraceMs, deadlineMs, balance, hedgeMs });
}
