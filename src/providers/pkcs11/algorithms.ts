/**
 * Our specs and algorithms, and the mechanisms of PKCS#11 that do them.
 *
 * What a token can do is what it says in its list of mechanisms, and what its profile knows that the list does not say.
 * Left out: Ed25519ph and X25519, ML-DSA and ML-KEM, for which no module here could be tried.
 *
 * @module
 */
import type {
  AlgorithmName,
  EncryptionAlgorithmName,
  MacAlgorithmName,
  SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { Capability, CapabilityOperation } from '../provider.ts';
import { CKK, CKM, MECHANISM_FLAGS } from './cryptoki.ts';
import type { Profile } from './profiles.ts';
import { USE_MECHANISMS, type GcmMode, type MechanismInfo, type UseName, type WrapName } from './protocol.ts';

export const SIGN_USES: Readonly<Partial<Record<SigningAlgorithmName, UseName>>> = {
  RSASSA_PSS_SHA_256: 'rsa-pss-sha256',
  RSASSA_PSS_SHA_384: 'rsa-pss-sha384',
  RSASSA_PSS_SHA_512: 'rsa-pss-sha512',
  RSASSA_PKCS1_V1_5_SHA_256: 'rsa-pkcs1',
  RSASSA_PKCS1_V1_5_SHA_384: 'rsa-pkcs1',
  RSASSA_PKCS1_V1_5_SHA_512: 'rsa-pkcs1',
  ECDSA_SHA_256: 'ecdsa',
  ECDSA_SHA_384: 'ecdsa',
  ECDSA_SHA_512: 'ecdsa',
  ED25519_SHA_512: 'eddsa',
};

export const MAC_USES: Readonly<Record<MacAlgorithmName, UseName>> = {
  HMAC_SHA_224: 'hmac-sha224',
  HMAC_SHA_256: 'hmac-sha256',
  HMAC_SHA_384: 'hmac-sha384',
  HMAC_SHA_512: 'hmac-sha512',
};

export const DECRYPT_USES: Readonly<Partial<Record<EncryptionAlgorithmName, UseName>>> = {
  RSAES_OAEP_SHA_1: 'oaep-sha1',
  RSAES_OAEP_SHA_256: 'oaep-sha256',
};

interface SpecMechanisms {
  readonly keyType: number;
  readonly generate: number;
  /** CKA_EC_PARAMS: the object identifier of the curve, in DER. */
  readonly curve: string | null;
  /** Bytes of a coordinate or a scalar. */
  readonly fieldBytes: number | null;
}

const RSA = row(CKK.RSA, CKM.RSA_PKCS_KEY_PAIR_GEN);
const HMAC = row(CKK.GENERIC_SECRET, CKM.GENERIC_SECRET_KEY_GEN);

/** Specs that PKCS#11 2.40 has mechanisms for, with those that make their keys. */
export const SPEC_MECHANISMS: Readonly<Partial<Record<Spec, SpecMechanisms>>> = {
  'AES-256-GCM': row(CKK.AES, CKM.AES_KEY_GEN),
  'RSA-2048': RSA,
  'RSA-3072': RSA,
  'RSA-4096': RSA,
  'P-256': row(CKK.EC, CKM.EC_KEY_PAIR_GEN, '06082a8648ce3d030107', 32),
  'P-384': row(CKK.EC, CKM.EC_KEY_PAIR_GEN, '06052b81040022', 48),
  'P-521': row(CKK.EC, CKM.EC_KEY_PAIR_GEN, '06052b81040023', 66),
  secp256k1: row(CKK.EC, CKM.EC_KEY_PAIR_GEN, '06052b8104000a', 32),
  Ed25519: row(CKK.EC_EDWARDS, CKM.EC_EDWARDS_KEY_PAIR_GEN, '06032b6570', 32),
  'HMAC-SHA-224': HMAC,
  'HMAC-SHA-256': HMAC,
  'HMAC-SHA-384': HMAC,
  'HMAC-SHA-512': HMAC,
};

/** Longest data key that a wrap takes. */
export const DATA_KEY_BYTES_MAX = 64;

/** How data keys are wrapped. */
export type WrapMode =
  { readonly kind: 'gcm'; readonly mode: GcmMode } | { readonly kind: 'kw'; readonly name: WrapName };

/** What a token can do. Before a token was asked, everything that its profile does not exclude. */
export class Abilities {
  readonly wrapMode: WrapMode | null;
  readonly list: readonly Capability[];
  readonly #mechanisms: ReadonlyMap<number, MechanismInfo> | null;
  readonly #profile: Profile;
  readonly #names: ReadonlySet<string>;

  constructor(mechanisms: readonly MechanismInfo[] | null, profile: Profile) {
    this.#mechanisms = mechanisms === null ? null : new Map(mechanisms.map((info) => [info.mechanism, info]));
    this.#profile = profile;
    this.wrapMode = this.#wrapMode();
    this.list = SPEC_NAMES.flatMap((spec) => this.#ofSpec(spec));
    this.#names = new Set(this.list.map(({ operation, spec, algorithm }) => abilityName(operation, spec, algorithm)));
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  #ofSpec(spec: Spec): Capability[] {
    const mechanisms = SPEC_MECHANISMS[spec];
    if (mechanisms === undefined) return [];
    const { family, usages } = specRow(spec);
    const uses = (Object.keys(usages) as Usage[]).flatMap((usage) => this.#ofUsage(spec, usage));
    if (uses.length === 0) return [];
    const flag = family === 'aes' || family === 'hmac' ? 'generate' : 'generateKeyPair';
    const { importsPlain } = this.#profile;
    return [
      ...uses,
      ...(this.#does(mechanisms.generate, spec, flag) ? [ability('create', spec)] : []),
      ...(importsPlain ? [ability('import', spec)] : []),
      ability('destroy', spec),
    ];
  }

  #ofUsage(spec: Spec, usage: Usage): Capability[] {
    const { maxDataBytes } = this.#profile;
    const { family } = specRow(spec);
    const algorithms = algorithmsOf(spec, usage);
    if (family === 'aes') return this.#ofAes(spec, maxDataBytes);
    if (usage === 'key-agreement') {
      return this.#does(CKM.ECDH1_DERIVE, spec, 'derive') ? [ability('agree', spec, 'ECDH')] : [];
    }
    return algorithms.flatMap((algorithm): Capability[] => {
      if (algorithm in SIGN_USES) {
        const use = SIGN_USES[algorithm as SigningAlgorithmName]!;
        if (!this.#does(USE_MECHANISMS[use].mechanism, spec, 'sign')) return [];
        // Other messages are hashed here, and may have any length.
        if (family === 'ed25519') return [{ ...ability('sign', spec, algorithm, maxDataBytes), input: 'message' }];
        return (['message', 'digest'] as const).map((input) => ({ ...ability('sign', spec, algorithm), input }));
      }
      if (algorithm in MAC_USES) {
        const { mechanism } = USE_MECHANISMS[MAC_USES[algorithm as MacAlgorithmName]];
        return this.#does(mechanism, spec, 'sign') ? [ability('mac', spec, algorithm, maxDataBytes)] : [];
      }
      return this.#ofOaep(spec, algorithm);
    });
  }

  #ofAes(spec: Spec, maxDataBytes: number): Capability[] {
    if (this.wrapMode === null) return [];
    const wraps = (['wrap', 'generate-data-key'] as const).map((name) =>
      ability(name, spec, undefined, DATA_KEY_BYTES_MAX),
    );
    if (this.wrapMode.kind === 'kw') return wraps;
    const ciphers = (['encrypt', 'decrypt'] as const).map((name) =>
      ability(name, spec, 'SYMMETRIC_DEFAULT', maxDataBytes),
    );
    return [...wraps, ...ciphers];
  }

  #ofOaep(spec: Spec, algorithm: AlgorithmName): Capability[] {
    const hash = algorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256';
    if (!this.#profile.oaepHashes.includes(hash) || !this.#does(CKM.RSA_PKCS_OAEP, spec, 'decrypt')) return [];
    const modulusBytes = specRow(spec).size! / 8;
    const overhead = hash === 'sha1' ? 42 : 66;
    return [
      ability('encrypt', spec, algorithm, modulusBytes - overhead),
      ability('decrypt', spec, algorithm, modulusBytes),
    ];
  }

  /** RSA is the one family whose sizes a token limits in the same unit for all of them. */
  #does(mechanism: number, spec: Spec, flag: keyof typeof MECHANISM_FLAGS): boolean {
    if (this.#mechanisms === null) return true;
    const info = this.#mechanisms.get(mechanism);
    if (info === undefined || (info.flags & MECHANISM_FLAGS[flag]) === 0) return false;
    const { family, size } = specRow(spec);
    return family !== 'rsa' || (size! >= info.minKeySize && size! <= info.maxKeySize);
  }

  #wrapMode(): WrapMode | null {
    const { gcmIv, wrapMechanisms } = this.#profile;
    const gcm = gcmIv === 'hsm-prepended' ? CKM.CLOUDHSM_AES_GCM : CKM.AES_GCM;
    if (gcmIv !== null && this.#does(gcm, 'AES-256-GCM', 'encrypt')) return { kind: 'gcm', mode: gcmIv };
    const name = wrapMechanisms.find((wrap) => this.#does(CKM[wrap], 'AES-256-GCM', 'wrap'));
    return name === undefined ? null : { kind: 'kw', name };
  }
}

/** By which a capability is found again. */
export function abilityName(operation: CapabilityOperation, spec: Spec, algorithm?: AlgorithmName): string {
  return `${operation} ${spec} ${algorithm ?? ''}`;
}

function ability(
  operation: CapabilityOperation,
  spec: Spec,
  algorithm?: AlgorithmName,
  maxBytes: number | null = null,
): Capability {
  return { operation, spec, maxBytes, ...(algorithm === undefined ? {} : { algorithm }) };
}

function row(
  keyType: number,
  generate: number,
  curve: string | null = null,
  fieldBytes: number | null = null,
): SpecMechanisms {
  return { keyType, generate, curve, fieldBytes };
}
