/**
 * createTenant and listTenants: owners of keys, each with its own tenant key, account id and first token.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import { uuidV7 } from '../model/ids.ts';
import { ROLES, SYSTEM_TENANT_NAME, type Role, type Tenant } from '../model/principal.ts';
import type { Change } from '../store/change.ts';
import { cutPage, pageOf, type PageInput } from './cursor.ts';
import { isoTime } from './key-info.ts';
import type { Operation } from './operation.ts';
import type { Scope } from './scope.ts';
import { issueCredential, requireGrantable, requireScopeGrantable } from './tokens.ts';

const TENANT_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const ACCOUNT_ID = /^[0-9]{12}$/;

export interface CreateTenantInput {
  /** 1 to 63 of a-z, 0-9 and -. */
  readonly name: string;
  /** 12 digits, for ARNs; made at random where it is not given. */
  readonly accountId?: string | undefined;
  /** Of the tenant's first token: security officer; in development, all. */
  readonly roles?: readonly Role[] | undefined;
  /** Of the tenant's first token; only a caller of system scope may give it. */
  readonly systemScope?: boolean | undefined;
}

export interface TenantInfo {
  readonly id: string;
  readonly name: string;
  readonly accountId: string;
  readonly createdAt: string;
}

export interface CreateTenantOutput extends TenantInfo {
  /** Shown only here. */
  readonly token: string;
}

export interface ListTenantsOutput {
  readonly tenants: readonly TenantInfo[];
  readonly nextCursor: string | null;
}

export const createTenant: Operation<CreateTenantInput, CreateTenantOutput> = {
  name: 'CreateTenant',
  createdId: ({ id }) => id,
  async run(scope, input) {
    const { services } = scope;
    scope.manageTenant();
    const roles = input.roles ?? (services.allowConflictingRoles ? ROLES : ['security-officer']);
    requireGrantable(scope, roles);
    requireScopeGrantable(scope, input.systemScope);
    const { tenant, put } = await newTenant(scope, input);
    const { credential, secret } = await issueCredential(scope, {
      tenantId: tenant.id,
      kind: 'token',
      name: `first token of ${tenant.name}`,
      roles,
      systemScope: input.systemScope ?? false,
      createdAt: tenant.createdAt,
      expiresAt: null,
    });
    return {
      output: { ...tenantInfo(tenant), token: secret.token! },
      changes: [put, { put: 'credential', credential }],
    };
  },
};

/** As createTenant, for the service's own start: a tenant that nobody has a token of yet. */
export const openTenant: Operation<CreateTenantInput, TenantInfo> = {
  name: 'CreateTenant',
  async run(scope, input) {
    scope.manageTenant();
    const { tenant, put } = await newTenant(scope, input);
    return { output: tenantInfo(tenant), changes: [put] };
  },
};

export const listTenants: Operation<PageInput, ListTenantsOutput> = {
  name: 'ListTenants',
  async run(scope, input) {
    scope.readTenant();
    const found = await scope.services.cache.store.tenants(pageOf('tenants', input));
    const { page, nextCursor } = cutPage('tenants', found, input, ({ id }) => id);
    return { output: { tenants: page.map(tenantInfo), nextCursor } };
  },
};

async function newTenant(scope: Scope, input: CreateTenantInput): Promise<{ tenant: Tenant; put: Change }> {
  const { clock, random, keyring } = scope.services;
  const createdAt = clock.now();
  const id = uuidV7(createdAt, random.bytes(10));
  const name = await freeName(scope, input.name);
  const accountId = await freeAccountId(scope, input.accountId);
  scope.note({ resource: `tenant/${id}` });
  const tenant: Tenant = { id, name, accountId, createdAt };
  return { tenant, put: { put: 'tenant', tenant, sealedKey: keyring.newTenantKey(id) } };
}

function tenantInfo({ id, name, accountId, createdAt }: Tenant): TenantInfo {
  return { id, name, accountId, createdAt: isoTime(createdAt) };
}

async function freeName({ services: { cache } }: Scope, name: string): Promise<string> {
  if (!TENANT_NAME.test(name) || name === SYSTEM_TENANT_NAME) {
    throw new ClavigerError(
      'INVALID_ARGUMENT',
      'a tenant has a name of 1 to 63 of a-z, 0-9 and -, other than `system`',
    );
  }
  if ((await cache.store.tenantByName(name)) === null) return name;
  throw new ClavigerError('KEY_EXISTS', `tenant \`${name}\` exists already`);
}

async function freeAccountId({ services: { cache, random } }: Scope, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined && !ACCOUNT_ID.test(wanted)) {
    throw new ClavigerError('INVALID_ARGUMENT', 'an account id has 12 digits');
  }
  // A collision of random ids is one in 10^11; the store's unique index would refuse it as a conflict.
  const accountId = wanted ?? String(10 ** 11 + (random.bytes(6).readUIntBE(0, 6) % (9 * 10 ** 11)));
  if ((await cache.store.tenantByAccount(accountId)) === null) return accountId;
  throw new ClavigerError('KEY_EXISTS', `account id ${accountId} is another tenant's`);
}
