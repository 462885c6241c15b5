/**
 * Who calls: tenants, roles, credentials and the principal that a credential proves.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';

export const ROLES = ['security-officer', 'key-administrator', 'crypto-user', 'auditor', 'approver'] as const;
export type Role = (typeof ROLES)[number];

/** Role → roles that its holder may give to somebody else. What is not here gives none. */
export const DELEGABLE: Readonly<Partial<Record<Role, readonly Role[]>>> = {
  'security-officer': ROLES,
};

/** Pairs that one principal must not hold together outside development. */
export const CONFLICTING_ROLES: readonly (readonly [Role, Role])[] = [
  ['security-officer', 'crypto-user'],
  ['key-administrator', 'auditor'],
];

/** The tenant of the service itself: the log's signing key and stored provider credentials. */
export const SYSTEM_TENANT_NAME = 'system';

export interface Tenant {
  readonly id: string;
  readonly name: string;
  /** 12 digits, for ARNs. */
  readonly accountId: string;
  readonly createdAt: number;
}

export type CredentialKind = 'token' | 'aws';

/** A stored credential. A token keeps only a hash; an AWS secret must be known to check a signature, so it is sealed. */
export interface Credential {
  readonly id: string;
  readonly tenantId: string;
  readonly kind: CredentialKind;
  readonly name: string;
  readonly roles: readonly Role[];
  /** May act on the whole service: make tenants, read the whole log. */
  readonly systemScope: boolean;
  /** For `aws` the access key id; for `token` null. */
  readonly accessKeyId: string | null;
  /** SHA-256 of the token's secret, or the sealed AWS secret. */
  readonly verifier: Uint8Array;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** Who calls, as authentication found it. */
export interface Principal {
  /** The credential's id, or the name of a job. */
  readonly id: string;
  readonly name: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  readonly systemScope: boolean;
  readonly via: 'token' | 'sigv4' | 'library' | 'job';
}

/**
 * Refuses a set of roles that one principal must not hold together.
 *
 * @throws INVALID_ARGUMENT that names the pair
 */
export function requireCompatibleRoles(roles: readonly Role[]): void {
  const pair = CONFLICTING_ROLES.find(([a, b]) => roles.includes(a) && roles.includes(b));
  if (pair === undefined) return;
  throw new ClavigerError(
    'INVALID_ARGUMENT',
    `one principal must not be \`${pair[0]}\` and \`${pair[1]}\`; make two tokens`,
  );
}

/** Roles among `wanted` that a holder of `held` may not give away. */
export function undelegable(held: readonly Role[], wanted: readonly Role[]): readonly Role[] {
  const may = new Set(held.flatMap((role) => DELEGABLE[role] ?? []));
  return wanted.filter((role) => !may.has(role));
}
