/**
 * Keys, their versions and where a version lives.
 *
 * Times are milliseconds since the epoch (UTC). Data is plain and frozen by type; changes make new objects.
 *
 * @module
 */
import type { ErrorCode } from '../errors.ts';
import type { ImportAlgorithmName } from './algorithm.ts';
import type { Spec, Usage } from './spec.ts';
import type { KeyState } from './state.ts';

/** Where key material came from: made here, or imported by its owner. */
export type Origin = 'claviger' | 'external';

export interface RotationPolicy {
  readonly periodDays: number;
  readonly nextAt: number;
}

export interface Key {
  /** UUID version 7. */
  readonly id: string;
  readonly tenantId: string;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly state: KeyState;
  readonly origin: Origin;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** Overlay: all use is forbidden while it is set; on the date the key is destroyed. */
  readonly deletionAt: number | null;
  /** Version that protects; 0 while a key that waits for its import has none. */
  readonly primaryVersion: number;
  /** Overlay: false until the first import, and after the material was deleted or has expired. */
  readonly materialPresent: boolean;
  readonly rotation: RotationPolicy | null;
  /** Cedar text with `forbid` policies that narrow who may do what with this key; null for none. */
  readonly policy: string | null;
  /** True where anyone may read the public keys from the tenant's JWKS. */
  readonly published: boolean;
  /** How its homes work together; null where its only home is the built-in keystore. */
  readonly homes: HomesRule | null;
}

/**
 * What follows from a refusal of one home (its key is disabled, gone, or not for us): every home refuses until that one
 * answers again, or only that home is taken out.
 */
export const HOME_REFUSALS = ['refuse', 'quarantine'] as const;

export interface HomesRule {
  /** Name of the group whose quorum and balance hold; null where the key was made without one. */
  readonly group: string | null;
  /** Providers that new versions are made in; members that the group got later come with a repair. */
  readonly providers: readonly string[];
  readonly onHomeRefusal: (typeof HOME_REFUSALS)[number];
  /** True where each home has a key pair of its own, and any of them may sign. */
  readonly siblings: boolean;
}

/** Why a version was made. */
export type VersionCause = 'created' | 'imported' | 'rotated-on-demand' | 'rotated-by-schedule';

export interface KeyVersion {
  readonly keyId: string;
  /** From 1, without gaps, never reused. */
  readonly version: number;
  readonly state: KeyState;
  readonly cause: VersionCause;
  readonly createdAt: number;
  /** Imported material is removed at this time; null for never. */
  readonly expiresAt: number | null;
  readonly backings: readonly Backing[];
  /** SPKI DER; null for symmetric keys. Of siblings, that of the first home. */
  readonly publicKey: Uint8Array | null;
  /** A home's refusal by state or permission of the key, which holds for all homes; null for none. */
  readonly refusal: HomeRefusal | null;
}

export interface HomeRefusal {
  readonly provider: string;
  readonly code: ErrorCode;
  readonly at: number;
}

/** One home of a version: a provider and that provider's immutable name of the key. */
export interface Backing {
  /** From 1, never reused within a version: what ciphertexts name it by. */
  readonly number: number;
  readonly provider: string;
  readonly ref: string;
  /** Names the native key among all services; absent for the built-in keystore. */
  readonly nativeId?: string;
  /** Names what copies of the native key, with the same material at other places, have in common. */
  readonly copyOf?: string;
  /** True where the native key was there before: it is used, and never destroyed. */
  readonly adopted?: boolean;
  /** Of a sibling: its own public key, SPKI DER, base64. */
  readonly publicKey?: string;
  /** Of a key with `onHomeRefusal: quarantine`: the refusal by which this home was taken out. */
  readonly quarantined?: { readonly code: ErrorCode; readonly at: number };
  /** When it was removed: ciphertexts may still name it, and it is called no more. */
  readonly removedAt?: number;
  /** Of imported symmetric material: a keyed fingerprint, base64, by which it is recognised when it comes again. */
  readonly fingerprint?: string;
}

/** True for a home that was not removed; it may be quarantined. */
export function isCurrent({ removedAt }: Backing): boolean {
  return removedAt === undefined;
}

/** True where a provider is a home of the version now. */
export function livesIn({ backings }: Pick<KeyVersion, 'backings'>, provider: string): boolean {
  return backings.some((backing) => backing.provider === provider && isCurrent(backing));
}

/** A key with all of its versions, oldest first. */
export interface KeyWithVersions {
  readonly key: Key;
  readonly versions: readonly KeyVersion[];
}

export interface Alias {
  readonly tenantId: string;
  /** Without the `alias/` prefix. */
  readonly name: string;
  readonly keyId: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A one-time right to import material into one key. */
export interface ImportSlot {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly algorithm: ImportAlgorithmName;
  readonly wrappingPublicKey: Uint8Array;
  readonly expiresAt: number;
}
