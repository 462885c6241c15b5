/**
 * The built-in keystore as a home beside others. Its keys are made and ended with the key that they belong to, in our own
 * store, so it has no lifecycle of its own.
 *
 * @module
 */
import { encodeContext } from '../../bytes/length-prefixed.ts';
import { signNow } from '../../crypto/sign.ts';
import { ClavigerError, toClavigerError } from '../../errors.ts';
import { printable } from '../../model/ids.ts';
import { algorithmsOf, SPEC_NAMES, SPECS, type Spec } from '../../model/spec.ts';
import type { Random } from '../../ports/random.ts';
import type { KeyHandle } from '../key-handle.ts';
import type { BackingInfo, Capability, CapabilityOperation, Health, HomeKey, Made, Provider } from '../provider.ts';
import { SOFTWARE_PROVIDER_NAME } from './provider.ts';

const NO_HEADER = Buffer.alloc(0);
const REF = /^[0-9a-f-]{36}\/[1-9][0-9]{0,9}$/;

export class SoftwareHome implements Provider {
  readonly name = SOFTWARE_PROVIDER_NAME;
  readonly kind = 'software';
  readonly #load: (keyId: string, version: number) => Promise<KeyHandle>;
  readonly #random: Random;
  #closed = false;

  /** @param load opens the material of a key version, with the tenant that it belongs to */
  constructor(load: (keyId: string, version: number) => Promise<KeyHandle>, random: Random) {
    this.#load = load;
    this.#random = random;
  }

  capabilities(): readonly Capability[] {
    return CAPABILITIES;
  }

  async resolve(reference: string): Promise<string> {
    throw new ClavigerError(
      'UNSUPPORTED',
      `the built-in keystore has no keys to adopt, so \`${printable(reference)}\` is none; import the key instead`,
    );
  }

  async describe(ref: string): Promise<BackingInfo> {
    await this.#handle(ref);
    return {
      ref,
      nativeId: `software:${ref}`,
      version: versionOf(ref),
      spec: null,
      usage: null,
      state: 'enabled',
      protection: 'software',
      publicKey: null,
      origin: 'unknown',
      claims: {},
    };
  }

  key(ref: string, spec: Spec): HomeKey {
    const made = <T>(value: T): Made<T> => ({ value, version: versionOf(ref) });
    const handle = (): Promise<KeyHandle> => this.#handle(ref);
    switch (SPECS[spec].family) {
      case 'aes':
        return {
          ref,
          wrap: {
            bindsContext: true,
            wrap: async (dataKey, context) =>
              made((await handle()).aead!.seal(dataKey, encodeContext(context), NO_HEADER)),
            unwrap: async (wrapped, context) => made((await handle()).aead!.open(wrapped, encodeContext(context))),
          },
        };
      case 'hmac':
        return { ref, mac: async (algorithm, message) => made(await (await handle()).mac!(algorithm, message)) };
      case 'ml-kem':
        return { ref, decapsulate: async (ciphertext) => made(await (await handle()).decapsulate!(ciphertext)) };
      default:
        return {
          ref,
          sign: async (algorithm, input) => {
            const task = (await handle()).sign!(algorithm, input);
            return made(task instanceof Promise ? await task : signNow(task, algorithm, input));
          },
          agree: async (peer) => made(await (await handle()).agree!(peer)),
          cipher: {
            encrypt: () => Promise.reject(new ClavigerError('UNSUPPORTED', 'the public key encrypts')),
            decrypt: async (algorithm, ciphertext) => made(await (await handle()).decrypt!(algorithm, ciphertext)),
          },
        };
    }
  }

  async random(bytes: number): Promise<Buffer> {
    return this.#random.bytes(bytes);
  }

  async probe(): Promise<Health> {
    return { ok: !this.#closed, detail: 'the built-in keystore' };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #handle(ref: string): Promise<KeyHandle> {
    if (this.#closed) throw new ClavigerError('PROVIDER_UNAVAILABLE', 'the built-in keystore is closed');
    if (!REF.test(ref)) throw new ClavigerError('INVALID_ARGUMENT', `\`${printable(ref)}\` names no key of the store`);
    const [keyId, version] = ref.split('/') as [string, string];
    try {
      return await this.#load(keyId, Number(version));
    } catch (thrown) {
      const { code, message } = toClavigerError(thrown);
      throw new ClavigerError(code, message, {
        cause: thrown,
        native: { provider: this.name, code: null, requestId: null },
      });
    }
  }
}

function versionOf(ref: string): string {
  return ref.slice(ref.indexOf('/') + 1);
}

const USE_OF = {
  'encrypt-decrypt': 'decrypt',
  'sign-verify': 'sign',
  mac: 'mac',
  'key-agreement': 'agree',
  kem: 'decapsulate',
} as const satisfies Record<string, CapabilityOperation>;

const CAPABILITIES: readonly Capability[] = SPEC_NAMES.flatMap((spec): Capability[] => {
  if (SPECS[spec].family === 'aes') return [{ operation: 'wrap', spec, maxBytes: null }];
  return (Object.keys(SPECS[spec].usages) as (keyof typeof USE_OF)[]).flatMap((usage) =>
    algorithmsOf(spec, usage).map((algorithm) => ({ operation: USE_OF[usage], spec, algorithm, maxBytes: null })),
  );
});
