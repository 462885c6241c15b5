/**
 * CRC-32C bit by bit: slow, and another program than the one that it checks.
 *
 * @module
 */
import { invalid } from './status.ts';

export function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** A checksum as answers carry it. */
export function checksumOf(bytes: Uint8Array): { readonly value: number } {
  return { value: crc32c(bytes) };
}

/**
 * True where a checksum was sent, and is right.
 *
 * @throws KmsError INVALID_ARGUMENT where it is wrong
 */
export function checked(field: string, bytes: Uint8Array, sent: unknown): boolean {
  if (sent === undefined || sent === null) return false;
  // A wrapper with its default value is an empty message.
  const value = Number((sent as { readonly value?: string }).value ?? 0);
  if (value === crc32c(bytes)) return true;
  throw invalid(`The checksum in field ${field}_crc32c did not match the data in field ${field}.`);
}
