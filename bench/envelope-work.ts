/**
 * A process that does one thing, or two in turn, again and again, and says how many microseconds each takes once in its
 * fastest turn, as what else the machine does only adds. In long turns, what is left to be collected is paid for, too.
 *
 * Raw is what one writes who has a key: a random nonce, one cipher, everything in one piece; of a stream, Node's own cipher
 * in the same pipeline.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, randomBytes, type CipherGCM, type DecipherGCM } from 'node:crypto';
import { Readable, Writable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { cachingKeyring, Envelope, rawAesKeyring } from '../src/envelope/index.ts';

const [names, ...numbers] = process.argv.slice(2);
const [frameBytes, turnMs, seconds] = numbers.map(Number) as [number, number, number];

const TTL_MS = 300_000;
const CONTEXT = { purpose: 'benchmark', tenant: '4711' };
const NAMES = { namespace: 'bench', name: 'key' };

const wrappingKey = randomBytes(32);
const keyring = cachingKeyring(rawAesKeyring({ key: wrappingKey, ...NAMES }), { ttlMs: TTL_MS });
const ours = new Envelope({ keyring });

const sdk = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const sdkKeyring = new RawAesKeyringNode({
  keyNamespace: NAMES.namespace,
  keyName: NAMES.name,
  unencryptedMasterKey: Uint8Array.from(wrappingKey),
  utf8Sorting: true,
  wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
});
const sdkCached = new NodeCachingMaterialsManager({
  backingMaterials: sdkKeyring,
  cache: getLocalCryptographicMaterialsCache(100),
  maxAge: TTL_MS,
});
const SDK_OPTIONS = {
  suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
  encryptionContext: CONTEXT,
};

const text = randomBytes(1024);
const sealed = rawSealed(text);
const { message } = await ours.encrypt(text, { context: CONTEXT });
const plaintextLength = text.length;

const CHUNK_BYTES = 65_536;
const chunk = randomBytes(CHUNK_BYTES);
const plain = Array.from({ length: 64 }, () => chunk);
const long = chunksOf((await ours.encrypt(Buffer.concat(plain), { context: CONTEXT, frameBytes })).message);
const STREAM_NONCE = Buffer.alloc(12);
const rawStream = rawCipher();
const rawLong = plain.map((piece) => rawStream.update(piece));
rawStream.final();
const rawTag = rawStream.getAuthTag();

const WORKS: Readonly<Record<string, () => unknown>> = {
  rawEncrypt: () => rawSealed(text),
  rawDecrypt: () => rawOpened(sealed),
  ourEncrypt: () => ours.encrypt(text, { context: CONTEXT }),
  ourDecrypt: () => ours.decrypt(message, { context: CONTEXT }),
  sdkEncrypt: () => sdk.encrypt(sdkKeyring, text, { ...SDK_OPTIONS, plaintextLength }),
  sdkDecrypt: () => sdk.decrypt(sdkKeyring, message),
  sdkCachedEncrypt: () => sdk.encrypt(sdkCached, text, { ...SDK_OPTIONS, plaintextLength }),
  sdkCachedDecrypt: () => sdk.decrypt(sdkCached, message),
  rawEncryptStream: () => through(rawCipher(), plain),
  rawDecryptStream: () => through(rawDecipher(rawTag), rawLong),
  ourEncryptStream: () => through(ours.encryptTransform({ context: CONTEXT, frameBytes }), plain),
  ourDecryptStream: () => through(ours.decryptTransform({ context: CONTEXT }), long),
  sdkEncryptStream: () => through(sdk.encryptStream(sdkKeyring, { ...SDK_OPTIONS, frameLength: frameBytes }), plain),
  sdkDecryptStream: () => through(sdk.decryptStream(sdkKeyring), long),
};

await requireSame(text, rawOpened(sealed), (await ours.decrypt(message)).plaintext);
await requireSame(text, (await sdk.decrypt(sdkKeyring, message)).plaintext);
await turns(1);
console.log(JSON.stringify(await turns(seconds)));

async function turns(ofSeconds: number): Promise<Readonly<Record<string, number>>> {
  const works = names!.split(',');
  const us = Object.fromEntries(works.map((work) => [work, Infinity]));
  const untilMs = performance.now() + 1000 * ofSeconds * works.length;
  while (performance.now() < untilMs)
    for (const work of works) us[work] = Math.min(us[work]!, await turnOf(WORKS[work]!));
  return us;
}

/** Microseconds that it takes once, on average of a turn. */
async function turnOf(once: () => unknown): Promise<number> {
  const begunMs = performance.now();
  let times = 0;
  for (; performance.now() - begunMs < turnMs; times++) await once();
  return (1000 * (performance.now() - begunMs)) / times;
}

function rawCipher(): CipherGCM {
  return createCipheriv('aes-256-gcm', wrappingKey, STREAM_NONCE);
}

function rawDecipher(tag: Buffer): DecipherGCM {
  return createDecipheriv('aes-256-gcm', wrappingKey, STREAM_NONCE).setAuthTag(tag);
}

function rawSealed(bytes: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce);
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

function rawOpened(bytes: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}

async function through(stream: Duplex, chunks: readonly Uint8Array[]): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done(), writev: (_chunks, done) => done() });
  await pipeline(Readable.from(chunks, { objectMode: false }), stream, nowhere);
}

function chunksOf(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, at) =>
    bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
  );
}

async function requireSame(expected: Buffer, ...others: readonly Buffer[]): Promise<void> {
  if (!others.every((other) => expected.equals(other))) throw new Error('a message gave another text');
}
