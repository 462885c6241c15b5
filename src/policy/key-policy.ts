/**
 * The policy of one key: `forbid` policies in Cedar that narrow who may do what with it, and never widen.
 *
 * It reaches the groups Use, Manage and Read, and UseCompromisedKey. It does not reach Govern, so that an officer can
 * undo a mistake that shuts everybody out, nor Job, so that a key is destroyed on its date.
 *
 * @module
 */
import { errorOf } from '../errors.ts';
import {
  MANAGE_OPERATIONS,
  READ_OPERATIONS,
  USE_COMPROMISED,
  USE_OPERATIONS,
  type PolicyAction,
} from '../model/operation.ts';
import { parsePolicy, policySet, requireValid, type Policy, type PolicySet } from './cedar.ts';
import { splitPolicies } from './policy-text.ts';
import { TYPES } from './schema.ts';

/** As at AWS; a policy is read with its key and evaluated at every use. */
export const KEY_POLICY_BYTES_MAX = 32 * 1024;
/** Policies in one text: each is evaluated with every decision on the key, and may stand in its record. */
const STATEMENTS_MAX = 100;
/** Before the ids of its policies; no file of policies may be called so. */
export const KEY_POLICY_PREFIX = 'key-policy';

const REACHED: ReadonlySet<string> = new Set([
  ...USE_OPERATIONS,
  ...MANAGE_OPERATIONS,
  ...READ_OPERATIONS,
  USE_COMPROMISED,
]);
const REACHED_GROUPS: ReadonlySet<string> = new Set(['Use', 'Manage', 'Read']);

/** True where a key's own policy is asked. */
export function isReached(action: PolicyAction): boolean {
  return REACHED.has(action);
}

/**
 * Parses the policy of a key.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument): too long, not Cedar, not valid against the schema, with a
 *   `permit` or a template, or about actions that it does not reach
 */
export function parseKeyPolicy(text: string): PolicySet {
  if (Buffer.byteLength(text) > KEY_POLICY_BYTES_MAX) {
    throw errorOf('MalformedPolicyDocument', `the policy of a key has at most ${KEY_POLICY_BYTES_MAX} bytes`);
  }
  const texts = splitPolicies(text);
  if (texts.length === 0)
    throw errorOf('MalformedPolicyDocument', 'the text holds no policy; write at least one `forbid`');
  if (texts.length > STATEMENTS_MAX) {
    throw errorOf('MalformedPolicyDocument', `the policy of a key has at most ${STATEMENTS_MAX} statements`);
  }
  const policies = texts.map((statement, index) =>
    parsePolicy(statement, (annotation) => `${KEY_POLICY_PREFIX}/${annotation ?? index + 1}`),
  );
  policies.forEach(requireForbid);
  const set = policySet(policies);
  requireValid(set);
  policies.forEach(requireReach);
  return set;
}

function requireForbid({ json, line }: Policy): void {
  if (json.effect !== 'forbid') {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: the policy of a key can only \`forbid\`; rights come from roles and the operator's policies`,
    );
  }
}

function requireReach({ json, line }: Policy): void {
  const beyond = actionsNamed(json).find((action) => !REACHED.has(action) && !REACHED_GROUPS.has(action));
  if (beyond !== undefined) {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: the policy of a key does not reach \`${beyond}\`, only the groups Use, Manage and Read`,
    );
  }
}

/** Every action that a policy names, in its head or in a condition. */
function actionsNamed(node: unknown): readonly string[] {
  if (typeof node !== 'object' || node === null) return [];
  const { type, id } = node as { readonly type?: unknown; readonly id?: unknown };
  if (type === TYPES.action && typeof id === 'string') return [id];
  return Object.values(node).flatMap(actionsNamed);
}
