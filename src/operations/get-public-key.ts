/**
 * getPublicKey: for whoever verifies, encrypts or agrees outside.
 *
 * @module
 */
import { publicKeyJwk, publicKeyPem, thumbprint } from '../crypto/key-material.ts';
import { ClavigerError } from '../errors.ts';
import type { AlgorithmName } from '../model/algorithm.ts';
import { algorithmsOf, isAsymmetric, type Spec, type Usage } from '../model/spec.ts';
import { requireUsable } from '../model/state.ts';
import { madeBy, type MadeBy } from './crypto-input.ts';
import { publicKeysOf } from './handles.ts';
import type { Operation } from './operation.ts';
import type { KeyInput } from './transition.ts';

export interface GetPublicKeyInput extends KeyInput {
  /** The primary one where it is not given. */
  readonly keyVersion?: number | undefined;
}

export interface GetPublicKeyOutput extends MadeBy {
  readonly spec: Spec;
  readonly usage: Usage;
  readonly algorithms: readonly AlgorithmName[];
  /** SPKI DER. */
  readonly publicKey: Uint8Array;
  readonly pem: string;
  /** RFC 7517, with the RFC 7638 thumbprint as `kid`. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** Of a key with a pair in each home: the other pairs, any of which may have signed. */
  readonly siblings?: readonly { readonly pem: string; readonly jwk: Readonly<Record<string, unknown>> }[];
}

export const getPublicKey: Operation<GetPublicKeyInput, GetPublicKeyOutput> = {
  name: 'GetPublicKey',
  async run(scope, { key: name, keyVersion }) {
    const found = await scope.readKey(name);
    const { key } = found;
    if (!isAsymmetric(key.spec)) {
      throw new ClavigerError('KEY_USAGE', `key ${key.id} of spec \`${key.spec}\` has no public key`);
    }
    requireUsable(key, 'process', () => scope.mayUseCompromised(key));
    const version = scope.versionFor(found, keyVersion);
    const [publicKey, ...others] = publicKeysOf(version) as [Uint8Array, ...Uint8Array[]];
    scope.note({ keyVersion: version.version });
    return {
      output: {
        ...(await madeBy(scope, key, version)),
        spec: key.spec,
        usage: key.usage,
        algorithms: algorithmsOf(key.spec, key.usage),
        publicKey,
        ...shown(publicKey),
        ...(others.length === 0 ? {} : { siblings: others.map(shown) }),
      },
    };
  },
};

function shown(publicKey: Uint8Array): Pick<GetPublicKeyOutput, 'pem' | 'jwk'> {
  const jwk = publicKeyJwk(publicKey);
  return { pem: publicKeyPem(publicKey), jwk: { ...jwk, kid: thumbprint(jwk) } };
}
