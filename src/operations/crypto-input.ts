/**
 * What the cryptographic operations share: limits of their inputs, the choice of an algorithm, and how a result names
 * the key that made it.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { AlgorithmName } from '../model/algorithm.ts';
import { printable } from '../model/ids.ts';
import type { Key, KeyVersion } from '../model/key.ts';
import { algorithmsOf } from '../model/spec.ts';
import type { Scope } from './scope.ts';

/** Longest plaintext and message, as at AWS: larger data is encrypted under a data key, or signed by its digest. */
export const INPUT_BYTES_MAX = 4096;

/** Which key, and which version of it, made a result. */
export interface MadeBy extends Partial<ServedBy> {
  readonly keyId: string;
  readonly arn: string;
  readonly keyVersion: number;
}

/** Which homes did the work: part of every answer of a key with homes outside. */
export interface ServedBy {
  /** Names of the providers that did the work, joined by commas. */
  readonly provider: string | null;
  /** Names of those that were to do it and did not, in the order in which they were asked. */
  readonly failovers: readonly string[];
  /** Names of the homes that hold no wrap of what was encrypted: `rewrap` completes it. */
  readonly missingHomes: readonly string[];
  /** Of a key with a pair in each home: which of them signed (RFC 7638). */
  readonly thumbprint?: string;
}

export function madeBy(scope: Scope, key: Key, version: KeyVersion): MadeBy | Promise<MadeBy> {
  const named = (arn: string): MadeBy => ({ keyId: key.id, arn, keyVersion: version.version });
  const arn = scope.arn(key.id);
  return arn instanceof Promise ? arn.then(named) : named(arn);
}

/** @throws INVALID_ARGUMENT */
export function requireInputBytes(what: string, bytes: Uint8Array): void {
  if (bytes.length <= INPUT_BYTES_MAX) return;
  const instead = what === 'message' ? 'send its digest' : 'encrypt it under a data key';
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `\`${what}\` has ${bytes.length} bytes, at most ${INPUT_BYTES_MAX} are taken; ${instead}`,
  );
}

/**
 * The algorithm that the caller named, or the key's preferred one.
 *
 * @throws KEY_USAGE where the key's spec does not have it
 */
export function algorithmFor<A extends AlgorithmName>(scope: Scope, key: Key, named: string | undefined): A {
  const known = algorithmsOf(key.spec, key.usage);
  const algorithm = named ?? known[0]!;
  if (!known.includes(algorithm as AlgorithmName)) {
    throw new ClavigerError(
      'KEY_USAGE',
      `key ${key.id} of spec \`${key.spec}\` has no algorithm \`${printable(algorithm)}\`: it has ${known.join(', ')}`,
      { resource: key.id },
    );
  }
  scope.note({ algorithm });
  return algorithm as A;
}
