/**
 * createKey: makes a key with its first version, or one that waits for imported material.
 *
 * @module
 */
import { generateMaterial } from '../crypto/key-material.ts';
import { ClavigerError } from '../errors.ts';
import { requireAliasName, uuidV7 } from '../model/ids.ts';
import type { Alias, Key, KeyVersion } from '../model/key.ts';
import { algorithmsOf, defaultUsage, SPECS, type Spec, type Usage } from '../model/spec.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import { entity, type Change } from '../store/change.ts';
import {
  homeChanges,
  HOMES_MADE,
  noteHomes,
  outsideHomes,
  requireHomesFit,
  wantedHomes,
  type HomesInput,
  type MadeHomes,
} from './home-keys.ts';
import { keyInfo, type KeyInfo } from './key-info.ts';
import { requireDefaultDocument } from './key-policy.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import { requireDescription, requireTags } from './tags.ts';

export interface CreateKeyInput extends HomesInput {
  readonly spec: Spec;
  /** The spec's first usage where it is not given: signing for RSA and the curves. */
  readonly usage?: Usage | undefined;
  readonly alias?: string | undefined;
  readonly description?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** `external`: without material, which is imported later. */
  readonly origin?: 'claviger' | 'external' | undefined;
  /** `PreActive`: the key is made, and used only after it was activated. */
  readonly state?: 'Active' | 'PreActive' | undefined;
  /** An AWS policy document; only the default one is taken, see `requireDefaultDocument`. */
  readonly policyDocument?: string | undefined;
}

export const createKey: Operation<CreateKeyInput, KeyInfo> = {
  name: 'CreateKey',
  async run(scope, input) {
    const { services, principal } = scope;
    scope.manageTenant();
    const wanted = await wantedHomes(scope, input);
    if (input.policyDocument !== undefined) await requireDefaultDocument(scope, input.policyDocument);
    const usage = usageOf(input);
    const now = services.clock.now();
    const id = await scope.once('id', async () => uuidV7(now, services.random.bytes(10)));
    const external = input.origin === 'external';
    if (external && wanted !== null) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        'material is imported into the built-in keystore; leave the homes out',
      );
    }
    const key: Key = {
      id,
      tenantId: principal.tenantId,
      spec: input.spec,
      usage,
      state: input.state ?? 'Active',
      origin: external ? 'external' : 'claviger',
      description: requireDescription(input.description ?? ''),
      tags: requireTags(input.tags ?? {}),
      createdAt: now,
      deletionAt: null,
      primaryVersion: external ? 0 : 1,
      materialPresent: !external,
      rotation: null,
      policy: null,
      published: false,
      homes: wanted?.rule ?? null,
    };
    const alias = input.alias === undefined ? null : await newAlias(scope, requireAliasName(input.alias), id, now);
    scope.note({ keyId: id });
    if (wanted !== null) await requireHomesFit(scope, key, wanted);
    const made = scope.done<MadeHomes>(HOMES_MADE);
    if (wanted !== null && made === undefined) return outsideHomes(scope, key, 1, wanted);
    if (wanted !== null) noteHomes(scope, 1, wanted.homes);
    const first = external
      ? null
      : made === undefined
        ? await newVersion(scope, key, 1, 'created', now)
        : versionAtHomes(key, 1, 'created', now, made);
    const versions = first === null ? [] : [first.version];
    return {
      output: await keyInfo(scope, { key, versions }, { aliases: alias === null ? [] : [alias.name] }),
      changes: [
        { put: 'key', key },
        ...(first?.changes ?? []),
        ...(alias === null ? [] : [{ put: 'alias', alias } as const]),
      ],
    };
  },
};

export interface NewVersion {
  readonly version: KeyVersion;
  readonly changes: readonly Change[];
}

/** A new version with fresh material, sealed for the store. */
export async function newVersion(
  scope: Scope,
  key: Key,
  version: number,
  cause: KeyVersion['cause'],
  now: number,
): Promise<NewVersion> {
  const { random, keyring } = scope.services;
  const made = await scope.once(`version ${version}`, async () => {
    const { privateMaterial, publicKey } = await generateMaterial(key.spec, random);
    using material = privateMaterial;
    const place = { purpose: 'key-material', tenantId: key.tenantId, id: key.id, version } as const;
    return { publicKey, sealed: await keyring.seal(place, material.reveal()) };
  });
  const backings = [{ number: 1, provider: SOFTWARE_PROVIDER_NAME, ref: `${key.id}/${version}` }];
  return versionAtHomes(key, version, cause, now, { ...made, backings });
}

/** A new version whose homes are made. */
export function versionAtHomes(
  key: Key,
  version: number,
  cause: KeyVersion['cause'],
  now: number,
  made: MadeHomes,
): NewVersion {
  const row: KeyVersion = {
    keyId: key.id,
    version,
    state: key.state === 'PreActive' ? 'PreActive' : 'Active',
    cause,
    createdAt: now,
    expiresAt: null,
    backings: made.backings,
    publicKey: made.publicKey,
    refusal: null,
  };
  return { version: row, changes: [{ put: 'version', version: row }, ...homeChanges(key, version, made)] };
}

/** @throws KEY_EXISTS where the tenant has an alias of this name */
export async function newAlias(scope: Scope, name: string, keyId: string, now: number): Promise<Alias> {
  const { tenantId } = scope.principal;
  scope.read.push(entity.alias(tenantId, name));
  if ((await scope.services.cache.alias(tenantId, name)) !== null) {
    throw new ClavigerError('KEY_EXISTS', `alias \`${name}\` exists already; update it, or choose another name`);
  }
  return { tenantId, name, keyId, createdAt: now, updatedAt: now };
}

function usageOf({ spec, usage = defaultUsage(spec) }: CreateKeyInput): Usage {
  if (algorithmsOf(spec, usage).length > 0) return usage;
  const usages = Object.keys(SPECS[spec].usages).join(', ');
  throw new ClavigerError('INVALID_ARGUMENT', `spec \`${spec}\` cannot be used for \`${usage}\`: it takes ${usages}`);
}
