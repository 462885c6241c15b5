/**
 * One version of a key, as operations use it: made by the software keystore, or by a group of homes.
 *
 * Facets that a version does not have are absent; the caller decides that before any call. Every facet takes and gives
 * raw bytes; encodings, encryption context and ciphertext formats are the caller's.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { EncryptionAlgorithmName, MacAlgorithmName, SigningAlgorithmName } from '../model/algorithm.ts';
import type { Spec } from '../model/spec.ts';

export type SignInput = { readonly message: Uint8Array } | { readonly digest: Uint8Array };

/** A signature that the writer thread makes and commits with its record. */
export interface ThreadSignature {
  readonly keyHandleId: string;
  readonly spec: Spec;
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithmName;
  readonly input: SignInput;
}

/** Names a version's material: which key, which version, whose. */
export interface MaterialName {
  readonly tenantId: string;
  readonly keyId: string;
  readonly version: number;
  readonly spec: Spec;
}

export interface KeyHandle {
  readonly aead?: {
    /** XAES-256-GCM: header ‖ nonce ‖ ciphertext ‖ tag. */
    readonly seal: (plaintext: Uint8Array, aad: Uint8Array, header: Uint8Array) => Buffer;
    /** @throws INVALID_CIPHERTEXT */
    readonly open: (sealed: Uint8Array, aad: Uint8Array) => Buffer;
  };
  readonly decrypt?: (algorithm: EncryptionAlgorithmName, ciphertext: Uint8Array) => Promise<Buffer>;
  /** Either the signature, or the task for the writer thread where that is the faster place. */
  readonly sign?: (algorithm: SigningAlgorithmName, input: SignInput) => ThreadSignature | Promise<Buffer>;
  readonly mac?: (algorithm: MacAlgorithmName, message: Uint8Array) => Buffer | Promise<Buffer>;
  /** @param peer SPKI DER of the other side */
  readonly agree?: (peer: Uint8Array) => Buffer | Promise<Buffer>;
  readonly decapsulate?: (ciphertext: Uint8Array) => Buffer | Promise<Buffer>;
}
