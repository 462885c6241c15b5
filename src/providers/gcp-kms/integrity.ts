/**
 * The checksums of Cloud KMS: sent with every request, demanded of every answer.
 *
 * INVARIANT: no bytes of an answer leave this module unless their CRC-32C was there and right.
 *
 * A message without a name, or without bytes and checksum, is what an empty one is read as: no answer has come. Whatever
 * else is not as it should be has failed its check.
 *
 * @module
 * @see https://cloud.google.com/kms/docs/data-integrity-guidelines
 */
import { crc32c } from '../../bytes/crc32c.ts';
import { integrityError, unreadableError } from './errors.ts';

/** A `google.protobuf.Int64Value`, as the library takes it. */
export interface Checksum {
  readonly value: number;
}

/** What stands for a checksum in an answer: an `Int64Value`, or an int64, each as text or number. */
export type ReceivedChecksum = unknown;

export function checksum(bytes: Uint8Array): Checksum {
  return { value: crc32c(bytes) };
}

/** Judges the parts of one answer. */
export class Answer {
  readonly #provider: string;

  constructor(provider: string) {
    this.#provider = provider;
  }

  /**
   * The bytes, whose checksum is right.
   *
   * @param what the field's name
   * @throws PROVIDER_INTEGRITY; PROVIDER_UNAVAILABLE where there are neither bytes nor checksum
   */
  bytes(what: string, bytes: unknown, received: ReceivedChecksum): Buffer {
    if (!(bytes instanceof Uint8Array) || (bytes.length === 0 && (received ?? null) === null)) {
      throw this.unreadable(`\`${what}\` is missing`);
    }
    if (crc32c(bytes) !== numberOf(received)) throw this.fault(`the checksum of \`${what}\` is missing or wrong`);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The service says that it got our checksum, and that our bytes fit it. */
  verified(what: string, flag: unknown): void {
    if (flag !== true) throw this.fault(`\`${what}\` is not set: the service did not check what it got`);
  }

  /** The name of what did the work is the one that was asked for. */
  named(asked: string, name: unknown): void {
    if (name !== asked) throw this.another(name);
  }

  /** The error for an answer with a name that is not the one asked for. */
  another(name: unknown): Error {
    if (typeof name !== 'string' || name === '') return this.unreadable('it names no key');
    return this.fault('it names another key than was asked for');
  }

  fault(what: string): Error {
    return integrityError(this.#provider, what);
  }

  unreadable(what: string): Error {
    return unreadableError(this.#provider, what);
  }
}

function numberOf(received: ReceivedChecksum): number | null {
  const value: unknown =
    typeof received === 'object' && received !== null && 'value' in received ? received.value : received;
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : null;
}
