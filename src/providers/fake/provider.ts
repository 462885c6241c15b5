/**
 * A provider in memory, for development and tests: the whole contract, with real cryptography, and faults on command.
 *
 * Its keys are gone when the process ends. A reference is `NAME@VERSION`; a wrap and a ciphertext begin with the number
 * of their version, so that every version of a native key opens what any of them made, as services have it. RSA and MAC
 * results carry no version.
 *
 * @module
 */
import { randomUUID } from 'node:crypto';
import { encodeContext, lengthPrefixed } from '../../bytes/length-prefixed.ts';
import { deriveSharedSecret } from '../../crypto/agree.ts';
import { decapsulate } from '../../crypto/kem.ts';
import {
  generateMaterial,
  importMaterial,
  loadPrivate,
  type KeyMaterial,
  type PrivateHandle,
} from '../../crypto/key-material.ts';
import { mac } from '../../crypto/mac.ts';
import { oaepDecrypt, oaepEncrypt } from '../../crypto/oaep.ts';
import { sign } from '../../crypto/sign.ts';
import { XaesKey } from '../../crypto/xaes.ts';
import { ClavigerError, invalidCiphertext } from '../../errors.ts';
import type { EncryptionContext } from '../../model/encryption-context.ts';
import { defaultUsage, specRow, type Spec, type Usage } from '../../model/spec.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { Declared } from '../declared.ts';
import { closedError, endedError, lateError } from '../ended.ts';
import type {
  BackingInfo,
  BackingState,
  CallOptions,
  Capability,
  CipherFacet,
  Health,
  HomeKey,
  KeyLifecycle,
  Made,
  Provider,
  WantedKey,
  WrapFacet,
} from '../provider.ts';
import type { Adapter } from '../adapter.ts';
import { capabilitiesOf } from './algorithms.ts';
import { fakeSchema, type FakeConfig } from './config.ts';
import { faultError, notFound, serviceError, wrongState } from './errors.ts';
import type { FakeCall, FakeFault, FakeOperation } from './faults.ts';

/** Native code of a call that was late. */
const LATE = 'FakePROVIDER_TIMEOUT';

export interface FakeOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly latencyMs?: number | (() => number);
  readonly bindsContext?: boolean;
  readonly destructionMs?: number;
  /** The service that it is connected to, where there are several connections. */
  readonly service?: FakeService;
}

/** What stands behind a connection: the keys. */
export class FakeService {
  readonly id: string = randomUUID();
  readonly keys = new Map<string, NativeKey>();
}

interface Version {
  readonly number: number;
  readonly material: KeyMaterial;
  enabled: boolean;
  /** Null where it was not destroyed. */
  destroyedAtMs: number | null;
}

interface NativeKey {
  readonly name: string;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly origin: 'provider' | 'external';
  readonly versions: Version[];
  tags: Readonly<Record<string, string>>;
}

/** What is asked for with a home key. */
interface Target {
  readonly ref: string;
  readonly spec: Spec;
}

const REFERENCE = /^(?<name>[a-z][a-z0-9-]{0,126})(?:@(?<version>[1-9][0-9]{0,8}))?$/;
/** What a key has to be for; the operations that are not here encrypt or decrypt. */
const USAGE_OF: Readonly<Partial<Record<FakeOperation, Usage>>> = {
  sign: 'sign-verify',
  mac: 'mac',
  agree: 'key-agreement',
  decapsulate: 'kem',
};
const VERSION_BYTES = 4;
const DAY_MS = 24 * 60 * 60 * 1000;

export const fake: Adapter<FakeConfig> = {
  kind: 'fake',
  schema: fakeSchema,
  open: async (config, { clock, random, log }) => {
    log.write('warn', `\`${config.name}\` is a fake provider: its keys are gone when this process ends`);
    const { name, latencyMs, bindsContext, destructionDays } = config;
    return new FakeProvider({ name, clock, random, latencyMs, bindsContext, destructionMs: destructionDays * DAY_MS });
  },
};

export class FakeProvider implements Provider {
  readonly name: string;
  readonly kind = 'fake';
  /** Decides about each call, before it is answered; null to answer it as it is. */
  fault: (call: FakeCall) => FakeFault | null = () => null;
  readonly #options: FakeOptions;
  readonly #service: FakeService;
  readonly #declared: Declared;
  readonly #calls = new Map<FakeOperation, number>();
  #isClosed = false;

  constructor(options: FakeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#declared = new Declared(options.name, capabilitiesOf());
    this.#service = options.service ?? new FakeService();
  }

  /** Calls so far: of one operation, or all. */
  calls(operation?: FakeOperation): number {
    if (operation !== undefined) return this.#calls.get(operation) ?? 0;
    return this.#calls.values().reduce((sum, count) => sum + count, 0);
  }

  capabilities(): readonly Capability[] {
    return capabilitiesOf();
  }

  resolve(reference: string, options: CallOptions): Promise<string> {
    return this.#call('resolve', reference, options, () => {
      const key = this.#keyOf(reference);
      return refOf(key, this.#versionOf(key, reference));
    });
  }

  describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    return this.#call('describe', ref, options, () => this.#describe(ref));
  }

  key(ref: string, spec: Spec): HomeKey {
    if (!REFERENCE.test(ref)) throw malformed(ref);
    return { ref, ...this.#facets({ ref, spec }) };
  }

  random(bytes: number, options: CallOptions): Promise<Buffer> {
    return this.#call('random', null, options, () => this.#options.random.bytes(bytes));
  }

  readonly lifecycle: KeyLifecycle = {
    create: (wanted, options) =>
      this.#call('create', wanted.name, options, async () => {
        this.#requireFree(wanted);
        return this.#add(wanted, 'provider', await generateMaterial(wanted.spec, this.#options.random));
      }),
    importMaterial: (wanted, material, options) =>
      this.#call('import', wanted.name, options, () => {
        this.#requireFree(wanted);
        return this.#add(wanted, 'external', importMaterial(wanted.spec, material));
      }),
    rotate: (ref, options) =>
      this.#call('rotate', ref, options, async () => {
        const key = this.#keyOf(ref);
        this.#requireUsable(key, this.#versionOf(key, ref));
        const material = await generateMaterial(key.spec, this.#options.random);
        const number = key.versions.at(-1)!.number + 1;
        key.versions.push({ number, material, enabled: true, destroyedAtMs: null });
        return this.#describe(refOf(key, key.versions.at(-1)!));
      }),
    setEnabled: (ref, enabled, options) =>
      this.#call('set-enabled', ref, options, () => {
        const key = this.#keyOf(ref);
        const version = this.#versionOf(key, ref);
        this.#requireUndestroyed(key, version);
        version.enabled = enabled;
      }),
    destroy: (ref, options) =>
      this.#call('destroy', ref, options, () => {
        const key = this.#keyOf(ref);
        this.#versionOf(key, ref).destroyedAtMs ??= this.#options.clock.now() + (this.#options.destructionMs ?? 0);
      }),
    restore: (ref, options) =>
      this.#call('restore', ref, options, () => {
        const key = this.#keyOf(ref);
        const version = this.#versionOf(key, ref);
        const state = this.#stateOf(version);
        if (state !== 'pending-deletion') throw wrongState(this.name, refOf(key, version), state);
        version.destroyedAtMs = null;
        version.enabled = false;
      }),
    setTags: (ref, tags, options) =>
      this.#call('set-tags', ref, options, () => {
        this.#keyOf(ref).tags = { ...tags };
      }),
  };

  probe(options: CallOptions): Promise<Health> {
    return this.#call('probe', null, options, () => ({
      ok: true,
      detail: `fake provider, ${this.#service.keys.size} keys`,
    }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  /** What a key of the spec can do; whether this one can, is known when it is asked. */
  #facets(target: Target): Omit<HomeKey, 'ref'> {
    const { family } = specRow(target.spec);
    switch (family) {
      case 'aes':
        return { wrap: this.#wrapFacet(target), cipher: this.#aesFacet(target) };
      case 'rsa':
        return { cipher: this.#rsaFacet(target), ...this.#signFacet(target) };
      case 'ec':
        return {
          ...this.#signFacet(target),
          ...('key-agreement' in specRow(target.spec).usages ? this.#agreeFacet(target) : {}),
        };
      case 'ed25519':
      case 'ml-dsa':
        return this.#signFacet(target);
      case 'x25519':
        return this.#agreeFacet(target);
      case 'ml-kem':
        return this.#kemFacet(target);
      case 'hmac':
        return this.#macFacet(target);
    }
  }

  #signFacet(target: Target): Pick<HomeKey, 'sign'> {
    return {
      sign: async (algorithm, input, options) => {
        this.#declared.requireSign(target.spec, algorithm, input);
        return this.#made('sign', target, options, (key, version) => sign(privateOf(key, version), algorithm, input));
      },
    };
  }

  #macFacet(target: Target): Pick<HomeKey, 'mac'> {
    return {
      mac: async (algorithm, message, options) => {
        this.#declared.require('mac', target.spec, algorithm, message);
        return this.#made('mac', target, options, (key, version) =>
          mac(privateOf(key, version).key, algorithm, message),
        );
      },
    };
  }

  #agreeFacet(target: Target): Pick<HomeKey, 'agree'> {
    return {
      agree: (peer, options) =>
        this.#made('agree', target, options, (key, version) => deriveSharedSecret(privateOf(key, version), peer)),
    };
  }

  #kemFacet(target: Target): Pick<HomeKey, 'decapsulate'> {
    return {
      decapsulate: (ciphertext, options) =>
        this.#made('decapsulate', target, options, (key, version) => decapsulate(privateOf(key, version), ciphertext)),
    };
  }

  #wrapFacet(target: Target): WrapFacet {
    const { spec } = target;
    const bindsContext = this.#options.bindsContext ?? true;
    const bound = (context: EncryptionContext): Buffer => encodeContext(bindsContext ? context : {});
    return {
      bindsContext,
      wrap: async (dataKey, context, options) => {
        this.#declared.require('wrap', spec, undefined, dataKey);
        return this.#made('wrap', target, options, (key, version) => this.#seal(key, version, dataKey, bound(context)));
      },
      unwrap: (wrapped, context, options) =>
        this.#call('unwrap', target.ref, options, () =>
          this.#open(this.#usedKey('unwrap', target), wrapped, bound(context)),
        ),
      rewrap: (wrapped, context, options) =>
        this.#call('rewrap', target.ref, options, () => {
          const key = this.#usedKey('rewrap', target);
          const { value: dataKey } = this.#open(key, wrapped, bound(context));
          const newest = key.versions.at(-1)!;
          this.#requireUsable(key, newest);
          return made(this.#seal(key, newest, dataKey, bound(context)), newest);
        }),
      generate: async (bytes, context, options) => {
        const plaintext = this.#options.random.bytes(bytes);
        this.#declared.require('generate-data-key', spec, undefined, plaintext);
        return this.#made('generate', target, options, (key, version) => ({
          plaintext,
          wrapped: this.#seal(key, version, plaintext, bound(context)),
        }));
      },
    };
  }

  #aesFacet(target: Target): CipherFacet {
    return {
      encrypt: async (algorithm, plaintext, context, options) => {
        this.#declared.require('encrypt', target.spec, algorithm, plaintext);
        return this.#made('encrypt', target, options, (key, version) =>
          this.#seal(key, version, plaintext, encodeContext(context)),
        );
      },
      decrypt: async (algorithm, ciphertext, context, options) => {
        this.#declared.require('decrypt', target.spec, algorithm);
        return this.#call('decrypt', target.ref, options, () =>
          this.#open(this.#usedKey('decrypt', target), ciphertext, encodeContext(context)),
        );
      },
    };
  }

  #rsaFacet(target: Target): CipherFacet {
    const { spec } = target;
    return {
      encrypt: async (algorithm, plaintext, _context, options) => {
        this.#declared.require('encrypt', spec, algorithm, plaintext);
        return this.#made('encrypt', target, options, (_key, { material }) =>
          oaepEncrypt(material.publicKey!, spec, algorithm, plaintext),
        );
      },
      decrypt: async (algorithm, ciphertext, _context, options) => {
        this.#declared.require('decrypt', spec, algorithm);
        return this.#made('decrypt', target, options, (key, version) =>
          oaepDecrypt(privateOf(key, version), algorithm, ciphertext),
        );
      },
    };
  }

  #seal(key: NativeKey, { number, material }: Version, plaintext: Uint8Array, context: Buffer): Buffer {
    const header = Buffer.alloc(VERSION_BYTES);
    header.writeUInt32BE(number);
    return aesOf(material).seal(
      plaintext,
      lengthPrefixed(Buffer.from(key.name), header, context),
      this.#options.random,
      header,
    );
  }

  #open(key: NativeKey, sealed: Uint8Array, context: Buffer): Made<Buffer> {
    const header = Buffer.from(sealed.subarray(0, VERSION_BYTES));
    const version = header.length === VERSION_BYTES ? findVersion(key, header.readUInt32BE()) : undefined;
    if (version === undefined) throw invalidCiphertext();
    this.#requireUsable(key, version);
    const aad = lengthPrefixed(Buffer.from(key.name), header, context);
    return made(aesOf(version.material).open(sealed.subarray(VERSION_BYTES), aad), version);
  }

  #describe(ref: string): BackingInfo {
    const key = this.#keyOf(ref);
    const version = this.#versionOf(key, ref);
    return {
      ref: refOf(key, version),
      nativeId: `fake:${this.#service.id}/${key.name}`,
      version: String(version.number),
      spec: key.spec,
      usage: key.usage,
      state: this.#stateOf(version),
      protection: 'software',
      publicKey: version.material.publicKey === null ? null : Buffer.from(version.material.publicKey),
      origin: key.origin,
      claims: { ...key.tags },
    };
  }

  #add({ name, spec, usage, tags }: WantedKey, origin: NativeKey['origin'], material: KeyMaterial): BackingInfo {
    this.#service.keys.set(name, {
      name,
      spec,
      usage,
      origin,
      tags: { ...tags },
      versions: [{ number: 1, material, enabled: true, destroyedAtMs: null }],
    });
    return this.#describe(name);
  }

  #requireFree({ name, spec, usage }: WantedKey): void {
    if (!REFERENCE.test(name) || name.includes('@')) throw malformed(name);
    if (!(usage in specRow(spec).usages)) {
      throw new ClavigerError(
        'UNSUPPORTED',
        `spec \`${spec}\` has no usage \`${usage}\`; it has \`${defaultUsage(spec)}\``,
      );
    }
    if (this.#service.keys.has(name)) {
      throw serviceError(this.name, 'KEY_EXISTS', `\`${this.name}\` has a key \`${name}\` already`, name);
    }
  }

  #keyOf(ref: string): NativeKey {
    const name = REFERENCE.exec(ref)?.groups?.['name'];
    if (name === undefined) throw malformed(ref);
    const key = this.#service.keys.get(name);
    if (key === undefined) throw notFound(this.name, ref);
    return key;
  }

  /** The version that a reference names, or the newest. */
  #versionOf(key: NativeKey, ref: string): Version {
    const number = REFERENCE.exec(ref)?.groups?.['version'];
    const version = number === undefined ? key.versions.at(-1) : findVersion(key, Number(number));
    if (version === undefined) throw notFound(this.name, ref);
    return version;
  }

  #usedKey(operation: FakeOperation, { ref, spec }: Target): NativeKey {
    const key = this.#keyOf(ref);
    if (key.usage !== (USAGE_OF[operation] ?? 'encrypt-decrypt')) {
      throw serviceError(this.name, 'KEY_USAGE', `key \`${ref}\` is for \`${key.usage}\``, ref);
    }
    if (key.spec === spec) return key;
    throw serviceError(this.name, 'KEY_USAGE', `key \`${ref}\` is of spec \`${key.spec}\`, not \`${spec}\``, ref);
  }

  #stateOf({ enabled, destroyedAtMs }: Version): BackingState {
    if (destroyedAtMs !== null) return this.#options.clock.now() < destroyedAtMs ? 'pending-deletion' : 'destroyed';
    return enabled ? 'enabled' : 'disabled';
  }

  #requireUndestroyed(key: NativeKey, version: Version): void {
    const state = this.#stateOf(version);
    if (state === 'pending-deletion' || state === 'destroyed') throw wrongState(this.name, refOf(key, version), state);
  }

  #requireUsable(key: NativeKey, version: Version): void {
    this.#requireUndestroyed(key, version);
    if (version.enabled) return;
    const ref = refOf(key, version);
    throw serviceError(this.name, 'KEY_DISABLED', `key \`${ref}\` of \`${this.name}\` is disabled`, ref);
  }

  /** A call that a usable version of the key does. */
  #made<T>(
    operation: FakeOperation,
    target: Target,
    options: CallOptions,
    work: (key: NativeKey, version: Version) => T | Promise<T>,
  ): Promise<Made<T>> {
    return this.#call(operation, target.ref, options, async () => {
      const key = this.#usedKey(operation, target);
      const version = this.#versionOf(key, target.ref);
      this.#requireUsable(key, version);
      return made(await work(key, version), version);
    });
  }

  /** Every call: latency, fault, and what it does. */
  async #call<T>(
    operation: FakeOperation,
    ref: string | null,
    options: CallOptions,
    work: () => T | Promise<T>,
  ): Promise<T> {
    if (ref !== null && !REFERENCE.test(ref)) throw malformed(ref);
    if (this.#isClosed) throw closedError(this.name, 'FakePROVIDER_UNAVAILABLE');
    if (options.signal.aborted) throw endedError(this.name, options.signal.reason, LATE);
    this.#calls.set(operation, this.calls(operation) + 1);
    const fault = this.fault({ operation, ref });
    const { latencyMs = 0 } = this.#options;
    const tookMs = typeof latencyMs === 'number' ? latencyMs : latencyMs();
    const waitMs = tookMs + (fault?.kind === 'slow' ? fault.ms : 0);
    if (waitMs > 0) await this.#wait(waitMs, options);

    const fails = fault?.kind === 'fail' || fault?.kind === 'hang';
    const result = !fails || fault.applied ? await work() : null;
    if (fault?.kind === 'fail') throw faultError(this.name, fault.code);
    if (fault?.kind === 'hang') await this.#wait(Number.POSITIVE_INFINITY, options);
    return (fault?.kind === 'corrupt' ? corrupted(result) : result) as T;
  }

  /** Takes its time, but no more than the call has. */
  #wait(ms: number, { signal, timeoutMs }: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const isLate = ms > timeoutMs;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(endedError(this.name, signal.reason, LATE));
      };
      const timer = setTimeout(
        () => {
          end();
          if (isLate) reject(lateError(this.name, LATE));
          else resolve();
        },
        Math.min(ms, timeoutMs),
      );
      signal.addEventListener('abort', onAbort);
    });
  }
}

/** Keys that are open, for as long as their material is there. */
const AES_KEYS = new WeakMap<KeyMaterial, XaesKey>();
const HANDLES = new WeakMap<KeyMaterial, PrivateHandle>();

function aesOf(material: KeyMaterial): XaesKey {
  const known = AES_KEYS.get(material);
  if (known !== undefined) return known;
  const opened = new XaesKey(material.privateMaterial.reveal());
  AES_KEYS.set(material, opened);
  return opened;
}

function privateOf({ spec }: NativeKey, { material }: Version): PrivateHandle {
  const known = HANDLES.get(material);
  if (known !== undefined) return known;
  const opened = loadPrivate(spec, material.privateMaterial.reveal());
  HANDLES.set(material, opened);
  return opened;
}

function made<T>(value: T, { number }: Version): Made<T> {
  return { value, version: String(number) };
}

function refOf({ name }: NativeKey, { number }: Version): string {
  return `${name}@${number}`;
}

function findVersion(key: NativeKey, number: number): Version | undefined {
  return key.versions.find((version) => version.number === number);
}

/** The first bit of the answer's bytes turned. */
function corrupted(result: unknown): unknown {
  if (Buffer.isBuffer(result)) return flipped(result);
  const { value, version } = result as Made<Buffer | { readonly plaintext: Buffer; readonly wrapped: Buffer }>;
  if (Buffer.isBuffer(value)) return { value: flipped(value), version };
  return { value: { ...value, plaintext: flipped(value.plaintext) }, version };
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[0]! ^= 0x80;
  return copy;
}

function malformed(ref: string): ClavigerError {
  return new ClavigerError('INVALID_ARGUMENT', `\`${ref}\` is no key of a fake provider: it is NAME or NAME@VERSION`);
}
