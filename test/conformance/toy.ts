/**
 * A provider for tests of the conformance kit: a service in memory on node:crypto, with states, versions and faults, and
 * with bad habits on demand.
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { encodeContext } from '../../src/bytes/length-prefixed.ts';
import { ClavigerError, invalidCiphertext, type ErrorCode } from '../../src/errors.ts';
import {
  ENCRYPTION_ALGORITHMS,
  MAC_ALGORITHMS,
  SIGNING_ALGORITHMS,
  type EncryptionAlgorithmName,
  type SigningAlgorithmName,
} from '../../src/model/algorithm.ts';
import { algorithmsOf, isAsymmetric, specRow, type Spec, type Usage } from '../../src/model/spec.ts';
import { signDigest } from '../../src/crypto/digest.ts';
import { importMaterial, loadPrivate, loadPublic } from '../../src/crypto/key-material.ts';
import type { SignInput } from '../../src/providers/key-handle.ts';
import type {
  BackingInfo,
  BackingState,
  CallOptions,
  Capability,
  HomeKey,
  KeyLifecycle,
  Made,
  Provider,
  WantedKey,
} from '../../src/providers/provider.ts';
import type { ConformanceHarness } from '../../src/providers/conformance/index.ts';

export const TOY_TOKEN = 'toy-token-of-the-service-0123456789';

const SPECS_MADE = ['AES-256-GCM', 'RSA-2048', 'P-256', 'Ed25519', 'HMAC-SHA-256', 'X25519', 'ML-KEM-512'] as const;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAP_BYTES_MAX = 64;
const MESSAGE_BYTES_MAX = 4096;

/** What a bad provider does. */
export type Habit =
  | 'binds no context'
  | 'wraps the same way each time'
  | 'opens wraps of any key'
  | 'reads over what comes after a wrap'
  | 'does not authenticate wraps'
  | 'says another error for what does not open'
  | 'salts to the maximum'
  | 'hashes a digest again'
  | 'gives signatures that are not DER'
  | 'cuts MACs'
  | 'makes MACs of a hash'
  | 'tries a refusal again'
  | 'tries a throttled call again'
  | 'names the newest version always'
  | 'forgets old versions'
  | 'signs with the newest version always'
  | 'never looks at the signal'
  | 'takes every abort for a timeout'
  | 'makes calls that were given up'
  | 'throws what its SDK threw'
  | 'names nobody in errors'
  | 'leaks its token in a cause'
  | 'leaks plain texts in errors'
  | 'leaks its token in inspect'
  | 'calls every fault an outage'
  | 'calls a bad reference an outage'
  | 'crashes at odd references'
  | 'asks the service what it supports'
  | 'lets the service refuse what is too long'
  | 'signs with what it does not declare'
  | 'declares what it cannot'
  | 'declares a thing twice'
  | 'works after close'
  | 'breaks when it is closed twice'
  | 'never recovers'
  | 'believes every answer'
  | 'mixes calls up'
  | 'lends its buffers'
  | 'takes an alias for a reference'
  | 'makes the same data key each time'
  | 'makes keys of another spec'
  | 'makes other keys than were given'
  | 'says that all keys are enabled'
  | 'uses destroyed keys'
  | 'takes keys of other curves'
  | 'decrypts with another hash'
  | 'speaks Of Errors.';

interface Version {
  readonly secret: Buffer | null;
  readonly privateKey: KeyObject | null;
}

interface ToyKey {
  readonly id: string;
  readonly spec: Spec;
  readonly usage: Usage;
  readonly origin: 'provider' | 'external';
  readonly versions: Version[];
  state: BackingState;
}

interface Used {
  readonly key: ToyKey;
  readonly version: number;
}

type ToyFault = 'throttle' | 'fail5xx' | 'hang' | 'reset' | 'cut' | 'nonsense' | 'deny';

/** What is outside of the provider: keys, and how calls fare. */
export class ToyService {
  readonly keys = new Map<string, ToyKey>();
  readonly aliases = new Map<string, string>();
  calls = 0;
  fault: ToyFault | null = null;

  create(spec: Spec, usage: Usage, material: Buffer | null = null): ToyKey {
    const key: ToyKey = {
      id: `k${this.keys.size + 1}`,
      spec,
      usage,
      origin: material === null ? 'provider' : 'external',
      versions: [newVersion(spec, material)],
      state: 'enabled',
    };
    this.keys.set(key.id, key);
    return key;
  }

  rotate(ref: string): string {
    const key = this.keys.get(ref.split('/')[1]!)!;
    key.versions.push(newVersion(key.spec, null));
    return refOf(key);
  }

  setState(ref: string, state: BackingState): void {
    this.keys.get(ref.split('/')[1]!)!.state = state;
  }
}

export class ToyProvider implements Provider {
  readonly name = 'toy';
  readonly kind = 'fake';
  readonly lifecycle: KeyLifecycle;
  readonly token?: string;
  readonly #service: ToyService;
  readonly #habits: ReadonlySet<Habit>;
  #isClosed = false;
  #isBroken = false;
  #lent: Buffer = Buffer.alloc(0);
  #lastMessage: Uint8Array = Buffer.alloc(0);

  constructor(service: ToyService, habits: readonly Habit[]) {
    this.#service = service;
    this.#habits = new Set(habits);
    if (this.#has('leaks its token in inspect')) this.token = TOY_TOKEN;
    this.lifecycle = {
      create: (wanted, options) => this.#create(wanted, null, options),
      importMaterial: (wanted, material, options) => this.#create(wanted, Buffer.from(material), options),
      rotate: async (ref, options) => {
        if (!this.#can('rotate', this.#parsed(ref).key.spec)) throw this.#error('UNSUPPORTED', 'it does not rotate');
        return this.describe(await this.#call(options, () => this.#service.rotate(ref)), options);
      },
      setEnabled: (ref, enabled, options) =>
        this.#call(options, () => this.#service.setState(ref, enabled ? 'enabled' : 'disabled')),
      destroy: (ref, options) => this.#call(options, () => this.#service.setState(ref, 'destroyed')),
      restore: (ref, options) => this.#call(options, () => this.#service.setState(ref, 'disabled')),
      setTags: (ref, _tags, options) => this.#call(options, () => void this.#usable(ref)),
    };
  }

  capabilities(): readonly Capability[] {
    const rows: Capability[] = SPECS_MADE.flatMap((spec) => capabilitiesOf(spec));
    if (this.#has('declares what it cannot')) {
      rows.push({ operation: 'sign', spec: 'P-384', algorithm: 'ECDSA_SHA_384', input: 'message', maxBytes: null });
    }
    if (this.#has('declares a thing twice')) rows.push(rows[0]!);
    return rows;
  }

  async resolve(reference: string, options: CallOptions): Promise<string> {
    if (this.#has('takes an alias for a reference') && reference.startsWith('alias/')) return reference;
    return this.#call(
      options,
      () => refOf(this.#parsed(this.#service.aliases.get(reference) ?? reference).key, reference),
      () => void (reference.startsWith('alias/') || this.#requireReference(reference)),
    );
  }

  async describe(ref: string, options: CallOptions): Promise<BackingInfo> {
    return this.#call(
      options,
      () => {
        const { key, version } = this.#parsed(ref);
        const { privateKey } = key.versions[version - 1]!;
        return {
          ref,
          nativeId: `toy:${key.id}`,
          version: String(version),
          spec: this.#has('makes keys of another spec') && key.spec === 'P-256' ? 'P-384' : key.spec,
          usage: key.usage,
          state: this.#has('says that all keys are enabled') ? 'enabled' : key.state,
          protection: 'software',
          publicKey: privateKey === null ? null : spkiOf(privateKey),
          origin: key.origin,
          claims: {},
        } as const;
      },
      () => this.#requireReference(ref),
    );
  }

  key(ref: string, spec: Spec): HomeKey {
    this.#requireReference(ref);
    const can = (operation: Capability['operation']): boolean => this.#can(operation, spec);
    if (!this.capabilities().some((row) => row.spec === spec))
      throw this.#error('UNSUPPORTED', `it has no \`${spec}\``);
    return {
      ref,
      ...(can('wrap') && { wrap: this.#wrapOf(ref, spec) }),
      ...(can('decrypt') && { cipher: this.#cipherOf(ref, spec) }),
      ...(can('sign') && {
        sign: (name: SigningAlgorithmName, input: SignInput, options: CallOptions) =>
          this.#sign(ref, spec, name, input, options),
      }),
      ...(can('mac') && {
        mac: async (name: keyof typeof MAC_ALGORITHMS, message: Uint8Array, options: CallOptions) => {
          this.#requireDeclared('mac', spec, name);
          this.#requireLength(message, MESSAGE_BYTES_MAX);
          return this.#work(ref, options, ({ secret }) => {
            const { hash } = MAC_ALGORITHMS[name];
            const mac = this.#has('makes MACs of a hash')
              ? createHash(hash).update(secret!).update(message).digest()
              : createHmac(hash, secret!).update(message).digest();
            return this.#has('cuts MACs') ? mac.subarray(0, 16) : mac;
          });
        },
      }),
      ...(can('agree') && {
        agree: async (peer: Uint8Array, options: CallOptions) => {
          const publicKey = this.#has('takes keys of other curves') ? null : loadPublic(spec, Buffer.from(peer));
          return this.#work(ref, options, ({ privateKey }) => {
            if (publicKey === null) return randomBytes(32);
            return diffieHellman({ privateKey: privateKey!, publicKey });
          });
        },
      }),
      ...(can('decapsulate') && {
        decapsulate: async (ciphertext: Uint8Array, options: CallOptions) =>
          this.#work(ref, options, ({ privateKey }) => {
            if (ciphertext.length !== 768) throw invalidCiphertext();
            return decapsulate(privateKey!, ciphertext);
          }),
      }),
    };
  }

  async random(bytes: number, options: CallOptions): Promise<Buffer> {
    return this.#call(options, () => randomBytes(bytes));
  }

  async probe(options: CallOptions): Promise<{ ok: boolean; detail: string }> {
    try {
      await this.#call(options, () => undefined);
      return { ok: true, detail: 'it answers' };
    } catch (error) {
      return { ok: false, detail: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed && this.#has('breaks when it is closed twice')) throw new TypeError('closed already');
    this.#isClosed = true;
  }

  #has(habit: Habit): boolean {
    return this.#habits.has(habit);
  }

  #can(operation: Capability['operation'], spec: Spec): boolean {
    return this.capabilities().some((row) => row.operation === operation && row.spec === spec);
  }

  #wrapOf(ref: string, spec: Spec): NonNullable<HomeKey['wrap']> {
    const aad = (context: Readonly<Record<string, string>>): Buffer =>
      this.#has('binds no context') ? Buffer.alloc(0) : encodeContext(context);
    return {
      bindsContext: specRow(spec).family === 'aes',
      wrap: async (dataKey, context, options) => {
        this.#requireLength(dataKey, WRAP_BYTES_MAX);
        return this.#work(ref, options, (version, n) => this.#sealed(version, n, Buffer.from(dataKey), aad(context)));
      },
      unwrap: async (wrapped, context, options) => {
        const made = await this.#work(
          ref,
          options,
          (version) => this.#opened(ref, version, Buffer.from(wrapped), aad(context)),
          wrapped,
        );
        if (!this.#has('lends its buffers')) return made;
        if (!this.#lent.equals(made.value) && this.#lent.length === 0) this.#lent = made.value;
        return { ...made, value: this.#lent };
      },
      ...(this.#can('generate-data-key', spec) && {
        generate: async (bytes, context, options) => {
          const plaintext = this.#has('makes the same data key each time')
            ? Buffer.alloc(bytes, 7)
            : randomBytes(bytes);
          const made = await this.#work(ref, options, (version, n) =>
            this.#sealed(version, n, plaintext, aad(context)),
          );
          return { ...made, value: { plaintext, wrapped: made.value } };
        },
      }),
    };
  }

  #sealed({ secret, privateKey }: Version, n: number, plaintext: Buffer, aad: Buffer): Buffer {
    if (privateKey !== null) {
      return publicEncrypt({ key: privateKey, ...OAEP, oaepHash: 'sha256' }, plaintext);
    }
    const nonce = this.#has('wraps the same way each time') ? Buffer.alloc(NONCE_BYTES) : randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', secret!, nonce).setAAD(aad);
    const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([Buffer.of(n), nonce, text, cipher.getAuthTag()]);
  }

  #opened(ref: string, version: Version, wrapped: Buffer, aad: Buffer): Buffer {
    const { key } = this.#parsed(ref);
    const failed = this.#has('says another error for what does not open')
      ? this.#error('KEY_NOT_FOUND', 'no such wrap')
      : invalidCiphertext();
    const all = [...this.#service.keys.values()].flatMap(({ versions }) => versions);
    const candidates = this.#has('opens wraps of any key') ? [version, ...all] : [key.versions[wrapped[0]! - 1]];
    if (version.privateKey !== null) {
      try {
        return privateDecrypt({ key: version.privateKey, ...OAEP, oaepHash: 'sha256' }, wrapped);
      } catch {
        throw failed;
      }
    }
    for (const one of candidates) {
      if (!one?.secret) continue;
      try {
        return this.#openedWith(one.secret, wrapped, aad);
      } catch {
        continue;
      }
    }
    throw failed;
  }

  #openedWith(secret: Buffer, wrapped: Buffer, aad: Buffer): Buffer {
    const readsOver = this.#has('reads over what comes after a wrap') && wrapped.length > 61 && wrapped.length < 93;
    const bytes = readsOver ? wrapped.subarray(0, 61) : wrapped;
    if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw new Error('too short');
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(1, 1 + NONCE_BYTES)).setAAD(aad);
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES));
    return this.#has('does not authenticate wraps') ? text : Buffer.concat([text, decipher.final()]);
  }

  #cipherOf(ref: string, spec: Spec): NonNullable<HomeKey['cipher']> {
    const hashOf = (name: EncryptionAlgorithmName): string =>
      this.#has('decrypts with another hash') ? 'sha512' : ENCRYPTION_ALGORITHMS[name].hash!;
    return {
      encrypt: async (name, plaintext, _context, options) => {
        this.#requireDeclared('encrypt', spec, name);
        this.#requireLength(plaintext, 190);
        return this.#work(ref, options, ({ privateKey }) =>
          publicEncrypt({ key: privateKey!, ...OAEP, oaepHash: hashOf(name) }, plaintext),
        );
      },
      decrypt: async (name, ciphertext, _context, options) => {
        this.#requireDeclared('decrypt', spec, name);
        return this.#work(ref, options, ({ privateKey }) => {
          try {
            return privateDecrypt({ key: privateKey!, ...OAEP, oaepHash: hashOf(name) }, ciphertext);
          } catch {
            throw invalidCiphertext();
          }
        });
      },
    };
  }

  async #sign(
    ref: string,
    spec: Spec,
    name: SigningAlgorithmName,
    input: SignInput,
    options: CallOptions,
  ): Promise<Made<Buffer>> {
    const kind = 'message' in input ? 'message' : 'digest';
    if (!this.#has('signs with what it does not declare')) this.#requireDeclared('sign', spec, name, kind);
    if (spec === 'P-384') throw this.#error('UNSUPPORTED', 'it was declared, and cannot be had');
    const { scheme, hash, digestBytes } = SIGNING_ALGORITHMS[name];
    if ('digest' in input && input.digest.length !== digestBytes) {
      throw this.#error('INVALID_ARGUMENT', `a digest has ${digestBytes} bytes`);
    }
    if ('message' in input) this.#requireLength(input.message, MESSAGE_BYTES_MAX);
    if ('message' in input) this.#lastMessage = input.message;
    return this.#work(ref, options, async ({ privateKey }) => {
      if (this.#has('mixes calls up')) await setTimeout(1);
      const key = privateKey!;
      if ('digest' in input && !this.#has('hashes a digest again')) {
        return signDigest(spec, key, SIGNING_ALGORITHMS[name], input.digest);
      }
      const given = 'digest' in input ? input.digest : input.message;
      const message = this.#has('mixes calls up') ? this.#lastMessage : given;
      if (scheme === 'ed25519') return sign(null, message, key);
      const salt = this.#has('salts to the maximum')
        ? constants.RSA_PSS_SALTLEN_MAX_SIGN
        : constants.RSA_PSS_SALTLEN_DIGEST;
      const padding = scheme === 'rsa-pss' ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: salt } : {};
      const encoding = this.#has('gives signatures that are not DER') ? 'ieee-p1363' : 'der';
      return sign(hash, message, { key, ...padding, dsaEncoding: encoding });
    });
  }

  /** A call that uses a version of a key. */
  async #work(
    ref: string,
    options: CallOptions,
    use: (version: Version, n: number) => Buffer | Promise<Buffer>,
    plain: Uint8Array | null = null,
  ): Promise<Made<Buffer>> {
    return this.#call(options, async () => {
      const { key, version } = this.#usable(ref);
      const newest = key.versions.length;
      const isNewest = this.#has('signs with the newest version always') || this.#has('forgets old versions');
      const n = isNewest ? newest : version;
      const used = this.#has('forgets old versions')
        ? [...Array(newest - 1).fill(null), key.versions.at(-1)]
        : key.versions;
      if (used[version - 1] === null && plain !== null) throw invalidCiphertext();
      const value = await use(used[n - 1] as Version, n);
      return { value, version: String(this.#has('names the newest version always') ? newest : version) };
    });
  }

  /** One call to the service. */
  async #call<T>(options: CallOptions, work: () => T | Promise<T>, check: () => void = () => undefined): Promise<T> {
    check();
    if (this.#isClosed && !this.#has('works after close')) throw this.#error('PROVIDER_UNAVAILABLE', 'it is closed');
    if (options.signal.aborted && !this.#has('makes calls that were given up')) throw this.#ending(options.signal);
    if (this.#isBroken) throw this.#error('PROVIDER_UNAVAILABLE', 'it was down once');
    this.#service.calls += 1;
    const { fault } = this.#service;
    if (fault !== null) return this.#faulty(fault, options, work);
    await setTimeout(0);
    return work();
  }

  async #faulty<T>(fault: ToyFault, { signal }: CallOptions, work: () => T | Promise<T>): Promise<T> {
    if (this.#has('never recovers') && fault === 'reset') this.#isBroken = true;
    if (this.#has('throws what its SDK threw')) throw new TypeError(`fetch failed: ${fault}`);
    if (this.#has('believes every answer') && fault === 'nonsense') return work();
    if (fault === 'hang') {
      const { promise, reject } = Promise.withResolvers<never>();
      if (this.#has('never looks at the signal')) return promise;
      signal.addEventListener('abort', () => reject(this.#ending(signal)));
      return promise;
    }
    if (fault === 'throttle' && this.#has('tries a throttled call again')) this.#service.calls += 1;
    if (this.#has('calls every fault an outage')) throw this.#error('PROVIDER_UNAVAILABLE', `it failed: ${fault}`);
    throw this.#error(FAULT_CODES[fault], `it failed: ${fault}`);
  }

  #ending({ reason }: AbortSignal): ClavigerError {
    if (reason instanceof ClavigerError && !this.#has('takes every abort for a timeout')) return reason;
    const isTimeout = (reason as Error).name === 'TimeoutError' || this.#has('takes every abort for a timeout');
    return this.#error(
      isTimeout ? 'PROVIDER_TIMEOUT' : 'CANCELED',
      isTimeout ? 'it took too long' : 'the caller gave up',
    );
  }

  #usable(ref: string): Used {
    const parsed = this.#parsed(ref);
    const { state } = parsed.key;
    if (state === 'disabled') {
      if (this.#has('tries a refusal again')) this.#service.calls += 1;
      throw this.#error('KEY_DISABLED', 'the key is disabled');
    }
    if (state === 'destroyed' && !this.#has('uses destroyed keys'))
      throw this.#error('KEY_STATE', 'the key is destroyed');
    return parsed;
  }

  #parsed(ref: string): Used {
    const [, id = '', version = ''] = ref.split('/');
    const key = this.#service.keys.get(id);
    if (key === undefined || key.versions[Number(version) - 1] === undefined) {
      throw this.#error('KEY_NOT_FOUND', `there is no key \`${ref}\``);
    }
    return { key, version: Number(version) };
  }

  #requireReference(ref: string): void {
    if (/^toy\/k[1-9]\d{0,8}\/[1-9]\d{0,8}$/.test(ref)) return;
    if (this.#has('crashes at odd references')) throw new TypeError('cannot read properties of undefined');
    if (this.#has('calls a bad reference an outage'))
      throw this.#error('PROVIDER_UNAVAILABLE', 'the service answered 500');
    throw this.#error('INVALID_ARGUMENT', 'it is no reference');
  }

  #requireLength(bytes: Uint8Array, most: number): void {
    if (bytes.length <= most) return;
    if (this.#has('lets the service refuse what is too long')) this.#service.calls += 1;
    const what = this.#has('leaks plain texts in errors')
      ? Buffer.from(bytes).toString('hex')
      : `${bytes.length} bytes`;
    throw this.#error('LIMIT_EXCEEDED', `${what} are more than ${most}`);
  }

  #requireDeclared(operation: Capability['operation'], spec: Spec, algorithm: string, input?: string): void {
    const isDeclared = this.capabilities().some(
      (row) => row.operation === operation && row.spec === spec && row.algorithm === algorithm && row.input === input,
    );
    if (isDeclared) return;
    if (this.#has('asks the service what it supports')) this.#service.calls += 1;
    throw this.#error('UNSUPPORTED', `${operation} with \`${algorithm}\` is not supported`);
  }

  async #create(wanted: WantedKey, material: Buffer | null, options: CallOptions): Promise<BackingInfo> {
    if (!this.#can('create', wanted.spec)) throw this.#error('UNSUPPORTED', 'it makes no such keys');
    if (material !== null) importMaterial(wanted.spec, material);
    const given = this.#has('makes other keys than were given') ? null : material;
    const key = await this.#call(options, () => this.#service.create(wanted.spec, wanted.usage, given));
    return { ...(await this.describe(refOf(key), options)), origin: material === null ? 'provider' : 'external' };
  }

  #error(code: ErrorCode, words: string): ClavigerError {
    const message = this.#has('speaks Of Errors.') ? `The service said: ${words}.` : words;
    if (this.#has('names nobody in errors')) return new ClavigerError(code, message);
    const native = { provider: this.name, code: 'ToyError', requestId: null };
    if (!this.#has('leaks its token in a cause')) return new ClavigerError(code, message, { native });
    const cause = Object.assign(new Error('HTTP'), { request: { headers: { authorization: `Bearer ${TOY_TOKEN}` } } });
    return new ClavigerError(code, message, { native, cause });
  }
}

/** A harness around a service and a provider with these habits. */
export function toyHarness(...habits: readonly Habit[]): ConformanceHarness {
  const service = new ToyService();
  const set = (fault: ToyFault) => async (): Promise<void> => void (service.fault = fault);
  return {
    makeProvider: async () => new ToyProvider(service, habits),
    admin: {
      create: async (spec, usage) => refOf(service.create(spec, usage)),
      importKey: async (spec, usage, material) => refOf(service.create(spec, usage, material)),
      rotate: async (ref) => service.rotate(ref),
      disable: async (ref) => service.setState(ref, 'disabled'),
      enable: async (ref) => service.setState(ref, 'enabled'),
      destroy: async (ref) => service.setState(ref, 'destroyed'),
      alias: async (ref) => {
        service.aliases.set('alias/toy', ref);
        return 'alias/toy';
      },
    },
    faults: {
      calls: () => service.calls,
      heal: async () => void (service.fault = null),
      throttle: set('throttle'),
      fail5xx: set('fail5xx'),
      hang: set('hang'),
      reset: set('reset'),
      cut: set('cut'),
      nonsense: set('nonsense'),
      deny: set('deny'),
    },
    references: { unknown: ['toy/k999999/1'], malformed: ['toy', 'toy/k1', 'other/k1/1', 'toy/k1/0', 'toy/k1/1/'] },
    secrets: [TOY_TOKEN],
    fuzzRuns: 30,
  };
}

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING };

const FAULT_CODES = {
  throttle: 'THROTTLED',
  fail5xx: 'PROVIDER_UNAVAILABLE',
  hang: 'PROVIDER_TIMEOUT',
  reset: 'PROVIDER_UNAVAILABLE',
  cut: 'PROVIDER_UNAVAILABLE',
  nonsense: 'PROVIDER_UNAVAILABLE',
  deny: 'PROVIDER_DENIED',
} as const satisfies Record<ToyFault, ErrorCode>;

function refOf(key: ToyKey, asked = ''): string {
  const version = /^toy\/[^/]+\/(\d+)$/.exec(asked)?.[1] ?? key.versions.length;
  return `toy/${key.id}/${version}`;
}

function spkiOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey as never).export({ format: 'der', type: 'spki' });
}

function newVersion(spec: Spec, material: Buffer | null): Version {
  const { family, size, curve } = specRow(spec);
  if (!isAsymmetric(spec)) return { secret: material ?? randomBytes(size!), privateKey: null };
  if (material !== null) {
    using imported = importMaterial(spec, material).privateMaterial;
    return { secret: null, privateKey: loadPrivate(spec, imported.reveal()).key };
  }
  const type = family === 'ml-kem' ? spec.toLowerCase() : family;
  const generate = generateKeyPairSync as unknown as (type: string, options: object) => { privateKey: KeyObject };
  return { secret: null, privateKey: generate(type, { modulusLength: size, namedCurve: curve }).privateKey };
}

function capabilitiesOf(spec: Spec): readonly Capability[] {
  const { family, usages } = specRow(spec);
  const rows: Capability[] = (['create', 'rotate', 'import', 'destroy'] as const).map((operation) => ({
    operation,
    spec,
    maxBytes: null,
  }));
  if (family === 'aes') rows.push({ operation: 'generate-data-key', spec, maxBytes: WRAP_BYTES_MAX });
  if (family === 'aes' || family === 'rsa') rows.push({ operation: 'wrap', spec, maxBytes: WRAP_BYTES_MAX });
  if (family === 'rsa') {
    const algorithm = 'RSAES_OAEP_SHA_256';
    rows.push({ operation: 'encrypt', spec, algorithm, maxBytes: 190 });
    for (const one of algorithmsOf(spec, 'encrypt-decrypt')) {
      rows.push({ operation: 'decrypt', spec, algorithm: one, maxBytes: null });
    }
  }
  // X25519 and the curves have one algorithm of agreement; Ed25519ph is left out, so that something is.
  for (const algorithm of algorithmsOf(spec, 'sign-verify')) {
    if (algorithm === 'ED25519_PH_SHA_512') continue;
    rows.push({ operation: 'sign', spec, algorithm, input: 'message', maxBytes: MESSAGE_BYTES_MAX });
    if (family === 'ed25519') continue;
    rows.push({ operation: 'sign', spec, algorithm, input: 'digest', maxBytes: null });
  }
  for (const algorithm of algorithmsOf(spec, 'mac')) {
    rows.push({ operation: 'mac', spec, algorithm, maxBytes: MESSAGE_BYTES_MAX });
  }
  if (usages['key-agreement'] !== undefined) rows.push({ operation: 'agree', spec, algorithm: 'ECDH', maxBytes: null });
  if (usages.kem !== undefined) rows.push({ operation: 'decapsulate', spec, algorithm: 'ML_KEM', maxBytes: null });
  return rows;
}
