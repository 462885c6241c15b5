/**
 * Public keys, and the algorithm that comes with each: a version has both for good, so they are fetched once.
 *
 * @module
 */
import { createPublicKey, type PublicKeyInput } from 'node:crypto';
import { loadPublic } from '../../crypto/key-material.ts';
import { ClavigerError } from '../../errors.ts';
import type { Spec } from '../../model/spec.ts';
import type { CallOptions } from '../provider.ts';
import { ALGORITHMS, type GcpAlgorithm } from './algorithms.ts';
import type { Connection } from './connection.ts';

export interface PublicKey {
  readonly algorithm: GcpAlgorithm;
  /** SPKI DER. */
  readonly spki: Buffer;
}

/** Versions whose public key is kept; the longest, ML-DSA-87, has 2.6 KiB. */
const KEPT_MAX = 10_000;

export class PublicKeys {
  readonly #connection: Connection;
  /** By the version's name. */
  readonly #known = new Map<string, PublicKey>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * @param spec which the key must have
   * @throws KEY_USAGE where it has another
   */
  async get(ref: string, spec: Spec, options: CallOptions): Promise<PublicKey> {
    const known = this.#known.get(ref) ?? (await this.#fetch(ref, spec, options));
    if (known.algorithm.spec === spec) return known;
    throw new ClavigerError('KEY_USAGE', `the key is of spec \`${known.algorithm.spec}\`, not \`${spec}\``);
  }

  async #fetch(ref: string, spec: Spec, options: CallOptions): Promise<PublicKey> {
    const { client, answer } = this.#connection;
    const raw = spec.startsWith('ML-');
    const key = await client.call(
      'getPublicKey',
      { name: ref, ...(raw ? { publicKeyFormat: 'NIST_PQC' as const } : {}) },
      options,
    );
    answer.named(ref, key.name);
    const algorithm = ALGORITHMS.get(String(key.algorithm));
    if (algorithm === undefined) throw new ClavigerError('UNSUPPORTED', `the key has algorithm \`${key.algorithm}\``);
    const spki = raw
      ? this.#spki(algorithm, {
          key: answer.bytes('publicKey', key.publicKey?.data, key.publicKey?.crc32cChecksum),
          format: 'raw-public',
          asymmetricKeyType: algorithm.spec.toLowerCase(),
        })
      : this.#spki(algorithm, answer.bytes('pem', Buffer.from(key.pem ?? ''), key.pemCrc32c).toString());
    const found = { algorithm, spki };
    if (this.#known.size >= KEPT_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(ref, found);
    return found;
  }

  /** Read by OpenSSL, and of the spec that the algorithm has. */
  #spki({ spec }: GcpAlgorithm, key: string | object): Buffer {
    try {
      const spki = createPublicKey(key as PublicKeyInput).export({ format: 'der', type: 'spki' });
      loadPublic(spec, spki);
      return spki;
    } catch {
      throw this.#connection.answer.fault(`the public key is none of spec \`${spec}\``);
    }
  }
}
