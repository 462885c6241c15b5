/**
 * Where the bytes of a key come from: a file, which may change, or the configuration, which does not.
 *
 * @module
 */
import { open, stat } from 'node:fs/promises';
import { decodeBase64 } from '../../bytes/base64.ts';
import type { PemKeyConfig } from './config.ts';
import { UnfitPem } from './errors.ts';

/** An RSA-4096 key with a chain of certificates has a tenth of it. */
const FILE_BYTES_MAX = 64 * 1024;
/** Permission bits that let others than the owner read. */
const OTHERS_READ = 0o044n;

export interface PemSource {
  /** Another text after every change. */
  stamp(): Promise<string>;
  /** The bytes, which the caller wipes. @throws UnfitPem, or an error of the file system */
  read(): Promise<Buffer>;
  /** Whether others than the owner may read it; never known of what the configuration holds. */
  isOpenToOthers(): Promise<boolean>;
}

export function sourceOf({ file, pem, base64 }: PemKeyConfig): PemSource {
  if (file !== undefined) return fileSource(file);
  return {
    stamp: async () => 'configuration',
    read: async () => (pem === undefined ? fromBase64(base64!) : Buffer.from(pem)),
    isOpenToOthers: async () => false,
  };
}

function fileSource(path: string): PemSource {
  return {
    stamp: async () => {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    },
    read: () => readSmall(path),
    isOpenToOthers: async () => ((await stat(path, { bigint: true })).mode & OTHERS_READ) !== 0n,
  };
}

async function readSmall(path: string): Promise<Buffer> {
  await using file = await open(path);
  const bytes = Buffer.allocUnsafeSlow(FILE_BYTES_MAX + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length);
    length += bytesRead;
    if (length > FILE_BYTES_MAX) throw new UnfitPem(`its file has more than ${FILE_BYTES_MAX} bytes, which is no key`);
    if (bytesRead === 0) return bytes.subarray(0, length);
  }
}

function fromBase64(text: string): Buffer {
  try {
    // `base64` breaks lines, and people keep them.
    return decodeBase64(text.replaceAll(/\s/g, ''), 'base64');
  } catch (cause) {
    throw new UnfitPem('`base64` is no base64 with its padding', { cause });
  }
}
