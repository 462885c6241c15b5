/**
 * A question to the policies, as Cedar wants it.
 *
 * @module
 */
import type { EntityJson, EntityUidJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { EncryptionContext } from '../model/encryption-context.ts';
import type { Key } from '../model/key.ts';
import type { PolicyAction } from '../model/operation.ts';
import type { Principal } from '../model/principal.ts';
import type { CedarRequest } from './cedar.ts';
import type { ContextField } from './reads.ts';
import { TYPES } from './schema.ts';

/** What a principal wants to do something with: a key, or the tenant where it is not about one key. */
export type PolicyResource =
  { readonly kind: 'key'; readonly key: Key } | { readonly kind: 'tenant'; readonly tenantId: string };

export interface PolicyRequest {
  readonly principal: Principal;
  readonly action: PolicyAction;
  readonly resource: PolicyResource;
  readonly context: {
    /** IP address of the caller; null in-process. */
    readonly sourceAddress: string | null;
    readonly gateway: string;
    readonly encryptionContext?: EncryptionContext;
  };
}

/** Only what the policies read of the context is sent. */
export function cedarRequest(request: PolicyRequest, reads: ReadonlySet<ContextField>): CedarRequest {
  const { principal, action, resource, context } = request;
  const { sourceAddress, gateway, encryptionContext = {} } = context;
  const call = uid(TYPES.encryptionContext, 'call');
  return {
    principal: uid(TYPES.principal, principal.id),
    action: uid(TYPES.action, action),
    resource: resource.kind === 'key' ? uid(TYPES.key, resource.key.id) : uid(TYPES.tenant, resource.tenantId),
    context: {
      gateway,
      encryptionContext: { __entity: call },
      ...(sourceAddress !== null && reads.has('sourceAddress') ? { sourceAddress: ip(sourceAddress) } : {}),
    },
    entities: [
      principalEntity(principal),
      resource.kind === 'key' ? keyEntity(resource.key) : entity(uid(TYPES.tenant, resource.tenantId)),
      { ...entity(call), tags: reads.has('encryptionContext') ? { ...encryptionContext } : {} },
    ],
  };
}

function principalEntity({ id, name, tenantId, roles, systemScope, via }: Principal): EntityJson {
  return {
    uid: uid(TYPES.principal, id),
    attrs: { tenant: { __entity: uid(TYPES.tenant, tenantId) }, name, via, systemScope },
    parents: roles.map((role) => uid(TYPES.role, role)),
  };
}

function keyEntity({ id, tenantId, spec, usage, state, origin, published, tags }: Key): EntityJson {
  return {
    uid: uid(TYPES.key, id),
    attrs: { spec, usage, state, origin, published },
    tags: { ...tags },
    parents: [uid(TYPES.tenant, tenantId)],
  };
}

function entity(name: EntityUidJson): EntityJson {
  return { uid: name, attrs: {}, parents: [] };
}

/** Cedar knows no zones and no IPv4 within IPv6, which is how Node shows an IPv4 caller of a dual-stack socket. */
function ip(address: string): { readonly __extn: { readonly fn: string; readonly arg: string } } {
  const arg = address.replace(/%.*$/s, '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
  return { __extn: { fn: 'ip', arg } };
}

function uid(type: string, id: string): { readonly type: string; readonly id: string } {
  return { type, id };
}
