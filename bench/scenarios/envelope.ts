/**
 * Messages: what the format costs beside AES-256-GCM alone, and beside the official SDK for JavaScript; and the memory that
 * a stream takes.
 *
 * In this process, without a server: a raw AES keyring behind a cache of data keys, and the same of the SDK, in turns that
 * are short and about as long as each other. Raw is what one writes who has a key: a random nonce, one cipher, everything
 * in one piece; of a stream, Node's own cipher in the same pipeline. Beside raw the fastest turn counts, as what else the
 * machine does only adds; beside the SDK all turns do, as what each leaves to be collected is part of its price.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { createCipheriv, createDecipheriv, randomBytes, type CipherGCM, type DecipherGCM } from 'node:crypto';
import { join } from 'node:path';
import { Readable, Writable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  NodeCachingMaterialsManager,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node';
import { cachingKeyring, Envelope, rawAesKeyring } from '../../src/envelope/index.ts';
import type { Bench, Scenario } from '../bench.ts';

const MESSAGE_BYTES = 1024;
/** Of each in a turn, so that all turns are about as long: what else the machine does then hits all alike. */
const MESSAGES = { raw: 400, ours: 100, sdk: 6 };
const CHUNK_BYTES = 65_536;
const STREAM_BYTES = 4 * 1024 * 1024;
const FRAMES = { '64KiB': 65_536, '1MiB': 1_048_576 } as const;
const TTL_MS = 300_000;
const CONTEXT = { purpose: 'benchmark', tenant: '4711' };
const NAMES = { namespace: 'bench', name: 'key' };

const wrappingKey = randomBytes(32);
const keyring = cachingKeyring(rawAesKeyring({ key: wrappingKey, ...NAMES }), { ttlMs: TTL_MS });
const ours = new Envelope({ keyring });

const sdk = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
const sdkMaterials = new NodeCachingMaterialsManager({
  backingMaterials: new RawAesKeyringNode({
    keyNamespace: NAMES.namespace,
    keyName: NAMES.name,
    unencryptedMasterKey: Uint8Array.from(wrappingKey),
    utf8Sorting: true,
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  }),
  cache: getLocalCryptographicMaterialsCache(100),
  maxAge: TTL_MS,
});
const SDK_OPTIONS = {
  suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
  encryptionContext: CONTEXT,
};

/** Something done so many times in a turn. */
interface Work {
  readonly times: number;
  readonly once: () => unknown;
}

export const envelope: Scenario = {
  title: 'messages of the AWS Encryption SDK beside AES-256-GCM alone, and beside the SDK for JavaScript',
  takes: '60 s',
  run: async (bench) => {
    const figures: Record<string, number> = { ...(await messages(bench)) };
    for (const [name, frameBytes] of Object.entries(FRAMES))
      Object.assign(figures, await streams(bench, name, frameBytes));
    figures['peakMib'] = await peakMib(bench);
    return { figures, failures: [] };
  },
};

async function messages(bench: Bench): Promise<Record<string, number>> {
  const text = randomBytes(MESSAGE_BYTES);
  const { message } = await ours.encrypt(text, { context: CONTEXT });
  const sealed = rawSealed(text);
  await requireSame(text, rawOpened(sealed), (await ours.decrypt(message)).plaintext);
  await requireSame(text, (await sdk.decrypt(sdkMaterials, message)).plaintext);
  const us = await inTurns(bench, {
    rawEncrypt: { times: MESSAGES.raw, once: () => rawSealed(text) },
    rawDecrypt: { times: MESSAGES.raw, once: () => rawOpened(sealed) },
    encrypt: { times: MESSAGES.ours, once: () => ours.encrypt(text, { context: CONTEXT }) },
    decrypt: { times: MESSAGES.ours, once: () => ours.decrypt(message, { context: CONTEXT }) },
    sdkEncrypt: {
      times: MESSAGES.sdk,
      once: () => sdk.encrypt(sdkMaterials, text, { ...SDK_OPTIONS, plaintextLength: text.length }),
    },
    sdkDecrypt: { times: MESSAGES.sdk, once: () => sdk.decrypt(sdkMaterials, message) },
  });
  bench.say(
    `1 KiB: raw ${pair(us, 'rawEncrypt', 'rawDecrypt')}, ours ${pair(us, 'encrypt', 'decrypt')}, SDK ${pair(us, 'sdkEncrypt', 'sdkDecrypt')} µs`,
  );
  return {
    messageEncryptUs: us.encrypt.leastUs,
    messageDecryptUs: us.decrypt.leastUs,
    messageEncryptRatio: besideRaw(us.encrypt, us.rawEncrypt),
    messageDecryptRatio: besideRaw(us.decrypt, us.rawDecrypt),
    messageEncryptOfSdk: besideSdk(us.encrypt, us.sdkEncrypt),
    messageDecryptOfSdk: besideSdk(us.decrypt, us.sdkDecrypt),
  };
}

async function streams(bench: Bench, name: string, frameBytes: number): Promise<Record<string, number>> {
  const chunk = randomBytes(CHUNK_BYTES);
  const plain = Array.from({ length: STREAM_BYTES / CHUNK_BYTES }, () => chunk);
  const sealed = chunksOf((await ours.encrypt(Buffer.concat(plain), { context: CONTEXT, frameBytes })).message);
  const raw = rawCipher();
  const rawText = plain.map((piece) => raw.update(piece));
  raw.final();
  const rawTag = raw.getAuthTag();
  const us = await inTurns(bench, {
    rawEncrypt: { times: 1, once: () => through(rawCipher(), plain) },
    rawDecrypt: { times: 1, once: () => through(rawDecipher(rawTag), rawText) },
    encrypt: { times: 1, once: () => through(ours.encryptTransform({ context: CONTEXT, frameBytes }), plain) },
    decrypt: { times: 1, once: () => through(ours.decryptTransform({ context: CONTEXT }), sealed) },
    sdkEncrypt: {
      times: 1,
      once: () => through(sdk.encryptStream(sdkMaterials, { ...SDK_OPTIONS, frameLength: frameBytes }), plain),
    },
    sdkDecrypt: { times: 1, once: () => through(sdk.decryptStream(sdkMaterials), sealed) },
  });
  bench.say(
    `frames of ${name}: raw ${pair(us, 'rawEncrypt', 'rawDecrypt')}, ours ${pair(us, 'encrypt', 'decrypt')}, SDK ${pair(us, 'sdkEncrypt', 'sdkDecrypt')} µs for 4 MiB`,
  );
  return {
    [`stream${name}EncryptRatio`]: besideRaw(us.encrypt, us.rawEncrypt),
    [`stream${name}DecryptRatio`]: besideRaw(us.decrypt, us.rawDecrypt),
    [`stream${name}EncryptOfSdk`]: besideSdk(us.encrypt, us.sdkEncrypt),
    [`stream${name}DecryptOfSdk`]: besideSdk(us.decrypt, us.sdkDecrypt),
  };
}

/** How far the memory of a process of its own rises above where it was, while 1 GiB is encrypted and decrypted again. */
async function peakMib(bench: Bench): Promise<number> {
  const program = join(import.meta.dirname, '../envelope-memory.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  const { idleMib, peakMib } = JSON.parse(stdout) as { idleMib: number; peakMib: number };
  bench.say(`1 GiB: ${idleMib.toFixed(0)} MiB idle, ${peakMib.toFixed(0)} MiB at most`);
  return peakMib - idleMib;
}

/** Microseconds that something takes once: in its fastest turn, and in all of them on average. */
interface Taken {
  readonly leastUs: number;
  readonly meanUs: number;
}

async function inTurns<Name extends string>(bench: Bench, works: Record<Name, Work>): Promise<Record<Name, Taken>> {
  const named = Object.entries(works) as [Name, Work][];
  const turns = new Map<Name, number[]>();
  for (const forMs of [bench.warmUpMs, bench.rounds * bench.windowMs]) {
    for (const [name] of named) turns.set(name, []);
    const untilMs = performance.now() + forMs;
    do {
      for (const [name, { times, once }] of named) {
        const begunMs = performance.now();
        for (let time = 0; time < times; time++) await once();
        turns.get(name)!.push(((performance.now() - begunMs) * 1000) / times);
      }
    } while (performance.now() < untilMs);
  }
  return Object.fromEntries(
    named.map(([name]) => {
      const us = turns.get(name)!;
      return [name, { leastUs: Math.min(...us), meanUs: us.reduce((sum, value) => sum + value, 0) / us.length }];
    }),
  ) as Record<Name, Taken>;
}

function besideRaw(ours: Taken, raw: Taken): number {
  return ours.leastUs / raw.leastUs;
}

function besideSdk(ours: Taken, sdk: Taken): number {
  return sdk.meanUs / ours.meanUs;
}

const STREAM_NONCE = Buffer.alloc(12);

function rawCipher(): CipherGCM {
  return createCipheriv('aes-256-gcm', wrappingKey, STREAM_NONCE);
}

function rawDecipher(tag: Buffer): DecipherGCM {
  return createDecipheriv('aes-256-gcm', wrappingKey, STREAM_NONCE).setAuthTag(tag);
}

function rawSealed(text: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function rawOpened(sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
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

async function requireSame(text: Buffer, ...others: readonly Buffer[]): Promise<void> {
  if (!others.every((other) => text.equals(other))) throw new Error('a message gave another text');
}

function pair<Name extends string>(us: Record<Name, Taken>, one: Name, other: Name): string {
  return `${us[one].leastUs.toFixed(1)} and ${us[other].leastUs.toFixed(1)}`;
}
