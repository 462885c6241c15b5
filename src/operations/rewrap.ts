/**
 * rewrap: completes a ciphertext that lacks wraps of homes which were down, or came later, when it was made. The text
 * stays as it is, and is not seen: only its data key is unwrapped and wrapped again.
 *
 * What the built-in keystore encrypted directly, before the key had other homes, is encrypted anew.
 *
 * @module
 */
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError } from '../errors.ts';
import { madeBy, type MadeBy } from './crypto-input.ts';
import { decryptUnder, versionOfBlob } from './decrypt.ts';
import { encryptUnder } from './encrypt.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';
import { completedBlob } from './wrapped.ts';

export interface RewrapInput extends KeyInput {
  readonly ciphertext: Uint8Array;
  /** Of the ciphertext; needed only where it was encrypted directly. */
  readonly context?: EncryptionContext | undefined;
}

export interface RewrapOutput extends MadeBy {
  readonly ciphertext: Uint8Array;
}

export const rewrap: Operation<RewrapInput, RewrapOutput> = {
  name: 'Rewrap',
  async run(scope, { key: name, ciphertext, context = NO_CONTEXT }) {
    const found = await scope.useKey(name, { usage: 'encrypt-decrypt', kind: 'process', context });
    const { key } = found;
    if (key.homes === null || key.spec !== 'AES-256-GCM') {
      throw new ClavigerError('UNSUPPORTED', `key ${key.id} has one home, the built-in keystore: nothing is missing`);
    }
    scope.note({ algorithm: 'SYMMETRIC_DEFAULT' });
    const { blob, version } = await versionOfBlob(scope, found, ciphertext);
    if (blob.kind === 'wrapped') {
      const completed = await completedBlob(scope, found, version, blob);
      return { output: { ...(await madeBy(scope, key, version)), ciphertext: completed } };
    }
    scope.requireUse(key, { usage: 'encrypt-decrypt', kind: 'protect' });
    using text = new SecretBytes((await decryptUnder(scope, found, { ciphertext, context })).plaintext);
    const made = await encryptUnder(scope, found, { plaintext: text.reveal(), context });
    const { keyId, arn, keyVersion } = made;
    return { output: { keyId, arn, keyVersion, ciphertext: made.ciphertext } };
  },
};
