/**
 * What a query of Prisma reads, at every depth: which fields are to be decrypted, and what must be selected with them.
 *
 * @module
 */
import { bindingsOf, indexesOf } from '../integration/bindings.ts';
import { invalid, refused } from '../integration/refusals.ts';
import { rewriteWhere, UNCHECKED } from './filter.ts';
import { isPart, partsOf, related, type Model, type Models, type Part } from './model.ts';

export interface ReadPlan {
  readonly model: Model;
  /** Encrypted fields that are read. */
  readonly read: readonly string[];
  /** What the rows have that was not asked for. */
  readonly added: readonly string[];
  readonly nested: ReadonlyMap<string, ReadPlan>;
}

/**
 * @param args of a query or of a relation in it
 * @param needed encrypted fields that are read whether they are asked for or not
 */
export async function planRead(
  models: Models,
  model: Model,
  args: Part,
  needed: readonly string[],
): Promise<{ readonly args: Part; readonly plan: ReadPlan }> {
  requireOrder(models, model, args['orderBy']);
  requireNoneOf(model, args['distinct'], 'distinct');
  requireNoneOf(model, isPart(args['cursor']) ? Object.keys(args['cursor']) : [], 'order');
  const { select, include, omit } = args;
  const columns = model.fields?.declared.columns ?? new Map<string, never>();
  const omitted = (name: string): boolean => isPart(omit) && omit[name] === true;
  const isAsked = (name: string): boolean => (isPart(select) ? select[name] === true : !omitted(name));
  const read = [...columns.keys()].filter((name) => isAsked(name) || needed.includes(name));
  const bound =
    model.fields === null
      ? []
      : bindingsOf(
          model.fields.declared,
          read.map((name) => columns.get(name)!),
        ).map(({ property }) => property);
  const added = new Set([...read, ...bound].filter((name) => !isAsked(name)));
  const changed: Record<string, unknown> = { ...args };
  if (isPart(select)) changed['select'] = { ...select, ...Object.fromEntries([...added].map((name) => [name, true])) };
  else if (isPart(omit)) {
    changed['omit'] = { ...omit, ...Object.fromEntries([...added].map((name) => [name, false])) };
  }
  const terms = model.fields === null || isPart(select) ? [] : indexesOf(model.fields.declared);
  for (const { property } of terms) added.add(property);

  const nested = new Map<string, ReadPlan>();
  for (const [key, chosen] of [
    ['select', select],
    ['include', include],
  ] as const) {
    if (!isPart(chosen)) continue;
    const relations: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(chosen)) {
      const other = related(models, model, name);
      if (other === null || (value !== true && !isPart(value))) continue;
      const inner = isPart(value) ? value : {};
      const where = isPart(inner['where'])
        ? { where: await rewriteWhere(models, other, inner['where'], UNCHECKED) }
        : {};
      const one = await planRead(models, other, { ...inner, ...where }, []);
      nested.set(name, one.plan);
      relations[name] = Object.keys(one.args).length === 0 ? true : one.args;
    }
    changed[key] = { ...(changed[key] as Part), ...relations };
  }
  return { args: changed, plan: { model, read, added: [...added], nested } };
}

/** @throws INVALID_CIPHERTEXT where a value does not open */
export async function decryptRows(plan: ReadPlan, rows: readonly Part[]): Promise<Part[]> {
  const { model, read, nested } = plan;
  const fields = read.length === 0 ? null : model.fields;
  const bound = fields === null ? [] : bindingsOf(fields.declared, fields.declared.columns.values());
  const names = [...read, ...bound.map(({ property }) => property)];
  for (const row of rows) requirePlanned(plan, row);
  const parts = rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name]])));
  const opened = (fields === null ? parts : await fields.decryptMany(parts)) as readonly Part[];
  const complete = rows.map((row, at) => {
    const whole: Record<string, unknown> = { ...row };
    for (const name of read) if (name in row) whole[name] = opened[at]![name];
    return whole;
  });
  for (const [name, inner] of nested) {
    const there = complete.flatMap((row) => partsOf(row[name]));
    const decrypted = await decryptRows(inner, there);
    let at = 0;
    for (const row of complete) {
      const value = row[name];
      if (Array.isArray(value)) row[name] = value.map(() => withoutAdded(inner, decrypted[at++]!));
      else if (isPart(value)) row[name] = withoutAdded(inner, decrypted[at++]!);
    }
  }
  return complete;
}

/** Prisma selects by itself what a computed field needs. */
function requirePlanned({ model, read }: ReadPlan, row: Part): void {
  for (const name of model.fields?.declared.columns.keys() ?? []) {
    if (read.includes(name) || row[name] === undefined || row[name] === null) continue;
    throw invalid(`a computed field needs the encrypted \`${model.name}.${name}\`: select that as well`);
  }
}

/** A row as it was asked for. */
export function withoutAdded({ added }: ReadPlan, row: Part): Part {
  const whole: Record<string, unknown> = { ...row };
  for (const name of added) delete whole[name];
  return whole;
}

function requireOrder(models: Models, model: Model, orderBy: unknown): void {
  for (const part of partsOf(orderBy)) {
    for (const [name, value] of Object.entries(part)) {
      const column = model.fields?.declared.columns.get(name);
      if (column !== undefined) throw refused(model.fields!.declared, column, 'order');
      const other = related(models, model, name);
      if (other !== null) requireOrder(models, other, value);
      if (name === '_relevance') throw invalid('order by fields that are not encrypted, without `_relevance`');
      // `_min: { email: 'asc' }`
      if (name.startsWith('_')) requireNoneOf(model, isPart(value) ? Object.keys(value) : [], 'order');
    }
  }
}

export function requireNoneOf(model: Model, names: unknown, asked: 'order' | 'distinct' | 'express'): void {
  for (const name of Array.isArray(names) ? (names as unknown[]) : [names]) {
    const column = typeof name === 'string' ? model.fields?.declared.columns.get(name) : undefined;
    if (column !== undefined) throw refused(model.fields!.declared, column, asked);
  }
}
