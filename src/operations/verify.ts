/**
 * verify: whether a signature is one of this key. Uses public keys only.
 *
 * @module
 */
import { verify as verifySignature } from '../crypto/verify.ts';
import type { SigningAlgorithmName } from '../model/algorithm.ts';
import type { KeyWithVersions } from '../model/key.ts';
import { algorithmFor, madeBy, type MadeBy } from './crypto-input.ts';
import { publicKeysOf } from './handles.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import { bytesToSign, type ToSign } from './sign.ts';
import type { KeyInput } from './transition.ts';

export interface ToVerify extends ToSign {
  readonly signature: Uint8Array;
  /** Without it the usable versions are tried, newest first. */
  readonly keyVersion?: number | undefined;
}

export interface VerifyInput extends ToVerify, KeyInput {}

export interface VerifyOutput extends Omit<MadeBy, 'keyVersion'> {
  readonly algorithm: SigningAlgorithmName;
  readonly valid: boolean;
  /** The version whose signature it is; null where it is none's. */
  readonly keyVersion: number | null;
}

export const verify: Operation<VerifyInput, VerifyOutput> = {
  name: 'Verify',
  async run(scope, input) {
    const found = await scope.useKey(input.key, { usage: 'sign-verify', kind: 'process' });
    const output = await verifyUnder(scope, found, input);
    return output.valid ? { output } : { output, outcome: 'INVALID_SIGNATURE' };
  },
};

/** Verifies under a key whose use was checked. */
export async function verifyUnder(scope: Scope, found: KeyWithVersions, input: ToVerify): Promise<VerifyOutput> {
  const { key } = found;
  const algorithm = algorithmFor<SigningAlgorithmName>(scope, key, input.algorithm);
  const bytes = bytesToSign(algorithm, input);
  for (const version of scope.candidates(found, input.keyVersion)) {
    for (const publicKey of publicKeysOf(version)) {
      if (!(await verifySignature(key.spec, publicKey, algorithm, bytes, input.signature))) continue;
      scope.note({ keyVersion: version.version });
      return { ...(await madeBy(scope, key, version)), algorithm, valid: true };
    }
  }
  return { keyId: key.id, arn: await scope.arn(key.id), keyVersion: null, algorithm, valid: false };
}
