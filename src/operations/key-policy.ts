/**
 * getKeyPolicy, setKeyPolicy, confirmKeyPolicy and explainPolicy.
 *
 * @module
 */
import type { EncryptionContext } from '../model/encryption-context.ts';
import { ClavigerError, errorOf } from '../errors.ts';
import type { PolicyAction } from '../model/operation.ts';
import { isUuid, printable } from '../model/ids.ts';
import type { Principal } from '../model/principal.ts';
import { isDestroyed } from '../model/state.ts';
import { parseKeyPolicy, type Explanation } from '../policy/engine.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import type { KeyInput } from './transition.ts';

export interface KeyPolicyOutput {
  readonly keyId: string;
  readonly arn: string;
  /** Cedar text; null where the key has no policy of its own. */
  readonly policy: string | null;
}

export interface SetKeyPolicyInput extends KeyInput {
  /** Cedar text of `forbid` policies, or null to take them away. */
  readonly policy: string | null;
}

export interface ConfirmKeyPolicyInput extends KeyInput {
  /** An AWS policy document. */
  readonly document: string;
}

export interface ExplainPolicyInput {
  readonly action: PolicyAction;
  /** A key; the tenant itself where it is not given. */
  readonly key?: string | undefined;
  /** Id of a token of the caller's tenant; the caller where it is not given. */
  readonly principal?: string | undefined;
  readonly context?: EncryptionContext | undefined;
  readonly sourceAddress?: string | undefined;
}

export interface ExplainPolicyOutput extends Explanation {
  readonly principal: { readonly id: string; readonly name: string; readonly roles: readonly string[] };
  readonly action: string;
  readonly resource: string;
}

export const getKeyPolicy: Operation<KeyInput, KeyPolicyOutput> = {
  name: 'GetKeyPolicy',
  async run(scope, input) {
    const { key } = await scope.readKey(input.key);
    return { output: { keyId: key.id, arn: await scope.arn(key.id), policy: key.policy } };
  },
};

export const setKeyPolicy: Operation<SetKeyPolicyInput, KeyPolicyOutput> = {
  name: 'SetKeyPolicy',
  async run(scope, { key: name, policy }) {
    const { key } = await scope.manageKey(name);
    if (isDestroyed(key.state)) throw new ClavigerError('KEY_STATE', `key ${key.id} is destroyed`);
    if (policy !== null) parseKeyPolicy(policy);
    return {
      output: { keyId: key.id, arn: await scope.arn(key.id), policy },
      changes: [{ put: 'key', key: { ...key, policy } }],
    };
  },
};

/** The default document of AWS: the account's own policies decide, which here are the roles. */
export function defaultPolicyDocument(accountId: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  });
}

/**
 * Takes an AWS policy document that says what holds anyway, and changes nothing. Any other is refused: a document that
 * was stored and not enforced would be a lie.
 */
export const confirmKeyPolicy: Operation<ConfirmKeyPolicyInput, Record<string, never>> = {
  name: 'ConfirmKeyPolicy',
  async run(scope, { key: name, document }) {
    await scope.manageKey(name);
    await requireDefaultDocument(scope, document);
    return { output: {} };
  },
};

/** @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) */
export async function requireDefaultDocument(scope: Scope, document: string): Promise<void> {
  const { accountId } = await scope.tenant();
  if (canonicalDocument(document) === canonicalDocument(defaultPolicyDocument(accountId))) return;
  throw errorOf(
    'MalformedPolicyDocument',
    'only the default key policy is taken here; narrow a key with `claviger policy set` (Cedar), grant by roles',
  );
}

/** The document without what has no effect: names of statements, order of fields, a list of one. */
function canonicalDocument(text: string): string {
  let parsed: { Statement?: unknown } | null;
  try {
    parsed = JSON.parse(text) as { Statement?: unknown } | null;
  } catch {
    throw errorOf('MalformedPolicyDocument', 'the key policy is not JSON');
  }
  const statements = Array.isArray(parsed?.Statement) ? parsed.Statement : [parsed?.Statement];
  return JSON.stringify(
    statements.map((statement: Record<string, unknown> | null) => {
      const fields = Object.entries(statement ?? {}).filter(([name]) => name !== 'Sid');
      return fields
        .map(
          ([name, value]) =>
            [name, Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value] as const,
        )
        .toSorted(([a], [b]) => (a < b ? -1 : 1));
    }),
  );
}

export const explainPolicy: Operation<ExplainPolicyInput, ExplainPolicyOutput> = {
  name: 'ExplainPolicy',
  async run(scope, { action, key: name, principal: about, context, sourceAddress }) {
    scope.readTenant();
    const key = name === undefined ? null : (await scope.resolve(name)).key;
    const principal = about === undefined ? scope.principal : await principalOf(scope, about);
    const explanation = scope.services.policy.explain({
      principal,
      action,
      resource: key === null ? { kind: 'tenant', tenantId: scope.principal.tenantId } : { kind: 'key', key },
      context: {
        sourceAddress: sourceAddress ?? null,
        gateway: scope.call.gateway,
        ...(context === undefined ? {} : { encryptionContext: context }),
      },
    });
    return {
      output: {
        principal: { id: principal.id, name: principal.name, roles: principal.roles },
        action,
        resource: key === null ? 'tenant' : `key ${key.id}`,
        ...explanation,
      },
    };
  },
};

async function principalOf(scope: Scope, id: string): Promise<Principal> {
  const found = isUuid(id) ? await scope.services.cache.credential(id) : null;
  if (found === null || found.tenantId !== scope.principal.tenantId) {
    throw new ClavigerError(
      'NOT_FOUND',
      `token \`${printable(id)}\` does not exist; \`claviger token list\` shows ids`,
    );
  }
  const { name, tenantId, roles, systemScope, kind } = found;
  return { id, name, tenantId, roles, systemScope, via: kind === 'aws' ? 'sigv4' : 'token' };
}
