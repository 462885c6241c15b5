/**
 * The first start: tenants and first credentials, made by the same operations as any later ones.
 *
 * @module
 */
import { jobCall, jobPrincipal } from '../operations/job-call.ts';
import { ROLES, SYSTEM_TENANT_NAME, type Role } from '../model/principal.ts';
import { execute } from '../operations/execute.ts';
import type { Operation } from '../operations/operation.ts';
import type { Services } from '../operations/services.ts';
import { openTenant, type TenantInfo } from '../operations/tenants.ts';
import { createToken, type CreateTokenInput, type CreateTokenOutput } from '../operations/tokens.ts';

/** Who makes the first tenants and credentials: the service itself, before anybody else can. */
const BOOTSTRAP = jobPrincipal('bootstrap', SYSTEM_TENANT_NAME, {
  name: 'first start',
  roles: ['security-officer'],
  systemScope: true,
});

export interface FirstCredentials {
  readonly token: string;
  readonly awsAccessKeyId: string;
  readonly awsSecretAccessKey: string;
}

/** Roles of the AWS pair: applications make keys and use them. */
const AWS_ROLES: readonly Role[] = ['key-administrator', 'crypto-user'];

/** Makes the tenants that do not exist yet; gives the first one. */
export async function ensureTenants(
  services: Services,
  tenants: readonly { readonly name: string; readonly accountId?: string | undefined }[],
): Promise<TenantInfo> {
  let first: TenantInfo | null = null;
  for (const wanted of tenants) {
    const found = await services.cache.store.tenantByName(wanted.name);
    const tenant =
      found === null
        ? await run(services, openTenant, wanted)
        : { ...found, createdAt: new Date(found.createdAt).toISOString() };
    first ??= tenant;
  }
  return first!;
}

/** True where somebody can already call. */
export async function hasCredentials(services: Services, tenantId: string): Promise<boolean> {
  return (await services.cache.store.credentials(tenantId, { after: null, limit: 1 })).length > 0;
}

/**
 * The first credentials of a tenant: an administrator's token of system scope, and an AWS access key pair.
 *
 * @param everything true in development: the token holds every role; otherwise it is a security officer's
 */
export async function issueFirstCredentials(
  services: Services,
  tenantId: string,
  everything: boolean,
): Promise<FirstCredentials> {
  const token = await issue(services, {
    name: everything ? 'development' : 'first security officer',
    roles: everything ? ROLES : ['security-officer'],
    tenant: tenantId,
    systemScope: true,
  });
  const pair = await issue(services, { name: 'first application', roles: AWS_ROLES, tenant: tenantId, kind: 'aws' });
  return {
    token: token.token!,
    awsAccessKeyId: pair.accessKeyId!,
    awsSecretAccessKey: pair.secretAccessKey!,
  };
}

function issue(services: Services, input: CreateTokenInput): Promise<CreateTokenOutput> {
  return run(services, createToken, input);
}

async function run<I, O>(services: Services, operation: Operation<I, O>, input: I): Promise<O> {
  const answer = await execute(services, operation, jobCall(services, BOOTSTRAP), input);
  if (answer.kind === 'replay') throw new Error('a job has no idempotency key');
  return answer.output;
}
