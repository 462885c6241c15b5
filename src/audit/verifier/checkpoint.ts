/**
 * Checkpoints (C2SP tlog-checkpoint): a signed note with origin, size and root of a tree.
 *
 * @module
 */
import { bytesOf } from './base64.ts';
import { FindingError, MalformedError } from './finding.ts';
import { HASH_BYTES } from './merkle.ts';
import { parseNote, verdictOf, type Note, type VerifierKey } from './note.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** The note as it came. */
  readonly text: string;
  readonly note: Note;
}

/** A checkpoint as somebody kept or gave it, which is not believed yet. */
export interface NamedCheckpoint {
  /** How messages name it: `the checkpoint in old.txt`. */
  readonly name: string;
  readonly note: Uint8Array;
  /** When it was verified on this machine, for one that is remembered. */
  readonly verifiedAt?: string;
}

/**
 * Reads a checkpoint, and believes it only where the log's key signed it.
 *
 * @param what names it in messages, such as `the checkpoint in the receipt`
 * @throws FindingError
 */
export function openCheckpoint(bytes: Uint8Array, key: VerifierKey, what: string): Checkpoint {
  let note: Note;
  let head: Pick<Checkpoint, 'origin' | 'size' | 'root'>;
  try {
    note = parseNote(bytes);
    head = headOf(note.text);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new FindingError('bad-note', `${what} ${error.message}`);
  }
  // Who is told first that the key is another will look at the key; so the origin, which says which log it is, comes first.
  if (head.origin !== key.name) {
    throw new FindingError(
      'other-origin',
      `${what} is one of the log \`${head.origin}\`, and the key is that of \`${key.name}\``,
    );
  }
  const verdict = verdictOf(note, key);
  if (verdict === 'unsigned') {
    const ids = note.signatures.filter(({ name }) => name === key.name).map(({ keyId }) => keyId);
    const by = ids.length === 0 ? 'no key of that name' : `another key of that name, with the id ${ids.join(', ')}`;
    throw new FindingError('other-key', `${what} is not signed by the key ${key.id}, but by ${by}`);
  }
  if (verdict === 'forged') {
    throw new FindingError('bad-signature', `the signature of ${what}, which has size ${head.size}, does not verify`);
  }
  return { ...head, text: Buffer.from(bytes).toString(), note };
}

function headOf(text: string): Pick<Checkpoint, 'origin' | 'size' | 'root'> {
  const [origin = '', size = '', root, ...extensions] = text.slice(0, -1).split('\n');
  if (origin === '') throw new MalformedError('has no origin');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new MalformedError('has no size in its second line');
  }
  if (extensions.includes('')) throw new MalformedError('has an empty line in its text');
  return { origin, size: Number(size), root: rootHash(root) };
}

function rootHash(text: string | undefined): Buffer {
  try {
    return bytesOf(text, HASH_BYTES);
  } catch {
    throw new MalformedError('has no root hash in its third line');
  }
}
