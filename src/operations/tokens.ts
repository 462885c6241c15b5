/**
 * createToken, listTokens and revokeToken: API tokens, and access key pairs for AWS SDKs.
 *
 * A secret is shown once. Who makes a token gives away only what their roles declare as delegable.
 *
 * @module
 */
import { newAccessKey } from '../auth/access-key.ts';
import { newToken } from '../auth/token.ts';
import { ClavigerError } from '../errors.ts';
import { isUuid, printable, uuidV7 } from '../model/ids.ts';
import {
  requireCompatibleRoles,
  undelegable,
  type Credential,
  type CredentialKind,
  type Role,
  type Tenant,
} from '../model/principal.ts';
import { entity } from '../store/change.ts';
import { cutPage, pageOf, type PageInput } from './cursor.ts';
import { isoTime } from './key-info.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';

export const TOKEN_NAME_CHARS_MAX = 128;

export interface CreateTokenInput {
  readonly name: string;
  readonly roles: readonly Role[];
  /** ISO 8601; without it the token lives until it is revoked. */
  readonly expiresAt?: string | undefined;
  /** Id or name; the caller's own where it is not given. Another one takes the system scope. */
  readonly tenant?: string | undefined;
  /** `aws`: an access key pair for AWS SDKs and the AWS CLI. */
  readonly kind?: CredentialKind | undefined;
  readonly systemScope?: boolean | undefined;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly kind: CredentialKind;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  readonly systemScope: boolean;
  readonly accessKeyId: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export interface CreateTokenOutput extends TokenInfo {
  /** The API token, shown only here; of kind `aws`, `secretAccessKey` instead. */
  readonly token?: string;
  readonly secretAccessKey?: string;
}

export interface ListTokensOutput {
  readonly tokens: readonly TokenInfo[];
  readonly nextCursor: string | null;
}

export const createToken: Operation<CreateTokenInput, CreateTokenOutput> = {
  name: 'CreateToken',
  createdId: ({ id }) => id,
  async run(scope, input) {
    const tenant = await namedTenant(scope, input.tenant);
    scope.manageTenant(tenant.id);
    const { services } = scope;
    const { roles, systemScope = false } = input;
    requireGrantable(scope, roles);
    requireScopeGrantable(scope, systemScope);
    const now = services.clock.now();
    const issued = await issueCredential(scope, {
      tenantId: tenant.id,
      kind: input.kind ?? 'token',
      name: requireTokenName(input.name),
      roles: [...new Set(roles)],
      systemScope,
      createdAt: now,
      expiresAt: requireExpiry(input.expiresAt, now),
    });
    scope.note({ resource: `token/${issued.credential.id}` });
    return {
      output: { ...tokenInfo(issued.credential), ...issued.secret },
      changes: [{ put: 'credential', credential: issued.credential }],
    };
  },
};

export const listTokens: Operation<PageInput, ListTokensOutput> = {
  name: 'ListTokens',
  async run(scope, input) {
    scope.readTenant();
    const found = await scope.services.cache.store.credentials(scope.principal.tenantId, pageOf('tokens', input));
    const { page, nextCursor } = cutPage('tokens', found, input, ({ id }) => id);
    return { output: { tokens: page.map(tokenInfo), nextCursor } };
  },
};

export const revokeToken: Operation<{ readonly id: string }, TokenInfo> = {
  name: 'RevokeToken',
  async run(scope, { id }) {
    scope.note({ resource: `token/${printable(id)}` });
    scope.read.push(entity.credential(id));
    const { principal, services } = scope;
    const stored = isUuid(id) ? await services.cache.credential(id) : null;
    // Without the system scope, a token of another tenant and none look the same.
    const found = principal.systemScope || stored?.tenantId === principal.tenantId ? stored : null;
    scope.manageTenant(found?.tenantId);
    if (found === null) throw new ClavigerError('NOT_FOUND', `token \`${printable(id)}\` does not exist`);
    const credential = { ...found, revokedAt: found.revokedAt ?? services.clock.now() };
    return { output: tokenInfo(credential), changes: [{ put: 'credential', credential }] };
  },
};

interface IssuedCredential {
  readonly credential: Credential;
  readonly secret: Pick<CreateTokenOutput, 'token' | 'secretAccessKey'>;
}

/** A new credential and its secret; a token is kept as a hash, an AWS secret sealed, for it has to be known to check. */
export async function issueCredential(
  { services: { random, keyring, clock } }: Scope,
  wanted: Omit<Credential, 'id' | 'verifier' | 'accessKeyId' | 'revokedAt'>,
): Promise<IssuedCredential> {
  const id = uuidV7(clock.now(), random.bytes(10));
  if (wanted.kind === 'token') {
    const { text, verifier } = newToken(id, random);
    return { credential: { ...wanted, id, verifier, accessKeyId: null, revokedAt: null }, secret: { token: text } };
  }
  const { accessKeyId, secret } = newAccessKey(random);
  const place = { purpose: 'access-key-secret', tenantId: wanted.tenantId, id, version: 1 } as const;
  const verifier = await keyring.seal(place, Buffer.from(secret));
  return {
    credential: { ...wanted, id, verifier, accessKeyId, revokedAt: null },
    secret: { secretAccessKey: secret },
  };
}

export function tokenInfo(credential: Credential): TokenInfo {
  const { id, name, kind, tenantId, roles, systemScope, accessKeyId, createdAt, expiresAt, revokedAt } = credential;
  return {
    id,
    name,
    kind,
    tenantId,
    roles,
    systemScope,
    accessKeyId,
    createdAt: isoTime(createdAt),
    expiresAt: expiresAt === null ? null : isoTime(expiresAt),
    revokedAt: revokedAt === null ? null : isoTime(revokedAt),
  };
}

/** @throws PERMISSION_DENIED for roles that the caller may not give; INVALID_ARGUMENT for ones that conflict */
export function requireGrantable({ principal, services }: Scope, roles: readonly Role[]): void {
  if (roles.length === 0) throw new ClavigerError('INVALID_ARGUMENT', 'a token has at least one role');
  const beyond = principal.via === 'job' ? [] : undelegable(principal.roles, roles);
  if (beyond.length > 0) {
    throw new ClavigerError('PERMISSION_DENIED', `your roles may not give away \`${beyond.join('`, `')}\``);
  }
  if (!services.allowConflictingRoles) requireCompatibleRoles(roles);
}

/** @throws PERMISSION_DENIED */
export function requireScopeGrantable({ principal }: Scope, systemScope: boolean | undefined): void {
  if (systemScope !== true || principal.systemScope) return;
  throw new ClavigerError('PERMISSION_DENIED', 'only a principal of system scope may give the system scope');
}

async function namedTenant(scope: Scope, name: string | undefined): Promise<Tenant> {
  if (name === undefined) return scope.tenant();
  const { cache } = scope.services;
  const tenant = isUuid(name) ? await cache.tenant(name) : await cache.store.tenantByName(name);
  if (tenant?.id === scope.principal.tenantId) return tenant;
  // Without the system scope, another tenant and none look the same.
  if (!scope.principal.systemScope) {
    throw new ClavigerError('PERMISSION_DENIED', 'only a principal of system scope may name another tenant');
  }
  if (tenant === null) throw new ClavigerError('NOT_FOUND', `tenant \`${printable(name)}\` does not exist`);
  return tenant;
}

function requireTokenName(name: string): string {
  if (name.trim() !== '' && name.length <= TOKEN_NAME_CHARS_MAX) return name;
  throw new ClavigerError('INVALID_ARGUMENT', `a token has a name of 1 to ${TOKEN_NAME_CHARS_MAX} characters`);
}

function requireExpiry(text: string | undefined, now: number): number | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (at > now) return at;
  throw new ClavigerError('INVALID_ARGUMENT', '`expiresAt` is in the past');
}
