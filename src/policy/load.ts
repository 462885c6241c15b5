/**
 * Policies from files: ours beside this module, and the operator's from a folder.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClavigerError, errorOf, toClavigerError } from '../errors.ts';
import { parsePolicy, policySet, requireValid, type Policy, type PolicySet } from './cedar.ts';
import { KEY_POLICY_PREFIX } from './key-policy.ts';
import { splitPolicies } from './policy-text.ts';

const EXTENSION = '.cedar';
/** Our own come from the package, and roles and isolation hold whatever an operator adds. */
const OUR_FILES = [
  'tenant-isolation.cedar',
  'service.cedar',
  'roles/security-officer.cedar',
  'roles/key-administrator.cedar',
  'roles/crypto-user.cedar',
  'roles/auditor.cedar',
  'roles/approver.cedar',
] as const;
/** Policies are evaluated together at every decision that is not kept. */
const FILES_MAX = 100;
const FILE_BYTES_MAX = 256 * 1024;

/**
 * Our policies, with those of every `*.cedar` file of the folder. An id of an operator's policy is the file's name
 * without its extension, a slash, and the `@id` annotation or the policy's number in the file.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) that names the file, the line and the policy
 */
export function loadPolicies(folder: string | null): PolicySet {
  const ours = OUR_FILES.map((file) => policiesOf(file, fileURLToPath(new URL(file, import.meta.url)), ownId));
  const theirs = folder === null ? [] : filesOf(folder).map((file) => operatorPolicies(folder, file));
  return policySet([...ours, ...theirs].flat());
}

function operatorPolicies(folder: string, file: string): readonly Policy[] {
  const prefix = basename(file, EXTENSION);
  if (prefix === KEY_POLICY_PREFIX) {
    throw errorOf(
      'MalformedPolicyDocument',
      `policy file \`${file}\`: the name is taken by the policies of keys; rename it`,
    );
  }
  return policiesOf(file, join(folder, file), (annotation, number) => {
    const id = annotation ?? String(number);
    return id.startsWith(`${prefix}/`) ? id : `${prefix}/${id}`;
  });
}

function filesOf(folder: string): readonly string[] {
  const files = readFolder(folder)
    .filter((file) => file.endsWith(EXTENSION))
    .toSorted();
  if (files.length > FILES_MAX) {
    throw errorOf('MalformedPolicyDocument', `policy folder \`${folder}\` has more than ${FILES_MAX} files`);
  }
  return files;
}

function readFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new ClavigerError('INVALID_ARGUMENT', `policy folder \`${folder}\` cannot be read; check that it exists`, {
      cause,
    });
  }
}

function policiesOf(
  file: string,
  path: string,
  nameOf: (annotation: string | null, number: number) => string,
): readonly Policy[] {
  try {
    const text = readFileSync(path);
    if (text.length > FILE_BYTES_MAX) {
      throw errorOf('MalformedPolicyDocument', `a file has at most ${FILE_BYTES_MAX} bytes`);
    }
    const policies = splitPolicies(text.toString()).map((policy, index) =>
      parsePolicy(policy, (annotation) => nameOf(annotation, index + 1)),
    );
    requireValid(policySet(policies));
    return policies;
  } catch (thrown) {
    const { message } = thrown instanceof ClavigerError ? thrown : toClavigerError(thrown);
    throw errorOf('MalformedPolicyDocument', `policy file \`${file}\`, ${message}`, { cause: thrown });
  }
}

function ownId(annotation: string | null): string {
  if (annotation === null) throw errorOf('MalformedPolicyDocument', 'a policy of ours has no `@id`');
  return annotation;
}
