/**
 * deriveSharedSecret (ECDH, X25519), encapsulate and decapsulate (ML-KEM, FIPS 203): secrets agreed with somebody who
 * has the public key.
 *
 * What comes from the other side names no version, and a wrong one gives a wrong secret rather than an error: a caller
 * that still holds an old public key names its `keyVersion`.
 *
 * @module
 */
import { encapsulate as encapsulateTo } from '../crypto/kem.ts';
import { madeBy, type MadeBy } from './crypto-input.ts';
import { handleOf } from './handles.ts';
import { publicKeyOf } from './encrypt.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export interface DeriveSharedSecretInput extends KeyInput {
  /** SPKI DER of the other side, on the same curve. */
  readonly publicKey: Uint8Array;
  /** The primary one where it is not given. */
  readonly keyVersion?: number | undefined;
}

export interface SharedSecretOutput extends MadeBy {
  readonly sharedSecret: Uint8Array;
}

export interface DecapsulateInput extends KeyInput {
  readonly ciphertext: Uint8Array;
  /** The primary one where it is not given. */
  readonly keyVersion?: number | undefined;
}

export interface EncapsulateOutput extends SharedSecretOutput {
  readonly ciphertext: Uint8Array;
}

export const deriveSharedSecret: Operation<DeriveSharedSecretInput, SharedSecretOutput> = {
  name: 'DeriveSharedSecret',
  async run(scope, { key: name, publicKey, keyVersion }) {
    const found = await scope.useKey(name, { usage: 'key-agreement', kind: 'process' });
    scope.note({ algorithm: 'ECDH' });
    const version = scope.versionFor(found, keyVersion);
    const handle = await handleOf(scope, found, version);
    return { output: { ...(await madeBy(scope, found.key, version)), sharedSecret: await handle.agree!(publicKey) } };
  },
};

export const encapsulate: Operation<KeyInput, EncapsulateOutput> = {
  name: 'Encapsulate',
  async run(scope, { key: name }) {
    const found = await scope.useKey(name, { usage: 'kem', kind: 'protect' });
    const version = scope.primary(found);
    scope.requireUnrefused(found.key, version);
    scope.note({ algorithm: 'ML_KEM', keyVersion: version.version });
    const { ciphertext, sharedSecret } = encapsulateTo(found.key.spec, publicKeyOf(version));
    return { output: { ...(await madeBy(scope, found.key, version)), ciphertext, sharedSecret } };
  },
};

export const decapsulate: Operation<DecapsulateInput, SharedSecretOutput> = {
  name: 'Decapsulate',
  async run(scope, { key: name, ciphertext, keyVersion }) {
    const found = await scope.useKey(name, { usage: 'kem', kind: 'process' });
    scope.note({ algorithm: 'ML_KEM' });
    const version = scope.versionFor(found, keyVersion);
    const handle = await handleOf(scope, found, version);
    return {
      output: { ...(await madeBy(scope, found.key, version)), sharedSecret: await handle.decapsulate!(ciphertext) },
    };
  },
};
