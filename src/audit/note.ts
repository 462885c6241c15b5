/**
 * Checkpoints: signed statements of how long the log is and what its root is, in the forms of C2SP tlog-checkpoint and
 * signed-note, signed with Ed25519.
 *
 * @module
 * @see https://c2sp.org/tlog-checkpoint
 * @see https://c2sp.org/signed-note
 */
import { createPublicKey, hash, sign, type KeyObject } from 'node:crypto';
import type { StoredCheckpoint } from '../store/contract.ts';

/** Signature type of signed-note for Ed25519. */
const ED25519 = Buffer.of(0x01);
const KEY_ID_BYTES = 4;
/** SPKI of an Ed25519 key is a fixed head and the 32 bytes of the key. */
const PUBLIC_KEY_BYTES = 32;

/** Who signs the log's checkpoints. */
export interface LogSigner {
  /** Name of the log, and of its key: no white space, no `+`. */
  readonly origin: string;
  readonly key: KeyObject;
}

/** The verifier key of a log in one line: `origin+keyid+key`. */
export function verifierKey({ origin, key }: LogSigner): string {
  const encoded = encodedPublicKey(key);
  return `${origin}+${keyId(origin, encoded).toString('hex')}+${encoded.toString('base64')}`;
}

/** Signs how many records there are and what the root over them is. */
export function signCheckpoint({ origin, key }: LogSigner, size: number, root: Uint8Array): StoredCheckpoint {
  const text = `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
  const signature = Buffer.concat([keyId(origin, encodedPublicKey(key)), sign(null, Buffer.from(text), key)]);
  return { size, note: `${text}\n— ${origin} ${signature.toString('base64')}\n` };
}

/** The root that a checkpoint of ours states. */
export function rootOf({ note }: StoredCheckpoint): Buffer {
  return Buffer.from(note.split('\n')[2] ?? '', 'base64');
}

function encodedPublicKey(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return Buffer.concat([ED25519, spki.subarray(-PUBLIC_KEY_BYTES)]);
}

function keyId(origin: string, encoded: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from(`${origin}\n`), encoded]), 'buffer').subarray(0, KEY_ID_BYTES);
}
