/**
 * One key of a token, with the facets of its spec.
 *
 * Digests, paddings and encodings are made here; a host process gets only what its library is to do. Public-key encryption
 * runs here, too, with the public key that the token shows.
 *
 * @module
 */
import { hash as hashOf, type KeyObject } from 'node:crypto';
import { ecdsaToDer } from '../../bytes/der.ts';
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { loadPublic, modulusBytes } from '../../crypto/key-material.ts';
import { oaepEncrypt } from '../../crypto/oaep.ts';
import { DIGEST_INFO } from '../../crypto/rsa-digest.ts';
import { requireSignable } from '../../crypto/sign-input.ts';
import { isSignatureShaped } from '../../crypto/signature-shape.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import {
  MAC_ALGORITHMS,
  type AlgorithmName,
  type EncryptionAlgorithmName,
  type MacAlgorithmName,
  type SigningAlgorithm,
  type SigningAlgorithmName,
} from '../../model/algorithm.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { algorithmsOf, type Spec } from '../../model/spec.ts';
import type { Random } from '../../ports/random.ts';
import type { SignInput } from '../key-handle.ts';
import type { CallOptions, CapabilityOperation, CipherFacet, HomeKey, Made, WrapFacet } from '../provider.ts';
import {
  abilityName,
  DATA_KEY_BYTES_MAX,
  DECRYPT_USES,
  MAC_USES,
  SIGN_USES,
  SPEC_MECHANISMS,
  type Abilities,
  type WrapMode,
} from './algorithms.ts';
import { deriveUse, gcmUse, signUse, wrapUse, type KeyUse, type TokenClient } from './client.ts';
import { returnName } from './cryptoki.ts';
import { integrityError } from './errors.ts';
import { NONCE_BYTES, TAG_BYTES, type KeyClass, type UseName } from './protocol.ts';
import { refOf } from './reference.ts';

/** A key that opens what it has just closed is well; then it is the ciphertext that is not. */
const PROBE_BYTES = 32;
const OAEP_OVERHEAD_BYTES = 2;

/** What keys need of their provider. */
export interface KeyDesk {
  readonly provider: string;
  readonly client: TokenClient;
  readonly random: Random;
  /** Return values that may, or may not, mean that a ciphertext does not open. */
  readonly vagueCodes: readonly number[];
  readonly maxDataBytes: number;
  abilities(): Abilities;
  /** SPKI DER of the key, from memory or the token. */
  publicKey(id: Buffer, options: CallOptions): Promise<Buffer>;
}

export class Pkcs11Key implements HomeKey {
  readonly ref: string;
  readonly wrap?: WrapFacet;
  readonly cipher?: CipherFacet;
  readonly sign?: NonNullable<HomeKey['sign']>;
  readonly mac?: NonNullable<HomeKey['mac']>;
  readonly agree?: NonNullable<HomeKey['agree']>;
  readonly #desk: KeyDesk;
  readonly #id: Buffer;
  readonly #spec: Spec;
  /** Name and key as a frame has them, made once for each mechanism. */
  readonly #uses = new Map<UseName, KeyUse>();

  constructor(desk: KeyDesk, id: Buffer, spec: Spec) {
    this.#desk = desk;
    this.#id = id;
    this.#spec = spec;
    this.ref = refOf(id.toString('hex'));
    const abilities = desk.abilities();
    const can = (operation: CapabilityOperation): boolean =>
      abilities.list.some((ability) => ability.spec === spec && ability.operation === operation);
    if (can('wrap')) this.wrap = this.#wrapFacet(abilities.wrapMode!);
    if (can('decrypt')) this.cipher = { encrypt: this.#encrypt.bind(this), decrypt: this.#decrypt.bind(this) };
    if (can('sign')) this.sign = this.#sign.bind(this);
    if (can('mac')) this.mac = this.#mac.bind(this);
    if (can('agree')) this.agree = this.#agree.bind(this);
  }

  async #sign(name: SigningAlgorithmName, input: SignInput, options: CallOptions): Promise<Made<Buffer>> {
    const algorithm = requireSignable(this.#spec, name, input);
    this.#require('sign', name);
    const use = this.#use(SIGN_USES[name]!, 'private');
    const data = signInput(algorithm, input);
    this.#requireFits(data);
    const raw = await this.#desk.client.sign(use, data, options);
    return made(this.#checkedSignature(raw, name, algorithm));
  }

  #checkedSignature(raw: Buffer, name: SigningAlgorithmName, { scheme }: SigningAlgorithm): Buffer {
    const isEcdsa = scheme === 'ecdsa';
    const hasLength = !isEcdsa || raw.length === 2 * SPEC_MECHANISMS[this.#spec]!.fieldBytes!;
    const signature = hasLength && isEcdsa ? ecdsaToDer(raw) : raw;
    if (hasLength && isSignatureShaped(this.#spec, name, signature)) return signature;
    throw this.#unsound(`a signature of ${raw.length} bytes`);
  }

  async #mac(name: MacAlgorithmName, message: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    this.#requireOf('mac', name);
    this.#requireFits(message);
    const mac = await this.#desk.client.sign(this.#use(MAC_USES[name], 'secret'), message, options);
    if (mac.length !== MAC_ALGORITHMS[name].macBytes) throw this.#unsound(`a MAC of ${mac.length} bytes`);
    return made(mac);
  }

  async #agree(peer: Uint8Array, options: CallOptions): Promise<Made<Buffer>> {
    this.#require('agree', 'ECDH');
    const point = pointOf(loadPublic(this.#spec, peer));
    const { fieldBytes } = SPEC_MECHANISMS[this.#spec]!;
    const secret = await this.#desk.client.derive(deriveUse(this.#id), point, fieldBytes!, options);
    if (secret.length !== fieldBytes) throw this.#unsound(`a shared secret of ${secret.length} bytes`);
    return made(secret);
  }

  async #encrypt(
    name: EncryptionAlgorithmName,
    plaintext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    this.#requireOf('encrypt', name);
    if (name === 'SYMMETRIC_DEFAULT') {
      this.#requireFits(plaintext);
      return made(await this.#seal(plaintext, context, options));
    }
    const spki = await this.#desk.publicKey(this.#id, options);
    return made(oaepEncrypt(spki, this.#spec, name, plaintext));
  }

  async #decrypt(
    name: EncryptionAlgorithmName,
    ciphertext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    this.#requireOf('decrypt', name);
    if (name === 'SYMMETRIC_DEFAULT') return made(await this.#open(ciphertext, context, options));
    const spki = await this.#desk.publicKey(this.#id, options);
    if (ciphertext.length !== modulusBytes(loadPublic(this.#spec, spki))) throw invalidCiphertext();
    const use = this.#use(DECRYPT_USES[name]!, 'private');
    return made(
      await this.#opened(
        () => this.#desk.client.decrypt(use, ciphertext, options),
        async (probe) =>
          this.#desk.client.decrypt(
            use,
            oaepEncrypt(spki, this.#spec, name, probe.subarray(OAEP_OVERHEAD_BYTES)),
            options,
          ),
      ),
    );
  }

  #wrapFacet(mode: WrapMode): WrapFacet {
    const wrap = (dataKey: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Buffer> => {
      this.#requireMode(mode);
      requireDataKey(dataKey.length);
      if (mode.kind === 'gcm') return this.#seal(dataKey, context, options);
      requireBlocks(mode, dataKey.length);
      return this.#desk.client.wrap(wrapUse(mode.name, this.#id), dataKey, options);
    };
    const unwrap = (wrapped: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Buffer> => {
      this.#requireMode(mode);
      if (mode.kind === 'gcm') return this.#open(wrapped, context, options);
      if (wrapped.length < 16 || wrapped.length > DATA_KEY_BYTES_MAX + 16 || wrapped.length % 8 !== 0) {
        throw invalidCiphertext();
      }
      const use = wrapUse(mode.name, this.#id);
      return this.#opened(
        () => this.#desk.client.unwrap(use, wrapped, options),
        async (probe) => this.#desk.client.unwrap(use, await this.#desk.client.wrap(use, probe, options), options),
      );
    };
    return {
      bindsContext: mode.kind === 'gcm',
      wrap: async (dataKey, context, options) => made(await wrap(dataKey, context, options)),
      unwrap: async (wrapped, context, options) => made(await unwrap(wrapped, context, options)),
      generate: async (bytes, context, options) => {
        requireDataKey(bytes);
        // The token's own random bytes, wrapped before anybody else has them.
        const plaintext = await this.#desk.client.random(bytes, options);
        if (plaintext.length !== bytes) throw this.#unsound(`${plaintext.length} random bytes`);
        return made({ plaintext, wrapped: await wrap(plaintext, context, options) });
      },
    };
  }

  async #seal(plaintext: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Buffer> {
    const { client, random } = this.#desk;
    // Random nonces of 96 bits: at most 2^32 of them under one key (SP 800-38D, section 8.3).
    const sealed = await client.seal(
      this.#gcm(),
      random.bytes(NONCE_BYTES),
      encodeContext(context),
      plaintext,
      options,
    );
    if (sealed.length === NONCE_BYTES + plaintext.length + TAG_BYTES && !isZero(sealed.subarray(0, NONCE_BYTES)))
      return sealed;
    throw this.#unsound(`a ciphertext of ${sealed.length} bytes`);
  }

  async #open(sealed: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Buffer> {
    const plaintextBytes = sealed.length - NONCE_BYTES - TAG_BYTES;
    if (plaintextBytes < 0 || plaintextBytes > this.#desk.maxDataBytes) throw invalidCiphertext();
    const use = this.#gcm();
    const aad = encodeContext(context);
    const plaintext = await this.#opened(
      () => this.#desk.client.open(use, aad, sealed, options),
      async (probe) => this.#desk.client.open(use, aad, await this.#seal(probe, context, options), options),
    );
    if (plaintext.length !== plaintextBytes) {
      throw this.#unsound(`a plaintext of ${plaintext.length} bytes`);
    }
    return plaintext;
  }

  /**
   * What was opened. Some libraries answer to a ciphertext that does not open as to a broken device; then the key shows
   * whether it still opens what it has closed itself.
   *
   * @throws INVALID_CIPHERTEXT where it does; else what the token said
   */
  async #opened(open: () => Promise<Buffer>, probe: (secret: Buffer) => Promise<Buffer>): Promise<Buffer> {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error;
      if (error.code === 'INVALID_CIPHERTEXT') throw this.#doesNotOpen(error);
      const vague = this.#desk.vagueCodes.map(returnName).includes(error.native?.code ?? '');
      if (!vague) throw error;
      await probe(this.#desk.random.bytes(PROBE_BYTES));
      // The key is well; only what does not open now either is at fault.
      return this.#openedAgain(open, error);
    }
  }

  async #openedAgain(open: () => Promise<Buffer>, before: ClavigerError): Promise<Buffer> {
    try {
      return await open();
    } catch (error) {
      const isSame = error instanceof ClavigerError && error.native?.code === before.native?.code;
      throw isSame ? this.#doesNotOpen(before) : error;
    }
  }

  #doesNotOpen(cause: ClavigerError): ClavigerError {
    const { message } = invalidCiphertext();
    return new ClavigerError('INVALID_CIPHERTEXT', message, { cause, ...(cause.native && { native: cause.native }) });
  }

  #gcm(): KeyUse {
    const mode = this.#desk.abilities().wrapMode;
    if (mode?.kind !== 'gcm') throw unsupported('AES-GCM');
    return gcmUse(mode.mode, this.#id);
  }

  #use(name: UseName, keyClass: KeyClass): KeyUse {
    const known = this.#uses.get(name);
    if (known !== undefined) return known;
    const use = signUse(name, keyClass, this.#id);
    this.#uses.set(name, use);
    return use;
  }

  /** @throws KEY_USAGE where the spec has no such algorithm, UNSUPPORTED where the token has not */
  #requireOf(operation: CapabilityOperation, algorithm: AlgorithmName): void {
    const usage = operation === 'mac' ? 'mac' : 'encrypt-decrypt';
    if (!algorithmsOf(this.#spec, usage).includes(algorithm)) {
      throw new ClavigerError('KEY_USAGE', `a key of spec \`${this.#spec}\` has no algorithm \`${algorithm}\``);
    }
    this.#require(operation, algorithm);
  }

  /** The token may have been asked what it can only after this key was made. */
  #require(operation: CapabilityOperation, algorithm: AlgorithmName): void {
    if (!this.#desk.abilities().has(abilityName(operation, this.#spec, algorithm))) throw unsupported(algorithm);
  }

  /** A facet says whether it binds the context; it shall not do otherwise. */
  #requireMode(mode: WrapMode): void {
    if (this.#desk.abilities().wrapMode?.kind !== mode.kind)
      throw unsupported(mode.kind === 'gcm' ? 'AES-GCM' : mode.name);
  }

  #requireFits(data: Uint8Array): void {
    const { maxDataBytes } = this.#desk;
    if (data.length <= maxDataBytes) return;
    throw new ClavigerError('INVALID_ARGUMENT', `the token takes at most ${maxDataBytes} bytes, not ${data.length}`);
  }

  #unsound(what: string): ClavigerError {
    return integrityError(this.#desk.provider, `the token gave ${what}, which is none`);
  }
}

function signInput({ scheme, hash }: SigningAlgorithm, input: SignInput): Uint8Array {
  if (hash === null) return 'message' in input ? input.message : input.digest;
  const digest = 'message' in input ? hashOf(hash, input.message, 'buffer') : input.digest;
  return scheme === 'rsa-pkcs1' ? Buffer.concat([DIGEST_INFO[hash], digest]) : digest;
}

/** The uncompressed point of SEC 1. */
function pointOf(key: KeyObject): Buffer {
  return key.export({ format: 'raw-public' });
}

function requireDataKey(bytes: number): void {
  if (bytes >= 1 && bytes <= DATA_KEY_BYTES_MAX) return;
  throw new ClavigerError('INVALID_ARGUMENT', `a data key has 1 to ${DATA_KEY_BYTES_MAX} bytes, not ${bytes}`);
}

function requireBlocks(mode: WrapMode, bytes: number): void {
  if (mode.kind !== 'kw' || mode.name !== 'AES_KEY_WRAP' || (bytes % 8 === 0 && bytes >= 16)) return;
  throw new ClavigerError('INVALID_ARGUMENT', `AES key wrap takes a data key of 16, 24, 32 … bytes, not ${bytes}`);
}

function unsupported(what: string): ClavigerError {
  return new ClavigerError('UNSUPPORTED', `the token has no mechanism for \`${what}\``);
}

/** A nonce that the token was to make, and has not. */
function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function made<T>(value: T): Made<T> {
  return { value, version: null };
}
