/**
 * One key of AWS KMS: each facet is one call, checked before it is made and after it is answered.
 *
 * `KeyId` is given with every call, with Decrypt too, which would take any key that the credentials may use otherwise.
 * The version of a result is the id of the key material, where AWS says it: Encrypt does not, and asymmetric keys have one
 * material for life.
 *
 * @module
 */
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import { loadPublic } from '../../crypto/key-material.ts';
import { requireSignable } from '../../crypto/sign-input.ts';
import { isSignatureShaped } from '../../crypto/signature-shape.ts';
import type { EncryptionAlgorithmName, MacAlgorithmName, SigningAlgorithmName } from '../../model/algorithm.ts';
import { NO_CONTEXT, type EncryptionContext } from '../../model/encryption-context.ts';
import { specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { SignInput } from '../key-handle.ts';
import type { CallOptions, CipherFacet, HomeKey, Made, WrapFacet } from '../provider.ts';
import { requireCount } from '../random-bytes.ts';
import {
  ciphertextBytesMax,
  CIPHERTEXT_BYTES_MAX,
  DIGEST_TYPES,
  GENERATED_BYTES_MAX,
  KEM_CIPHERTEXT_BYTES,
  KEM_SECRET_BYTES,
  kmsAlgorithms,
  macBytes,
  MESSAGE_BYTES_MAX,
  plaintextBytesMax,
  SHARED_SECRET_BYTES,
  wrapAlgorithm,
} from './algorithms.ts';
import { requireBytes, requireExactly, requireOpenedBy, requireSameKey, type Asked } from './answers.ts';
import type { KeyArn } from './arn.ts';
import type { Connection } from './connection.ts';
import { integrityError } from './errors.ts';

/** Every signature is shorter; its shape says the rest. */
const SIGNATURE_BYTES_MAX = 8192;

/** The facets that a key of this spec can have; whether it has them, its usage says, and AWS with KEY_USAGE. */
export function homeKey(connection: Connection, key: KeyArn, spec: Spec): HomeKey {
  const use = new KeyUse(connection, key, spec);
  const has = (usage: Usage): boolean => kmsAlgorithms(spec, usage).length > 0;
  return Object.freeze({
    ref: key.arn,
    ...(has('encrypt-decrypt') ? { wrap: wrapFacet(use, spec), cipher: cipherFacet(use) } : {}),
    ...(has('sign-verify') ? { sign: use.sign.bind(use) } : {}),
    ...(has('mac') ? { mac: use.mac.bind(use) } : {}),
    ...(has('key-agreement') ? { agree: use.agree.bind(use) } : {}),
    ...(has('kem') ? { decapsulate: use.decapsulate.bind(use) } : {}),
  });
}

function cipherFacet(use: KeyUse): CipherFacet {
  return { encrypt: use.encrypt.bind(use), decrypt: use.decrypt.bind(use) };
}

/**
 * RSA-OAEP has no place for a context: who wraps under it binds the wrap by other means. An RSA key has one material for
 * life, so there is nothing to wrap anew under, and AWS makes no data keys with it.
 */
function wrapFacet(use: KeyUse, spec: Spec): WrapFacet {
  const algorithm = wrapAlgorithm(spec)!;
  if (algorithm !== 'SYMMETRIC_DEFAULT') {
    return {
      bindsContext: false,
      wrap: (dataKey, _context, options) => use.encrypt(algorithm, dataKey, NO_CONTEXT, options),
      unwrap: (wrapped, _context, options) => use.decrypt(algorithm, wrapped, NO_CONTEXT, options),
    };
  }
  return {
    bindsContext: true,
    wrap: (dataKey, context, options) => use.encrypt(algorithm, dataKey, context, options),
    unwrap: (wrapped, context, options) => use.decrypt(algorithm, wrapped, context, options),
    rewrap: use.reEncrypt.bind(use),
    generate: use.generateDataKey.bind(use),
  };
}

/** What is done with one key. */
class KeyUse {
  readonly #connection: Connection;
  readonly #key: KeyArn;
  readonly #spec: Spec;

  constructor(connection: Connection, key: KeyArn, spec: Spec) {
    this.#connection = connection;
    this.#key = key;
    this.#spec = spec;
  }

  async encrypt(
    algorithm: EncryptionAlgorithmName,
    plaintext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    this.#requireAlgorithm('encrypt-decrypt', algorithm);
    requireLength('a plaintext', plaintext, plaintextBytesMax(this.#spec, algorithm));
    const bound = contextOf(algorithm, context);
    const answer = await this.#connection.call('Encrypt', options, (kms, http) =>
      kms.encrypt(
        {
          KeyId: this.#key.arn,
          Plaintext: plaintext,
          EncryptionAlgorithm: algorithm,
          ...bound,
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('Encrypt');
    requireSameKey(asked, this.#key, answer.KeyId);
    return made(this.#ciphertext(asked, algorithm, answer.CiphertextBlob));
  }

  async decrypt(
    algorithm: EncryptionAlgorithmName,
    ciphertext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    this.#requireAlgorithm('encrypt-decrypt', algorithm);
    this.#requireCiphertext(ciphertext);
    const bound = contextOf(algorithm, context);
    const answer = await this.#connection.call('Decrypt', options, (kms, http) =>
      kms.decrypt(
        {
          KeyId: this.#key.arn,
          CiphertextBlob: ciphertext,
          EncryptionAlgorithm: algorithm,
          ...bound,
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('Decrypt');
    requireOpenedBy(asked, this.#key, answer.KeyId);
    // RSA-OAEP may hold no bytes at all, though AWS would not have encrypted them.
    const plaintext = requireBytes(asked, answer.Plaintext ?? new Uint8Array(), { min: 0, max: MESSAGE_BYTES_MAX });
    return made(plaintext, answer.KeyMaterialId);
  }

  async reEncrypt(ciphertext: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> {
    this.#requireCiphertext(ciphertext);
    const { EncryptionContext: pairs } = contextOf('SYMMETRIC_DEFAULT', context);
    const answer = await this.#connection.call('ReEncrypt', options, (kms, http) =>
      kms.reEncrypt(
        {
          CiphertextBlob: ciphertext,
          SourceKeyId: this.#key.arn,
          SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
          DestinationKeyId: this.#key.arn,
          DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
          ...(pairs === undefined ? {} : { SourceEncryptionContext: pairs, DestinationEncryptionContext: pairs }),
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('ReEncrypt');
    requireOpenedBy(asked, this.#key, answer.SourceKeyId);
    requireSameKey(asked, this.#key, answer.KeyId);
    const wrapped = this.#ciphertext(asked, 'SYMMETRIC_DEFAULT', answer.CiphertextBlob);
    return made(wrapped, answer.DestinationKeyMaterialId);
  }

  async generateDataKey(
    bytes: number,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<{ readonly plaintext: Buffer; readonly wrapped: Buffer }>> {
    requireCount(this.#connection.name, bytes, GENERATED_BYTES_MAX);
    const answer = await this.#connection.call('GenerateDataKey', options, (kms, http) =>
      kms.generateDataKey(
        {
          KeyId: this.#key.arn,
          NumberOfBytes: bytes,
          ...contextOf('SYMMETRIC_DEFAULT', context),
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('GenerateDataKey');
    requireSameKey(asked, this.#key, answer.KeyId);
    const wrapped = this.#ciphertext(asked, 'SYMMETRIC_DEFAULT', answer.CiphertextBlob);
    return made({ plaintext: requireExactly(asked, answer.Plaintext, bytes), wrapped }, answer.KeyMaterialId);
  }

  async sign(algorithm: SigningAlgorithmName, input: SignInput, options: CallOptions): Promise<Made<Buffer>> {
    this.#requireAlgorithm('sign-verify', algorithm);
    requireSignable(this.#spec, algorithm, input);
    const [message, type] = toSign(algorithm, input);
    const answer = await this.#connection.call('Sign', options, (kms, http) =>
      kms.sign(
        {
          KeyId: this.#key.arn,
          Message: message,
          MessageType: type,
          SigningAlgorithm: algorithm,
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('Sign');
    requireSameKey(asked, this.#key, answer.KeyId);
    const signature = requireBytes(asked, answer.Signature, { max: SIGNATURE_BYTES_MAX });
    if (isSignatureShaped(this.#spec, algorithm, signature)) return made(signature);
    throw integrityError(asked.provider, asked.operation, `it is no signature of ${algorithm}`);
  }

  async mac(algorithm: MacAlgorithmName, message: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    this.#requireAlgorithm('mac', algorithm);
    requireLength('a message', message, MESSAGE_BYTES_MAX);
    const answer = await this.#connection.call('GenerateMac', options, (kms, http) =>
      kms.generateMac(
        { KeyId: this.#key.arn, Message: message, MacAlgorithm: algorithm, ...this.#connection.grants },
        http,
      ),
    );
    const asked = this.#asked('GenerateMac');
    requireSameKey(asked, this.#key, answer.KeyId);
    return made(requireExactly(asked, answer.Mac, macBytes(algorithm)));
  }

  async agree(peer: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    loadPublic(this.#spec, peer);
    const answer = await this.#connection.call('DeriveSharedSecret', options, (kms, http) =>
      kms.deriveSharedSecret(
        { KeyId: this.#key.arn, KeyAgreementAlgorithm: 'ECDH', PublicKey: peer, ...this.#connection.grants },
        http,
      ),
    );
    const asked = this.#asked('DeriveSharedSecret');
    requireSameKey(asked, this.#key, answer.KeyId);
    return made(requireExactly(asked, answer.SharedSecret, SHARED_SECRET_BYTES.get(this.#spec)!));
  }

  async decapsulate(ciphertext: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    if (ciphertext.length !== KEM_CIPHERTEXT_BYTES.get(this.#spec)) throw invalidCiphertext();
    const answer = await this.#connection.call('Decapsulate', options, (kms, http) =>
      kms.decapsulate(
        {
          KeyId: this.#key.arn,
          SharedSecretCiphertextBlob: ciphertext,
          EncapsulationAlgorithm: 'ML_KEM',
          ...this.#connection.grants,
        },
        http,
      ),
    );
    const asked = this.#asked('Decapsulate');
    requireSameKey(asked, this.#key, answer.KeyId);
    return made(requireExactly(asked, answer.SharedSecret, KEM_SECRET_BYTES));
  }

  #asked(operation: string): Asked {
    return { provider: this.#connection.name, operation };
  }

  #requireAlgorithm(usage: Usage, algorithm: string): void {
    if (kmsAlgorithms(this.#spec, usage).some((name) => name === algorithm)) return;
    throw new ClavigerError('UNSUPPORTED', `AWS KMS has no \`${algorithm}\` of ours for a key of \`${this.#spec}\``);
  }

  /** What cannot be a ciphertext of this key is not sent. */
  #requireCiphertext(ciphertext: Uint8Array): void {
    const max = ciphertextBytesMax(this.#spec);
    const fits = specRow(this.#spec).family === 'rsa' ? ciphertext.length === max : ciphertext.length <= max;
    if (!fits || ciphertext.length === 0) throw invalidCiphertext();
  }

  #ciphertext(asked: Asked, algorithm: EncryptionAlgorithmName, value: unknown): Buffer {
    if (algorithm !== 'SYMMETRIC_DEFAULT') return requireExactly(asked, value, ciphertextBytesMax(this.#spec));
    return requireBytes(asked, value, { max: CIPHERTEXT_BYTES_MAX });
  }
}

function made<T>(value: T, version?: string): Made<T> {
  return { value, version: version ?? null };
}

/** @throws INVALID_ARGUMENT for a context that RSA would not bind */
function contextOf(
  algorithm: EncryptionAlgorithmName,
  context: EncryptionContext,
): { readonly EncryptionContext?: Record<string, string> } {
  if (Object.keys(context).length === 0) return {};
  if (algorithm === 'SYMMETRIC_DEFAULT') return { EncryptionContext: { ...context } };
  throw new ClavigerError('INVALID_ARGUMENT', `\`${algorithm}\` binds no encryption context; leave it out`);
}

function toSign(
  algorithm: SigningAlgorithmName,
  input: SignInput,
): readonly [message: Uint8Array, type: 'RAW' | 'DIGEST' | 'EXTERNAL_MU'] {
  if ('digest' in input) return [input.digest, DIGEST_TYPES.get(algorithm)!];
  requireLength('a message', input.message, MESSAGE_BYTES_MAX);
  return [input.message, 'RAW'];
}

/** @throws INVALID_ARGUMENT, before any call */
function requireLength(what: string, bytes: Uint8Array, bytesMax: number): void {
  if (bytes.length > 0 && bytes.length <= bytesMax) return;
  throw new ClavigerError('INVALID_ARGUMENT', `${what} has 1 to ${bytesMax} bytes for AWS KMS, not ${bytes.length}`);
}
