/**
 * Cedar itself: the only module that calls its WebAssembly.
 *
 * Cedar keeps parsed policy sets under names and has no way to give one back, so a bounded number of names is used in
 * turn: the set that was asked longest ago loses its name, and is parsed again when it is next asked.
 *
 * @see https://docs.cedarpolicy.com
 * @module
 */
import {
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  validate,
  type DetailedError,
  type EntityJson,
  type PolicyJson,
  type StatefulAuthorizationCall,
} from '@cedar-policy/cedar-wasm/nodejs';
import { errorOf } from '../errors.ts';
import { lineFeeds, requireShallow, type PolicyText } from './policy-text.ts';
import { readsOf, type ContextField } from './reads.ts';
import { SCHEMA } from './schema.ts';

/** Sets that Cedar holds parsed at once; one is about 40 KiB. */
const PARSED_SETS_MAX = 128;
const SCHEMA_NAME = 'claviger';
/** What stands in records and messages: printable, and short enough for many in one record. */
const POLICY_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$/;

/** A policy that Cedar has parsed. */
export interface Policy {
  readonly id: string;
  readonly text: string;
  readonly json: PolicyJson;
  /** What it is for, in its own words: its `@explain` annotation; null without. */
  readonly explain: string | null;
  /** Line of its text on which it begins. */
  readonly line: number;
}

/** Policies that are evaluated together, each under its id. */
export interface PolicySet {
  readonly policies: ReadonlyMap<string, Policy>;
  /** Fields of the context that a decision can depend on. */
  readonly reads: ReadonlySet<ContextField>;
}

export type CedarRequest = Pick<StatefulAuthorizationCall, 'principal' | 'action' | 'resource' | 'context'> & {
  readonly entities: EntityJson[];
};

export interface Verdict {
  readonly allowed: boolean;
  /** Ids of the policies that decided, sorted; empty where none permits. */
  readonly policies: readonly string[];
  /** Why Cedar could not evaluate; anything here means not allowed. */
  readonly errors: readonly string[];
}

/**
 * Parses one policy. `nameOf` makes its id from its `@id` annotation, null without.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) with Cedar's own words
 */
export function parsePolicy({ text, line }: PolicyText, nameOf: (annotation: string | null) => string): Policy {
  const answer = asked(() => policyToJson(text));
  if (answer.type === 'failure') throw malformed(answer.errors, text, line);
  requireShallow(answer.json, line);
  const { annotations = {} } = answer.json;
  const id = nameOf(annotations['id'] ?? null);
  if (!POLICY_ID.test(id)) {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: \`@id\` must be at most 128 of A-Z a-z 0-9 . _ / - between letters or digits`,
    );
  }
  return { id, text, json: answer.json, explain: annotations['explain'] ?? null, line };
}

/**
 * Puts policies together.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) where two have the same id
 */
export function policySet(policies: Iterable<Policy>): PolicySet {
  const byId = new Map<string, Policy>();
  const reads = new Set<ContextField>();
  for (const policy of policies) {
    if (byId.has(policy.id)) {
      throw errorOf(
        'MalformedPolicyDocument',
        `line ${policy.line}: another policy is called \`${policy.id}\`; use another \`@id\``,
      );
    }
    byId.set(policy.id, policy);
    for (const field of readsOf(policy.json)) reads.add(field);
  }
  return { policies: byId, reads };
}

/**
 * Checks policies against the schema. A warning counts as an error: a policy that can never apply, or that is written
 * in letters that look like others, does not do what its reader believes.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) that names the policy
 */
export function requireValid({ policies }: PolicySet): void {
  const answer = asked(() => validate({ schema: SCHEMA, policies: { staticPolicies: textById(policies) } }));
  if (answer.type === 'failure') throw malformed(answer.errors, '', 1);
  const [finding] = [...answer.validationErrors, ...answer.validationWarnings];
  if (finding !== undefined) {
    const { line } = policies.get(finding.policyId)!;
    throw errorOf('MalformedPolicyDocument', `line ${line}, policy \`${finding.policyId}\`: ${wordsOf(finding.error)}`);
  }
  const [warning] = answer.otherWarnings;
  if (warning !== undefined) throw malformed([warning], '', 1);
}

/** Asks Cedar. Where it cannot answer for any reason, or some policy cannot be evaluated, nothing is allowed. */
export function evaluate(set: PolicySet, request: CedarRequest): Verdict {
  try {
    const answer = statefulIsAuthorized({
      ...request,
      preparsedSchemaName: SCHEMA_NAME,
      validateRequest: true,
      preparsedPolicySetId: parsedName(set),
    });
    if (answer.type === 'failure') return refusal(answer.errors.map(wordsOf));
    const { decision, diagnostics } = answer.response;
    // Cedar skips a policy that fails, a `forbid` too; so a failure must refuse by itself.
    const errors = diagnostics.errors.map(({ policyId, error }) => `policy \`${policyId}\`: ${wordsOf(error)}`);
    const allowed = decision === 'allow' && errors.length === 0;
    return { allowed, policies: Object.freeze(diagnostics.reason.toSorted()), errors };
  } catch (thrown) {
    return refusal([`Cedar failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`]);
  }
}

function refusal(errors: readonly string[]): Verdict {
  return { allowed: false, policies: [], errors };
}

/** Set → the name under which Cedar holds it, in the order in which they were last asked. */
const parsed = new Map<PolicySet, string>();
let schemaParsed = false;

function parsedName(set: PolicySet): string {
  let name = parsed.get(set);
  if (name === undefined) name = parse(set);
  else parsed.delete(set);
  parsed.set(set, name);
  return name;
}

function parse(set: PolicySet): string {
  if (!schemaParsed) {
    requireSuccess(preparseSchema(SCHEMA_NAME, SCHEMA));
    schemaParsed = true;
  }
  const [oldest] = parsed.size < PARSED_SETS_MAX ? [undefined] : parsed;
  const name = oldest?.[1] ?? `set-${parsed.size}`;
  requireSuccess(preparsePolicySet(name, { staticPolicies: textById(set.policies) }));
  if (oldest !== undefined) parsed.delete(oldest[0]);
  return name;
}

function requireSuccess(
  answer: { readonly type: 'success' } | { readonly type: 'failure'; readonly errors: DetailedError[] },
): void {
  if (answer.type === 'failure') throw malformed(answer.errors, '', 1);
}

function textById(policies: ReadonlyMap<string, Policy>): Record<string, string> {
  return Object.fromEntries(Array.from(policies, ([id, { text }]) => [id, text]));
}

/** Cedar's parser and validator throw only where their stack or memory ends. */
function asked<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw errorOf('MalformedPolicyDocument', 'the policy is too much for Cedar; make it simpler', { cause });
  }
}

function malformed([error]: readonly DetailedError[], text: string, line: number): Error {
  if (error === undefined) return errorOf('MalformedPolicyDocument', 'Cedar refused the policy and does not say why');
  // Cedar counts bytes of UTF-8.
  const start = error.sourceLocations?.[0]?.start ?? 0;
  const at = line + lineFeeds(Buffer.from(text).subarray(0, start).toString());
  return errorOf('MalformedPolicyDocument', `line ${at}: ${wordsOf(error)}`);
}

/** Cedar's message without the name that stands before it anyway, with what it expected and how to help. */
function wordsOf({ message, help, sourceLocations }: DetailedError): string {
  const what = message.replace(/^(?:failed to parse policy from string: |for policy `[^`]*`, )/, '');
  return [what, sourceLocations?.[0]?.label, help].filter((words) => typeof words === 'string').join('; ');
}
