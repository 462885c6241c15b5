/**
 * generateDataKeyPair: a fresh key pair for the caller's own use, its private key in plain text (PKCS#8 DER) and as a
 * ciphertext that only decrypt opens.
 *
 * @module
 */
import { generateMaterial } from '../crypto/key-material.ts';
import { NO_CONTEXT, type EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError } from '../errors.ts';
import { isAsymmetric, type Spec } from '../model/spec.ts';
import { madeBy, type MadeBy } from './crypto-input.ts';
import { sealBlob } from './encrypt.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export interface GenerateDataKeyPairInput extends KeyInput {
  readonly spec: Spec;
  readonly context?: EncryptionContext | undefined;
  readonly withoutPlaintext?: boolean | undefined;
}

export interface GenerateDataKeyPairOutput extends MadeBy {
  readonly spec: Spec;
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
  /** PKCS#8 DER. */
  readonly privateKey?: Uint8Array;
  readonly privateKeyCiphertext: Uint8Array;
}

export const generateDataKeyPair: Operation<GenerateDataKeyPairInput, GenerateDataKeyPairOutput> = {
  name: 'GenerateDataKeyPair',
  async run(scope, { key: name, spec, context = NO_CONTEXT, withoutPlaintext = false }) {
    const found = await scope.useKey(name, { usage: 'encrypt-decrypt', kind: 'protect', context });
    const { key } = found;
    if (key.spec !== 'AES-256-GCM') {
      throw new ClavigerError('KEY_USAGE', `key ${key.id} is asymmetric: data keys are made under symmetric keys`);
    }
    if (!isAsymmetric(spec)) throw new ClavigerError('INVALID_ARGUMENT', `\`${spec}\` is not the spec of a key pair`);
    const version = scope.primary(found);
    scope.note({ algorithm: 'SYMMETRIC_DEFAULT' });
    const { privateMaterial, publicKey } = await generateMaterial(spec, scope.services.random);
    using material = privateMaterial;
    const privateKeyCiphertext = await sealBlob(scope, found, version, material.reveal(), context);
    const made = { ...(await madeBy(scope, key, version)), spec, publicKey: publicKey!, privateKeyCiphertext };
    return { output: withoutPlaintext ? made : { ...made, privateKey: material.copy().reveal() } };
  },
};
