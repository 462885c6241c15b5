/**
 * Making and ending keys of AWS KMS.
 *
 * There is no `rotate`: RotateKeyOnDemand gives a symmetric key new material under the same id, later and at most so many
 * times, and no call can ask for one material or another; AWS picks by the ciphertext. Automatic and on-demand rotation
 * work all the same, unseen. Whoever wants a version with a name of its own makes a new key.
 *
 * These calls name a key by its id: AWS has them for keys of one's own account only, and some servers take no ARN there.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import { importMaterial } from '../../crypto/key-material.ts';
import { wrapForImport } from '../../crypto/key-wrap.ts';
import type { ImportAlgorithmName } from '../../model/algorithm.ts';
import { AWS_USAGES, specRow, type Spec } from '../../model/spec.ts';
import type { ProviderPorts } from '../adapter.ts';
import type { BackingInfo, CallOptions, KeyLifecycle, Protection, WantedKey } from '../provider.ts';
import { kmsAlgorithms } from './algorithms.ts';
import { requireBytes, requireSameKey } from './answers.ts';
import { requireKeyArn, type KeyArn } from './arn.ts';
import type { AwsKmsConfig } from './config.ts';
import type { Connection } from './connection.ts';
import { askForMetadata, backingInfo, requireMetadata, type KnownKey } from './description.ts';

/** Tag that has the name of a key, because AWS has no names but aliases, which need rights of their own. */
const NAME_TAG = 'claviger-name';
/** GetParametersForImport: SPKI DER of RSA-4096, and a token. */
const WRAPPING_KEY_BYTES_MAX = 1024;
const IMPORT_TOKEN_BYTES_MAX = 6144;

export class AwsKmsLifecycle implements KeyLifecycle {
  readonly #connection: Connection;
  readonly #config: AwsKmsConfig;
  readonly #protection: Protection;
  readonly #ports: ProviderPorts;

  constructor(connection: Connection, config: AwsKmsConfig, protection: Protection, ports: ProviderPorts) {
    this.#connection = connection;
    this.#config = config;
    this.#protection = protection;
    this.#ports = ports;
  }

  async create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo> {
    const made = await this.#createKey(wanted, 'AWS_KMS', options);
    try {
      return await backingInfo(this.#connection, this.#protection, made, options);
    } catch (error) {
      throw madeAnyway(made.Arn, error);
    }
  }

  async setEnabled(ref: string, enabled: boolean, options: CallOptions): Promise<void> {
    const { keyId: KeyId } = this.#key(ref);
    await (enabled
      ? this.#connection.call('EnableKey', options, (kms, http) => kms.enableKey({ KeyId }, http))
      : this.#connection.call('DisableKey', options, (kms, http) => kms.disableKey({ KeyId }, http)));
  }

  async destroy(ref: string, options: CallOptions): Promise<void> {
    await this.#scheduleDeletion(this.#key(ref), options);
  }

  /** The key comes back disabled. */
  async restore(ref: string, options: CallOptions): Promise<void> {
    const key = this.#key(ref);
    const { KeyId } = await this.#connection.call('CancelKeyDeletion', options, (kms, http) =>
      kms.cancelKeyDeletion({ KeyId: key.keyId }, http),
    );
    requireSameKey({ provider: this.#connection.name, operation: 'CancelKeyDeletion' }, key, KeyId);
  }

  /** The material never leaves this process but under a key that AWS made for it, and does not expire there. */
  async importMaterial(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo> {
    requireSpec(wanted);
    const { privateMaterial } = importMaterial(wanted.spec, material);
    using checked = privateMaterial;
    const { Arn: arn } = await this.#createKey(wanted, 'EXTERNAL', options);
    try {
      await this.#import(this.#key(arn), wanted.spec, checked.reveal(), options);
      const metadata = await askForMetadata(this.#connection, arn, options);
      return await backingInfo(this.#connection, this.#protection, metadata, options);
    } catch (error) {
      await this.#abandon(arn);
      throw error;
    }
  }

  /** Gives the key these tags; others that it has stay, because policies may depend on them. */
  async setTags(ref: string, tags: Readonly<Record<string, string>>, options: CallOptions): Promise<void> {
    const { keyId: KeyId } = this.#key(ref);
    if (Object.keys(tags).length === 0) return;
    await this.#connection.call('TagResource', options, (kms, http) =>
      kms.tagResource({ KeyId, Tags: tagList(tags) }, http),
    );
  }

  /** The replica of a multi-Region key in another Region, where a provider of that Region can adopt it. */
  async replicate(ref: string, place: string, options: CallOptions): Promise<string> {
    const { keyId } = this.#key(ref);
    const { ReplicaKeyMetadata: replica } = await this.#connection.call('ReplicateKey', options, (kms, http) =>
      kms.replicateKey({ KeyId: keyId, ReplicaRegion: place }, http),
    );
    const there = { name: this.#connection.name, region: place };
    const { Arn } = requireMetadata(there, 'ReplicateKey', replica);
    requireSameKey({ provider: there.name, operation: 'ReplicateKey' }, { arn: Arn, keyId }, replica?.KeyId);
    return Arn;
  }

  #key(ref: string): KeyArn {
    return requireKeyArn(ref, this.#connection.region);
  }

  async #createKey(wanted: WantedKey, Origin: 'AWS_KMS' | 'EXTERNAL', options: CallOptions): Promise<KnownKey> {
    requireSpec(wanted);
    const { spec, usage, name, tags } = wanted;
    const { KeyMetadata } = await this.#connection.call('CreateKey', options, (kms, http) =>
      kms.createKey(
        {
          KeySpec: specRow(spec).aws as never,
          KeyUsage: AWS_USAGES[usage],
          Origin,
          ...(this.#config.multiRegion ? { MultiRegion: true } : {}),
          Tags: tagList({ ...tags, [NAME_TAG]: name }),
        },
        http,
      ),
    );
    return requireMetadata(this.#connection, 'CreateKey', KeyMetadata);
  }

  async #import(key: KeyArn, spec: Spec, material: Uint8Array, options: CallOptions): Promise<void> {
    const algorithm = importAlgorithm(spec);
    const parameters = await this.#connection.call('GetParametersForImport', options, (kms, http) =>
      kms.getParametersForImport({ KeyId: key.keyId, WrappingAlgorithm: algorithm, WrappingKeySpec: 'RSA_4096' }, http),
    );
    const asked = { provider: this.#connection.name, operation: 'GetParametersForImport' };
    requireSameKey(asked, key, parameters.KeyId);
    const wrappingKey = requireBytes(asked, parameters.PublicKey, { max: WRAPPING_KEY_BYTES_MAX });
    const ImportToken = requireBytes(asked, parameters.ImportToken, { max: IMPORT_TOKEN_BYTES_MAX });
    const EncryptedKeyMaterial = wrapForImport(algorithm, wrappingKey, material, this.#ports.random);
    await this.#connection.call('ImportKeyMaterial', options, (kms, http) =>
      kms.importKeyMaterial(
        {
          KeyId: key.keyId,
          ImportToken,
          EncryptedKeyMaterial,
          ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
        },
        http,
      ),
    );
  }

  async #scheduleDeletion(key: KeyArn, options: CallOptions): Promise<void> {
    const { KeyId } = await this.#connection.call('ScheduleKeyDeletion', options, (kms, http) =>
      kms.scheduleKeyDeletion({ KeyId: key.keyId, PendingWindowInDays: this.#config.deletionDays }, http),
    );
    requireSameKey({ provider: this.#connection.name, operation: 'ScheduleKeyDeletion' }, key, KeyId);
  }

  /** A key whose import failed is of no use to anybody. It has its own time: that of the caller may be over. */
  async #abandon(arn: string): Promise<void> {
    const { timeoutMs } = this.#config;
    try {
      await this.#scheduleDeletion(this.#key(arn), { signal: AbortSignal.timeout(timeoutMs), timeoutMs });
    } catch (error) {
      this.#ports.log.write(
        'warn',
        'a key whose import failed could not be scheduled for deletion; delete it yourself',
        {
          provider: this.#connection.name,
          key: arn,
          error: (error as Error).message,
        },
      );
    }
  }
}

/** @throws UNSUPPORTED, before any call */
function requireSpec({ spec, usage }: WantedKey): void {
  if (kmsAlgorithms(spec, usage).length > 0) return;
  throw new ClavigerError('UNSUPPORTED', `AWS KMS has no keys of spec \`${spec}\` for \`${usage}\``);
}

/** A private RSA key is longer than RSA-OAEP takes; all others fit. */
function importAlgorithm(spec: Spec): ImportAlgorithmName {
  return specRow(spec).family === 'rsa' ? 'RSA_AES_KEY_WRAP_SHA_256' : 'RSAES_OAEP_SHA_256';
}

function tagList(tags: Readonly<Record<string, string>>): { TagKey: string; TagValue: string }[] {
  return Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
}

/** So that nobody looks for a key that is there. */
function madeAnyway(arn: string, error: unknown): unknown {
  if (!(error instanceof ClavigerError)) return error;
  const told = `key \`${arn}\` was made, and then: ${error.message}`;
  return new ClavigerError(error.code, told, {
    cause: error,
    resource: arn,
    ...(error.native === undefined ? {} : { native: error.native }),
  });
}
