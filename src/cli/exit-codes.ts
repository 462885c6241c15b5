/**
 * Exit codes, in one table: scripts rely on them, so a number never changes its meaning.
 *
 * @module
 */
import { ERRORS, type ErrorCode } from '../errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notAuthentic: 3,
  notFound: 4,
  denied: 5,
  unavailable: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What each code says, for `claviger help exit-codes`. */
export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'refused or failed; the message says why, and what to do next'],
  [EXIT.usage, 'wrong usage: the command line was not understood, and nothing was sent'],
  [EXIT.notAuthentic, 'a signature or MAC does not verify, or a ciphertext does not open'],
  [EXIT.notFound, 'the key, alias, token or tenant does not exist'],
  [EXIT.denied, 'not authenticated, or not permitted'],
  [EXIT.unavailable, 'the server cannot be reached or cannot answer now; the same command may succeed later'],
  [EXIT.interrupted, 'interrupted with Ctrl-C'],
];

const BY_CODE: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  INVALID_CIPHERTEXT: EXIT.notAuthentic,
  INVALID_SIGNATURE: EXIT.notAuthentic,
  INVALID_MAC: EXIT.notAuthentic,
  KEY_NOT_FOUND: EXIT.notFound,
  NOT_FOUND: EXIT.notFound,
  UNAUTHENTICATED: EXIT.denied,
  PERMISSION_DENIED: EXIT.denied,
  APPROVAL_REQUIRED: EXIT.denied,
};

/** The exit code of an error: by its code, or by whether a repeat may succeed. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  const { disposition } = ERRORS[code];
  const again = disposition !== 'fatal' && disposition !== 'pending';
  return BY_CODE[code] ?? (again ? EXIT.unavailable : EXIT.failed);
}
