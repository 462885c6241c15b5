/**
 * Making and ending keys.
 *
 * A name in Cloud KMS is taken for ever, key rings and import jobs cannot be removed, and a version that is destroyed
 * waits for days: what is made here stays visible there.
 *
 * @module
 */
import { createPublicKey, hash } from 'node:crypto';
import type { protos } from '@google-cloud/kms';
import { importMaterial as checkMaterial } from '../../crypto/key-material.ts';
import { wrapForImport } from '../../crypto/key-wrap.ts';
import { ClavigerError } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { systemSleep } from '../../ports/sleep.ts';
import type { BackingInfo, CallOptions, KeyLifecycle, WantedKey } from '../provider.ts';
import { algorithmFor, type GcpAlgorithm, isImported, isMade } from './algorithms.ts';
import type { Connection } from './connection.ts';
import { fetchVersion, infoOf, type Version } from './describe.ts';
import { idOf, locationOf, parseVersion, versionName, type VersionName } from './names.ts';
import type { PublicKeys } from './public-key.ts';

/** Cloud KMS cuts names at this length. */
const NAME_LENGTH_MAX = 63;
const NAME_HASH_LENGTH = 24;
const LABELS_MAX = 64;
const LABEL_LENGTH_MAX = 63;
const SECONDS_A_DAY = 86_400;
/** Between two looks at what is still being made; key pairs take up to some seconds, in an HSM longer. */
const POLL_MS = { min: 50, max: 1000 } as const;
/** Part of a call's time that is spent waiting for a key: the rest is for the answer. */
const WAIT_SHARE = 0.8;
const IMPORT_METHOD = 'RSA_OAEP_3072_SHA256_AES_256';
/** An import job ends after three days; what has less than this left is not used any more. */
const IMPORT_JOB_LEFT_MS_MIN = 60 * 60 * 1000;
const IMPORT_JOB_ID_BYTES = 8;

const LEVELS = { software: 'SOFTWARE', hsm: 'HSM', external: 'EXTERNAL' } as const;
/** Purposes whose keys have a primary version. */
const WITH_PRIMARY: ReadonlySet<unknown> = new Set(['GOOGLE_SYMMETRIC_ENCRYPTION', 'EXTERNAL_SYMMETRIC_ENCRYPTION']);

interface ImportJob {
  readonly name: string;
  readonly spki: Buffer;
  readonly expiresAtMs: number;
}

export class GcpKmsLifecycle implements KeyLifecycle {
  readonly #connection: Connection;
  readonly #publicKeys: PublicKeys;
  readonly #clock: Clock;
  #importJob: ImportJob | null = null;

  constructor(connection: Connection, publicKeys: PublicKeys, clock: Clock) {
    this.#connection = connection;
    this.#publicKeys = publicKeys;
    this.#clock = clock;
  }

  async create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo> {
    const endMs = waitEndMs(options);
    const algorithm = this.#requireMakeable(wanted);
    const key = await this.#createKey(wanted, algorithm, false, options);
    return this.#info(await this.#whenMade(versionName(key, '1'), endMs, options), options);
  }

  /** A version after the newest; an AES key encrypts under it from now on. */
  async rotate(ref: string, options: CallOptions): Promise<BackingInfo> {
    const { key } = parseVersion(ref);
    const { client, config } = this.#connection;
    const endMs = waitEndMs(options);
    if (config.protectionLevel === 'external') throw madeElsewhere();
    const made = await client.call('createCryptoKeyVersion', { parent: key, cryptoKeyVersion: {} }, options);
    const name = this.#requireVersionOf(key, made);
    const version = await this.#whenMade(name.ref, endMs, options);
    if (WITH_PRIMARY.has(version.algorithm)) await this.#makePrimary(name, options);
    return this.#info(version, options);
  }

  async setEnabled(ref: string, enabled: boolean, options: CallOptions): Promise<void> {
    const { client, answer } = this.#connection;
    const state = enabled ? 'ENABLED' : 'DISABLED';
    const cryptoKeyVersion = { name: parseVersion(ref).ref, state } as const;
    const request = { cryptoKeyVersion, updateMask: { paths: ['state'] } };
    const version = await client.call('updateCryptoKeyVersion', request, options);
    answer.named(ref, version.name);
    if (version.state !== state) throw answer.fault(`the key is \`${version.state}\`, not \`${state}\``);
  }

  /** This version ends after the days that its key was made with. */
  async destroy(ref: string, options: CallOptions): Promise<void> {
    const { client, answer } = this.#connection;
    const version = await client.call('destroyCryptoKeyVersion', { name: parseVersion(ref).ref }, options);
    answer.named(ref, version.name);
  }

  /** It comes back disabled. */
  async restore(ref: string, options: CallOptions): Promise<void> {
    const { client, answer } = this.#connection;
    const version = await client.call('restoreCryptoKeyVersion', { name: parseVersion(ref).ref }, options);
    answer.named(ref, version.name);
  }

  /** Of the key, which all of its versions share. */
  async setTags(ref: string, tags: Readonly<Record<string, string>>, options: CallOptions): Promise<void> {
    const { client, answer } = this.#connection;
    const { key } = parseVersion(ref);
    const request = { cryptoKey: { name: key, labels: labelsOf(tags) }, updateMask: { paths: ['labels'] } };
    answer.named(key, (await client.call('updateCryptoKey', request, options)).name);
  }

  /** Through an import job: the material is wrapped for it here, and opened inside the service. */
  async importMaterial(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    const { client, random } = this.#connection;
    const endMs = waitEndMs(options);
    const algorithm = this.#requireMakeable(wanted);
    if (!isImported(wanted.spec)) {
      throw new ClavigerError('UNSUPPORTED', `Cloud KMS imports no keys of spec \`${wanted.spec}\``);
    }
    const { privateMaterial, publicKey } = checkMaterial(wanted.spec, material);
    using own = privateMaterial;
    const job = await this.#job(endMs, options);
    const wrappedKey = wrapForImport('RSA_AES_KEY_WRAP_SHA_256', job.spki, own.reveal(), random);
    const key = await this.#createKey(wanted, algorithm, true, options);
    const request = { parent: key, algorithm: algorithm.name as 'AES_256_GCM', importJob: job.name, wrappedKey };
    const name = this.#requireVersionOf(key, await client.call('importCryptoKeyVersion', request, options));
    const version = await this.#whenMade(name.ref, endMs, options);
    if (version.state === 'IMPORT_FAILED') {
      const why = `Cloud KMS did not take the material: ${version.importFailureReason}`;
      throw new ClavigerError('INVALID_ARGUMENT', why, { reason: 'IncorrectKeyMaterial' });
    }
    if (WITH_PRIMARY.has(algorithm.name)) await this.#makePrimary(name, options);
    const info = await this.#info(version, options);
    if (info.publicKey !== null && !info.publicKey.equals(publicKey!)) {
      throw this.#connection.answer.fault('the public key is not that of the material');
    }
    return info;
  }

  #requireMakeable({ spec, usage }: WantedKey): GcpAlgorithm {
    const { config, name } = this.#connection;
    const algorithm = algorithmFor(spec, usage, config);
    if (algorithm !== null && isMade(algorithm, config)) return algorithm;
    const level = config.protectionLevel;
    if (level === 'external') throw madeElsewhere();
    const words = `provider \`${name}\` makes no keys of spec \`${spec}\` for \`${usage}\` at protection level \`${level}\``;
    throw new ClavigerError('UNSUPPORTED', words);
  }

  /** Gives the key's name. The key ring is made where it is not there, once. */
  async #createKey(
    { name, tags }: WantedKey,
    algorithm: GcpAlgorithm,
    toImport: boolean,
    options: CallOptions,
  ): Promise<string> {
    const { client, config, answer } = this.#connection;
    const cryptoKeyId = keyId(name);
    const request = {
      parent: config.keyRing,
      cryptoKeyId,
      ...(toImport ? { skipInitialVersionCreation: true } : {}),
      cryptoKey: {
        purpose: algorithm.purpose,
        versionTemplate: {
          algorithm: algorithm.name as 'AES_256_GCM',
          protectionLevel: LEVELS[config.protectionLevel],
        },
        labels: labelsOf(tags),
        ...(toImport ? { importOnly: true } : {}),
        destroyScheduledDuration: { seconds: config.destroyAfterDays * SECONDS_A_DAY },
      },
    } satisfies protos.google.cloud.kms.v1.ICreateCryptoKeyRequest;
    const create = async (): Promise<string> => {
      const expected = `${config.keyRing}/cryptoKeys/${cryptoKeyId}`;
      answer.named(expected, (await client.call('createCryptoKey', request, options)).name);
      return expected;
    };
    try {
      return await create();
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code !== 'KEY_NOT_FOUND') throw error;
    }
    await this.#createRing(options);
    return create();
  }

  async #createRing(options: CallOptions): Promise<void> {
    const { client, config, name } = this.#connection;
    const { keyRing } = config;
    try {
      const request = { parent: locationOf(keyRing), keyRingId: idOf(keyRing), keyRing: {} };
      await client.call('createKeyRing', request, options);
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code === 'KEY_EXISTS') return;
      if (error.code !== 'PROVIDER_DENIED') throw error;
      const words = `the key ring \`${keyRing}\` is not there, and the credentials of provider \`${name}\` may not make it`;
      throw new ClavigerError('PROVIDER_DENIED', words, {
        cause: error,
        ...(error.native && { native: error.native }),
      });
    }
  }

  async #makePrimary({ ref, key, version }: VersionName, options: CallOptions): Promise<void> {
    const { client, answer } = this.#connection;
    const request = { name: key, cryptoKeyVersionId: version };
    const changed = await client.call('updateCryptoKeyPrimaryVersion', request, options);
    answer.named(key, changed.name);
    answer.named(ref, changed.primary?.name);
  }

  /** The version once it is no longer being made, or as it is when the time is nearly over. */
  async #whenMade(ref: string, endMs: number, options: CallOptions): Promise<Version> {
    return this.#when(
      () => fetchVersion(this.#connection, ref, options),
      ({ state }) => state !== 'PENDING_GENERATION' && state !== 'PENDING_IMPORT',
      endMs,
      options,
    );
  }

  async #when<T>(
    look: () => Promise<T>,
    isReady: (found: T) => boolean,
    endMs: number,
    options: CallOptions,
  ): Promise<T> {
    for (let waitMs: number = POLL_MS.min; ; waitMs = Math.min(2 * waitMs, POLL_MS.max)) {
      const found = await look();
      if (isReady(found) || performance.now() + waitMs > endMs) return found;
      await systemSleep(waitMs, options.signal);
    }
  }

  /** One job for all imports of this provider while it lasts. */
  async #job(endMs: number, options: CallOptions): Promise<ImportJob> {
    const { client, config, answer, random } = this.#connection;
    if (this.#importJob !== null && this.#importJob.expiresAtMs - this.#clock.now() > IMPORT_JOB_LEFT_MS_MIN) {
      return this.#importJob;
    }
    const importJobId = `claviger-${random.bytes(IMPORT_JOB_ID_BYTES).toString('hex')}`;
    const name = `${config.keyRing}/importJobs/${importJobId}`;
    const importJob = { importMethod: IMPORT_METHOD, protectionLevel: LEVELS[config.protectionLevel] } as const;
    const create = (): Promise<unknown> =>
      client.call('createImportJob', { parent: config.keyRing, importJobId, importJob }, options);
    try {
      await create();
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code !== 'KEY_NOT_FOUND') throw error;
      await this.#createRing(options);
      await create();
    }
    const job = await this.#when(
      () => client.call('getImportJob', { name }, options),
      ({ state }) => state !== 'PENDING_GENERATION',
      endMs,
      options,
    );
    answer.named(name, job.name);
    if (job.state === 'PENDING_GENERATION') {
      const words = `provider \`${this.#connection.name}\` is still making an import job; try again`;
      throw new ClavigerError('PROVIDER_TIMEOUT', words);
    }
    this.#importJob = {
      name,
      spki: wrappingKey(job.publicKey?.pem) ?? fail(answer.fault('the import job has no RSA key of 3072 bits')),
      expiresAtMs: Number(job.expireTime?.seconds ?? 0) * 1000,
    };
    return this.#importJob;
  }

  #requireVersionOf(key: string, { name }: Version): VersionName {
    const { answer } = this.#connection;
    const made = typeof name === 'string' && name.startsWith(`${key}/cryptoKeyVersions/`) ? parseVersion(name) : null;
    return made ?? fail(answer.another(name));
  }

  #info(version: Version, options: CallOptions): Promise<BackingInfo> {
    return infoOf(this.#connection, this.#publicKeys, version, options);
  }
}

/** Until when what is being made is waited for. */
function waitEndMs({ timeoutMs }: CallOptions): number {
  return performance.now() + timeoutMs * WAIT_SHARE;
}

/** A name of ours that is too long for Cloud KMS ends in a part of its hash. */
export function keyId(name: string): string {
  if (name.length <= NAME_LENGTH_MAX) return name;
  const end = hash('sha256', name).slice(0, NAME_HASH_LENGTH);
  return `${name.slice(0, NAME_LENGTH_MAX - NAME_HASH_LENGTH - 1)}-${end}`;
}

/** Labels hold a-z, 0-9, `_` and `-`, and begin with a letter: what else is in a tag becomes `_`, and long ones are cut. */
export function labelsOf(tags: Readonly<Record<string, string>>): Record<string, string> {
  const part = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9_-]/g, '_')
      .slice(0, LABEL_LENGTH_MAX);
  const name = (text: string): string => (/^[a-z]/.test(part(text)) ? part(text) : part(`t_${text}`));
  return Object.fromEntries(
    Object.entries(tags)
      .slice(0, LABELS_MAX)
      .map(([key, value]) => [name(key), part(value)]),
  );
}

function madeElsewhere(): ClavigerError {
  const words = 'external keys and their versions are made in the key manager and in Cloud KMS; adopt them here';
  return new ClavigerError('UNSUPPORTED', words);
}

function wrappingKey(pem: unknown): Buffer | null {
  try {
    const key = createPublicKey(String(pem));
    if (key.asymmetricKeyType !== 'rsa' || key.asymmetricKeyDetails?.modulusLength !== 3072) return null;
    return key.export({ format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

function fail(error: Error): never {
  throw error;
}
