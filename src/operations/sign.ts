/**
 * sign: a signature over a message, which is hashed here, or over a digest that the caller made.
 *
 * @module
 */
import { hash } from 'node:crypto';
import { ClavigerError } from '../errors.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, type SigningAlgorithmName } from '../model/algorithm.ts';
import type { KeyWithVersions } from '../model/key.ts';
import type { SignInput as SignBytes, ThreadSignature } from '../providers/key-handle.ts';
import { algorithmFor, madeBy, requireInputBytes, type MadeBy } from './crypto-input.ts';
import { handleOf } from './handles.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import type { KeyInput } from './transition.ts';

/** Exactly one of `message` and `digest`. */
export interface ToSign {
  /** At most 4,096 bytes. */
  readonly message?: Uint8Array | undefined;
  /** As long as the algorithm's hash; for ML-DSA the 64-byte mu of FIPS 204. */
  readonly digest?: Uint8Array | undefined;
  readonly algorithm?: SigningAlgorithmName | undefined;
}

export interface SignInput extends ToSign, KeyInput {}

export interface SignOutput extends MadeBy {
  readonly algorithm: SigningAlgorithmName;
  /** ECDSA: DER. */
  readonly signature: Uint8Array;
}

export const sign: Operation<SignInput, SignOutput> = {
  name: 'Sign',
  async run(scope, input) {
    const found = await scope.useKey(input.key, { usage: 'sign-verify', kind: 'protect' });
    const { made, task } = await prepareSignature(scope, found, input);
    if (task instanceof Promise) return { output: { ...made, signature: await task } };
    return { signs: [task], finish: ([signature]) => ({ ...made, signature: signature! }) };
  },
};

export interface PreparedSignature {
  readonly made: Omit<SignOutput, 'signature'>;
  readonly task: ThreadSignature | Promise<Buffer>;
  /** Base64, for the record. */
  readonly digest: string;
}

/** Chooses version and algorithm, checks the input, and gives the signature or the task that makes it. */
export async function prepareSignature(
  scope: Scope,
  found: KeyWithVersions,
  input: ToSign,
): Promise<PreparedSignature> {
  const algorithm = algorithmFor<SigningAlgorithmName>(scope, found.key, input.algorithm);
  const bytes = bytesToSign(algorithm, input);
  const digest = digestForRecord(algorithm, bytes);
  scope.note({ digest });
  const version = scope.primary(found);
  const handle = await handleOf(scope, found, version);
  const made = { ...(await madeBy(scope, found.key, version)), algorithm };
  return { made, task: handle.sign!(algorithm, bytes), digest };
}

/**
 * What is signed or verified, checked against the algorithm.
 *
 * @throws INVALID_ARGUMENT
 */
export function bytesToSign(algorithm: SigningAlgorithmName, { message, digest }: ToSign): SignBytes {
  const { digestBytes, takesMessage }: SigningAlgorithm = SIGNING_ALGORITHMS[algorithm];
  if ((message === undefined) === (digest === undefined)) {
    throw new ClavigerError('INVALID_ARGUMENT', 'give either `message` or `digest`');
  }
  if (message !== undefined) {
    if (!takesMessage) throw new ClavigerError('INVALID_ARGUMENT', `\`${algorithm}\` signs a digest; send \`digest\``);
    requireInputBytes('message', message);
    return { message };
  }
  if (digestBytes === null) {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${algorithm}\` signs the message itself; send \`message\``);
  }
  if (digest!.length !== digestBytes) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      `\`digest\` has ${digest!.length} bytes, \`${algorithm}\` takes ${digestBytes}`,
    );
  }
  return { digest: digest! };
}

/** What the record says of the signed text: its digest by the algorithm's hash, SHA-256 where that has none. */
function digestForRecord(algorithm: SigningAlgorithmName, bytes: SignBytes): string {
  if ('digest' in bytes) return Buffer.from(bytes.digest).toString('base64');
  return hash(SIGNING_ALGORITHMS[algorithm].hash ?? 'sha256', bytes.message, 'base64');
}
