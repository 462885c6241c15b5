/**
 * A key as callers see it.
 *
 * @module
 */
import type { ErrorCode } from '../errors.ts';
import type { AlgorithmName } from '../model/algorithm.ts';
import { keyArn } from '../model/ids.ts';
import {
  isCurrent,
  type Backing,
  type HomesRule,
  type Key,
  type KeyVersion,
  type KeyWithVersions,
  type Origin,
  type VersionCause,
} from '../model/key.ts';
import { algorithmsOf, type Spec, type Usage } from '../model/spec.ts';
import type { KeyState } from '../model/state.ts';
import type { Scope } from './scope.ts';

/** Aliases that stand in a key's description; the rest are in `listAliases`. */
const ALIASES_SHOWN_MAX = 100;

export interface KeyVersionInfo {
  readonly version: number;
  readonly state: KeyState;
  readonly cause: VersionCause;
  /** ISO 8601, as every time here. */
  readonly createdAt: string;
  readonly expiresAt: string | null;
  /** Names of the homes that it lives in. */
  readonly providers: readonly string[];
  /** Every home that it has or had. */
  readonly backings: readonly BackingInfo[];
  /** A home's refusal that holds for all of them; null for none. */
  readonly refusal: { readonly provider: string; readonly code: ErrorCode; readonly at: string } | null;
}

export interface BackingInfo {
  readonly provider: string;
  /** The provider's own name of the native key. */
  readonly ref: string;
  readonly adopted: boolean;
  readonly status: 'live' | 'quarantined' | 'removed';
  /** Why it is quarantined; null where it is not. */
  readonly refusal: { readonly code: ErrorCode; readonly at: string } | null;
}

export interface KeyInfo {
  readonly id: string;
  readonly arn: string;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly state: KeyState;
  readonly origin: Origin;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly aliases: readonly string[];
  readonly algorithms: readonly AlgorithmName[];
  readonly createdAt: string;
  readonly deletionAt: string | null;
  readonly primaryVersion: number;
  readonly materialPresent: boolean;
  readonly rotation: { readonly periodDays: number; readonly nextAt: string } | null;
  readonly published: boolean;
  readonly hasPolicy: boolean;
  readonly versions: readonly KeyVersionInfo[];
  /** How its homes work together; null where its only home is the built-in keystore. */
  readonly homes: HomesRule | null;
}

/** Describes a key; `changed` replaces the aliases that the store holds, for a change that has not committed yet. */
export async function keyInfo(
  scope: Scope,
  { key, versions }: KeyWithVersions,
  changed?: { readonly aliases: readonly string[] },
): Promise<KeyInfo> {
  const { accountId } = await scope.tenant(key.tenantId);
  return {
    id: key.id,
    arn: keyArn(scope.services.region, accountId, key.id),
    spec: key.spec,
    usage: key.usage,
    state: key.state,
    origin: key.origin,
    description: key.description,
    tags: key.tags,
    aliases: changed?.aliases ?? (await aliasNames(scope, key)),
    algorithms: algorithmsOf(key.spec, key.usage),
    createdAt: isoTime(key.createdAt),
    deletionAt: key.deletionAt === null ? null : isoTime(key.deletionAt),
    primaryVersion: key.primaryVersion,
    materialPresent: key.materialPresent,
    rotation: key.rotation && { periodDays: key.rotation.periodDays, nextAt: isoTime(key.rotation.nextAt) },
    published: key.published,
    hasPolicy: key.policy !== null,
    versions: versions.map(versionInfo),
    homes: key.homes,
  };
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

async function aliasNames({ services }: Scope, key: Key): Promise<readonly string[]> {
  const page = { after: null, limit: ALIASES_SHOWN_MAX };
  return (await services.cache.store.aliases(key.tenantId, key.id, page)).map(({ name }) => name);
}

export function versionInfo(row: KeyVersion): KeyVersionInfo {
  const { version, state, cause, createdAt, expiresAt, backings, refusal } = row;
  return {
    version,
    state,
    cause,
    createdAt: isoTime(createdAt),
    expiresAt: expiresAt === null ? null : isoTime(expiresAt),
    providers: backings.filter(isCurrent).map(({ provider }) => provider),
    backings: backings.map(backingInfo),
    refusal: refusal && { ...refusal, at: isoTime(refusal.at) },
  };
}

function backingInfo({ provider, ref, adopted = false, quarantined, removedAt }: Backing): BackingInfo {
  const status = removedAt !== undefined ? 'removed' : quarantined === undefined ? 'live' : 'quarantined';
  const refusal = quarantined === undefined ? null : { code: quarantined.code, at: isoTime(quarantined.at) };
  return { provider, ref, adopted, status, refusal };
}
