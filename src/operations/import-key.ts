/**
 * Import of key material, always wrapped: getParametersForImport gives a one-time RSA key to wrap it with,
 * importKeyMaterial takes it, deleteImportedKeyMaterial takes it out again.
 *
 * A key that has had material takes only the same again, so that no ciphertext or signature changes its meaning.
 *
 * @module
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { importMaterial } from '../crypto/key-material.ts';
import { newImportKey, unwrapImport } from '../crypto/key-wrap.ts';
import { ClavigerError, errorOf } from '../errors.ts';
import type { ImportAlgorithmName } from '../model/algorithm.ts';
import { uuidBytes, uuidV7 } from '../model/ids.ts';
import type { ImportSlot, Key, KeyVersion, KeyWithVersions } from '../model/key.ts';
import { isDestroyed } from '../model/state.ts';
import { SOFTWARE_PROVIDER_NAME } from '../providers/software/index.ts';
import type { Change } from '../store/change.ts';
import { isoTime, keyInfo, type KeyInfo } from './key-info.ts';
import type { Effect, Operation } from './operation.ts';
import { DAY_MS } from './schedule-key-deletion.ts';
import type { Scope } from './scope.ts';
import type { KeyInput } from './transition.ts';

export const WRAPPING_KEY_BITS = [2048, 3072, 4096] as const;
export type WrappingKeyBits = (typeof WRAPPING_KEY_BITS)[number];

export interface GetParametersForImportInput extends KeyInput {
  readonly algorithm: ImportAlgorithmName;
  readonly wrappingKeyBits: WrappingKeyBits;
}

export interface GetParametersForImportOutput {
  readonly keyId: string;
  readonly arn: string;
  readonly importToken: Uint8Array;
  /** SPKI DER of the RSA key that the material is wrapped with. */
  readonly publicKey: Uint8Array;
  /** A day from now; ISO 8601. */
  readonly expiresAt: string;
}

export interface ImportKeyMaterialInput extends KeyInput {
  readonly importToken: Uint8Array;
  readonly encryptedKeyMaterial: Uint8Array;
  /** ISO 8601; the material is deleted then. Without it, it stays. */
  readonly expiresAt?: string | undefined;
}

export const getParametersForImport: Operation<GetParametersForImportInput, GetParametersForImportOutput> = {
  name: 'GetParametersForImport',
  async run(scope, { key: name, algorithm, wrappingKeyBits }) {
    const { key } = await scope.manageKey(name);
    requireImportable(key);
    const { keyring, clock, random } = scope.services;
    const { id: keyId, tenantId } = key;
    const made = await scope.once('import key', async () => {
      const { privateKey, publicKey } = await newImportKey(wrappingKeyBits);
      using secret = privateKey;
      const id = uuidV7(clock.now(), random.bytes(10));
      const sealedKey = await keyring.seal({ purpose: 'import-key', tenantId, id, version: 1 }, secret.reveal());
      return { id, publicKey, sealedKey };
    });
    const expiresAt = clock.now() + DAY_MS;
    const slot: ImportSlot = { id: made.id, tenantId, keyId, algorithm, wrappingPublicKey: made.publicKey, expiresAt };
    scope.note({ algorithm });
    return {
      output: {
        keyId,
        arn: await scope.arn(keyId),
        importToken: uuidBytes(made.id),
        publicKey: made.publicKey,
        expiresAt: isoTime(expiresAt),
      },
      changes: [{ put: 'importSlot', slot, sealedKey: made.sealedKey }],
    };
  },
};

export const importKeyMaterial: Operation<ImportKeyMaterialInput, KeyInfo> = {
  name: 'ImportKeyMaterial',
  async run(scope, input) {
    const found = await scope.manageKey(input.key);
    const { key } = found;
    requireImportable(key);
    const { clock, keyring, cache } = scope.services;
    const now = clock.now();
    const expiresAt = expiryOf(input.expiresAt, now);
    const held = await cache.store.importSlot(key.id);
    const { slot, sealedKey } = requireSlot(held, input.importToken, now);
    scope.note({ algorithm: slot.algorithm });
    using wrappingKey = await keyring.open(
      { purpose: 'import-key', tenantId: key.tenantId, id: slot.id, version: 1 },
      sealedKey,
    );
    using unwrapped = unwrapImport(slot.algorithm, wrappingKey, input.encryptedKeyMaterial);
    const { privateMaterial, publicKey } = importMaterial(key.spec, unwrapped.reveal());
    using material = privateMaterial;
    const fingerprint = (await keyring.fingerprint(key.tenantId, material.reveal())).toString('base64');
    const version = importedVersion(found, publicKey, fingerprint, now, expiresAt);
    const place = { purpose: 'key-material', tenantId: key.tenantId, id: key.id, version: 1 } as const;
    const sealed = await keyring.seal(place, material.reveal());
    const after: Key = { ...key, primaryVersion: 1, materialPresent: true };
    scope.note({ keyVersion: 1, provider: SOFTWARE_PROVIDER_NAME });
    return {
      output: await keyInfo(scope, { key: after, versions: [version] }),
      changes: [
        { put: 'key', key: after },
        { put: 'version', version },
        { put: 'material', keyId: key.id, version: 1, sealed },
        { drop: 'importSlot', keyId: key.id },
      ],
    };
  },
};

export const deleteImportedKeyMaterial: Operation<KeyInput, KeyInfo> = {
  name: 'DeleteImportedKeyMaterial',
  async run(scope, input) {
    const found = await scope.manageKey(input.key);
    requireImportable(found.key);
    return withoutMaterial(scope, found);
  },
};

/** What the expiry of imported material comes to; run by a job. */
export const expireKeyMaterial: Operation<KeyInput, KeyInfo> = {
  name: 'ExpireKeyMaterial',
  async run(scope, input) {
    const found = await scope.manageKey(input.key);
    const { expiresAt = null } = found.versions[0] ?? {};
    if (expiresAt === null || expiresAt > scope.services.clock.now()) {
      throw new ClavigerError('KEY_STATE', `the material of key ${found.key.id} has not expired`);
    }
    return withoutMaterial(scope, found);
  },
};

async function withoutMaterial(scope: Scope, { key, versions }: KeyWithVersions): Promise<Effect<KeyInfo>> {
  const after = { ...key, materialPresent: false };
  const drops = versions.map(({ version }): Change => ({ drop: 'material', keyId: key.id, version }));
  // The date stays in the version's history, but nothing falls due by it any more: the store looks at material only.
  return { output: await keyInfo(scope, { key: after, versions }), changes: [{ put: 'key', key: after }, ...drops] };
}

/** @throws UNSUPPORTED for a key made here; KEY_STATE for one that is going or gone */
function requireImportable(key: Key): void {
  if (key.origin !== 'external') {
    throw new ClavigerError(
      'UNSUPPORTED',
      `key ${key.id} was made with its own material; create a key of origin \`external\` to import into`,
    );
  }
  if (isDestroyed(key.state) || key.deletionAt !== null) {
    throw new ClavigerError('KEY_STATE', `cannot import into key ${key.id}: it is destroyed or pending deletion`);
  }
}

function expiryOf(text: string | undefined, now: number): number | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (at > now && at <= now + 365 * DAY_MS) return at;
  throw new ClavigerError('INVALID_ARGUMENT', 'imported material expires within 365 days from now');
}

interface HeldSlot {
  readonly slot: ImportSlot;
  readonly sealedKey: Uint8Array;
}

function requireSlot(held: HeldSlot | null, token: Uint8Array, now: number): HeldSlot {
  const given = createHash('sha256').update(token).digest();
  const wanted = createHash('sha256')
    .update(held === null ? '' : uuidBytes(held.slot.id))
    .digest();
  if (held === null || !timingSafeEqual(given, wanted)) {
    throw errorOf(
      'InvalidImportToken',
      'the import token is not the last one given for this key; ask for new parameters',
    );
  }
  if (held.slot.expiresAt <= now) {
    throw errorOf(
      'ExpiredImportToken',
      `the import token expired at ${isoTime(held.slot.expiresAt)}; ask for new parameters`,
    );
  }
  return held;
}

/** @throws INVALID_ARGUMENT (reason IncorrectKeyMaterial) where the key had other material before */
function importedVersion(
  { key, versions: [before] }: KeyWithVersions,
  publicKey: Uint8Array | null,
  fingerprint: string,
  now: number,
  expiresAt: number | null,
): KeyVersion {
  if (before === undefined) {
    return {
      keyId: key.id,
      version: 1,
      state: key.state,
      cause: 'imported',
      createdAt: now,
      expiresAt,
      backings: [{ number: 1, provider: SOFTWARE_PROVIDER_NAME, ref: `${key.id}/1`, fingerprint }],
      publicKey,
      refusal: null,
    };
  }
  if (before.backings[0]?.fingerprint !== fingerprint) {
    throw errorOf('IncorrectKeyMaterial', `key ${key.id} had other material before; it takes only the same again`);
  }
  return { ...before, expiresAt };
}
