/**
 * Conditions of Prisma (`where`), with encrypted fields replaced by what they are compared by.
 *
 * @module
 */
import { invalid, refused, type Asked } from '../integration/refusals.ts';
import { comparisonOf, type AnyFields } from '../integration/search.ts';
import type { FieldColumn } from '../declaration.ts';
import { isPart, partsOf, related, type Model, type Models, type Part } from './model.ts';

/** A test that a decrypted row must pass, or it was found by mistake. */
export interface Check {
  readonly property: string;
  readonly matches: (value: unknown) => boolean;
}

/** Where in a condition something stands. */
export interface Place {
  /** Collects what has to be checked; null where nothing can be. */
  readonly checks: Check[] | null;
  readonly isConjunct: boolean;
  readonly isNegated: boolean;
}

export const UNCHECKED: Place = { checks: null, isConjunct: true, isNegated: false };

/** Of relations, by whether they ask for rows or for the absence of rows. */
const RELATION_FILTERS = { is: false, some: false, isNot: true, none: true, every: true } as const;

/** @throws UNSUPPORTED, INVALID_ARGUMENT */
export async function rewriteWhere(models: Models, model: Model, where: Part, place: Place): Promise<Part> {
  const rewritten: Record<string, unknown> = {};
  const added: Part[] = [];
  for (const [key, value] of Object.entries(where)) {
    const column = model.fields?.declared.columns.get(key);
    const other = related(models, model, key);
    if (value === undefined) continue;
    if (column !== undefined) added.push(await comparisonWith(model.fields!, column, value, where, place));
    else if (key === 'AND') rewritten[key] = await rewriteAll(models, model, value, place);
    else if (key === 'OR') rewritten[key] = await rewriteAll(models, model, value, { ...place, isConjunct: false });
    else if (key === 'NOT') {
      rewritten[key] = await rewriteAll(models, model, value, { ...place, isConjunct: false, isNegated: true });
    } else if (other !== null && isPart(value)) rewritten[key] = await rewriteRelation(models, other, value, place);
    else if (isPart(value) && !model.scalars.has(key)) rewritten[key] = requireUntouched(models, model, key, value);
    else rewritten[key] = value;
  }
  if (added.length === 0) return rewritten;
  return { ...rewritten, AND: [...partsOf(rewritten['AND']), ...added] };
}

async function rewriteAll(models: Models, model: Model, value: unknown, place: Place): Promise<unknown> {
  const parts = await Promise.all(partsOf(value).map((part) => rewriteWhere(models, model, part, place)));
  return Array.isArray(value) ? parts : parts[0];
}

async function rewriteRelation(models: Models, model: Model, value: Part, place: Place): Promise<Part> {
  const inside: Place = { checks: null, isConjunct: false, isNegated: place.isNegated };
  const isFilter = Object.keys(value).some((key) => Object.hasOwn(RELATION_FILTERS, key));
  if (!isFilter) return rewriteWhere(models, model, value, inside);
  const entries = Object.entries(value).map(async ([key, part]) => {
    const isNegated = place.isNegated || RELATION_FILTERS[key as keyof typeof RELATION_FILTERS];
    return [key, isPart(part) ? await rewriteWhere(models, model, part, { ...inside, isNegated }) : part] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** A unique key of several fields: what is encrypted has no place in it. */
function requireUntouched(models: Models, model: Model, key: string, value: Part): Part {
  const column = Object.keys(value).find((name) => model.fields?.declared.columns.has(name));
  if (column === undefined) return value;
  throw invalid(`\`${key}\` of \`${model.name}\` has the encrypted \`${column}\` in it: name the fields by themselves`);
}

async function comparisonWith(
  fields: AnyFields,
  column: FieldColumn,
  value: unknown,
  where: Part,
  place: Place,
): Promise<Part> {
  const refuse = (asked: Asked): Error => refused(fields.declared, column, asked);
  if (value === null) return { [column.property]: null };
  const filter = isPart(value) ? Object.entries(value).filter(([, part]) => part !== undefined) : [['equals', value]];
  if (filter.length !== 1) throw refuse('compare');
  const [operator, operand] = filter[0] as [string, unknown];
  if ((operator === 'equals' || operator === 'not') && operand === null) {
    return { [column.property]: operator === 'not' ? { not: null } : null };
  }
  const values = operator === 'equals' ? [operand] : operator === 'in' && Array.isArray(operand) ? operand : null;
  if (values === null) throw refuse('compare');
  if (values.includes(null) || values.includes(undefined)) throw refuse('null');
  if (place.isNegated) throw refuse('negate');
  const comparison = comparisonOf(fields, column);
  if (!comparison.isExact) {
    if (place.checks === null) throw refuse('unchecked');
    if (!place.isConjunct) throw refuse('either');
    place.checks.push({ property: column.property, matches: comparison.matcher(values) });
  }
  const terms = await comparison.terms(values, tenantOf(fields, where));
  return { [comparison.by.property]: { in: terms } };
}

function tenantOf({ declared: { tenant, table } }: AnyFields, where: Part): string | undefined {
  if (typeof tenant === 'string') return undefined;
  const value = plainValue(where[tenant.property]);
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw invalid(
    `a search in \`${table}\` says in whose rows: add \`${tenant.property}\` beside it, since each tenant has other keys`,
  );
}

/** `5` of `5` and of `{ equals: 5 }` and of `{ set: 5 }`; undefined of any other filter. */
export function plainValue(value: unknown): unknown {
  if (!isPart(value)) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && (keys[0] === 'equals' || keys[0] === 'set') ? value[keys[0]] : undefined;
}
