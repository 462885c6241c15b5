/**
 * What a fake provider can do: every spec, with every algorithm it has.
 *
 * @module
 */
import { SIGNING_ALGORITHMS, type AlgorithmName, type SigningAlgorithmName } from '../../model/algorithm.ts';
import { algorithmsOf, SPEC_NAMES, specRow, USAGES, type Spec, type Usage } from '../../model/spec.ts';
import type { Capability, CapabilityOperation } from '../provider.ts';

const DATA_KEY_BYTES_MAX = 64;

const OPERATIONS: Readonly<Record<Usage, readonly CapabilityOperation[]>> = {
  'encrypt-decrypt': ['encrypt', 'decrypt'],
  'sign-verify': ['sign'],
  mac: ['mac'],
  'key-agreement': ['agree'],
  kem: ['decapsulate'],
};

/** Bytes that RSA-OAEP takes less than its modulus has: RFC 8017, section 7.1.1. */
const OAEP_BYTES: Readonly<Partial<Record<AlgorithmName, number>>> = {
  RSAES_OAEP_SHA_1: 42,
  RSAES_OAEP_SHA_256: 66,
};

export function capabilitiesOf(): readonly Capability[] {
  return SPEC_NAMES.flatMap((spec) => [
    ...(specRow(spec).family === 'aes' ? WRAPPING : []),
    ...USAGES.flatMap((usage) =>
      algorithmsOf(spec, usage).flatMap((algorithm) =>
        OPERATIONS[usage].flatMap((operation) => rowsOf(operation, spec, algorithm)),
      ),
    ),
    ...(['create', 'rotate', 'import', 'destroy'] as const).map((operation) => ({ operation, spec, maxBytes: null })),
  ]);
}

const WRAPPING: readonly Capability[] = (['wrap', 'generate-data-key'] as const).map((operation) => ({
  operation,
  spec: 'AES-256-GCM',
  maxBytes: DATA_KEY_BYTES_MAX,
}));

function rowsOf(operation: CapabilityOperation, spec: Spec, algorithm: AlgorithmName): readonly Capability[] {
  if (operation !== 'sign') return [{ operation, spec, algorithm, maxBytes: maxBytesOf(operation, spec, algorithm) }];
  const { takesMessage, digestBytes } = SIGNING_ALGORITHMS[algorithm as SigningAlgorithmName];
  return [
    ...(takesMessage ? [{ operation, spec, algorithm, input: 'message' as const, maxBytes: null }] : []),
    ...(digestBytes === null ? [] : [{ operation, spec, algorithm, input: 'digest' as const, maxBytes: digestBytes }]),
  ];
}

function maxBytesOf(operation: CapabilityOperation, spec: Spec, algorithm: AlgorithmName): number | null {
  const overhead = OAEP_BYTES[algorithm];
  return operation === 'encrypt' && overhead !== undefined ? specRow(spec).size! / 8 - overhead : null;
}
