/**
 * AWS KMS as a home of keys.
 *
 * A reference is the ARN of a key. AWS has no versions that can be named, so none has one.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import type { ProviderPorts } from '../adapter.ts';
import type { BackingInfo, CallOptions, Capability, Health, HomeKey, Protection, Provider } from '../provider.ts';
import { requireCount } from '../random-bytes.ts';
import { CAPABILITIES, GENERATED_BYTES_MAX, KMS_SPECS } from './algorithms.ts';
import { requireExactly, requireSameKey } from './answers.ts';
import { isAwsHost, requireKeyArn, requireReference } from './arn.ts';
import type { KmsClient } from './client.ts';
import type { AwsKmsConfig } from './config.ts';
import { Connection } from './connection.ts';
import { askForMetadata, backingInfo } from './description.ts';
import { anotherArn } from './errors.ts';
import { homeKey } from './home-key.ts';
import { AwsKmsLifecycle } from './lifecycle.ts';

export class AwsKmsProvider implements Provider {
  readonly kind = 'aws-kms';
  readonly name: string;
  readonly lifecycle: AwsKmsLifecycle;
  readonly #connection: Connection;
  readonly #region: string;
  readonly #protection: Protection;

  constructor(client: KmsClient, config: AwsKmsConfig, ports: ProviderPorts) {
    this.name = config.name;
    this.#region = config.region;
    this.#connection = new Connection(client, config.name, arnRegionOf(config), config.grantTokens);
    this.#protection = protectionOf(config);
    this.lifecycle = new AwsKmsLifecycle(this.#connection, config, this.#protection, ports);
  }

  capabilities(): readonly Capability[] {
    return CAPABILITIES;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    const metadata = await askForMetadata(
      this.#connection,
      requireReference(reference, this.#connection.region),
      options,
    );
    return metadata.Arn;
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    const key = requireKeyArn(ref, this.#connection.region);
    const metadata = await askForMetadata(this.#connection, key.arn, options);
    const { arn, keyId } = requireKeyArn(metadata.Arn, this.#connection.region);
    requireSameKey({ provider: this.name, operation: 'DescribeKey' }, key, keyId);
    if (arn !== key.arn) throw anotherArn(this.name, key.arn);
    return backingInfo(this.#connection, this.#protection, metadata, options);
  }

  key(ref: string, spec: Spec): HomeKey {
    const key = requireKeyArn(ref, this.#connection.region);
    if (KMS_SPECS.includes(spec)) return homeKey(this.#connection, key, spec);
    throw new ClavigerError('UNSUPPORTED', `AWS KMS has no keys of spec \`${spec}\``);
  }

  async random(bytes: number, options: CallOptions): Promise<Buffer> {
    requireCount(this.name, bytes, GENERATED_BYTES_MAX);
    const { Plaintext } = await this.#connection.call('GenerateRandom', options, (kms, http) =>
      kms.generateRandom({ NumberOfBytes: bytes }, http),
    );
    return requireExactly({ provider: this.name, operation: 'GenerateRandom' }, Plaintext, bytes);
  }

  /**
   * ListKeys, of one key: whoever is told that he may not list them has been recognised, which is what was asked. What the
   * credentials may do with a key, only a call with that key can say.
   */
  async probe(options: CallOptions): Promise<Health> {
    try {
      await this.#connection.call('ListKeys', options, (kms, http) => kms.listKeys({ Limit: 1 }, http));
      return { ok: true, detail: `AWS KMS in \`${this.#region}\` answers, and takes our credentials` };
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error;
      if (error.native?.code === 'AccessDeniedException') {
        return { ok: true, detail: `AWS KMS in \`${this.#region}\` answers; our credentials may not list keys` };
      }
      if (error.code === 'CANCELED') throw error;
      return { ok: false, detail: `${error.message}${told(error)}` };
    }
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}

function told({ native }: ClavigerError): string {
  return typeof native?.code === 'string' ? ` (${native.code})` : '';
}

/** Keys of AWS are in its hardware modules. Of another server that speaks its protocol we know nothing, so claim nothing. */
function protectionOf({ endpoint }: AwsKmsConfig): Protection {
  return endpoint === undefined || isAwsHost(new URL(endpoint).hostname) ? 'hsm' : 'software';
}

/** Other servers than AWS's have an ARN of their own making: `us-east-1`, whatever they were asked for. */
function arnRegionOf({ endpoint, region }: AwsKmsConfig): string | null {
  return endpoint === undefined || isAwsHost(new URL(endpoint).hostname) ? region : null;
}
