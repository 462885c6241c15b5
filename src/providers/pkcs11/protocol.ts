/**
 * What the server asks of a host process, and how it is written into the body of a frame.
 *
 * What happens often is a few bytes around the input itself; what is rare (start, search, making of keys) is JSON, but
 * never with a secret in it other than the PIN of the start, which is wiped with its frame.
 *
 * @module
 */
import { lengthPrefixed } from '../../bytes/length-prefixed.ts';
import type { ErrorCode } from '../../errors.ts';
import { CKG, CKM, CKO } from './cryptoki.ts';

/** Kind of a request. */
export const OP = {
  start: 1,
  /** A mechanism, a key, an input: signature, MAC. */
  sign: 2,
  /** A mechanism, a key, a ciphertext: RSA-OAEP. */
  decrypt: 3,
  /** AES-GCM with additional data, which gives nonce ‖ ciphertext ‖ tag. */
  seal: 4,
  open: 5,
  /** AES key wrap of a data key. */
  wrap: 6,
  unwrap: 7,
  derive: 8,
  random: 9,
  find: 10,
  generate: 11,
  import: 12,
  destroy: 13,
  ping: 14,
} as const;

/** Kind of an answer. */
export const STATUS = {
  ok: 0,
  /** The library said no: a return value, 32 bits, and the name of the function. */
  native: 1,
  /** We said no: JSON of a `HostRefusal`. */
  refused: 2,
  /** No answer: the host is about to log in. */
  login: 3,
} as const;

export interface HostRefusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** The PIN was refused, or may have been: nobody tries it again. */
  readonly pin?: 'refused' | 'unclear';
  readonly native?: number;
}

/** What a mechanism is made of that has parameters; `pkcs11js` gets it once, at the start of a host. */
export interface UseMechanism {
  readonly mechanism: number;
  readonly pss?: { readonly hash: number; readonly mgf: number; readonly saltBytes: number };
  readonly oaep?: { readonly hash: number; readonly mgf: number };
}

/** Mechanisms of `sign` and `decrypt`. */
export const USE_MECHANISMS = {
  ecdsa: { mechanism: CKM.ECDSA },
  eddsa: { mechanism: CKM.EDDSA },
  'rsa-pkcs1': { mechanism: CKM.RSA_PKCS },
  'rsa-pss-sha256': {
    mechanism: CKM.RSA_PKCS_PSS,
    pss: { hash: CKM.SHA256, mgf: CKG.MGF1_SHA256, saltBytes: 32 },
  },
  'rsa-pss-sha384': {
    mechanism: CKM.RSA_PKCS_PSS,
    pss: { hash: CKM.SHA384, mgf: CKG.MGF1_SHA384, saltBytes: 48 },
  },
  'rsa-pss-sha512': {
    mechanism: CKM.RSA_PKCS_PSS,
    pss: { hash: CKM.SHA512, mgf: CKG.MGF1_SHA512, saltBytes: 64 },
  },
  'hmac-sha224': { mechanism: CKM.SHA224_HMAC },
  'hmac-sha256': { mechanism: CKM.SHA256_HMAC },
  'hmac-sha384': { mechanism: CKM.SHA384_HMAC },
  'hmac-sha512': { mechanism: CKM.SHA512_HMAC },
  'oaep-sha1': { mechanism: CKM.RSA_PKCS_OAEP, oaep: { hash: CKM.SHA_1, mgf: CKG.MGF1_SHA1 } },
  'oaep-sha256': { mechanism: CKM.RSA_PKCS_OAEP, oaep: { hash: CKM.SHA256, mgf: CKG.MGF1_SHA256 } },
} as const satisfies Record<string, UseMechanism>;
export type UseName = keyof typeof USE_MECHANISMS;

/** In a frame a mechanism is its place in this list. */
export const USE_NAMES = Object.keys(USE_MECHANISMS) as readonly UseName[];

/** The two ways of AES key wrap, in a frame by their place: RFC 5649, and RFC 3394 for whole blocks of 8 bytes. */
export const WRAP_NAMES = ['AES_KEY_WRAP_PAD', 'AES_KEY_WRAP'] as const;
export type WrapName = (typeof WRAP_NAMES)[number];

export type KeyClass = 'private' | 'secret';
export const CLASS_NUMBERS: Readonly<Record<KeyClass, number>> = { private: CKO.PRIVATE_KEY, secret: CKO.SECRET_KEY };

/** CKA_ID in bytes: 16 of ours, and what others chose. */
export const ID_BYTES_MAX = 128;

/** The key that an operation uses, and one byte for the mechanism: what stands before every input. */
export function useHead(mechanism: number, keyClass: KeyClass, id: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(mechanism, CLASS_NUMBERS[keyClass], id.length), id]);
}

export interface UseBody {
  readonly mechanism: number;
  readonly keyClass: number;
  /** Class and id of the key as one text, by which its handle is remembered. */
  readonly name: string;
  readonly id: Buffer;
  readonly input: Buffer;
}

export function readUse(body: Buffer): UseBody {
  const end = 3 + body[2]!;
  return {
    mechanism: body[0]!,
    keyClass: body[1]!,
    name: body.toString('latin1', 1, end),
    id: body.subarray(3, end),
    input: body.subarray(end),
  };
}

/** How AES-GCM is called, which differs between vendors: who makes the nonce, and where it comes back. */
export const GCM_MODES = ['caller', 'hsm-writeback', 'hsm-prepended'] as const;
export type GcmMode = (typeof GCM_MODES)[number];

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** What a host is started with. */
export interface StartRequest {
  readonly library: string;
  readonly tokenLabel: string;
  readonly tokenSerial: string | null;
  readonly userType: number;
  readonly pin: string;
  readonly lanes: number;
  readonly asynchronous: boolean;
  readonly readWrite: boolean;
  readonly inputBytesMax: number;
}

export interface MechanismInfo {
  readonly mechanism: number;
  readonly flags: number;
  readonly minKeySize: number;
  readonly maxKeySize: number;
}

/** What a host says of the token that it logged in to. */
export interface TokenFacts {
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly mechanisms: readonly MechanismInfo[];
}

/** Search for private and secret keys. */
export interface FindRequest {
  readonly id?: string;
  readonly label?: string;
  /** Refuse where there is none, rather than find nothing. */
  readonly required?: boolean;
}

/** A key as the token has it: private or secret, with its public part where there is one. Bytes are hexadecimal. */
export interface FoundKey {
  readonly keyClass: KeyClass;
  readonly id: string;
  readonly label: string;
  readonly keyType: number;
  readonly uses: readonly ('encrypt' | 'decrypt' | 'wrap' | 'unwrap' | 'sign' | 'derive')[];
  readonly local: boolean;
  readonly alwaysSensitive: boolean;
  readonly neverExtractable: boolean;
  readonly sensitive: boolean;
  readonly extractable: boolean;
  readonly valueBytes: number | null;
  readonly modulus: string | null;
  readonly publicExponent: string | null;
  readonly curve: string | null;
  readonly point: string | null;
  /** CKA_PUBLIC_KEY_INFO: SPKI. */
  readonly spki: string | null;
}

export type AttributeValue = boolean | number | Uint8Array;
/** Attributes by their number. */
export type Template = ReadonlyMap<number, AttributeValue>;

const KINDS = { boolean: 0, number: 1, bytes: 2 } as const;
const ATTRIBUTE_BYTES = 9;

/** Number, kind, length, bytes: no JSON, because values of imported keys stand here. */
export function encodeTemplate(template: Template): Buffer {
  const parts: Uint8Array[] = [];
  for (const [type, value] of template) {
    const head = Buffer.alloc(ATTRIBUTE_BYTES);
    const bytes = typeof value === 'object' ? value : numberBytes(Number(value));
    head.writeUInt32BE(type, 0);
    head.writeUInt8(typeof value === 'object' ? KINDS.bytes : KINDS[typeof value as 'boolean' | 'number'], 4);
    head.writeUInt32BE(bytes.length, 5);
    parts.push(head, bytes);
  }
  return Buffer.concat(parts);
}

export interface AttributeOf {
  readonly type: number;
  readonly value: boolean | number | Buffer;
}

/** As `pkcs11js` takes it. */
export function decodeTemplate(encoded: Buffer): AttributeOf[] {
  const attributes: AttributeOf[] = [];
  for (let at = 0; at < encoded.length;) {
    const type = encoded.readUInt32BE(at);
    const kind = encoded.readUInt8(at + 4);
    const end = at + ATTRIBUTE_BYTES + encoded.readUInt32BE(at + 5);
    const bytes = encoded.subarray(at + ATTRIBUTE_BYTES, end);
    attributes.push({ type, value: kind === KINDS.bytes ? Buffer.from(bytes) : valueOf(kind, bytes.readUInt32BE()) });
    at = end;
  }
  return attributes;
}

function valueOf(kind: number, value: number): boolean | number {
  return kind === KINDS.boolean ? value === 1 : value;
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Length-prefixed fields of a body. */
export const fields = lengthPrefixed;

export function readFields(body: Buffer): Buffer[] {
  const read: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 4 + body.readUInt32BE(at);
    read.push(body.subarray(at + 4, end));
    at = end;
  }
  return read;
}

export function jsonBody(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** An act of a security officer, each in a process of its own. */
export type CeremonyRequest = { readonly library: string } & (
  | { readonly act: 'list' }
  /** `serial` of a token to be erased; null for one that is not initialised yet. */
  | { readonly act: 'init-token'; readonly serial: string | null; readonly soPin: string; readonly label: string }
  | {
      readonly act: 'init-pin';
      readonly label: string;
      readonly serial: string | null;
      readonly soPin: string;
      readonly pin: string;
    }
  | {
      readonly act: 'set-pin';
      readonly label: string;
      readonly serial: string | null;
      readonly user: 'user' | 'so';
      readonly oldPin: string;
      readonly newPin: string;
    }
);

export interface TokenSummary {
  readonly label: string;
  readonly serial: string;
  readonly model: string;
  readonly manufacturer: string;
  readonly initialized: boolean;
  readonly pinInitialized: boolean;
  readonly pinCountLow: boolean;
  readonly pinLocked: boolean;
}
