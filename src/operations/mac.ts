/**
 * generateMac and verifyMac: HMAC with a key that never leaves.
 *
 * @module
 */
import { macMatches } from '../crypto/mac.ts';
import type { MacAlgorithmName } from '../model/algorithm.ts';
import { algorithmFor, madeBy, requireInputBytes, type MadeBy } from './crypto-input.ts';
import { handleOf } from './handles.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export interface GenerateMacInput extends KeyInput {
  /** At most 4,096 bytes. */
  readonly message: Uint8Array;
  readonly algorithm?: MacAlgorithmName | undefined;
}

export interface GenerateMacOutput extends MadeBy {
  readonly algorithm: MacAlgorithmName;
  readonly mac: Uint8Array;
}

export interface VerifyMacInput extends GenerateMacInput {
  readonly mac: Uint8Array;
  /** Without it the usable versions are tried, newest first. */
  readonly keyVersion?: number | undefined;
}

export interface VerifyMacOutput extends Omit<MadeBy, 'keyVersion'> {
  readonly algorithm: MacAlgorithmName;
  readonly valid: boolean;
  /** The version whose MAC it is; null where it is none's. */
  readonly keyVersion: number | null;
}

export const generateMac: Operation<GenerateMacInput, GenerateMacOutput> = {
  name: 'GenerateMac',
  async run(scope, { key: name, message, algorithm: named }) {
    const found = await scope.useKey(name, { usage: 'mac', kind: 'protect' });
    requireInputBytes('message', message);
    const algorithm = algorithmFor<MacAlgorithmName>(scope, found.key, named);
    const version = scope.primary(found);
    const handle = await handleOf(scope, found, version);
    return {
      output: { ...(await madeBy(scope, found.key, version)), algorithm, mac: await handle.mac!(algorithm, message) },
    };
  },
};

export const verifyMac: Operation<VerifyMacInput, VerifyMacOutput> = {
  name: 'VerifyMac',
  async run(scope, { key: name, message, mac, algorithm: named, keyVersion }) {
    const found = await scope.useKey(name, { usage: 'mac', kind: 'process' });
    requireInputBytes('message', message);
    const algorithm = algorithmFor<MacAlgorithmName>(scope, found.key, named);
    for (const version of scope.candidates(found, keyVersion)) {
      const handle = await handleOf(scope, found, version);
      if (!macMatches(await handle.mac!(algorithm, message), mac)) continue;
      return { output: { ...(await madeBy(scope, found.key, version)), algorithm, valid: true } };
    }
    scope.note({ keyVersion: null });
    const { id: keyId } = found.key;
    const output = { keyId, arn: await scope.arn(keyId), keyVersion: null, algorithm, valid: false };
    return { output, outcome: 'INVALID_MAC' };
  },
};
