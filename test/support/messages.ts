/**
 * Messages in tests: a keyring small enough to be read in a minute, the same of the official SDK, and every way to take a
 * message through.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import type { DecryptOptions, Envelope, EncryptStreamOptions } from '../../src/envelope/envelope.ts';
import type { Keyring } from '../../src/envelope/keyring.ts';
import { rawAesKeyring } from '../../src/envelope/keyrings/index.ts';
import { craft, dataKeyBytes, type Craft, type Crafted } from './crafted-message.ts';

export const WRAPPING_KEY = Buffer.alloc(32, 7);
export const NAMESPACE = 'test';
export const KEY_NAME = 'one';

/** The raw AES keyring of tests; with the official one of the same key it opens the same messages. */
export function testKeyring(key: Uint8Array = WRAPPING_KEY): Keyring {
  return rawAesKeyring({ key, namespace: NAMESPACE, name: KEY_NAME });
}

/** A message made by hand, whose data key `testKeyring` opens. */
export function crafted(what: Craft): Crafted {
  const dataKey = randomBytes(dataKeyBytes(what.suiteId));
  return craft(what, dataKey, (aad) => [wrappedByHand(dataKey, aad)]);
}

/** As the specification of the raw AES keyring has it. */
function wrappedByHand(dataKey: Uint8Array, aad: Uint8Array): readonly [string, Buffer, Buffer] {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', WRAPPING_KEY, iv).setAAD(aad);
  const info = Buffer.concat([Buffer.from(KEY_NAME), Buffer.from('000000800000000c', 'hex'), iv]);
  return [NAMESPACE, info, Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])];
}

const official = buildClient(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT);
const officialCommitting = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);

export function officialKeyring(wrappingKey: Uint8Array = WRAPPING_KEY): RawAesKeyringNode {
  return new RawAesKeyringNode({
    keyName: KEY_NAME,
    keyNamespace: NAMESPACE,
    unencryptedMasterKey: Uint8Array.from(wrappingKey),
    // As the specification has it; without, this library sorts by the rules of the system's language.
    utf8Sorting: true,
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
