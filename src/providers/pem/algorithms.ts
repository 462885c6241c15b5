/**
 * What keys in PEM do: they sign, and RSA keys decrypt. Nothing new is wrapped or encrypted under a key that is about to
 * leave; key agreement is left out as well.
 *
 * @module
 */
import { SIGNING_ALGORITHMS, type EncryptionAlgorithmName, type SigningAlgorithmName } from '../../model/algorithm.ts';
import { algorithmsOf, specRow, type Spec, type SpecFamily, type Usage } from '../../model/spec.ts';
import type { Capability } from '../provider.ts';

/** Family → usages of a key in PEM. */
const USAGES: Readonly<Partial<Record<SpecFamily, readonly Usage[]>>> = {
  rsa: ['sign-verify', 'encrypt-decrypt'],
  ec: ['sign-verify'],
  ed25519: ['sign-verify'],
};

/** Usages of a spec here; none where it has no keys in PEM. */
export function usagesOf(spec: Spec): readonly Usage[] {
  return USAGES[specRow(spec).family] ?? [];
}

/** What a private key of the spec can do. */
export function capabilitiesOf(spec: Spec): readonly Capability[] {
  const usages = usagesOf(spec);
  const signing = usages.includes('sign-verify') ? algorithmsOf(spec, 'sign-verify') : [];
  const opening = usages.includes('encrypt-decrypt') ? algorithmsOf(spec, 'encrypt-decrypt') : [];
  return [
    ...(signing as readonly SigningAlgorithmName[]).flatMap((algorithm) => signRows(spec, algorithm)),
    ...(opening as readonly EncryptionAlgorithmName[]).map(
      (algorithm) => ({ operation: 'decrypt', spec, algorithm, maxBytes: null }) as const,
    ),
  ];
}

function signRows(spec: Spec, algorithm: SigningAlgorithmName): readonly Capability[] {
  const { takesMessage, digestBytes } = SIGNING_ALGORITHMS[algorithm];
  const row = { operation: 'sign', spec, algorithm } as const;
  return [
    ...(takesMessage ? [{ ...row, input: 'message', maxBytes: null } as const] : []),
    ...(digestBytes === null ? [] : [{ ...row, input: 'digest', maxBytes: digestBytes } as const]),
  ];
}
