/**
 * Signed notes and verifier keys (C2SP signed-note), cosignatures of witnesses (C2SP tlog-cosignature).
 *
 * A log signs with Ed25519 (type 0x01), a witness with Ed25519 (0x04, `cosignature/v1`) or ML-DSA-44 (0x06, `subtree/v1`). Lines
 * of other keys are passed over, as the specification asks.
 *
 * @module
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { bytesOf } from './base64.ts';
import { MalformedError } from './finding.ts';
import { HASH_BYTES } from './merkle.ts';

/** A note of ours has some hundred bytes; one with post-quantum cosignatures some tens of thousands. */
const NOTE_BYTES_MAX = 1 << 20;
/** The specification asks for 16 at least. */
const SIGNATURES_MAX = 100;
const KEY_ID_BYTES = 4;
const TIME_BYTES = 8;

interface SignatureType {
  readonly byte: number;
  readonly publicKeyBytes: number;
  readonly signatureBytes: number;
  readonly keyType: 'ed25519' | 'ml-dsa-44';
  /** What a witness of this name signs at a time, in seconds since 1970. */
  readonly cosigned: (text: string, name: string, time: bigint) => Buffer;
}

const ED25519 = { publicKeyBytes: 32, signatureBytes: 64, keyType: 'ed25519' } as const;

/** Signature types of the specification, by who signs. */
const TYPES: Readonly<Record<'log' | 'witness', readonly SignatureType[]>> = {
  log: [{ ...ED25519, byte: 0x01, cosigned: timedText }],
  witness: [
    { ...ED25519, byte: 0x04, cosigned: timedText },
    { byte: 0x06, publicKeyBytes: 1312, signatureBytes: 2420, keyType: 'ml-dsa-44', cosigned: subtree },
  ],
};

export interface VerifierKey {
  readonly name: string;
  readonly type: SignatureType;
  /** First four bytes of the hash of name, type and public key, in hexadecimal. */
  readonly id: string;
  readonly publicKey: KeyObject;
  /** The line it was read from. */
  readonly text: string;
}

/**
 * Reads `<name>+<key id>+<base64 of type and public key>`.
 *
 * @throws MalformedError
 */
export function parseVerifierKey(text: string, of: keyof typeof TYPES = 'log'): VerifierKey {
  const [, name, id, encoded] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text) ?? [];
  if (name === undefined || id === undefined || encoded === undefined) {
    throw new MalformedError('is not a verifier key: one line of the form NAME+KEYID+BASE64');
  }
  const material = bytesOf(encoded);
  const type = TYPES[of].find(({ byte }) => byte === material[0]);
  if (type === undefined || material.length !== 1 + type.publicKeyBytes) {
    const kinds = TYPES[of].map(({ keyType }) => KIND_NAMES[keyType]).join(' or ');
    throw new MalformedError(`is not the ${kinds} verifier key of a ${of}`);
  }
  const computed = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), material]), 'buffer')
    .subarray(0, KEY_ID_BYTES)
    .toString('hex');
  if (computed !== id)
    throw new MalformedError(`has the key id ${id}, but its name and key make ${computed}; copy it again`);
  return { name, type, id, publicKey: publicKeyOf(type, material.subarray(1)), text };
}

const KIND_NAMES = { ed25519: 'Ed25519', 'ml-dsa-44': 'ML-DSA-44' } as const;

export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Buffer;
}

export interface Note {
  /** What is signed, with its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** @throws MalformedError */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > NOTE_BYTES_MAX) throw new MalformedError(`has more than ${NOTE_BYTES_MAX} bytes`);
  const whole = utf8(bytes);
  // oxlint-disable-next-line no-control-regex -- these are what a note may not have
  if (/[\u0000-\u0009\u000b-\u001f]/u.test(whole)) throw new MalformedError('has control characters');
  const split = whole.lastIndexOf('\n\n');
  if (split < 0 || !whole.endsWith('\n'))
    throw new MalformedError('has no blank line between its text and its signatures');
  const lines = whole.slice(split + 2, -1).split('\n');
  if (lines.length > SIGNATURES_MAX) throw new MalformedError(`has more than ${SIGNATURES_MAX} signatures`);
  return { text: whole.slice(0, split + 1), signatures: lines.map(signatureOf) };
}

/** What a note says of a key: it signed, it did not, or there is a line of it that does not verify. */
export type Verdict = 'signed' | 'unsigned' | 'forged';

export function verdictOf({ text, signatures }: Note, key: VerifierKey): Verdict {
  const lines = signatures.filter(({ name, keyId }) => name === key.name && keyId === key.id);
  if (lines.length === 0) return 'unsigned';
  const good = lines.every(({ signature }) => verifies(key, Buffer.from(text), signature));
  return good ? 'signed' : 'forged';
}

/**
 * When a witness cosigned, in seconds since 1970: the latest time where it did so more than once, null where it did not.
 *
 * @throws MalformedError where there is a line of this witness that does not verify
 */
export function cosignedAt({ text, signatures }: Note, witness: VerifierKey): number | null {
  let latest: number | null = null;
  for (const { name, keyId, signature } of signatures) {
    if (name !== witness.name || keyId !== witness.id) continue;
    const { signatureBytes, cosigned } = witness.type;
    const time = signature.length === TIME_BYTES + signatureBytes ? signature.readBigUInt64BE() : null;
    if (time === null || !verifies(witness, cosigned(text, name, time), signature.subarray(TIME_BYTES))) {
      throw new MalformedError(`has a cosignature of the witness \`${name}\` that does not verify`);
    }
    latest = Math.max(latest ?? 0, Number(time));
  }
  return latest;
}

function signatureOf(line: string): NoteSignature {
  const [, name, encoded] = /^— ([^+\s]+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
  if (name === undefined) throw new MalformedError('has a line among its signatures that is none');
  const bytes = bytesOf(encoded);
  if (bytes.length <= KEY_ID_BYTES) throw new MalformedError('has a signature that is too short');
  return { name, keyId: bytes.toString('hex', 0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

function verifies({ type, publicKey }: VerifierKey, message: Buffer, signature: Buffer): boolean {
  return signature.length === type.signatureBytes && verify(null, message, publicKey, signature);
}

/** @throws MalformedError where the bytes are no public key */
function publicKeyOf({ keyType }: SignatureType, key: Buffer): KeyObject {
  try {
    return createPublicKey({ key, format: 'raw-public', asymmetricKeyType: keyType });
  } catch {
    throw new MalformedError(`has bytes that are no public key of ${KIND_NAMES[keyType]}`);
  }
}

function timedText(text: string, _name: string, time: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}

/** The head of the checkpoint as a subtree that is the whole tree; lines of extensions are no part of it. */
function subtree(text: string, name: string, time: bigint): Buffer {
  const [origin = '', size = '', root] = text.split('\n');
  if (!/^(0|[1-9]\d{0,15})$/.test(size)) throw new MalformedError('has no size in its second line');
  const fixed = Buffer.alloc(8 + 8);
  fixed.writeBigUInt64BE(BigInt(size), 8);
  const stamp = Buffer.alloc(TIME_BYTES);
  stamp.writeBigUInt64BE(time);
  return Buffer.concat([
    Buffer.from('subtree/v1\n\0'),
    short(name),
    stamp,
    short(origin),
    fixed,
    bytesOf(root, HASH_BYTES),
  ]);
}

/** A text behind the byte that says its length. */
function short(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new MalformedError(`has a name that is too long to be cosigned by ML-DSA: \`${text}\``);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** @throws MalformedError where the bytes are not UTF-8; a byte order mark is a character like others */
export function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new MalformedError('is not UTF-8');
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
