/**
 * One version of a native key: wrapping, encryption and signatures, each one request.
 *
 * Wrapping takes RSA-OAEP with SHA-256 in a vault, and in a Managed HSM what `wrapAlgorithm` says: AES-GCM, which binds
 * the context as additional data, or AES-KW (RFC 3394), which binds nothing. What AES-GCM gives is put together as
 * nonce ‖ tag ‖ ciphertext; the nonce is the service's.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { ecdsaToDer } from '../../bytes/der.ts';
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { requireSignable } from '../../crypto/sign-input.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import type { Spec } from '../../model/spec.ts';
import type { CallOptions, CipherFacet, HomeKey, Made, WrapFacet } from '../provider.ts';
import {
  AES_KW_BLOCK_BYTES,
  AES_KW_BYTES_MIN,
  AES_PLAINTEXT_BYTES_MAX,
  DATA_KEY_BYTES_MAX,
  GCM_IV_BYTES,
  GCM_TAG_BYTES,
  RSA_WRAP,
  modulusBytes,
  oaepBytesMax,
  requireFamily,
  rsaEncryption,
  signatureAlgorithm,
} from './algorithms.ts';
import type { KeyAnswer, VaultConnection } from './client.ts';
import type { AzureKeyVaultConfig } from './config.ts';
import { integrityError, unreadableError } from './errors.ts';
import type { KeyReference } from './reference.ts';

const OPENS = { opens: true };
/** Ciphertexts of the RSA keys that a vault has. */
const RSA_CIPHERTEXT_BYTES: readonly number[] = [256, 384, 512];

/** @throws UNSUPPORTED for a spec that Azure does not have */
export function homeKey(
  connection: VaultConnection,
  config: AzureKeyVaultConfig,
  key: KeyReference,
  spec: Spec,
): HomeKey {
  const native = new NativeKey(connection, config, key);
  const ref = `${key.name}/${key.version}`;
  switch (requireFamily(spec)) {
    case 'aes':
      if (!config.managedHsm) return { ref, wrap: native.rsaWrap() };
      return {
        ref,
        wrap: config.wrapAlgorithm === 'A256GCM' ? native.gcmWrap() : native.kwWrap(),
        cipher: native.gcmCipher(),
      };
    case 'rsa':
      return {
        ref,
        cipher: native.rsaCipher(spec),
        sign: native.signer(spec),
      };
    case 'ec':
      return { ref, sign: native.signer(spec) };
  }
}

class NativeKey {
  readonly #connection: VaultConnection;
  readonly #provider: string;
  readonly #key: KeyReference;

  constructor(connection: VaultConnection, { name }: AzureKeyVaultConfig, key: KeyReference) {
    this.#connection = connection;
    this.#provider = name;
    this.#key = key;
  }

  rsaWrap(): WrapFacet {
    return {
      bindsContext: false,
      wrap: async (dataKey, _context, options) => {
        requireDataKey(dataKey);
        const send = this.#connection.use(this.#key, options, (key, call) => key.wrapKey(RSA_WRAP, dataKey, call));
        return this.#made(this.#exactly(RSA_CIPHERTEXT_BYTES, await send));
      },
      unwrap: async (wrapped, _context, options) => {
        if (!RSA_CIPHERTEXT_BYTES.includes(wrapped.length)) throw invalidCiphertext();
        const send = this.#connection.use(
          this.#key,
          options,
          (key, call) => key.unwrapKey(RSA_WRAP, wrapped, call),
          OPENS,
        );
        return this.#made(this.#dataKey(await send));
      },
    };
  }

  kwWrap(): WrapFacet {
    return {
      bindsContext: false,
      wrap: async (dataKey, _context, options) => {
        requireDataKey(dataKey);
        if (dataKey.length < AES_KW_BYTES_MIN || dataKey.length % AES_KW_BLOCK_BYTES !== 0)
          throw new ClavigerError('INVALID_ARGUMENT', 'AES-KW wraps 16 bytes or more, a multiple of 8');
        const send = this.#connection.use(this.#key, options, (key, call) => key.wrapKey('A256KW', dataKey, call));
        return this.#made(this.#exactly([dataKey.length + AES_KW_BLOCK_BYTES], await send));
      },
      unwrap: async (wrapped, _context, options) => {
        const { length } = wrapped;
        const fits = length >= AES_KW_BYTES_MIN + AES_KW_BLOCK_BYTES && length % AES_KW_BLOCK_BYTES === 0;
        if (!fits || length > DATA_KEY_BYTES_MAX + AES_KW_BLOCK_BYTES) throw invalidCiphertext();
        const send = this.#connection.use(
          this.#key,
          options,
          (key, call) => key.unwrapKey('A256KW', wrapped, call),
          OPENS,
        );
        return this.#made(this.#exactly([length - AES_KW_BLOCK_BYTES], await send));
      },
    };
  }

  gcmWrap(): WrapFacet {
    return {
      bindsContext: true,
      wrap: async (dataKey, context, options) => {
        requireDataKey(dataKey);
        return this.#gcmSeal(dataKey, context, options);
      },
      unwrap: (wrapped, context, options) => this.#gcmOpen(wrapped, DATA_KEY_BYTES_MAX, context, options),
    };
  }

  gcmCipher(): CipherFacet {
    return {
      encrypt: async (algorithm, plaintext, context, options) => {
        if (algorithm !== 'SYMMETRIC_DEFAULT')
          throw new ClavigerError('UNSUPPORTED', `an AES key does not encrypt with \`${algorithm}\``);
        requireLength(plaintext, AES_PLAINTEXT_BYTES_MAX);
        return this.#gcmSeal(plaintext, context, options);
      },
      decrypt: async (algorithm, ciphertext, context, options) => {
        if (algorithm !== 'SYMMETRIC_DEFAULT')
          throw new ClavigerError('UNSUPPORTED', `an AES key does not decrypt with \`${algorithm}\``);
        return this.#gcmOpen(ciphertext, AES_PLAINTEXT_BYTES_MAX, context, options);
      },
    };
  }

  rsaCipher(spec: Spec): CipherFacet {
    return {
      encrypt: async (name, plaintext, context, options) => {
        const { azure, hashBytes } = rsaEncryption(name);
        requireNoContext(context);
        requireLength(plaintext, oaepBytesMax(spec, hashBytes));
        const send = this.#connection.use(this.#key, options, (key, call) =>
          key.encrypt({ algorithm: azure, plaintext }, call),
        );
        return this.#made(this.#exactly([modulusBytes(spec)], await send));
      },
      decrypt: async (name, ciphertext, context, options) => {
        const { azure, hashBytes } = rsaEncryption(name);
        requireNoContext(context);
        if (ciphertext.length !== modulusBytes(spec)) throw invalidCiphertext();
        const answer = await this.#connection.use(
          this.#key,
          options,
          (key, call) => key.decrypt({ algorithm: azure, ciphertext }, call),
          OPENS,
        );
        return this.#made(this.#atMost(oaepBytesMax(spec, hashBytes), answer));
      },
    };
  }

  /** Azure signs digests only: a message is hashed here. */
  signer(spec: Spec): NonNullable<HomeKey['sign']> {
    return async (name, input, options) => {
      const { hash } = requireSignable(spec, name, input);
      const { azure, bytes, ecdsa } = signatureAlgorithm(spec, name);
      const digest = 'digest' in input ? input.digest : createHash(hash!).update(input.message).digest();
      const answer = await this.#connection.use(this.#key, options, (key, call) => key.sign(azure, digest, call));
      const signature = this.#exactly([bytes], answer);
      return this.#made(ecdsa ? ecdsaToDer(signature) : signature);
    };
  }

  async #gcmSeal(plaintext: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> {
    const additionalAuthenticatedData = encodeContext(context);
    const answer = await this.#connection.use(this.#key, options, (key, call) =>
      key.encrypt({ algorithm: 'A256GCM', plaintext, additionalAuthenticatedData }, call),
    );
    const ciphertext = this.#exactly([plaintext.length], answer);
    const { iv, authenticationTag: tag } = answer;
    if (iv?.length !== GCM_IV_BYTES || tag?.length !== GCM_TAG_BYTES)
      throw integrityError(this.#provider, 'nonce or tag have another length');
    return this.#made(Buffer.concat([iv, tag, ciphertext]));
  }

  async #gcmOpen(
    sealed: Uint8Array,
    bytesMax: number,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const length = sealed.length - GCM_IV_BYTES - GCM_TAG_BYTES;
    if (length < 1 || length > bytesMax) throw invalidCiphertext();
    const parameters = {
      algorithm: 'A256GCM',
      iv: sealed.subarray(0, GCM_IV_BYTES),
      authenticationTag: sealed.subarray(GCM_IV_BYTES, GCM_IV_BYTES + GCM_TAG_BYTES),
      ciphertext: sealed.subarray(GCM_IV_BYTES + GCM_TAG_BYTES),
      additionalAuthenticatedData: encodeContext(context),
    } as const;
    const answer = await this.#connection.use(this.#key, options, (key, call) => key.decrypt(parameters, call), OPENS);
    return this.#made(this.#exactly([length], answer));
  }

  #made(value: Buffer): Made<Buffer> {
    return { value, version: this.#key.version };
  }

  /** Whoever has the public key can wrap what is none: that is no fault of the service's. */
  #dataKey(answer: KeyAnswer): Buffer {
    const dataKey = this.#bytes(answer);
    if (dataKey.length === 0 || dataKey.length > DATA_KEY_BYTES_MAX) throw invalidCiphertext();
    return dataKey;
  }

  #exactly(lengths: readonly number[], answer: KeyAnswer): Buffer {
    const bytes = this.#bytes(answer);
    if (!lengths.includes(bytes.length)) throw integrityError(this.#provider, `it has ${bytes.length} bytes`);
    return bytes;
  }

  #atMost(bytesMax: number, answer: KeyAnswer): Buffer {
    const bytes = this.#bytes(answer);
    if (bytes.length > bytesMax) throw integrityError(this.#provider, `it has ${bytes.length} bytes`);
    return bytes;
  }

  #bytes({ result }: KeyAnswer): Buffer {
    const given: unknown = result;
    // The SDK leaves the empty text as it is.
    if (given === '') return Buffer.alloc(0);
    if (!(given instanceof Uint8Array)) throw unreadableError(this.#provider, 'it has no value');
    return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  }
}

function requireDataKey(dataKey: Uint8Array): void {
  if (dataKey.length === 0) throw new ClavigerError('INVALID_ARGUMENT', 'a data key has at least one byte');
  requireLength(dataKey, DATA_KEY_BYTES_MAX);
}

function requireLength({ length }: Uint8Array, bytesMax: number): void {
  if (length > bytesMax)
    throw new ClavigerError('INVALID_ARGUMENT', `this key takes at most ${bytesMax} bytes, not ${length}`);
}

/** RSA-OAEP binds none, and a binding that is asked for is not dropped in silence. */
function requireNoContext(context: EncryptionContext): void {
  if (Object.keys(context).length > 0)
    throw new ClavigerError('INVALID_ARGUMENT', 'an RSA key binds no encryption context; leave it away');
}
