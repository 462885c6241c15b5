/**
 * A version of a key as Cloud KMS describes it → as we do.
 *
 * @module
 */
import type { protos } from '@google-cloud/kms';
import { ClavigerError } from '../../errors.ts';
import { isAsymmetric } from '../../model/spec.ts';
import type { BackingInfo, BackingState, CallOptions, Protection } from '../provider.ts';
import { ALGORITHMS, type GcpAlgorithm, isOurs } from './algorithms.ts';
import type { GcpKmsConfig } from './config.ts';
import type { Connection } from './connection.ts';
import { parseVersion } from './names.ts';
import type { PublicKeys } from './public-key.ts';

export type Version = protos.google.cloud.kms.v1.ICryptoKeyVersion;

const STATES: ReadonlyMap<unknown, BackingState> = new Map([
  ['ENABLED', 'enabled'],
  ['DISABLED', 'disabled'],
  ['DESTROY_SCHEDULED', 'pending-deletion'],
  ['DESTROYED', 'destroyed'],
  ['PENDING_EXTERNAL_DESTRUCTION', 'destroyed'],
  ['EXTERNAL_DESTRUCTION_FAILED', 'destroyed'],
  ['GENERATION_FAILED', 'destroyed'],
  ['PENDING_GENERATION', 'pending'],
  ['PENDING_IMPORT', 'pending'],
  // It may be imported again.
  ['IMPORT_FAILED', 'pending'],
]);

/** Emulators leave the level out; what they have is software. */
const PROTECTIONS: ReadonlyMap<unknown, Protection> = new Map([
  ['PROTECTION_LEVEL_UNSPECIFIED', 'software'],
  ['SOFTWARE', 'software'],
  ['HSM', 'hsm'],
  ['HSM_SINGLE_TENANT', 'hsm'],
  ['EXTERNAL', 'external'],
  ['EXTERNAL_VPC', 'external'],
]);

/** @throws KEY_NOT_FOUND */
export async function describeVersion(
  connection: Connection,
  publicKeys: PublicKeys,
  ref: string,
  options: CallOptions,
): Promise<BackingInfo> {
  return infoOf(connection, publicKeys, await fetchVersion(connection, ref, options), options);
}

export async function fetchVersion(connection: Connection, ref: string, options: CallOptions): Promise<Version> {
  const { client, answer } = connection;
  const version = await client.call('getCryptoKeyVersion', { name: ref }, options).catch((error: unknown) => {
    throw unseen(connection, ref, error);
  });
  answer.named(ref, version.name);
  return version;
}

/**
 * Of a key in somebody else's ring Google does not say whether it is there. That is no word about our credentials, or
 * whoever names such a key would bring the provider down.
 */
export function unseen({ config }: Connection, name: string, error: unknown): unknown {
  if (!(error instanceof ClavigerError) || error.code !== 'PROVIDER_DENIED') return error;
  if (name.startsWith(`${config.keyRing}/`)) return error;
  const { native } = error;
  return new ClavigerError('KEY_NOT_FOUND', 'there is no such key, or our credentials may not see it', {
    cause: error,
    ...(native && { native }),
  });
}

export async function infoOf(
  { config, answer }: Connection,
  publicKeys: PublicKeys,
  version: Version,
  options: CallOptions,
): Promise<BackingInfo> {
  const { ref, key, version: number } = parseVersion(String(version.name));
  const state = STATES.get(version.state);
  const protection = PROTECTIONS.get(version.protectionLevel ?? 'PROTECTION_LEVEL_UNSPECIFIED');
  if (state === undefined) throw answer.unreadable(`the state of the key is \`${version.state}\``);
  if (protection === undefined)
    throw answer.unreadable(`the protection level of the key is \`${version.protectionLevel}\``);
  const algorithm = algorithmOf(version, config);
  const asymmetric = algorithm !== null && isAsymmetric(algorithm.spec);
  return {
    ref,
    nativeId: key,
    version: number,
    spec: algorithm?.spec ?? null,
    usage: algorithm?.usage ?? null,
    state,
    protection,
    publicKey: asymmetric ? await publicKeyOf(publicKeys, ref, algorithm, state, options) : null,
    origin: version.importJob || protection === 'external' ? 'external' : 'provider',
    claims: claimsOf(version),
  };
}

/** Null where keys of this algorithm are none of this provider's. */
function algorithmOf(version: Version, config: GcpKmsConfig): GcpAlgorithm | null {
  const algorithm = ALGORITHMS.get(String(version.algorithm));
  return algorithm !== undefined && isOurs(algorithm, config) ? algorithm : null;
}

/** Null while the service does not show it: a version that is disabled or gone has none for us. */
async function publicKeyOf(
  publicKeys: PublicKeys,
  ref: string,
  { spec }: GcpAlgorithm,
  state: BackingState,
  options: CallOptions,
): Promise<Buffer | null> {
  if (state !== 'enabled' && state !== 'disabled') return null;
  try {
    return (await publicKeys.get(ref, spec, options)).spki;
  } catch (error) {
    const hidden = error instanceof ClavigerError && (error.code === 'KEY_DISABLED' || error.code === 'KEY_STATE');
    if (hidden) return null;
    throw error;
  }
}

function claimsOf(version: Version): Readonly<Record<string, string>> {
  const { externalProtectionLevelOptions: external } = version;
  const claims: readonly (readonly [string, unknown])[] = [
    ['algorithm', version.algorithm],
    ['protectionLevel', version.protectionLevel],
    ['state', version.state],
    ['importJob', version.importJob],
    ['importFailureReason', version.importFailureReason],
    ['generationFailureReason', version.generationFailureReason],
    ['attestationFormat', version.attestation?.format],
    ['externalKeyUri', external?.externalKeyUri],
    ['ekmConnectionKeyPath', external?.ekmConnectionKeyPath],
  ];
  return Object.fromEntries(claims.filter(([, value]) => typeof value === 'string' && value !== '')) as Record<
    string,
    string
  >;
}
