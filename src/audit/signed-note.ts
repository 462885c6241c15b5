/**
 * Reading of signed notes: what the signers of checkpoints, the log itself and its witnesses, have put under a text
 * (C2SP signed-note, tlog-checkpoint and tlog-cosignature). `note.ts` writes the log's own.
 *
 * Everything here comes from outside. A text that is no note gives null or an error in words, never a crash.
 *
 * @module
 * @see https://c2sp.org/signed-note
 * @see https://c2sp.org/tlog-cosignature
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { ClavigerError } from '../errors.ts';

/** A checkpoint has a few hundred bytes; post-quantum cosignatures some thousand each. */
const NOTE_CHARS_MAX = 262_144;
const KEY_ID_BYTES = 4;
const TIMESTAMP_BYTES = 8;
const TIMESTAMP_MAX = 2n ** 63n - 1n;
const ROOT_BYTES = 32;
/** No ASCII control character but the newline; U+FFFD is what bytes that are not UTF-8 have become. */
// oxlint-disable-next-line no-control-regex
const NOT_TEXT = /[\u0000-\u0009\u000b-\u001f\ufffd]/;
const NAME = /^[^\s\u0085+]+$/u;
const SIGNATURE_LINE = /^— ([^\s\u0085+]+) ([A-Za-z0-9+/]+={0,2})$/u;

/** What a checkpoint's text says. */
export interface CheckpointText {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
  /** As it stands in the note, without its newline. */
  readonly line: string;
}

export interface SignedNote {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A key that signs notes: name and key id together tell whose a signature line is. */
export interface VerifierKey {
  readonly name: string;
  readonly keyId: Buffer;
  readonly type: SignatureType;
  readonly key: KeyObject;
}

interface SignatureRow {
  readonly about: string;
  readonly publicKeyBytes: number;
  readonly signatureBytes: number;
  /** A cosignature says when it was made. */
  readonly timestamped: boolean;
  /** What stands before the raw key in its SPKI form. */
  readonly spkiHead: Buffer;
  /** The bytes under the signature; null where the text is none that this type signs. */
  readonly signed: (text: string, name: string, timestamp: bigint) => Buffer | null;
}

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const ML_DSA_44_SPKI = Buffer.from('30820532300b06096086480165030403110382052100', 'hex');

/** Signature types of signed-note that are read here, by their byte. */
const TYPES = {
  0x01: {
    about: 'an Ed25519 key of a log',
    publicKeyBytes: 32,
    signatureBytes: 64,
    timestamped: false,
    spkiHead: ED25519_SPKI,
    signed: (text) => Buffer.from(text),
  },
  0x04: {
    about: 'an Ed25519 key of a witness',
    publicKeyBytes: 32,
    signatureBytes: 64,
    timestamped: true,
    spkiHead: ED25519_SPKI,
    signed: (text, _, timestamp) => Buffer.from(`cosignature/v1\ntime ${timestamp}\n${text}`),
  },
  0x06: {
    about: 'an ML-DSA-44 key of a witness',
    publicKeyBytes: 1312,
    signatureBytes: 2420,
    timestamped: true,
    spkiHead: ML_DSA_44_SPKI,
    signed: subtreeMessage,
  },
} as const satisfies Record<number, SignatureRow>;

export type SignatureType = keyof typeof TYPES;
/** The type by which a log signs. */
export const LOG_KEY_TYPES: readonly SignatureType[] = [0x01];
/** Types by which witnesses sign. */
export const COSIGNATURE_TYPES: readonly SignatureType[] = [0x04, 0x06];

/**
 * Reads a verifier key: `name+keyid+base64(type ‖ public key)`.
 *
 * @param what names it in the error
 * @param types signature types that are taken
 * @throws INVALID_ARGUMENT that says what is wrong with it
 */
export function parseVerifierKey(text: string, what: string, types: readonly SignatureType[]): VerifierKey {
  const refuse = (why: string): never => {
    throw new ClavigerError('INVALID_ARGUMENT', `\`${what}\` is no verifier key: ${why}`);
  };
  const match = /^([^\s\u0085+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text);
  if (match === null) return refuse('its form is `name+keyid+key`, in one line');
  const [, name = '', keyId = '', encoded = ''] = match;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return refuse('its last part is not base64');
  const type = types.find((known) => known === bytes[0]);
  if (type === undefined)
    return refuse(`its type is not one of ${types.map((known) => TYPES[known].about).join(', ')}`);
  const { publicKeyBytes, spkiHead, about } = TYPES[type];
  if (bytes.length !== 1 + publicKeyBytes) return refuse(`${about} has ${publicKeyBytes} bytes`);
  const computed = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), bytes]), 'buffer').subarray(0, KEY_ID_BYTES);
  if (computed.toString('hex') !== keyId) return refuse(`its key id is ${computed.toString('hex')}, not ${keyId}`);
  try {
    const key = createPublicKey({ key: Buffer.concat([spkiHead, bytes.subarray(1)]), format: 'der', type: 'spki' });
    return { name, keyId: computed, type, key };
  } catch {
    return refuse(`these bytes are not ${about}`);
  }
}

/** Splits a note into its text and signature lines; null where it is none. */
export function parseNote(note: string): SignedNote | null {
  if (note.length > NOTE_CHARS_MAX || NOT_TEXT.test(note)) return null;
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return null;
  const signatures = parseSignatureLines(note.slice(end + 2));
  return signatures === null || signatures.length === 0 ? null : { text: note.slice(0, end + 1), signatures };
}

/** Reads signature lines, each with its newline; null where there is anything else. */
export function parseSignatureLines(lines: string): readonly NoteSignature[] | null {
  if (lines.length > NOTE_CHARS_MAX || NOT_TEXT.test(lines) || (lines !== '' && !lines.endsWith('\n'))) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines.split('\n').slice(0, -1)) {
    const match = SIGNATURE_LINE.exec(line);
    const bytes = Buffer.from(match?.[2] ?? '', 'base64');
    if (match === null || bytes.toString('base64') !== match[2] || bytes.length <= KEY_ID_BYTES) return null;
    const [keyId, signature] = [bytes.subarray(0, KEY_ID_BYTES), bytes.subarray(KEY_ID_BYTES)];
    signatures.push({ name: match[1]!, keyId, signature, line });
  }
  return signatures;
}

/** Reads the text of a checkpoint; null where it is none. Lines of extensions after the third are allowed. */
export function parseCheckpoint(text: string): CheckpointText | null {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  const hashed = Buffer.from(root, 'base64');
  if (!NAME.test(origin) || !/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size))) return null;
  if (hashed.length !== ROOT_BYTES || hashed.toString('base64') !== root || rest.at(-1) !== '') return null;
  return { origin, size: Number(size), root: hashed };
}

/** True for a signature line that says that it is by this key; whether it is, `verifySignature` says. */
export function isBy({ name, keyId }: NoteSignature, key: VerifierKey): boolean {
  return name === key.name && keyId.equals(key.keyId);
}

/** The time in a cosignature, in seconds; null for a signature that has none, or one that is out of range. */
export function timestampOf({ signature }: NoteSignature, { type }: VerifierKey): bigint | null {
  if (!TYPES[type].timestamped || signature.length !== TIMESTAMP_BYTES + TYPES[type].signatureBytes) return null;
  const timestamp = signature.readBigUInt64BE();
  return timestamp <= TIMESTAMP_MAX ? timestamp : null;
}

/** True where the signature over the text is by the key. */
export function verifySignature(text: string, signature: NoteSignature, key: VerifierKey): boolean {
  if (!isBy(signature, key)) return false;
  const { timestamped, signatureBytes, signed } = TYPES[key.type] as SignatureRow;
  const timestamp = timestamped ? timestampOf(signature, key) : 0n;
  if (timestamp === null) return false;
  const bytes = timestamped ? signature.signature.subarray(TIMESTAMP_BYTES) : signature.signature;
  const message = signed(text, key.name, timestamp);
  return message !== null && bytes.length === signatureBytes && verify(null, message, key.key, bytes);
}

/** The note with more signature lines; a newer line of a key replaces its older one. */
export function withSignatures(note: SignedNote, more: readonly NoteSignature[]): string {
  const replaced = (old: NoteSignature): boolean =>
    more.some(({ name, keyId }) => name === old.name && keyId.equals(old.keyId));
  const lines = [...note.signatures.filter((old) => !replaced(old)), ...more].map(({ line }) => `${line}\n`);
  return `${note.text}\n${lines.join('')}`;
}

/** `cosigned_message` of tlog-cosignature, for a whole tree: extension lines are no part of it. */
function subtreeMessage(text: string, name: string, timestamp: bigint): Buffer | null {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint === null) return null;
  const { origin, size, root } = checkpoint;
  const [cosigner, log] = [Buffer.from(name), Buffer.from(origin)];
  if (cosigner.length > 255 || log.length > 255) return null;
  return Buffer.concat([
    Buffer.from('subtree/v1\n\0'),
    Buffer.of(cosigner.length),
    cosigner,
    uint64(timestamp),
    Buffer.of(log.length),
    log,
    uint64(0n),
    uint64(BigInt(size)),
    root,
  ]);
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
