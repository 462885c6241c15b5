/**
 * generateDataKey: a fresh random key for the caller's own encryption, in plain text and as a ciphertext that only
 * decrypt opens; without plaintext for whoever encrypts later.
 *
 * @module
 */
import { SecretBytes } from '../crypto/secret-bytes.ts';
import { ClavigerError } from '../errors.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { madeBy, type MadeBy } from './crypto-input.ts';
import { sealBlob } from './encrypt.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export const DATA_KEY_BYTES = { min: 1, max: 1024, default: 32 } as const;

export interface GenerateDataKeyInput extends KeyInput {
  /** 1 to 1,024; 32 where it is not given. */
  readonly bytes?: number | undefined;
  readonly context?: EncryptionContext | undefined;
  readonly withoutPlaintext?: boolean | undefined;
}

export interface GenerateDataKeyOutput extends MadeBy {
  readonly ciphertext: Uint8Array;
  readonly plaintext?: Uint8Array;
}

export const generateDataKey: Operation<GenerateDataKeyInput, GenerateDataKeyOutput> = {
  name: 'GenerateDataKey',
  async run(scope, { key: name, bytes = DATA_KEY_BYTES.default, context = NO_CONTEXT, withoutPlaintext = false }) {
    const found = await scope.useKey(name, { usage: 'encrypt-decrypt', kind: 'protect', context });
    const { key } = found;
    if (key.spec !== 'AES-256-GCM') {
      throw new ClavigerError('KEY_USAGE', `key ${key.id} is asymmetric: data keys are made under symmetric keys`);
    }
    if (!Number.isInteger(bytes) || bytes < DATA_KEY_BYTES.min || bytes > DATA_KEY_BYTES.max) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `a data key has ${DATA_KEY_BYTES.min} to ${DATA_KEY_BYTES.max} bytes`,
      );
    }
    const version = scope.primary(found);
    scope.note({ algorithm: 'SYMMETRIC_DEFAULT' });
    using dataKey = new SecretBytes(scope.services.random.bytes(bytes));
    const ciphertext = await sealBlob(scope, found, version, dataKey.reveal(), context);
    const made = { ...(await madeBy(scope, key, version)), ciphertext };
    return { output: withoutPlaintext ? made : { ...made, plaintext: dataKey.copy().reveal() } };
  },
};
