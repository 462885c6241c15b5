/**
 * The built-in keystore as a home beside others. Its keys are made and ended with the key that they belong to, in our own
 * store, so it has no lifecycle of its own.
 *
 * A reference is `KEY/VERSION`, the id of the key and the number of its version.
 *
 * @module
 */
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { oaepEncrypt } from '../../crypto/oaep.ts';
import { signNow } from '../../crypto/sign.ts';
import { ClavigerError, toClavigerError } from '../../errors.ts';
import type { EncryptionAlgorithmName, SigningAlgorithm } from '../../model/algorithm.ts';
import { SIGNING_ALGORITHMS } from '../../model/algorithm.ts';
import { printable } from '../../model/ids.ts';
import { algorithmsOf, SPEC_NAMES, SPECS, type Spec, type Usage } from '../../model/spec.ts';
import type { Random } from '../../ports/random.ts';
import { Declared } from '../declared.ts';
import { closedError, endedError } from '../ended.ts';
import type { KeyHandle } from '../key-handle.ts';
import type {
  BackingInfo,
  CallOptions,
  Capability,
  CapabilityOperation,
  Health,
  HomeKey,
  Made,
  Provider,
  WrapFacet,
} from '../provider.ts';
import { SOFTWARE_PROVIDER_NAME } from './provider.ts';

const NO_HEADER = Buffer.alloc(0);
const REF = /^(?<keyId>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/(?<version>[1-9][0-9]{0,9})$/;
/** Longest data key that homes wrap. */
const DATA_KEY_BYTES_MAX = 64;

/** What our own store knows of a version. */
export interface StoredVersion {
  readonly spec: Spec;
  readonly usage: Usage;
  /** SPKI DER; null for symmetric keys. */
  readonly publicKey: Uint8Array | null;
  readonly load: () => KeyHandle | Promise<KeyHandle>;
}

export class SoftwareHome implements Provider {
  readonly name = SOFTWARE_PROVIDER_NAME;
  readonly kind = 'software';
  readonly #find: (keyId: string, version: number) => Promise<StoredVersion | null>;
  readonly #random: Random;
  readonly #declared = new Declared(SOFTWARE_PROVIDER_NAME, CAPABILITIES);
  #closed = false;

  /** @param find a version of the store; null where there is none */
  constructor(find: (keyId: string, version: number) => Promise<StoredVersion | null>, random: Random) {
    this.#find = find;
    this.#random = random;
  }

  capabilities(): readonly Capability[] {
    return CAPABILITIES;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    await this.#stored(reference, options);
    return reference;
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    const { spec, usage, publicKey } = await this.#stored(ref, options);
    return {
      ref,
      nativeId: `software:${ref.slice(0, ref.indexOf('/'))}`,
      version: versionOf(ref),
      spec,
      usage,
      state: 'enabled',
      protection: 'software',
      publicKey: publicKey === null ? null : Buffer.from(publicKey),
      origin: 'unknown',
      claims: {},
    };
  }

  key(ref: string, spec: Spec): HomeKey {
    requireRef(ref);
    const declared = this.#declared;
    const ask = async <T>(options: CallOptions, work: (handle: KeyHandle) => T | Promise<T>): Promise<Made<T>> => {
      const { load } = await this.#stored(ref, options);
      try {
        return { value: await work(await load()), version: versionOf(ref) };
      } catch (thrown) {
        throw ofTheStore(thrown);
      }
    };
    const mac: HomeKey['mac'] = async (algorithm, message, options) => {
      declared.require('mac', spec, algorithm, message);
      return ask(options, ({ mac: make }) => make!(algorithm, message));
    };
    const agree: HomeKey['agree'] = (peer, options) => ask(options, ({ agree: derive }) => derive!(peer));
    const sign: HomeKey['sign'] = async (algorithm, input, options) => {
      declared.requireSign(spec, algorithm, input);
      return ask(options, async ({ sign: make }) => {
        const task = make!(algorithm, input);
        return task instanceof Promise ? task : signNow(task, algorithm, input);
      });
    };
    switch (SPECS[spec].family) {
      case 'aes':
        return { ref, wrap: this.#wrap(spec, ask) };
      case 'hmac':
        return { ref, mac };
      case 'ml-kem':
        return { ref, decapsulate: (ciphertext, options) => ask(options, (handle) => handle.decapsulate!(ciphertext)) };
      case 'x25519':
        return { ref, agree };
      case 'ec':
        return spec === 'secp256k1' ? { ref, sign } : { ref, sign, agree };
      case 'rsa':
        return { ref, sign, cipher: this.#cipher(ref, spec, ask) };
      default:
        return { ref, sign };
    }
  }

  async random(bytes: number): Promise<Buffer> {
    return this.#random.bytes(bytes);
  }

  async probe(): Promise<Health> {
    return { ok: !this.#closed, detail: this.#closed ? 'it is closed' : 'the built-in keystore' };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #wrap(spec: Spec, ask: Ask): WrapFacet {
    return {
      bindsContext: true,
      wrap: async (dataKey, context, options) => {
        this.#declared.require('wrap', spec, undefined, dataKey);
        return ask(options, ({ aead }) => aead!.seal(dataKey, encodeContext(context), NO_HEADER));
      },
      unwrap: (wrapped, context, options) => ask(options, ({ aead }) => aead!.open(wrapped, encodeContext(context))),
    };
  }

  #cipher(ref: string, spec: Spec, ask: Ask): NonNullable<HomeKey['cipher']> {
    return {
      encrypt: async (algorithm, plaintext, _context, options) => {
        this.#declared.require('encrypt', spec, algorithm, plaintext);
        const { publicKey } = await this.#stored(ref, options);
        return { value: oaepEncrypt(publicKey!, spec, algorithm, plaintext), version: versionOf(ref) };
      },
      decrypt: async (algorithm, ciphertext, _context, options) => {
        this.#declared.require('decrypt', spec, algorithm);
        return ask(options, ({ decrypt }) => decrypt!(algorithm, ciphertext));
      },
    };
  }

  async #stored(ref: string, { signal }: CallOptions): Promise<StoredVersion> {
    if (this.#closed) throw closedError(SOFTWARE_PROVIDER_NAME);
    if (signal.aborted) throw endedError(SOFTWARE_PROVIDER_NAME, signal.reason);
    const { keyId, version } = requireRef(ref);
    const found = await this.#find(keyId, version).catch((thrown: unknown) => Promise.reject(ofTheStore(thrown)));
    if (found === null) throw failed('KEY_NOT_FOUND', `the built-in keystore has no \`${printable(ref)}\``);
    return found;
  }
}

type Ask = <T>(options: CallOptions, work: (handle: KeyHandle) => T | Promise<T>) => Promise<Made<T>>;

function requireRef(ref: string): { readonly keyId: string; readonly version: number } {
  const { keyId, version } = REF.exec(ref)?.groups ?? {};
  if (keyId === undefined) {
    throw failed(
      'INVALID_ARGUMENT',
      `\`${printable(ref)}\` is no reference of the built-in keystore: it has KEY/VERSION`,
    );
  }
  return { keyId, version: Number(version) };
}

function versionOf(ref: string): string {
  return ref.slice(ref.indexOf('/') + 1);
}

function failed(code: ClavigerError['code'], message: string): ClavigerError {
  return new ClavigerError(code, message, {
    native: { provider: SOFTWARE_PROVIDER_NAME, code: null, requestId: null },
  });
}

/** An error of our own store, as one of this home. */
function ofTheStore(thrown: unknown): ClavigerError {
  const { code, message } = toClavigerError(thrown);
  return new ClavigerError(code, message, {
    cause: thrown,
    native: { provider: SOFTWARE_PROVIDER_NAME, code: null, requestId: null },
  });
}

/** SHA-256 digests take 66 bytes of OAEP, SHA-1 digests 42: RFC 8017, section 7.1.1. */
function oaepMax(spec: Spec, algorithm: EncryptionAlgorithmName): number {
  return SPECS[spec].size! / 8 - (algorithm === 'RSAES_OAEP_SHA_256' ? 66 : 42);
}

const USE_OF = {
  mac: 'mac',
  'key-agreement': 'agree',
  kem: 'decapsulate',
} as const satisfies Partial<Record<Usage, CapabilityOperation>>;

const CAPABILITIES: readonly Capability[] = SPEC_NAMES.flatMap((spec): Capability[] => {
  if (SPECS[spec].family === 'aes') return [{ operation: 'wrap', spec, maxBytes: DATA_KEY_BYTES_MAX }];
  const usages = Object.keys(SPECS[spec].usages) as Usage[];
  return usages.flatMap((usage) => algorithmsOf(spec, usage).flatMap((name) => rowsOf(spec, usage, name as never)));
});

function rowsOf(
  spec: Spec,
  usage: Usage,
  algorithm: EncryptionAlgorithmName & keyof typeof SIGNING_ALGORITHMS,
): Capability[] {
  if (usage === 'encrypt-decrypt') {
    return [
      { operation: 'encrypt', spec, algorithm, maxBytes: oaepMax(spec, algorithm) },
      { operation: 'decrypt', spec, algorithm, maxBytes: null },
    ];
  }
  if (usage !== 'sign-verify') return [{ operation: USE_OF[usage], spec, algorithm, maxBytes: null }];
  const { takesMessage, digestBytes }: SigningAlgorithm = SIGNING_ALGORITHMS[algorithm];
  const row = { operation: 'sign', spec, algorithm } as const;
  return [
    ...(takesMessage ? [{ ...row, input: 'message', maxBytes: null } as const] : []),
    ...(digestBytes === null ? [] : [{ ...row, input: 'digest', maxBytes: digestBytes } as const]),
  ];
}
