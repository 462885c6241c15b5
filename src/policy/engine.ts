/**
 * Who may do what: default deny, permits from roles and the operator's policies, forbids from all of them, from tenant
 * isolation and from the key's own policy, evaluated together by Cedar.
 *
 * A decision is kept by the identity of the principal and of the key, which are new objects after every change, and by
 * what the policies read of the context. So nothing stale is answered, and nothing has to be invalidated.
 *
 * @module
 */
import { ClavigerError } from '../errors.ts';
import type { Key } from '../model/key.ts';
import { ROLES, type Principal } from '../model/principal.ts';
import { evaluate, policySet, type PolicySet, type Verdict } from './cedar.ts';
import { isReached, parseKeyPolicy } from './key-policy.ts';
import { loadPolicies } from './load.ts';
import type { ContextField } from './reads.ts';
import { cedarRequest, type PolicyRequest, type PolicyResource } from './request.ts';

export { parseKeyPolicy } from './key-policy.ts';
export type { PolicyRequest, PolicyResource } from './request.ts';

/** Decisions kept in all; one is about 200 bytes. Beyond, all are forgotten, which costs each its next evaluation. */
const DECISIONS_MAX = 200_000;
/** Decisions kept for one principal and one resource: many only where policies read the context. */
const DECISIONS_PER_PAIR_MAX = 512;
/** What has a longer name, because of a long encryption context, is decided anew each time. */
const KEPT_NAME_CHARS_MAX = 512;
/** Key policies that are kept parsed, by their text; a long one is about 300 KiB. */
const KEY_POLICIES_MAX = 256;

export interface Decision {
  readonly allowed: boolean;
  /** Ids of the policies that decided; empty where none permits. */
  readonly policies: readonly string[];
}

export interface Explanation extends Decision {
  /** Sentences for a person: what permits, what forbids, or who would be permitted. */
  readonly reasons: readonly string[];
}

/** What is kept for one principal and one resource. */
interface Pair {
  /** What the policies for this resource read of the context. */
  readonly reads: ReadonlySet<ContextField>;
  readonly decisions: Map<string, Decision>;
}

interface PairsOfPrincipal {
  readonly byKey: WeakMap<Key, Pair>;
  readonly byTenant: Map<string, Pair>;
}

/** The policies that a key is decided by, or why its own cannot be read. */
type KeyPolicies = PolicySet | ClavigerError;

export class PolicyEngine {
  readonly #policies: PolicySet;
  #pairs = new WeakMap<Principal, PairsOfPrincipal>();
  #kept = 0;
  readonly #byText = new Map<string, KeyPolicies>();

  private constructor(policies: PolicySet) {
    this.#policies = policies;
  }

  /**
   * An engine with our policies and those of the operator's folder.
   *
   * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) that names the file and the policy
   */
  static load({ folder = null }: { readonly folder?: string | null } = {}): PolicyEngine {
    return new PolicyEngine(loadPolicies(folder));
  }

  /** Decides. What cannot be evaluated is not allowed. */
  decide(request: PolicyRequest): Decision {
    const { reads, decisions } = this.#pair(request.principal, request.resource);
    const name = keptName(request, reads);
    const kept = decisions.get(name);
    if (kept !== undefined) return kept;
    const verdict = verdictOf(this.#policiesFor(request), request);
    const decision = decisionOf(verdict);
    if (verdict.errors.length === 0 && name.length <= KEPT_NAME_CHARS_MAX) this.#keep(decisions, name, decision);
    return decision;
  }

  /** Decides anew, and says why. */
  explain(request: PolicyRequest): Explanation {
    const policies = this.#policiesFor(request);
    const verdict = verdictOf(policies, request);
    return { ...decisionOf(verdict), reasons: reasonsOf(policies, request, verdict) };
  }

  #policiesFor({ action, resource }: PolicyRequest): KeyPolicies {
    return isReached(action) ? this.#policiesOf(resource) : this.#policies;
  }

  /** By text: a key is another object after each change, while its policy mostly stays. */
  #policiesOf(resource: PolicyResource): KeyPolicies {
    const text = resource.kind === 'key' ? resource.key.policy : null;
    if (text === null) return this.#policies;
    const known = this.#byText.get(text);
    const policies = known ?? this.#readKeyPolicy(text);
    if (known !== undefined) this.#byText.delete(text);
    else if (this.#byText.size >= KEY_POLICIES_MAX) this.#byText.delete(this.#byText.keys().next().value!);
    this.#byText.set(text, policies);
    return policies;
  }

  #readKeyPolicy(text: string): KeyPolicies {
    try {
      return policySet([...this.#policies.policies.values(), ...parseKeyPolicy(text).policies.values()]);
    } catch (thrown) {
      if (thrown instanceof ClavigerError) return thrown;
      throw thrown;
    }
  }

  #pair(principal: Principal, resource: PolicyResource): Pair {
    let pairs = this.#pairs.get(principal);
    if (pairs === undefined) this.#pairs.set(principal, (pairs = { byKey: new WeakMap(), byTenant: new Map() }));
    let pair = resource.kind === 'key' ? pairs.byKey.get(resource.key) : pairs.byTenant.get(resource.tenantId);
    if (pair !== undefined) return pair;
    const policies = this.#policiesOf(resource);
    const { reads } = policies instanceof ClavigerError ? this.#policies : policies;
    pair = { reads, decisions: new Map() };
    if (resource.kind === 'key') pairs.byKey.set(resource.key, pair);
    else pairs.byTenant.set(resource.tenantId, pair);
    return pair;
  }

  #keep(decisions: Map<string, Decision>, name: string, decision: Decision): void {
    if (this.#kept >= DECISIONS_MAX) {
      this.#pairs = new WeakMap();
      this.#kept = 0;
    }
    if (decisions.size >= DECISIONS_PER_PAIR_MAX) {
      this.#kept -= decisions.size;
      decisions.clear();
    }
    decisions.set(name, decision);
    this.#kept += 1;
  }
}

/** What a decision is kept by, beside the principal and the resource. */
function keptName({ action, context }: PolicyRequest, reads: ReadonlySet<ContextField>): string {
  const name = `${action} ${context.gateway}`;
  if (reads.size === 0) return name;
  const source = reads.has('sourceAddress') ? context.sourceAddress : null;
  const pairs = reads.has('encryptionContext') ? Object.entries(context.encryptionContext ?? {}).toSorted(byName) : [];
  return `${name} ${JSON.stringify([source, pairs])}`;
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

function verdictOf(policies: KeyPolicies, request: PolicyRequest): Verdict {
  if (policies instanceof ClavigerError) {
    return { allowed: false, policies: [], errors: [`the policy of the key cannot be read: ${policies.message}`] };
  }
  return evaluate(policies, cedarRequest(request, policies.reads));
}

function decisionOf({ allowed, policies }: Verdict): Decision {
  return Object.freeze({ allowed, policies });
}

function reasonsOf(
  policies: KeyPolicies,
  request: PolicyRequest,
  { policies: decided, errors }: Verdict,
): readonly string[] {
  const errorLines = errors.map((error) => `refused, because it cannot be evaluated: ${error}`);
  if (policies instanceof ClavigerError) return errorLines;
  const lines = decided.map((id) => {
    const { json, explain } = policies.policies.get(id)!;
    return `${json.effect === 'permit' ? 'permitted' : 'forbidden'} by \`${id}\`${explain === null ? '' : `: ${explain}`}`;
  });
  const noneLines = lines.length > 0 || errors.length > 0 ? [] : nonePermits(policies, request);
  return [...errorLines, ...lines, ...noneLines];
}

function nonePermits(policies: PolicySet, request: PolicyRequest): readonly string[] {
  const { principal, action } = request;
  const held = principal.roles.length === 0 ? 'who has no role' : `whose roles are ${principal.roles.join(', ')}`;
  const wouldPermit = ROLES.filter((role) => {
    const asRole = { ...request, principal: { ...principal, roles: [role] } };
    return verdictOf(policies, asRole).allowed;
  });
  return [
    `no policy permits ${action} to \`${principal.name}\`, ${held}`,
    wouldPermit.length === 0 ? 'no role would permit it' : `permitted to the roles: ${wouldPermit.join(', ')}`,
  ];
}
