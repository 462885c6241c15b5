/**
 * Messages in tests: a keyring small enough to be read in a minute, the same of the official SDK, and every way to take a
 * message through.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { SecretBytes } from '../../src/crypto/secret-bytes.ts';
import type { DecryptOptions, Envelope, EncryptStreamOptions } from '../../src/envelope/envelope.ts';
import { encodeMessageContext } from '../../src/envelope/message/context.ts';
import type { Keyring } from '../../src/envelope/keyring.ts';
import { invalidCiphertext } from '../../src/errors.ts';

export const WRAPPING_KEY = Buffer.alloc(32, 7);
export const NAMESPACE = 'test';
export const KEY_NAME = 'one';

/** A raw AES keyring as the specification has it ("Raw AES keyring"), with 256 bits. */
export function testKeyring(wrappingKey: Uint8Array = WRAPPING_KEY, name = KEY_NAME): Keyring {
  return {
    async wrap({ bytes, context }) {
      const dataKey = randomBytes(bytes);
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', wrappingKey, iv).setAAD(encodeMessageContext(context));
      const ciphertext = Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
      const providerInfo = Buffer.concat([Buffer.from(name), Buffer.from('000000800000000c', 'hex'), iv]);
      return {
        dataKey: new SecretBytes(dataKey),
        encryptedDataKeys: [{ providerId: NAMESPACE, providerInfo, ciphertext }],
        missing: [],
      };
    },
    async unwrap({ encryptedDataKeys, context }) {
      for (const opened of encryptedDataKeys) {
        const { providerId, ciphertext } = opened;
        const info = Buffer.from(opened.providerInfo);
        if (providerId !== NAMESPACE || info.subarray(0, -20).toString() !== name || ciphertext.length < 16) continue;
        const decipher = createDecipheriv('aes-256-gcm', wrappingKey, info.subarray(-12));
        decipher.setAAD(encodeMessageContext(context)).setAuthTag(ciphertext.subarray(-16));
        try {
          const dataKey = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
          return { dataKey: new SecretBytes(dataKey), opened };
        } catch {
          continue;
        }
      }
      throw invalidCiphertext();
    },
  };
}

const official = buildClient(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT);
const officialCommitting = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

export function officialKeyring(wrappingKey: Uint8Array = WRAPPING_KEY): RawAesKeyringNode {
  return new RawAesKeyringNode({
    keyName: KEY_NAME,
    keyNamespace: NAMESPACE,
    unencryptedMasterKey: Uint8Array.from(wrappingKey),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
}

/** A message as the official SDK writes it. */
export async function officialMessage(
  plaintext: Uint8Array,
  options: { suiteId: number; frameLength: number; context?: Record<string, string> },
): Promise<Buffer> {
  const client = options.suiteId > 0x0400 ? officialCommitting : official;
  const { result } = await client.encrypt(officialKeyring(), Buffer.from(plaintext), {
    suiteId: officialSuite(options.suiteId),
    frameLength: options.frameLength,
    encryptionContext: options.context ?? {},
  });
  return result;
}

function officialSuite(id: number): AlgorithmSuiteIdentifier {
  return Object.values(AlgorithmSuiteIdentifier).find((suite) => Number(suite) === id) as AlgorithmSuiteIdentifier;
}

/** What the official SDK reads in a message. */
export async function officialPlaintext(
  message: Uint8Array,
): Promise<{ plaintext: Buffer; context: Readonly<Record<string, string>> }> {
  const { plaintext, messageHeader } = await official.decrypt(officialKeyring(), Buffer.from(message));
  return { plaintext, context: { ...messageHeader.encryptionContext } };
}

/** Bytes in chunks of a length; the last may be shorter. */
export function* chunksOf(bytes: Uint8Array, length: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield Buffer.from(bytes.subarray(at, at + length));
}

export type Way = 'at once' | 'web stream' | 'Node stream';
export const WAYS: readonly Way[] = ['at once', 'web stream', 'Node stream'];

/** Encrypts one of the ways; the streams get chunks of a length. */
export async function encrypted(
  way: Way,
  envelope: Envelope,
  plaintext: Uint8Array,
  options: EncryptStreamOptions = {},
  chunkBytes = 1000,
): Promise<Buffer> {
  if (way === 'at once') return (await envelope.encrypt(plaintext, options)).message;
  if (way === 'web stream') return throughWeb(envelope.encryptStream(options), chunksOf(plaintext, chunkBytes));
  return throughNode(envelope.encryptTransform(options), chunksOf(plaintext, chunkBytes));
}

/** Decrypts one of the ways; the streams get chunks of a length. */
export async function decrypted(
  way: Way,
  envelope: Envelope,
  message: Uint8Array,
  options: DecryptOptions = {},
  chunkBytes = 1000,
): Promise<Buffer> {
  if (way === 'at once') return (await envelope.decrypt(message, options)).plaintext;
  if (way === 'web stream') return throughWeb(envelope.decryptStream(options), chunksOf(message, chunkBytes));
  return throughNode(envelope.decryptTransform(options), chunksOf(message, chunkBytes));
}

export async function throughWeb(
  stream: ReturnType<Envelope['decryptStream']>,
  chunks: Iterable<Uint8Array>,
): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const piece of ReadableStream.from(chunks).pipeThrough(stream)) read.push(piece);
  return Buffer.concat(read);
}

export async function throughNode(
  stream: ReturnType<Envelope['decryptTransform']>,
  chunks: Iterable<Uint8Array>,
): Promise<Buffer> {
  const read: Uint8Array[] = [];
  await pipeline(Readable.from(chunks, { objectMode: false }), stream, async (pieces: AsyncIterable<Uint8Array>) => {
    for await (const piece of pieces) read.push(piece);
  });
  return Buffer.concat(read);
}
