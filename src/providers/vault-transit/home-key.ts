/**
 * One version of a key of Transit, as what it does.
 *
 * A wrap, and what the symmetric cipher gives, is Transit's own text, `vault:v3:…`: whoever may can open it by hand.
 * Ciphertexts of RSA, signatures and MACs are raw bytes, and the version that Transit put before them is in the result.
 *
 * `rewrap` is left out: Transit's takes no associated data, so it opens nothing that is bound to a context. So is
 * `generate`: its `datakey` binds none.
 *
 * @module
 */
import { z } from 'zod';
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { isSignatureShaped } from '../../crypto/signature-shape.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import {
  MAC_ALGORITHMS,
  SIGNING_ALGORITHMS,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { specRow, type Spec } from '../../model/spec.ts';
import type { SignInput } from '../key-handle.ts';
import type { CallOptions, CipherFacet, HomeKey, Made, WrapFacet } from '../provider.ts';
import {
  DATA_KEY_BYTES_MAX,
  INPUT_BYTES_MAX,
  macHash,
  plaintextBytesMax,
  signingFields,
  typeOf,
} from './algorithms.ts';
import type { VaultApi } from './api.ts';
import { integrityError, NO_NEW_KEY } from './errors.ts';
import { formatVersioned, parseRef, parseVersioned, type KeyName, type Versioned } from './names.ts';

/** AES-GCM as Transit has it: 12 bytes of nonce before, 16 of tag behind. */
const GCM_EXTRA_BYTES = 12 + 16;

const encrypted = z.object({ ciphertext: z.string() });
const decrypted = z.object({ plaintext: z.string() });
const signed = z.object({ signature: z.string() });
const maced = z.object({ hmac: z.string() });

/** The facets of a key, by the family of its spec. @throws INVALID_ARGUMENT, UNSUPPORTED */
export function homeKey(api: VaultApi, ref: string, spec: Spec): HomeKey {
  const key = new TransitHomeKey(api, parseRef(ref), spec);
  switch (specRow(spec).family) {
    case 'aes':
      return { ref, wrap: key.wrapFacet(), cipher: key.symmetricFacet() };
    case 'rsa':
      return { ref, cipher: key.rsaFacet(), sign: key.sign.bind(key) };
    case 'ec':
    case 'ed25519':
      return { ref, sign: key.sign.bind(key) };
    case 'hmac':
      return { ref, mac: key.mac.bind(key) };
    default:
      throw unsupportedSpec(api.name, spec);
  }
}

export function unsupportedSpec(provider: string, spec: Spec): ClavigerError {
  return new ClavigerError('UNSUPPORTED', `provider \`${provider}\`: Transit has no keys of spec \`${spec}\``);
}

class TransitHomeKey {
  readonly #api: VaultApi;
  readonly #key: KeyName;
  readonly #spec: Spec;

  constructor(api: VaultApi, key: KeyName, spec: Spec) {
    if (typeOf(spec) === undefined) throw unsupportedSpec(api.name, spec);
    this.#api = api;
    this.#key = key;
    this.#spec = spec;
  }

  wrapFacet(): WrapFacet {
    return {
      bindsContext: true,
      wrap: async (dataKey, context, options) => {
        this.#requireLength('data key', dataKey, DATA_KEY_BYTES_MAX, 1);
        return this.#seal(dataKey, context, options);
      },
      unwrap: async (wrapped, context, options) => {
        const opened = await this.#open(wrapped, context, options);
        if (opened.value.length === 0 || opened.value.length > DATA_KEY_BYTES_MAX) throw invalidCiphertext();
        return opened;
      },
    };
  }

  symmetricFacet(): CipherFacet {
    return {
      encrypt: async (algorithm, plaintext, context, options) => {
        this.#requireLength('plaintext', plaintext, this.#plaintextBytesMax(algorithm));
        return this.#seal(plaintext, context, options);
      },
      decrypt: async (algorithm, ciphertext, context, options) => {
        this.#plaintextBytesMax(algorithm);
        return this.#open(ciphertext, context, options);
      },
    };
  }

  rsaFacet(): CipherFacet {
    const modulusBytes = specRow(this.#spec).size! / 8;
    const { version } = this.#key;
    return {
      encrypt: async (algorithm, plaintext, context, options) => {
        this.#requireLength('plaintext', plaintext, this.#plaintextBytesMax(algorithm));
        this.#requireNoContext(context);
        const { bytes } = await this.#encrypt({ plaintext: base64(plaintext) }, options);
        if (bytes.length !== modulusBytes) throw this.#wrong('a ciphertext of another length than the key');
        return this.#made(bytes, version);
      },
      decrypt: async (algorithm, ciphertext, context, options) => {
        this.#plaintextBytesMax(algorithm);
        this.#requireNoContext(context);
        if (ciphertext.length !== modulusBytes) throw invalidCiphertext();
        return this.#decrypt({ version, bytes: Buffer.from(ciphertext) }, {}, options);
      },
    };
  }

  async sign(algorithm: SigningAlgorithmName, input: SignInput, options: CallOptions): Promise<Made<Buffer>> {
    const fields = signingFields(this.#spec, algorithm);
    if (fields === undefined) throw this.#unsupported(algorithm);
    const { digestBytes } = SIGNING_ALGORITHMS[algorithm];
    const isDigest = 'digest' in input;
    if (isDigest && digestBytes === null) throw this.#unsupported(`${algorithm} of a digest`);
    const bytes = isDigest ? input.digest : input.message;
    if (isDigest) this.#requireLength('digest', bytes, digestBytes!, digestBytes!);
    else this.#requireLength('message', bytes, INPUT_BYTES_MAX);
    const body = { ...fields, input: base64(bytes), prehashed: isDigest, key_version: this.#key.version };
    const { signature } = await this.#api.transit('POST', `sign/${this.#key.name}`, body, signed, options);
    const made = this.#ownVersion(signature);
    if (!isSignatureShaped(this.#spec, algorithm, made.bytes)) {
      throw this.#wrong('a signature that can be none of the key');
    }
    return this.#made(made.bytes, made.version);
  }

  async mac(algorithm: MacAlgorithmName, message: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    const hash = macHash(this.#spec, algorithm);
    if (hash === undefined) throw this.#unsupported(algorithm);
    this.#requireLength('message', message, INPUT_BYTES_MAX);
    const body = { algorithm: hash, input: base64(message), key_version: this.#key.version };
    const { hmac } = await this.#api.transit('POST', `hmac/${this.#key.name}`, body, maced, options);
    const made = this.#ownVersion(hmac);
    if (made.bytes.length !== MAC_ALGORITHMS[algorithm].macBytes) throw this.#wrong('a MAC of another length');
    return this.#made(made.bytes, made.version);
  }

  async #seal(plaintext: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> {
    const body = { plaintext: base64(plaintext), ...associatedData(context) };
    const { version, bytes } = await this.#encrypt(body, options);
    if (bytes.length !== plaintext.length + GCM_EXTRA_BYTES) throw this.#wrong('a ciphertext of another length');
    return this.#made(Buffer.from(formatVersioned(version, bytes)), version);
  }

  async #open(text: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>> {
    const sealed = parseVersioned(Buffer.from(text).toString('latin1'));
    if (sealed === null || sealed.bytes.length < GCM_EXTRA_BYTES) throw invalidCiphertext();
    return this.#decrypt(sealed, associatedData(context), options);
  }

  async #encrypt(body: object, options: CallOptions): Promise<Versioned> {
    const { name, version } = this.#key;
    const request = { ...body, key_version: version, type: NO_NEW_KEY };
    const { ciphertext } = await this.#api.transit('POST', `encrypt/${name}`, request, encrypted, options);
    return this.#ownVersion(ciphertext);
  }

  async #decrypt(sealed: Versioned, more: object, options: CallOptions): Promise<Made<Buffer>> {
    const body = { ciphertext: formatVersioned(sealed.version, sealed.bytes), ...more };
    const plaintext = await this.#api.transit('POST', `decrypt/${this.#key.name}`, body, decrypted, options).then(
      ({ plaintext }) => plaintext,
      (error: unknown) => {
        // The version stands in the ciphertext, where anybody can write it: what is wrong with it is no state of this key.
        const isState = error instanceof ClavigerError && error.code === 'KEY_STATE';
        if (isState && sealed.version !== this.#key.version) throw invalidCiphertext();
        throw error;
      },
    );
    const bytes = Buffer.from(plaintext, 'base64');
    if (bytes.toString('base64') !== plaintext) throw this.#wrong('a plaintext that is no base64');
    return this.#made(bytes, sealed.version);
  }

  /** What Transit made, which must be of the version that was asked for. */
  #ownVersion(text: string): Versioned {
    const made = parseVersioned(text);
    if (made === null) throw this.#wrong('a text that does not begin with `vault:v` and a version');
    if (made.version !== this.#key.version) throw this.#wrong(`made by version ${made.version} of the key`);
    return made;
  }

  #made(value: Buffer, version: number): Made<Buffer> {
    return { value, version: String(version) };
  }

  #plaintextBytesMax(algorithm: EncryptionAlgorithmName): number {
    const bytesMax = plaintextBytesMax(this.#spec, algorithm);
    if (bytesMax === undefined) throw this.#unsupported(algorithm);
    return bytesMax;
  }

  #requireLength(what: string, bytes: Uint8Array, bytesMax: number, bytesMin = 0): void {
    if (bytes.length >= bytesMin && bytes.length <= bytesMax) return;
    const range = bytesMin === bytesMax ? `${bytesMax} bytes` : `${bytesMin} to ${bytesMax} bytes`;
    throw new ClavigerError('INVALID_ARGUMENT', `the ${what} must have ${range}, not ${bytes.length}`);
  }

  #requireNoContext(context: EncryptionContext): void {
    if (Object.keys(context).length === 0) return;
    throw new ClavigerError('INVALID_ARGUMENT', 'RSA binds no encryption context; leave it out');
  }

  #unsupported(what: string): ClavigerError {
    const message = `provider \`${this.#api.name}\`: a key of spec \`${this.#spec}\` in Transit has no \`${what}\``;
    return new ClavigerError('UNSUPPORTED', message);
  }

  #wrong(what: string): ClavigerError {
    return integrityError(this.#api.name, what);
  }
}

/** An empty context is no associated data, as whoever encrypts by hand has it. */
function associatedData(context: EncryptionContext): { readonly associated_data?: string } {
  if (Object.keys(context).length === 0) return {};
  return { associated_data: encodeContext(context).toString('base64') };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
