/**
 * The contract of a provider: one configured connection to a service or device that holds keys.
 *
 * Two levels. A provider holds the connection; a home key is lazy, names one immutable native key and does no I/O to be
 * made. The required part is small; what a service does not have is an absent facet, and `capabilities` says so too, so
 * that a caller decides before any call. Every call ends with its signal, and every error that comes out is a
 * `ClavigerError` of the one table, with the native error as its cause.
 *
 * Everything is raw bytes: public keys are SPKI DER, ECDSA signatures DER, an RSA-PSS salt is as long as the hash.
 *
 * @module
 */
import type { EncryptionContext } from '../model/encryption-context.ts';
import type {
  AlgorithmName,
  EncryptionAlgorithmName,
  MacAlgorithmName,
  SigningAlgorithmName,
} from '../model/algorithm.ts';
import type { ProviderKind } from '../model/provider-kind.ts';
import type { Spec, Usage } from '../model/spec.ts';
import type { SignInput } from './key-handle.ts';

export type { ProviderKind };

/** Where the material of a key is while it is used: in a process, in a hardware module, or outside of the service. */
export type Protection = 'software' | 'hsm' | 'external';

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: the caller gave up, or its time is over. */
  readonly signal: AbortSignal;
  /** Milliseconds that this call has, for transports that want to know; the signal ends it then in any case. */
  readonly timeoutMs: number;
}

/** A result, with the immutable native version that did the work; null where the service does not say which. */
export interface Made<T> {
  readonly value: T;
  readonly version: string | null;
}

export type CapabilityOperation =
  | 'wrap'
  | 'generate-data-key'
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'mac'
  | 'agree'
  | 'decapsulate'
  | 'create'
  | 'rotate'
  | 'import'
  | 'destroy';

/** One thing that a provider can do, as data. */
export interface Capability {
  readonly operation: CapabilityOperation;
  readonly spec: Spec;
  /** Absent where the operation has none (wrap, create, rotate, import, destroy). */
  readonly algorithm?: AlgorithmName;
  /** Of `sign`: what it takes. */
  readonly input?: 'message' | 'digest';
  /** Longest input, in bytes; null where the service names no limit. */
  readonly maxBytes: number | null;
}

export type BackingState =
  | 'enabled'
  | 'disabled'
  | 'pending-deletion'
  | 'destroyed'
  /** It waits for material, or is still being made. */
  | 'pending'
  /** The service has it and cannot reach it, such as a disconnected custom key store. */
  | 'unavailable';

/** A native key as its service describes it. */
export interface BackingInfo {
  /** The immutable native reference, version included where the service has versions: what a `Backing` keeps. */
  readonly ref: string;
  /** Names the native key, without its version, among all services in the world: it belongs to at most one tenant. */
  readonly nativeId: string;
  /** Names what its copies, with the same material at other places of the service, have in common: one tenant's as well. */
  readonly copyOf?: string;
  readonly version: string | null;
  /** Null where the service has a key that none of our specs describes. */
  readonly spec: Spec | null;
  /** Null where the service lets a key do more than one thing. */
  readonly usage: Usage | null;
  readonly state: BackingState;
  readonly protection: Protection;
  /** SPKI DER; null for symmetric keys. */
  readonly publicKey: Buffer | null;
  /** Where the material came from. */
  readonly origin: 'provider' | 'external' | 'unknown';
  /** What else the service claims, for people and records: `customKeyStoreId`, `neverExtractable`, … */
  readonly claims: Readonly<Record<string, string>>;
}

/** How well a provider does, found out without a paid operation. */
export interface Health {
  readonly ok: boolean;
  /** What answered, or what is wrong and what to do, in plain words. */
  readonly detail: string;
}

/** Wraps data keys, at most 64 bytes each. */
export interface WrapFacet {
  /**
   * True where the service authenticates the context together with the wrap. Where not (RSA-OAEP, AES-KW, KWP) the
   * context is ignored, and the caller binds the wrap by other means.
   */
  readonly bindsContext: boolean;
  wrap(dataKey: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>>;
  /** @throws INVALID_CIPHERTEXT where the wrap does not open, for whatever reason */
  unwrap(wrapped: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>>;
  /** Opens a wrap and wraps anew under the newest version, inside the service. */
  rewrap?(wrapped: Uint8Array, context: EncryptionContext, options: CallOptions): Promise<Made<Buffer>>;
  /** A data key made by the service. */
  generate?(
    bytes: number,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<{ readonly plaintext: Buffer; readonly wrapped: Buffer }>>;
}

/** Encryption of short texts with the native key itself: RSA-OAEP, or the service's own symmetric cipher. */
export interface CipherFacet {
  encrypt(
    algorithm: EncryptionAlgorithmName,
    plaintext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>>;
  /** @throws INVALID_CIPHERTEXT */
  decrypt(
    algorithm: EncryptionAlgorithmName,
    ciphertext: Uint8Array,
    context: EncryptionContext,
    options: CallOptions,
  ): Promise<Made<Buffer>>;
}

/** One native key. What it cannot do is absent. */
export interface HomeKey {
  readonly ref: string;
  readonly wrap?: WrapFacet;
  readonly cipher?: CipherFacet;
  readonly sign?: (algorithm: SigningAlgorithmName, input: SignInput, options: CallOptions) => Promise<Made<Buffer>>;
  readonly mac?: (algorithm: MacAlgorithmName, message: Uint8Array, options: CallOptions) => Promise<Made<Buffer>>;
  /** @param peer SPKI DER of the other side; gives the raw shared secret */
  readonly agree?: (peer: Uint8Array, options: CallOptions) => Promise<Made<Buffer>>;
  readonly decapsulate?: (ciphertext: Uint8Array, options: CallOptions) => Promise<Made<Buffer>>;
}

/** The kind of key that is wanted. */
export interface WantedKey {
  readonly spec: Spec;
  readonly usage: Usage;
  /** Unique name, 1 to 127 of a-z, 0-9 and `-`, beginning with a letter; services without names put it into a tag or a label. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** Making and ending native keys. A provider without it only uses keys that are there. */
export interface KeyLifecycle {
  /** Never retried: it may have happened although it failed. */
  create(wanted: WantedKey, options: CallOptions): Promise<BackingInfo>;
  /**
   * A new version of the same native key, made by the service. Absent where a service has none that can be named: a new
   * native key is made then.
   */
  rotate?(ref: string, options: CallOptions): Promise<BackingInfo>;
  setEnabled?(ref: string, enabled: boolean, options: CallOptions): Promise<void>;
  /** Destroys the native key, or this version where it has others, after the service's own waiting time if it has one. */
  destroy(ref: string, options: CallOptions): Promise<void>;
  /** Takes a destruction back while the service still can. */
  restore?(ref: string, options: CallOptions): Promise<void>;
  /** @param material raw bytes of a symmetric key, PKCS#8 DER of another; wiped by the caller */
  importMaterial?(wanted: WantedKey, material: Uint8Array, options: CallOptions): Promise<BackingInfo>;
  setTags?(ref: string, tags: Readonly<Record<string, string>>, options: CallOptions): Promise<void>;
  /**
   * A copy of the key, with the same material, at another place of the same service, such as a region. Gives its reference
   * there, which a provider of that place can adopt.
   */
  replicate?(ref: string, place: string, options: CallOptions): Promise<string>;
}

export interface Provider {
  readonly name: string;
  readonly kind: ProviderKind;
  capabilities(): readonly Capability[];
  /**
   * The immutable native reference of what a person wrote: an alias, a name without version, a URL.
   *
   * @throws INVALID_ARGUMENT for what is no reference here; KEY_NOT_FOUND
   */
  resolve(reference: string, options: CallOptions): Promise<string>;
  describe(ref: string, options: CallOptions): Promise<BackingInfo>;
  /** @throws INVALID_ARGUMENT for a malformed reference, UNSUPPORTED for a spec that the provider does not have */
  key(ref: string, spec: Spec): HomeKey;
  /** Random bytes from the service, where it has a source. */
  random?(bytes: number, options: CallOptions): Promise<Buffer>;
  readonly lifecycle?: KeyLifecycle;
  /** A cheap question that costs nothing and proves that connection and credentials work. */
  probe(options: CallOptions): Promise<Health>;
  /** Once or more; calls after it fail with PROVIDER_UNAVAILABLE. */
  close(): Promise<void>;
}
