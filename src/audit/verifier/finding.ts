/**
 * What a verifier can find wrong with a log: every kind in one table, with what it means for whoever reads it.
 *
 * @module
 */

/** Kind → what to do. docs/guides/audit-verification.md says the same in more words. */
export const FINDINGS = {
  'record-changed': 'the records were edited after they were signed: keep this copy, and find out who could write them',
  'record-removed': 'records were taken out after they were signed: keep this copy, and find out who could write them',
  'record-inserted':
    'records were put in after the others were signed: keep this copy, and find out who could write them',
  'records-swapped': 'records were moved after they were signed: keep this copy, and find out who could write them',
  'tail-cut': 'get a complete copy; if there is none, the newest records were deleted after they were signed',
  'record-malformed': 'the service itself signed a record that is not one: report it, with the record',
  'other-log': 'records of two logs were mixed: get each log from its own server',
  'time-backwards': 'the clock of the records was set back: do not rely on their times from here on',
  'opening-changed': 'what is told beside the record is not what happened: keep this copy; the record itself is whole',
  'opening-missing': 'ask why it is gone: what was forgotten on purpose has a record of its redaction in the log',
  'opening-malformed': 'get the openings again; the records themselves are whole',
  'items-changed': 'what is told of the batch is not what happened: keep this copy; the record itself is whole',
  'tile-changed': 'get the tile again; the records themselves are whole, but proofs made from this tile fail',
  'root-differs': 'the records are not those that were signed: keep this copy, and compare it with an older one',
  'missing-file': 'get a complete copy: `claviger audit export` writes every file',
  'bad-note': 'get the checkpoint again; this one is not in the form of a signed note',
  'other-origin': 'this is the checkpoint of another log: check which server or copy it came from',
  'other-key': 'check that the key is that of this log; if it is, the log was made anew by somebody without its key',
  'bad-signature': 'the checkpoint was changed, or its signature was: do not rely on it, and get it again',
  'checkpoint-order': 'checkpoints were moved, or the log has shrunk: keep this copy',
  'checkpoint-unlisted': 'the list of checkpoints was cut: get a complete copy',
  fork: 'the log has told two stories: keep both checkpoints, together they prove it',
  rewritten: 'the log was rewritten: keep the older checkpoint and this copy, together they prove it',
  'old-checkpoint': 'an old checkpoint was served, or the tail was cut: ask again, and keep the newer checkpoint',
  'bad-cosignature': 'the line of the witness was changed: get the checkpoint again, or ask the witness',
  unwitnessed: 'no checkpoint bears a signature of this witness: check its key, and that checkpoints reach it',
  'receipt-malformed': 'get the receipt again; this one is not in the form that the service gives',
  'proof-fails': 'the record is not in the tree that the checkpoint signs: do not rely on the receipt',
} as const;

export type FindingKind = keyof typeof FINDINGS;

export interface Finding {
  readonly kind: FindingKind;
  /** The record it is about, or the first of them; null where it is about none. */
  readonly index: number | null;
  /** What is wrong, in words. */
  readonly message: string;
  /** What to do. */
  readonly next: string;
}

export function finding(
  kind: FindingKind,
  message: string,
  index: number | null = null,
  next: string = FINDINGS[kind],
): Finding {
  return { kind, index, message, next };
}

/** A finding after which there is nothing more to look at in the same place. */
export class FindingError extends Error {
  override readonly name = 'FindingError';
  readonly finding: Finding;

  constructor(kind: FindingKind, message: string, index: number | null = null) {
    super(message);
    this.finding = finding(kind, message, index);
  }
}

/** What does not have the form that it must have; the message completes a sentence about it. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}
