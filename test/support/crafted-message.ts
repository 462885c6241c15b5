/**
 * Messages of the AWS Encryption SDK in every form that its specification has, and in some that it forbids. Written from
 * the specification, with nothing of ours, so that what our code reads is not only what our code writes.
 */
import {
  createCipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createSign,
  type CipherGCMTypes,
  type KeyObject,
} from 'node:crypto';

interface Recipe {
  readonly cipher: CipherGCMTypes;
  readonly bytes: number;
  readonly hash: string | null;
  readonly curve: 'prime256v1' | 'secp384r1' | null;
}

const RECIPES: Readonly<Record<number, Recipe>> = {
  0x0014: { cipher: 'aes-128-gcm', bytes: 16, hash: null, curve: null },
  0x0046: { cipher: 'aes-192-gcm', bytes: 24, hash: null, curve: null },
  0x0078: { cipher: 'aes-256-gcm', bytes: 32, hash: null, curve: null },
  0x0114: { cipher: 'aes-128-gcm', bytes: 16, hash: 'sha256', curve: null },
  0x0146: { cipher: 'aes-192-gcm', bytes: 24, hash: 'sha256', curve: null },
  0x0178: { cipher: 'aes-256-gcm', bytes: 32, hash: 'sha256', curve: null },
  0x0214: { cipher: 'aes-128-gcm', bytes: 16, hash: 'sha256', curve: 'prime256v1' },
  0x0346: { cipher: 'aes-192-gcm', bytes: 24, hash: 'sha384', curve: 'secp384r1' },
  0x0378: { cipher: 'aes-256-gcm', bytes: 32, hash: 'sha384', curve: 'secp384r1' },
  0x0478: { cipher: 'aes-256-gcm', bytes: 32, hash: 'sha512', curve: null },
  0x0578: { cipher: 'aes-256-gcm', bytes: 32, hash: 'sha512', curve: 'secp384r1' },
};
export const ALL_SUITES: readonly number[] = Object.keys(RECIPES).map(Number);
/** Those of format 1, which do not commit. */
export const OLD_SUITES: readonly number[] = ALL_SUITES.filter((id) => id < 0x0400);
export const suiteName = (id: number): string => `0x${id.toString(16).padStart(4, '0')}`;
export const dataKeyBytes = (suiteId: number): number => RECIPES[suiteId]!.bytes;

export interface Craft {
  readonly suiteId: number;
  /** null for a body without frames. */
  readonly frameBytes: number | null;
  readonly plaintext: Uint8Array;
  readonly context?: Readonly<Record<string, string>>;
  /** Pairs in the order in which they are to stand, instead of the sorted ones. */
  readonly pairs?: readonly (readonly [string, string])[];
  /** Authenticated, not stored. */
  readonly required?: Readonly<Record<string, string>>;
  /** Where the text is a multiple of the frame length: a whole final frame, or an empty one after it. */
  readonly emptyFinal?: boolean;
  /** Instead of what the specification has. */
  readonly odd?: {
    readonly frameNumber?: (number: number) => number;
    readonly frameIv?: (number: number) => Uint8Array;
    readonly finalBytes?: (bytes: number) => number;
    readonly headerFrameBytes?: number;
    readonly contentType?: number;
    readonly context?: Uint8Array;
    readonly publicKey?: string;
    readonly commitment?: Uint8Array;
    readonly dataKeyCount?: number;
    readonly footer?: Uint8Array;
    readonly type?: number;
    readonly reserved?: number;
    readonly ivBytes?: number;
    readonly version?: number;
  };
}

/** The parts of a message, each where it stands. */
export interface Crafted {
  readonly message: Buffer;
  readonly headerBytes: number;
}

/** @param wrap makes the encrypted data keys, as they stand in a header, under the context given */
export function craft(
  { suiteId, frameBytes, plaintext, context = {}, pairs, required = {}, emptyFinal = false, odd = {} }: Craft,
  dataKey: Uint8Array,
  wrap: (aad: Buffer) => readonly (readonly [id: string, info: Uint8Array, wrapped: Uint8Array])[],
): Crafted {
  const { cipher, bytes, hash, curve } = RECIPES[suiteId]!;
  const isNew = suiteId > 0x0400;
  const signing = curve === null ? null : signingKey(curve);
  const stored = { ...context, ...(signing && { 'aws-crypto-public-key': odd.publicKey ?? signing.publicKey }) };
  const encodedContext = odd.context ?? encodedPairs(pairs ?? sorted(stored));
  const dataKeys = wrap(encodedPairs(sorted({ ...stored, ...required })));
  const messageId = Buffer.alloc(isNew ? 32 : 16, 0x5a);
  const suite = u16(suiteId);

  const prk = hash === null ? null : hmac(hash, isNew ? messageId : Buffer.alloc(hashBytes(hash)), dataKey);
  const info = isNew ? Buffer.concat([suite, Buffer.from('DERIVEKEY')]) : Buffer.concat([suite, messageId]);
  const key = prk === null ? dataKey : hmac(hash!, prk, info, Buffer.of(1)).subarray(0, bytes);
  const commitment = isNew
    ? hmac('sha512', prk!, Buffer.from('COMMITKEY'), Buffer.of(1)).subarray(0, 32)
    : Buffer.alloc(0);

  const body = Buffer.concat([
    isNew ? Buffer.of(odd.version ?? 2) : Buffer.of(odd.version ?? 1, odd.type ?? 0x80),
    suite,
    messageId,
    field(encodedContext),
    u16(odd.dataKeyCount ?? dataKeys.length),
    ...dataKeys.flatMap(([id, info, wrapped]) => [field(Buffer.from(id)), field(info), field(wrapped)]),
    Buffer.of(odd.contentType ?? (frameBytes === null ? 1 : 2)),
    isNew ? Buffer.alloc(0) : Buffer.concat([u32(odd.reserved ?? 0), Buffer.of(odd.ivBytes ?? 12)]),
    u32(odd.headerFrameBytes ?? frameBytes ?? 0),
    odd.commitment ?? commitment,
  ]);
  const seal = (iv: Uint8Array, aad: Uint8Array, text: Uint8Array): Buffer[] => {
    const gcm = createCipheriv(cipher, key, iv).setAAD(aad);
    return [Buffer.concat([gcm.update(text), gcm.final()]), gcm.getAuthTag()];
  };
  const headerIv = Buffer.alloc(12);
  const [, headerTag] = seal(headerIv, Buffer.concat([body, encodedPairs(sorted(required))]), Buffer.alloc(0));
  const header = Buffer.concat([body, isNew ? Buffer.alloc(0) : headerIv, headerTag!]);

  const iv = odd.frameIv ?? ((number: number) => Buffer.concat([Buffer.alloc(8), u32(number)]));
  const aad = (kind: string, number: number, length: number): Buffer =>
    Buffer.concat([messageId, Buffer.from(`AWSKMSEncryptionClient ${kind}`), u32(number), u64(length)]);
  const parts: Buffer[] = [header];
  if (frameBytes === null) {
    parts.push(
      Buffer.from(iv(1)),
      u64(plaintext.length),
      ...seal(iv(1), aad('Single Block', 1, plaintext.length), plaintext),
    );
  } else {
    let at = 0;
    for (let count = 1; ; count++) {
      const left = plaintext.length - at;
      const isFinal = emptyFinal ? left < frameBytes : left <= frameBytes;
      const text = plaintext.subarray(at, at + frameBytes);
      const number = odd.frameNumber?.(count) ?? count;
      const length = isFinal ? (odd.finalBytes?.(text.length) ?? text.length) : text.length;
      const sealed = seal(iv(count), aad(isFinal ? 'Final Frame' : 'Frame', number, length), text);
      parts.push(isFinal ? Buffer.concat([u32(0xffff_ffff), u32(number)]) : u32(number), Buffer.from(iv(count)));
      if (isFinal) parts.push(u32(length));
      parts.push(...sealed);
      at += text.length;
      if (isFinal) break;
    }
  }
  if (signing !== null) {
    const signature = createSign(curve === 'prime256v1' ? 'sha256' : 'sha384');
    for (const part of parts) signature.update(part);
    parts.push(field(Buffer.from(odd.footer ?? signature.sign({ key: signing.key, dsaEncoding: 'der' }))));
  }
  return { message: Buffer.concat(parts), headerBytes: header.length };
}

/** The encoding of a context: nothing for none. */
export function encodedPairs(pairs: readonly (readonly [string, string])[]): Buffer {
  if (pairs.length === 0) return Buffer.alloc(0);
  return Buffer.concat([u16(pairs.length), ...pairs.flat().map((text) => field(Buffer.from(text)))]);
}

function sorted(context: Readonly<Record<string, string>>): (readonly [string, string])[] {
  return Object.entries(context).sort(([a], [b]) => Buffer.from(a).compare(Buffer.from(b)));
}

function signingKey(curve: 'prime256v1' | 'secp384r1'): { readonly key: KeyObject; readonly publicKey: string } {
  const ecdh = createECDH(curve);
  ecdh.generateKeys();
  const point = ecdh.getPublicKey();
  const half = (point.length - 1) / 2;
  const d = Buffer.concat([Buffer.alloc(half - ecdh.getPrivateKey().length), ecdh.getPrivateKey()]);
  const crv = curve === 'prime256v1' ? 'P-256' : 'P-384';
  const [x, y] = [point.subarray(1, 1 + half), point.subarray(1 + half)].map((part) => part.toString('base64url'));
  const key = createPrivateKey({
    key: { kty: 'EC', crv, d: d.toString('base64url'), x: x!, y: y! },
    format: 'jwk',
  });
  return { key, publicKey: ecdh.getPublicKey('base64', 'compressed') };
}

function hmac(hash: string, key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac(hash, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

const hashBytes = (hash: string): number => Number(hash.slice(3)) / 8;

function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([u16(bytes.length), bytes]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
