/**
 * A key as Transit describes it, and each of its versions as a native key of ours.
 *
 * @module
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key
 */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { loadPublic } from '../../crypto/key-material.ts';
import { isAsymmetric, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { BackingInfo, BackingState, CallOptions } from '../provider.ts';
import { specOf, typeOf } from './algorithms.ts';
import type { VaultApi } from './api.ts';
import { homeError, integrityError } from './errors.ts';
import { formatRef, type KeyName } from './names.ts';

/** SPKI of Ed25519 (RFC 8410, section 4) before its 32 bytes. */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_BYTES = 32;

const version = z.int().min(0).max(999_999_999);

const keyShape = z.object({
  name: z.string(),
  type: z.string().max(64),
  derived: z.boolean().default(false),
  exportable: z.boolean().default(false),
  allow_plaintext_backup: z.boolean().default(false),
  deletion_allowed: z.boolean().default(false),
  imported_key: z.boolean().optional(),
  key_size: z.int().min(0).optional(),
  latest_version: version.min(1),
  min_available_version: version.default(0),
  min_decryption_version: version.default(1),
  min_encryption_version: version.default(0),
  /** Versions that are not archived; of symmetric keys only when they were made. */
  keys: z.record(z.string(), z.union([z.number(), z.object({ public_key: z.string().default('') })])).default({}),
});

export type TransitKey = z.output<typeof keyShape>;

/** @throws KEY_NOT_FOUND */
export async function readKey(api: VaultApi, name: string, options: CallOptions): Promise<TransitKey> {
  const key = await api.transit('GET', `keys/${name}`, null, keyShape, options);
  if (key.name !== name) throw integrityError(api.name, 'it is of another key than was asked for');
  return key;
}

/** The spec of a key; null where ours have none for it, also for one whose keys are derived anew for each context. */
export function specOfKey({ type, key_size: keySize, derived }: TransitKey): Spec | null {
  return derived ? null : specOf(type, keySize);
}

/** Oldest version that was not trimmed. */
export function oldestVersion({ min_available_version: oldest }: TransitKey): number {
  return Math.max(oldest, 1);
}

/** @throws KEY_NOT_FOUND where the key has never had that version */
export function requireVersion(api: VaultApi, key: TransitKey, wanted: number): void {
  if (wanted <= key.latest_version) return;
  const says = `key \`${key.name}\` has no version ${wanted}; the newest is ${key.latest_version}`;
  throw homeError(api.name, 'KEY_NOT_FOUND', says);
}

/** Describes one version. @throws KEY_NOT_FOUND */
export function describeVersion(
  api: VaultApi,
  place: string,
  key: TransitKey,
  { name, version: wanted }: KeyName,
): BackingInfo {
  requireVersion(api, key, wanted);
  const spec = specOfKey(key);
  return {
    ref: formatRef({ name, version: wanted }),
    nativeId: `${place}/keys/${name}`,
    version: String(wanted),
    spec,
    usage: spec === null ? null : usageOf(spec),
    state: stateOf(key, wanted),
    protection: key.type === 'managed_key' ? 'external' : 'software',
    publicKey: spec === null || !isAsymmetric(spec) ? null : publicKeyOf(api, key, spec, wanted),
    origin: key.imported_key === undefined ? 'unknown' : key.imported_key ? 'external' : 'provider',
    claims: {
      type: key.type,
      derived: String(key.derived),
      exportable: String(key.exportable),
      allowPlaintextBackup: String(key.allow_plaintext_backup),
      deletionAllowed: String(key.deletion_allowed),
      minDecryptionVersion: String(key.min_decryption_version),
      minEncryptionVersion: String(key.min_encryption_version),
    },
  };
}

function usageOf(spec: Spec): Usage | null {
  const [usage, another] = typeOf(spec)!.usages;
  return another === undefined ? usage! : null;
}

/** Transit disables no key; a version below `min_decryption_version` does nothing until that is lowered again. */
function stateOf(key: TransitKey, wanted: number): BackingState {
  if (wanted < oldestVersion(key)) return 'destroyed';
  return wanted < key.min_decryption_version ? 'disabled' : 'enabled';
}

/** Null for a version that is archived, which Transit does not show. */
function publicKeyOf(api: VaultApi, { keys }: TransitKey, spec: Spec, wanted: number): Buffer | null {
  const entry = keys[String(wanted)];
  if (entry === undefined) return null;
  if (typeof entry === 'number') throw integrityError(api.name, 'a key pair without public key');
  const spki = spkiOf(entry.public_key, spec);
  try {
    if (spki === null) throw new Error('it cannot be read');
    loadPublic(spec, spki);
    return spki;
  } catch {
    throw integrityError(api.name, 'a public key that is none of its type');
  }
}

function spkiOf(text: string, spec: Spec): Buffer | null {
  if (specRow(spec).family === 'ed25519' && !text.startsWith('-----')) {
    const raw = Buffer.from(text, 'base64');
    return raw.length === ED25519_BYTES ? Buffer.concat([ED25519_PREFIX, raw]) : null;
  }
  try {
    return createPublicKey({ key: text, format: 'pem' }).export({ format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}
