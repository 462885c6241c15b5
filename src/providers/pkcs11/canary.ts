/**
 * The canary: a key of the token that protects nothing, signed with and verified all the time.
 *
 * A token that was zeroized, initialised anew or exchanged may still show its old label, its flags and a working session.
 * It cannot sign with a key that is gone. So the public key of the canary is pinned, by the configuration or else when it
 * is first seen, and a host is used only while its signatures verify under it.
 *
 * @module
 */
import { createHash, createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
import { publicKeyOf } from './public-key.ts';
import { OP, USE_NAMES, useHead, type FoundKey } from './protocol.ts';

export const CANARY_LABEL = 'claviger-canary';
export const CANARY_SPEC = 'P-256';
const SIGNATURE_BYTES = 64;
const HASH = 'sha256';

interface Pinned {
  readonly head: Buffer;
  readonly key: KeyObject;
  readonly fingerprint: string;
}

/** A signature that a canary is asked for. */
export interface CanaryQuestion {
  readonly op: number;
  readonly parts: readonly Uint8Array[];
  /** Why the signature is not that of the pinned key; null where it is. */
  readonly fault: (signature: Uint8Array) => string | null;
}

export class Canary {
  /** Of the configuration: SHA-256 of the SPKI, hexadecimal. */
  readonly #expected: string | null;
  #pinned: Pinned | null = null;

  constructor(expected: string | null) {
    this.#expected = expected;
  }

  get isPinned(): boolean {
    return this.#pinned !== null;
  }

  /** A canary that the configuration names must be there, and is never made. */
  get isExpected(): boolean {
    return this.#expected !== null;
  }

  get fingerprint(): string | null {
    return this.#pinned?.fingerprint ?? this.#expected;
  }

  /** Pins the canary among the keys that have its label; false where it is not among them. */
  pin(found: readonly FoundKey[]): boolean {
    const candidates = found
      .filter(({ keyClass, uses }) => keyClass === 'private' && uses.includes('sign'))
      // Two servers may have made one each at the same moment: both take the same.
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const candidate of candidates) {
      const spki = publicKeyOf(candidate);
      if (spki === null) continue;
      const fingerprint = fingerprintOf(spki);
      if (this.#expected !== null && fingerprint !== this.#expected) continue;
      const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') continue;
      const id = Buffer.from(candidate.id, 'hex');
      this.#pinned = { head: useHead(USE_NAMES.indexOf('ecdsa'), 'private', id), key, fingerprint };
      return true;
    }
    return false;
  }

  /** A fresh question; null where no canary is pinned. */
  question(): CanaryQuestion | null {
    if (this.#pinned === null) return null;
    const { head, key, fingerprint } = this.#pinned;
    const message = randomBytes(32);
    const digest = createHash(HASH).update(message).digest();
    return {
      op: OP.sign,
      parts: [head, digest],
      fault: (signature) => {
        const valid =
          signature.length === SIGNATURE_BYTES && verify(HASH, message, { key, dsaEncoding: 'ieee-p1363' }, signature);
        return valid ? null : `its signature does not verify under the public key \`${fingerprint}\``;
      },
    };
  }
}

/** SHA-256 of an SPKI, hexadecimal: `openssl pkey -pubin -outform DER | sha256sum`. */
export function fingerprintOf(spki: Uint8Array): string {
  return createHash(HASH).update(spki).digest('hex');
}
