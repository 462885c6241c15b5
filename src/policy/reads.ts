/**
 * Which fields of the context a policy reads.
 *
 * Only those are sent to Cedar, and only those tell one decision from another. So a decision cannot depend on what it
 * is not kept by.
 *
 * @module
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/** Fields that differ from call to call; the gateway, of four, is always sent. */
export const CONTEXT_FIELDS = ['sourceAddress', 'encryptionContext'] as const;
export type ContextField = (typeof CONTEXT_FIELDS)[number];

export function readsOf(policy: PolicyJson): ReadonlySet<ContextField> {
  const found = new Set<string>();
  collect(policy.conditions, found);
  return new Set(CONTEXT_FIELDS.filter((field) => found.has(field)));
}

/** Collects `context.FIELD` and `context has FIELD`; a context that stands in any other place reads every field. */
function collect(node: unknown, found: Set<string>): void {
  if (typeof node !== 'object' || node === null) return;
  const { '.': member, has } = node as { readonly '.'?: Access; readonly has?: Access };
  const access = member ?? has;
  if (access !== undefined && isContext(access.left)) {
    // `context has a.b` names a path, of which the first is ours.
    found.add(Array.isArray(access.attr) ? String(access.attr[0]) : String(access.attr));
    return;
  }
  if (isContext(node)) for (const field of CONTEXT_FIELDS) found.add(field);
  for (const child of Object.values(node)) collect(child, found);
}

interface Access {
  readonly left?: unknown;
  readonly attr?: unknown;
}

function isContext(node: unknown): boolean {
  return typeof node === 'object' && node !== null && (node as { readonly Var?: unknown }).Var === 'context';
}
