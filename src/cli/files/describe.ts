/**
 * What a message or a blob says of itself, without any key. None of it is verified.
 *
 * @module
 */
import { isUtf8 } from 'node:buffer';
import { parseBlob, type ParsedBlob } from '../../envelope/ciphertext.ts';
import type { EncryptedDataKey, MessageHeader } from '../../envelope/index.ts';
import { ClavigerError } from '../../errors.ts';

/** A ciphertext blob, by its header and its wraps. */
export interface DescribedBlob {
  readonly kind: 'direct' | 'wrapped';
  readonly tenantId: string;
  readonly keyId: string;
  readonly keyVersion: number;
  /** Numbers of the homes that wrapped it, within the key version; empty where the key itself encrypted. */
  readonly homes: readonly number[];
  /** Length of the text. */
  readonly plaintextBytes: number;
}

/** Who opens a message. */
export interface DescribedKey {
  readonly provider: string;
  /** ARN, native reference or name. */
  readonly key: string;
  /** Length of the wrapped data key. */
  readonly bytes: number;
  /** Of a key of Claviger: what its blob says. */
  readonly blob: DescribedBlob | null;
}

const TAG_BYTES = 16;
const NONCE_BYTES = 24;

/** Null for what is no blob. */
export function describeBlob(bytes: Uint8Array): DescribedBlob | null {
  let blob: ParsedBlob;
  try {
    blob = parseBlob(bytes);
  } catch (error) {
    if (error instanceof ClavigerError && error.code === 'INVALID_CIPHERTEXT') return null;
    throw error;
  }
  const { kind, tenantId, keyId, keyVersion, sealed } = blob;
  const homes = blob.kind === 'wrapped' ? blob.wraps.map(({ home }) => home) : [];
  const plaintextBytes = sealed.length - TAG_BYTES - (kind === 'direct' ? NONCE_BYTES : 0);
  return { kind, tenantId, keyId, keyVersion, homes, plaintextBytes };
}

export function describeKeys(encryptedDataKeys: readonly EncryptedDataKey[]): readonly DescribedKey[] {
  return encryptedDataKeys.map(({ providerId, providerInfo, ciphertext }) => ({
    provider: providerId,
    key: isUtf8(providerInfo) ? Buffer.from(providerInfo).toString() : Buffer.from(providerInfo).toString('hex'),
    bytes: ciphertext.length,
    blob: describeBlob(ciphertext),
  }));
}

/** `0x0478 ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY`. */
export function suiteText({ id, name }: MessageHeader['suite']): string {
  return `0x${id.toString(16).padStart(4, '0')} ${name}`;
}

/** `version 3 in homes 1, 4`, or nothing of a key that is not ours. */
export function blobWords(blob: DescribedBlob | null): string {
  if (blob === null) return '';
  const where = blob.kind === 'direct' ? '' : ` in home${blob.homes.length === 1 ? '' : 's'} ${blob.homes.join(', ')}`;
  return `version ${blob.keyVersion}${where}`;
}
