/**
 * Which suites may be written and read, as the AWS Encryption SDKs name it ("Client", commitment policy).
 *
 * A suite that does not commit to its data key lets whoever made a message give different plaintexts to the holders of
 * different keys. Such messages exist, so they can be read where somebody says so; none is written.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Suite } from './suites.ts';

export const COMMITMENT_POLICIES = [
  'require-encrypt-require-decrypt',
  'require-encrypt-allow-decrypt',
  'forbid-encrypt-allow-decrypt',
] as const;
export type CommitmentPolicy = (typeof COMMITMENT_POLICIES)[number];

interface PolicyRow {
  readonly writesCommitting: boolean;
  readonly readsOthers: boolean;
}

const POLICIES: ReadonlyMap<string, PolicyRow> = new Map<CommitmentPolicy, PolicyRow>([
  ['require-encrypt-require-decrypt', { writesCommitting: true, readsOthers: false }],
  ['require-encrypt-allow-decrypt', { writesCommitting: true, readsOthers: true }],
  ['forbid-encrypt-allow-decrypt', { writesCommitting: false, readsOthers: true }],
]);

/** @throws INVALID_ARGUMENT for any other name */
export function requirePolicy(policy: string): CommitmentPolicy {
  if (POLICIES.has(policy)) return policy as CommitmentPolicy;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `there is no commitment policy \`${policy}\`: it is one of \`${COMMITMENT_POLICIES.join('`, `')}\``,
  );
}

/** @throws UNSUPPORTED where the policy forbids the suites that we write */
export function requireMayEncrypt(policy: CommitmentPolicy): void {
  if (POLICIES.get(policy)!.writesCommitting) return;
  throw new ClavigerError(
    'UNSUPPORTED',
    `cannot encrypt under the commitment policy \`${policy}\`: only suites that commit to their data key are written`,
  );
}

/** @throws UNSUPPORTED where the suite does not commit and the policy wants that */
export function requireMayDecrypt(policy: CommitmentPolicy, suite: Suite): void {
  if (suite.committing || POLICIES.get(policy)!.readsOthers) return;
  throw new ClavigerError(
    'UNSUPPORTED',
    `the message is of suite \`${suite.name}\`, which does not commit to its data key: to read it all the same, choose the commitment policy \`require-encrypt-allow-decrypt\``,
  );
}
