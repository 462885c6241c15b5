/**
 * Signed notes and verifier keys (C2SP signed-note), cosignatures of witnesses (C2SP tlog-cosignature, `cosignature/v1`).
 *
 * Ed25519 only, type 0x01 for a log and 0x04 for a witness. Lines of other keys are passed over, as the specification asks.
 *
 * @module
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { bytesOf } from './base64.ts';
import { MalformedError } from './finding.ts';

/** A note of ours has some hundred bytes; one with post-quantum cosignatures some tens of thousands. */
const NOTE_BYTES_MAX = 1 << 20;
/** The specification asks for 16 at least. */
const SIGNATURES_MAX = 100;
const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;

/** Signature types of the specification, by who signs. */
const TYPES = { log: 0x01, witness: 0x04 } as const;

export interface VerifierKey {
  readonly name: string;
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
  if (material[0] !== TYPES[of] || material.length !== 1 + PUBLIC_KEY_BYTES) {
    throw new MalformedError(`is not the Ed25519 verifier key of a ${of}`);
  }
  const computed = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), material]), 'buffer')
    .subarray(0, KEY_ID_BYTES)
    .toString('hex');
  if (computed !== id)
    throw new MalformedError(`has the key id ${id}, but its name and key make ${computed}; copy it again`);
  return { name, id, publicKey: ed25519Key(material.subarray(1)), text };
}

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
    const time = signature.length === TIME_BYTES + SIGNATURE_BYTES ? signature.readBigUInt64BE() : null;
    const message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
    if (time === null || !verifies(witness, message, signature.subarray(TIME_BYTES))) {
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

function verifies({ publicKey }: VerifierKey, message: Buffer, signature: Buffer): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, message, publicKey, signature);
}

function ed25519Key(publicKey: Buffer): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') },
    format: 'jwk',
  });
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
