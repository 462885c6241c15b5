/**
 * reEncrypt: opens a ciphertext and encrypts the text anew, under another key or context. The text never leaves.
 *
 * @module
 */
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import type { EncryptionAlgorithmName } from '../model/algorithm.ts';
import type { MadeBy } from './crypto-input.ts';
import { decryptUnder, keyToOpen, type DecryptInput } from './decrypt.ts';
import { encryptUnder } from './encrypt.ts';
import type { Operation } from './operation.ts';

export interface ReEncryptInput extends DecryptInput {
  readonly destinationKey: string;
  readonly destinationContext?: EncryptionContext | undefined;
  readonly destinationAlgorithm?: EncryptionAlgorithmName | undefined;
}

export interface ReEncryptOutput extends MadeBy {
  readonly algorithm: EncryptionAlgorithmName;
  readonly ciphertext: Uint8Array;
  readonly source: MadeBy & { readonly algorithm: EncryptionAlgorithmName };
}

export const reEncrypt: Operation<ReEncryptInput, ReEncryptOutput> = {
  name: 'ReEncrypt',
  async run(scope, input) {
    const { destinationKey, destinationContext = NO_CONTEXT, destinationAlgorithm } = input;
    const from = await keyToOpen(scope, input);
    const to = await scope.useKey(destinationKey, {
      usage: 'encrypt-decrypt',
      kind: 'protect',
      context: destinationContext,
    });
    // Two keys were resolved and checked; from here on the record is the source's, whatever becomes of it.
    scope.note({
      keyId: from.key.id,
      resource: `key/${to.key.id}`,
      context: input.context ?? NO_CONTEXT,
      destinationContext,
    });
    const opened = await decryptUnder(scope, from, input);
    using text = new SecretBytes(opened.plaintext);
    const made = await encryptUnder(scope, to, {
      plaintext: text.reveal(),
      context: destinationContext,
      algorithm: destinationAlgorithm,
    });
    scope.note({ keyVersion: opened.keyVersion, algorithm: opened.algorithm });
    const { keyId, arn, keyVersion, algorithm } = opened;
    return { output: { ...made, source: { keyId, arn, keyVersion, algorithm } } };
  },
};
