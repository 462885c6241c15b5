/**
 * What AWS says of a key, in our words.
 *
 * @module
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
 */
import type { KeyMetadata } from '@aws-sdk/client-kms';
import { ClavigerError } from '../../errors.ts';
import { loadPublic } from '../../crypto/key-material.ts';
import { isAsymmetric, usageOfAws } from '../../model/spec.ts';
import type { BackingInfo, BackingState, CallOptions, Protection } from '../provider.ts';
import { specOfKms } from './algorithms.ts';
import { requireBytes, requireSameKey } from './answers.ts';
import { requireKeyArn, type KeyArn } from './arn.ts';
import type { Connection } from './connection.ts';
import { integrityError, unreadableError } from './errors.ts';

/** `KeyState` → ours. A multi-Region key whose primary Region is being changed (`Updating`) can be used. */
const STATES: ReadonlyMap<string, BackingState> = new Map<string, BackingState>([
  ['Enabled', 'enabled'],
  ['Updating', 'enabled'],
  ['Disabled', 'disabled'],
  ['PendingDeletion', 'pending-deletion'],
  ['PendingReplicaDeletion', 'pending-deletion'],
  ['PendingImport', 'pending'],
  ['Creating', 'pending'],
  ['Unavailable', 'unavailable'],
]);

const ORIGINS: ReadonlyMap<string, BackingInfo['origin']> = new Map<string, BackingInfo['origin']>([
  ['AWS_KMS', 'provider'],
  ['AWS_CLOUDHSM', 'provider'],
  ['EXTERNAL', 'external'],
  ['EXTERNAL_KEY_STORE', 'external'],
]);

/** Where a key of a custom key store is; all others are where the endpoint's are. */
const STORES: ReadonlyMap<string, Protection> = new Map<string, Protection>([
  ['AWS_CLOUDHSM', 'hsm'],
  ['EXTERNAL_KEY_STORE', 'external'],
]);

/** SPKI DER of RSA-4096 has 550 bytes, of ML-DSA-87 2,614. */
const PUBLIC_KEY_BYTES_MAX = 8192;

/** Metadata that have been looked at. */
export type KnownKey = KeyMetadata & { readonly Arn: string };

/** DescribeKey, of anything that names a key. */
export async function askForMetadata(
  connection: Connection,
  reference: string,
  options: CallOptions,
): Promise<KnownKey> {
  const { KeyMetadata: metadata } = await connection.call('DescribeKey', options, (kms, http) =>
    kms.describeKey({ KeyId: reference, ...connection.grants }, http),
  );
  return requireMetadata(connection, 'DescribeKey', metadata);
}

/**
 * An answer's metadata, of a key of our region.
 *
 * @throws PROVIDER_INTEGRITY for what else it names, PROVIDER_UNAVAILABLE where it names nothing
 */
export function requireMetadata(
  { name, region }: Pick<Connection, 'name' | 'region'>,
  operation: string,
  metadata: KeyMetadata | undefined,
): KnownKey {
  if (typeof metadata?.Arn !== 'string') throw unreadableError(name, operation, 'it describes no key');
  try {
    const { arn: Arn } = requireKeyArn(metadata.Arn, region);
    return { ...metadata, Arn };
  } catch {
    throw integrityError(name, operation, 'it names no key of this region');
  }
}

/** Replicas of a multi-region key have its id, account and material, in other regions. */
function copyOf(arn: string): Pick<BackingInfo, 'copyOf'> {
  const [scheme, partition, service, , account, name] = arn.split(':');
  if (name?.startsWith('key/mrk-') !== true) return {};
  return { copyOf: [scheme, partition, service, '*', account, name].join(':') };
}

/**
 * All about a key, its public key included where it has one that can be read now.
 *
 * @param protection of keys that are in no custom key store
 */
export async function backingInfo(
  connection: Connection,
  protection: Protection,
  metadata: KnownKey,
  options: CallOptions,
): Promise<BackingInfo> {
  const { Arn: arn, KeyState: state = '', Origin: origin = '' } = metadata;
  const info: BackingInfo = {
    ref: arn,
    nativeId: arn,
    ...copyOf(arn),
    // Changes when AWS rotates the key; no call can ask for an older one, so the reference does not have it.
    version: metadata.CurrentKeyMaterialId ?? null,
    spec: specOfKms(metadata.KeySpec ?? ''),
    usage: usageOfAws(metadata.KeyUsage ?? '') ?? null,
    // A state that AWS has thought of since: the key is there, and what it can do is not known.
    state: STATES.get(state) ?? 'unavailable',
    protection: STORES.get(origin) ?? protection,
    publicKey: null,
    origin: ORIGINS.get(origin) ?? 'unknown',
    claims: claimsOf(metadata),
  };
  const publicKey = await publicKeyOf(connection, info, requireKeyArn(arn, connection.region), options);
  return { ...info, publicKey };
}

/** Null for a symmetric key, and for one whose state keeps its public key from us. */
async function publicKeyOf(
  connection: Connection,
  { spec, state }: BackingInfo,
  key: KeyArn,
  options: CallOptions,
): Promise<Buffer | null> {
  if (spec === null || !isAsymmetric(spec) || (state !== 'enabled' && state !== 'disabled')) return null;
  const asked = { provider: connection.name, operation: 'GetPublicKey' };
  let answer;
  try {
    answer = await connection.call('GetPublicKey', options, (kms, http) =>
      kms.getPublicKey({ KeyId: key.arn, ...connection.grants }, http),
    );
  } catch (error) {
    const byState = error instanceof ClavigerError && ['KEY_DISABLED', 'KEY_STATE'].includes(error.code);
    if (byState) return null;
    throw error;
  }
  requireSameKey(asked, key, answer.KeyId);
  const publicKey = requireBytes(asked, answer.PublicKey, { max: PUBLIC_KEY_BYTES_MAX });
  try {
    loadPublic(spec, publicKey);
  } catch {
    throw integrityError(asked.provider, asked.operation, `it is no public key of ${spec}`);
  }
  return publicKey;
}

function claimsOf(metadata: KeyMetadata): Readonly<Record<string, string>> {
  const { MultiRegionConfiguration: regions } = metadata;
  const replicas = regions?.ReplicaKeys?.map(({ Arn }) => Arn).filter((arn) => arn !== undefined) ?? [];
  const claims: Readonly<Record<string, string | undefined>> = {
    keyState: metadata.KeyState,
    origin: metadata.Origin,
    keyManager: metadata.KeyManager,
    customKeyStoreId: metadata.CustomKeyStoreId,
    cloudHsmClusterId: metadata.CloudHsmClusterId,
    externalKeyId: metadata.XksKeyConfiguration?.Id,
    deletionAt: metadata.DeletionDate?.toISOString(),
    materialExpiresAt: metadata.ValidTo?.toISOString(),
    multiRegion: regions?.MultiRegionKeyType?.toLowerCase(),
    primaryKey: regions?.PrimaryKey?.Arn,
    replicas: replicas.length === 0 ? undefined : replicas.join(' '),
  };
  return Object.fromEntries(
    Object.entries(claims).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
