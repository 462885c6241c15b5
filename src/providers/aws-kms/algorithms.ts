/**
 * What AWS KMS can do, spec by spec, in our names. Algorithms have AWS's names here and there; specs and usages have a
 * column for them in `model/spec.ts`.
 *
 * Left out: ED25519_PH_SHA_512, because AWS hashes the digest once more and so signs something else than Ed25519ph of
 * the message whose digest it was given; X25519, which AWS does not have; GenerateDataKeyPair, which no facet of a
 * home key asks for.
 *
 * @module
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
 */
import {
  MAC_ALGORITHMS,
  SIGNING_ALGORITHMS,
  type AlgorithmName,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specOfAws, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { Capability } from '../provider.ts';

/** Encrypt, Sign and GenerateMac take so much. */
export const MESSAGE_BYTES_MAX = 4096;
/** Decrypt takes so much. */
export const CIPHERTEXT_BYTES_MAX = 6144;
/** GenerateDataKey and GenerateRandom give so much. */
export const GENERATED_BYTES_MAX = 1024;

const ABSENT_SPECS: ReadonlySet<Spec> = new Set<Spec>(['X25519']);
const ABSENT_ALGORITHMS: ReadonlySet<AlgorithmName> = new Set<AlgorithmName>(['ED25519_PH_SHA_512']);

export const KMS_SPECS: readonly Spec[] = SPEC_NAMES.filter((spec) => !ABSENT_SPECS.has(spec));

/** Our spec of an AWS `KeySpec`; null where none of ours describes it, such as SM2. */
export function specOfKms(keySpec: string): Spec | null {
  const spec = specOfAws(keySpec);
  return spec === undefined || ABSENT_SPECS.has(spec) ? null : spec;
}

/** Algorithms of a spec under a usage that AWS does as we do. */
export function kmsAlgorithms(spec: Spec, usage: Usage): readonly AlgorithmName[] {
  if (ABSENT_SPECS.has(spec)) return [];
  return algorithmsOf(spec, usage).filter((algorithm) => !ABSENT_ALGORITHMS.has(algorithm));
}

/** `MessageType` of a digest; an algorithm that is not here signs messages only. */
export const DIGEST_TYPES: ReadonlyMap<SigningAlgorithmName, 'DIGEST' | 'EXTERNAL_MU'> = new Map(
  (Object.keys(SIGNING_ALGORITHMS) as SigningAlgorithmName[])
    .filter((name) => SIGNING_ALGORITHMS[name].digestBytes !== null && !ABSENT_ALGORITHMS.has(name))
    .map((name) => [name, name === 'ML_DSA_SHAKE_256' ? 'EXTERNAL_MU' : 'DIGEST']),
);

/** The algorithm under which a key of the spec wraps data keys; undefined where it does not. */
export function wrapAlgorithm(spec: Spec): EncryptionAlgorithmName | undefined {
  return kmsAlgorithms(spec, 'encrypt-decrypt')[0] as EncryptionAlgorithmName | undefined;
}

const OAEP_HASH_BYTES: Readonly<Partial<Record<EncryptionAlgorithmName, number>>> = {
  RSAES_OAEP_SHA_1: 20,
  RSAES_OAEP_SHA_256: 32,
};

/** Longest plaintext: RFC 8017, section 7.1.1, for RSA. */
export function plaintextBytesMax(spec: Spec, algorithm: EncryptionAlgorithmName): number {
  const hashBytes = OAEP_HASH_BYTES[algorithm];
  return hashBytes === undefined ? MESSAGE_BYTES_MAX : specRow(spec).size! / 8 - 2 * hashBytes - 2;
}

/** Longest ciphertext: an RSA ciphertext is as long as the modulus. */
export function ciphertextBytesMax(spec: Spec): number {
  const { family, size } = specRow(spec);
  return family === 'rsa' ? size! / 8 : CIPHERTEXT_BYTES_MAX;
}

export function macBytes(algorithm: MacAlgorithmName): number {
  return MAC_ALGORITHMS[algorithm].macBytes;
}

/** x-coordinate of the shared point. */
export const SHARED_SECRET_BYTES: ReadonlyMap<Spec, number> = new Map<Spec, number>([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
]);

/** FIPS 203, table 3. */
export const KEM_CIPHERTEXT_BYTES: ReadonlyMap<Spec, number> = new Map<Spec, number>([
  ['ML-KEM-512', 768],
  ['ML-KEM-768', 1088],
  ['ML-KEM-1024', 1568],
]);
export const KEM_SECRET_BYTES = 32;

/** Everything that can be asked, as data: it is the same for every account and region. */
export const CAPABILITIES: readonly Capability[] = KMS_SPECS.flatMap((spec) => [
  ...wrapping(spec),
  ...signing(spec),
  ...kmsAlgorithms(spec, 'mac').map((algorithm) => row('mac', spec, MESSAGE_BYTES_MAX, { algorithm })),
  ...kmsAlgorithms(spec, 'key-agreement').map((algorithm) => row('agree', spec, null, { algorithm })),
  ...kmsAlgorithms(spec, 'kem').map((algorithm) =>
    row('decapsulate', spec, KEM_CIPHERTEXT_BYTES.get(spec), { algorithm }),
  ),
  row('create', spec),
  row('import', spec),
  row('destroy', spec),
]);

function wrapping(spec: Spec): Capability[] {
  const algorithms = kmsAlgorithms(spec, 'encrypt-decrypt') as readonly EncryptionAlgorithmName[];
  const [first] = algorithms;
  if (first === undefined) return [];
  return [
    row('wrap', spec, plaintextBytesMax(spec, first)),
    ...(specRow(spec).family === 'aes' ? [row('generate-data-key', spec, GENERATED_BYTES_MAX)] : []),
    ...algorithms.flatMap((algorithm) => [
      row('encrypt', spec, plaintextBytesMax(spec, algorithm), { algorithm }),
      row('decrypt', spec, ciphertextBytesMax(spec), { algorithm }),
    ]),
  ];
}

function signing(spec: Spec): Capability[] {
  const algorithms = kmsAlgorithms(spec, 'sign-verify') as readonly SigningAlgorithmName[];
  return algorithms.flatMap((algorithm) => [
    row('sign', spec, MESSAGE_BYTES_MAX, { algorithm, input: 'message' }),
    ...(DIGEST_TYPES.has(algorithm)
      ? [row('sign', spec, SIGNING_ALGORITHMS[algorithm].digestBytes, { algorithm, input: 'digest' })]
      : []),
  ]);
}

function row(
  operation: Capability['operation'],
  spec: Spec,
  maxBytes: number | null = null,
  more: Pick<Capability, 'algorithm' | 'input'> = {},
): Capability {
  return { operation, spec, ...more, maxBytes };
}
