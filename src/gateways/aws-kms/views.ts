/**
 * Keys as the AWS KMS API shows them.
 *
 * @module
 */
import { AWS_USAGES, SPECS } from '../../model/spec.ts';
import type { KeyInfo } from '../../operations/key-info.ts';

export type AwsKeyState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport';

/** Seconds since the epoch, with milliseconds as fractions. */
export function epoch(iso: string): number {
  return Date.parse(iso) / 1000;
}

/** AWS knows fewer states: whatever cannot be enabled, or has been ended, is disabled there. */
export function awsState({ deletionAt, materialPresent, state }: KeyInfo): AwsKeyState {
  if (deletionAt !== null) return 'PendingDeletion';
  if (!materialPresent) return 'PendingImport';
  return state === 'Active' ? 'Enabled' : 'Disabled';
}

/** Usage → the field that lists the key's algorithms. */
const ALGORITHM_FIELDS = {
  'encrypt-decrypt': 'EncryptionAlgorithms',
  'sign-verify': 'SigningAlgorithms',
  mac: 'MacAlgorithms',
  'key-agreement': 'KeyAgreementAlgorithms',
  kem: 'EncapsulationAlgorithms',
} as const;

/** Spec, usage and algorithms, as DescribeKey and GetPublicKey show them. */
export function specFields({ spec, usage, algorithms }: Pick<KeyInfo, 'spec' | 'usage' | 'algorithms'>): object {
  return {
    KeySpec: SPECS[spec].aws,
    CustomerMasterKeySpec: SPECS[spec].aws,
    KeyUsage: AWS_USAGES[usage],
    [ALGORITHM_FIELDS[usage]]: algorithms,
  };
}

/** The `KeyMetadata` of CreateKey and DescribeKey. */
export function keyMetadata(key: KeyInfo): object {
  const state = awsState(key);
  const validTo = key.versions[0]?.expiresAt ?? null;
  return {
    AWSAccountId: accountOf(key.arn),
    KeyId: key.id,
    Arn: key.arn,
    CreationDate: epoch(key.createdAt),
    Enabled: state === 'Enabled',
    Description: key.description,
    KeyState: state,
    ...(key.deletionAt === null ? {} : { DeletionDate: epoch(key.deletionAt) }),
    Origin: key.origin === 'external' ? 'EXTERNAL' : 'AWS_KMS',
    ...(key.origin === 'external' && key.materialPresent
      ? {
          ExpirationModel: validTo === null ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES',
          ...(validTo === null ? {} : { ValidTo: epoch(validTo) }),
        }
      : {}),
    KeyManager: 'CUSTOMER',
    ...specFields(key),
    MultiRegion: false,
  };
}

/** The account id of an ARN. */
export function accountOf(arn: string): string {
  return arn.split(':')[4]!;
}
