/**
 * A native key as Azure describes it → as we do.
 *
 * In a vault an RSA key that may only wrap and unwrap is described as the AES key that it stands in for.
 *
 * @module
 */
import type { DeletedKey, KeyProperties, KeyVaultKey } from '@azure/keyvault-keys';
import type { BackingInfo, BackingState } from '../provider.ts';
import { onlyWraps, usageOfOps } from './algorithms.ts';
import type { AzureKeyVaultConfig } from './config.ts';
import { integrityError, unreadableError } from './errors.ts';
import { shapeOf } from './jwk.ts';
import { nativeIdOf, parseKeyId, type KeyReference } from './reference.ts';

/**
 * Marks a version that was destroyed while others of its key live. It is disabled then; the value says whether it was
 * enabled before.
 */
export const ENDED_TAG = 'claviger-destroyed';

/** True where a version was destroyed, and waits for the others of its key. */
export function isEnded({ enabled, tags }: Pick<KeyProperties, 'enabled' | 'tags'>): boolean {
  return enabled === false && tags?.[ENDED_TAG] !== undefined;
}

type Vault = Pick<AzureKeyVaultConfig, 'name' | 'managedHsm'>;

interface Known {
  readonly origin: BackingInfo['origin'];
  /** What was asked for; absent for the newest. */
  readonly asked?: KeyReference;
}

/** @throws PROVIDER_INTEGRITY where it is another key than was asked for, PROVIDER_UNAVAILABLE where it is none */
export function infoOf(vault: Vault, native: KeyVaultKey, known: Known): BackingInfo {
  return describe(vault, native, known, stateOf(native.properties));
}

/** Of a deleted key the service shows the newest version only. */
export function deletedInfoOf(vault: Vault, native: DeletedKey, asked: KeyReference): BackingInfo {
  const { version, ...newest } = describe(vault, native, { origin: 'unknown' }, 'pending-deletion');
  const { scheduledPurgeDate } = native.properties;
  return {
    ...newest,
    ref: `${asked.name}/${asked.version}`,
    version: asked.version,
    publicKey: version === asked.version ? newest.publicKey : null,
    claims: {
      ...newest.claims,
      ...(scheduledPurgeDate === undefined ? {} : { scheduledPurgeDate: scheduledPurgeDate.toISOString() }),
    },
  };
}

/** All that can be said of a disabled version that a service does not show. */
export function unseenInfoOf(provider: string, properties: KeyProperties): BackingInfo {
  const { host, name, version } = partsOf(provider, properties.id);
  return {
    ref: `${name}/${version}`,
    nativeId: nativeIdOf(host, name),
    version,
    spec: null,
    usage: null,
    state: stateOf(properties),
    protection: 'software',
    publicKey: null,
    origin: 'unknown',
    claims: {},
  };
}

function describe(
  { name: provider, managedHsm }: Vault,
  native: KeyVaultKey | DeletedKey,
  { origin, asked }: Known,
  state: BackingState,
): BackingInfo {
  const { host, name, version } = partsOf(provider, native.id);
  if (asked !== undefined && (name.toLowerCase() !== asked.name.toLowerCase() || version !== asked.version))
    throw integrityError(provider, 'it is another key');
  const { key, keyOperations = [], properties } = native;
  if (key === undefined) throw unreadableError(provider, 'it has no key');
  const shape = shapeOf(key);
  const standsIn = !managedHsm && key.kty?.startsWith('RSA') === true && onlyWraps(keyOperations);
  return {
    ref: `${name}/${version}`,
    nativeId: nativeIdOf(host, name),
    version,
    spec: standsIn ? 'AES-256-GCM' : shape.spec,
    usage: usageOfOps(keyOperations),
    state,
    protection: shape.hsm ? 'hsm' : 'software',
    publicKey: standsIn ? null : shape.publicKey,
    origin,
    claims: claimsOf(native.keyType, keyOperations, properties, standsIn ? shape.spec : null),
  };
}

function partsOf(provider: string, id: string | undefined): KeyReference & { readonly host: string } {
  if (id === undefined) throw unreadableError(provider, 'it has no id of a key');
  const parts = parseKeyId(id);
  if (parts === null || parts.version === null) throw integrityError(provider, 'the id of the key is none');
  return { host: parts.host, name: parts.name, version: parts.version };
}

function stateOf(properties: KeyProperties): BackingState {
  if (isEnded(properties)) return 'pending-deletion';
  return properties.enabled === false ? 'disabled' : 'enabled';
}

function claimsOf(
  keyType: string | undefined,
  operations: readonly string[],
  { expiresOn, notBefore, recoveryLevel, hsmPlatform, exportable, managed }: KeyProperties,
  standIn: string | null,
): Readonly<Record<string, string>> {
  const claims = {
    keyType,
    keyOperations: operations.join(' '),
    recoveryLevel,
    hsmPlatform,
    exportable: exportable?.toString(),
    managed: managed?.toString(),
    wrapsWith: standIn ?? undefined,
    notBefore: notBefore?.toISOString(),
    expiresOn: expiresOn?.toISOString(),
  };
  const said = Object.entries(claims).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(said);
}
