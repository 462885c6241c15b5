/**
 * The data key of a sealed file, and the keys of a service that wrap it: each by itself, and any of them opens.
 *
 * @module
 */
import { SecretBytes } from '../../crypto/secret-bytes.ts';
import { ClavigerError, toClavigerError } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { KeyService, ServedKey } from '../key-service.ts';
import { KEYS_MAX } from './limits.ts';
import { FORMAT_VERSION, type Metadata, type Wrap } from './metadata.ts';

export const DATA_KEY_BYTES = 32;
/** Names in contexts that are ours. */
const OWN_PREFIX = 'claviger-';

/** Homes of a key that hold no wrap, though the key has them. */
export interface Missing {
  readonly arn: string;
  readonly homes: readonly string[];
}

type Bound = Pick<Metadata, 'file' | 'context'>;

/**
 * What each wrap is bound to. It stands in the service's log: there one sees which file was opened.
 *
 * @throws INVALID_ARGUMENT where the caller's own pairs have names of ours
 */
export function wrapContext({ file, context }: Bound): EncryptionContext {
  const taken = Object.keys(context).find((name) => name.startsWith(OWN_PREFIX));
  if (taken !== undefined) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `context names that begin with \`${OWN_PREFIX}\` are taken: rename \`${taken}\``,
    );
  }
  return { ...context, 'claviger-sealed': FORMAT_VERSION, 'claviger-file': file.toString('base64url') };
}

/** A fresh data key under each of the keys. The caller disposes of it. */
export async function makeDataKey(
  service: KeyService,
  keys: readonly string[],
  bound: Bound,
): Promise<{ readonly dataKey: SecretBytes; readonly wraps: readonly Wrap[]; readonly missing: readonly Missing[] }> {
  const [first, ...others] = keys;
  if (first === undefined) throw new ClavigerError('INVALID_ARGUMENT', 'name a key that is to open the file');
  const context = wrapContext(bound);
  const made = await service.generateDataKey({ key: first, bytes: DATA_KEY_BYTES, context });
  const dataKey = new SecretBytes(ownBuffer(made.plaintext!));
  try {
    const more = await wrapUnder(service, others, bound, dataKey);
    const wraps: Wrap[] = [{ arn: made.arn, wrap: Buffer.from(made.ciphertext) }];
    for (const wrap of more.wraps) if (!wraps.some(({ arn }) => arn === wrap.arn)) wraps.push(wrap);
    return { dataKey, wraps: requireFew(wraps), missing: [...missingOf(made), ...more.missing] };
  } catch (error) {
    dataKey[Symbol.dispose]();
    throw error;
  }
}

/** Wraps of a data key under more keys. */
export async function wrapUnder(
  service: KeyService,
  keys: readonly string[],
  bound: Bound,
  dataKey: SecretBytes,
): Promise<{ readonly wraps: readonly Wrap[]; readonly missing: readonly Missing[] }> {
  const context = wrapContext(bound);
  const wraps: Wrap[] = [];
  const missing: Missing[] = [];
  for (const key of keys) {
    const made = await service.encrypt({ key, plaintext: dataKey.reveal(), context });
    wraps.push({ arn: made.arn, wrap: Buffer.from(made.ciphertext) });
    missing.push(...missingOf(made));
  }
  return { wraps, missing };
}

/** @throws LIMIT_EXCEEDED */
export function requireFew(wraps: readonly Wrap[]): readonly Wrap[] {
  if (wraps.length <= KEYS_MAX) return wraps;
  throw new ClavigerError('LIMIT_EXCEEDED', `at most ${KEYS_MAX} keys open a file`);
}

/**
 * The data key of a file, from the first of its keys that gives it. The caller disposes of it.
 *
 * @throws what the service refuses with, where no key opens it
 */
export async function openDataKey(
  service: KeyService,
  { keys, ...bound }: Metadata,
): Promise<{ readonly dataKey: SecretBytes; readonly arn: string }> {
  const context = wrapContext(bound);
  const refused: { readonly arn: string; readonly error: ClavigerError }[] = [];
  for (const { arn, wrap } of keys) {
    try {
      const { plaintext } = await service.decrypt({ key: arn, ciphertext: wrap, context });
      const dataKey = new SecretBytes(ownBuffer(plaintext));
      if (dataKey.length === DATA_KEY_BYTES) return { dataKey, arn };
      dataKey[Symbol.dispose]();
      throw new ClavigerError('INVALID_CIPHERTEXT', 'what it wraps is no data key of a sealed file');
    } catch (error) {
      refused.push({ arn, error: toClavigerError(error) });
    }
  }
  throw refusalOf(refused);
}

/** What may pass by itself is told first, then what somebody else could permit. */
function refusalOf(refused: readonly { readonly arn: string; readonly error: ClavigerError }[]): ClavigerError {
  const { error } =
    refused.find(({ error }) => error.disposition !== 'fatal') ??
    refused.find(({ error }) => error.code === 'PERMISSION_DENIED') ??
    refused[0]!;
  const words = refused.map(({ arn, error }) => `${arn}: ${wordsOf(error)}`);
  const all = refused.length === 1 ? 'the key of the file does not open it' : 'none of the keys of the file opens it';
  return new ClavigerError(error.code, `${all}\n  ${words.join('\n  ')}`, { cause: error });
}

function wordsOf({ code, message }: ClavigerError): string {
  return code === 'INVALID_CIPHERTEXT'
    ? 'the wrapped data key was changed, comes from another file, or `context` was changed; take the file from version control'
    : message;
}

function missingOf({ arn, missingHomes: homes = [] }: ServedKey): readonly Missing[] {
  return homes.length === 0 ? [] : [{ arn, homes }];
}

/** The bytes as a buffer, not a copy. */
function ownBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
