/**
 * Principals, keys and questions for the tests of policies.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Key } from '../../../src/model/key.ts';
import type { Principal, Role } from '../../../src/model/principal.ts';
import type { PolicyRequest, PolicyResource } from '../../../src/policy/engine.ts';

export const TENANT = 'tenant-1';
export const OTHER_TENANT = 'tenant-2';

export function principal(roles: readonly Role[], more: Partial<Principal> = {}): Principal {
  return { id: 'principal-1', name: 'billing', tenantId: TENANT, roles, systemScope: false, via: 'token', ...more };
}

export function key(more: Partial<Key> = {}): Key {
  return {
    id: '0199a5e2-1f3a-7c4d-8e5f-0123456789ab',
    tenantId: TENANT,
    spec: 'AES-256-GCM',
    usage: 'encrypt-decrypt',
    state: 'Active',
    origin: 'claviger',
    description: '',
    tags: {},
    createdAt: 0,
    deletionAt: null,
    primaryVersion: 1,
    materialPresent: true,
    rotation: null,
    policy: null,
    published: false,
    homes: null,
    ...more,
  };
}

export function ofKey(more: Partial<Key> = {}): PolicyResource {
  return { kind: 'key', key: key(more) };
}

export function ofTenant(tenantId = TENANT): PolicyResource {
  return { kind: 'tenant', tenantId };
}

/** A crypto user encrypts over REST, unless said otherwise. */
export function question(
  more: Partial<Omit<PolicyRequest, 'context'>> & { readonly context?: Partial<PolicyRequest['context']> } = {},
): PolicyRequest {
  return {
    principal: principal(['crypto-user']),
    action: 'Encrypt',
    resource: ofKey(),
    ...more,
    context: { sourceAddress: '10.0.0.1', gateway: 'rest', ...more.context },
  };
}

/** Runs with a folder of an operator's policies. */
export function withFolder<T>(files: Readonly<Record<string, string>>, run: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-policies-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
