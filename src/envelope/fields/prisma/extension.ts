/**
 * The extension of Prisma's client.
 *
 * Prisma calls it for each operation on a model, not for what is nested in one, so arguments and results are walked at
 * every depth with the schema in hand. What it does not know how to encrypt, search or decrypt is refused.
 *
 * @module
 */
import { ClavigerError } from '../../../errors.ts';
import type { Fields } from '../fields.ts';
import type { FieldType, ValueTypes } from '../typed-value.ts';
import { invalid } from '../integration/refusals.ts';
import type { AnyFields } from '../integration/search.ts';
import { rewriteWhere, UNCHECKED, type Check } from './filter.ts';
import { isPart, modelsOf, partsOf, type Model, type Models, type Part } from './model.ts';
import { decryptRows, planRead, requireNoneOf, withoutAdded } from './read.ts';
import { encryptData } from './write.ts';

interface Operation {
  readonly model: string;
  readonly operation: string;
  readonly args: unknown;
  readonly query: (args: unknown) => Promise<unknown>;
}

type TypeOf<Declared> = Declared extends FieldType
  ? Declared
  : Declared extends { readonly type: infer Type extends FieldType }
    ? Type
    : never;
type ColumnsOf<F> = F extends Fields<infer Columns> ? Columns : never;
/** Text is text in the schema as well; only other types have to be told to TypeScript. */
type Retyped<Columns> = {
  [Name in keyof Columns as TypeOf<Columns[Name]> extends 'string' ? never : Name]: {
    readonly needs: { readonly [N in Name]: true };
    // eslint-disable-next-line typescript/no-explicit-any
    readonly compute: (row: any) => ValueTypes[TypeOf<Columns[Name]>] | null;
  };
};

export interface FieldsExtension<Tables> {
  readonly name: string;
  readonly query: {
    // eslint-disable-next-line typescript/no-explicit-any
    readonly $allModels: { readonly $allOperations: (operation: any) => Promise<any> };
  };
  readonly result: { readonly [Name in keyof Tables & string as Uncapitalize<Name>]: Retyped<ColumnsOf<Tables[Name]>> };
}

/**
 * For `prisma.$extends(…)`: operations on the declared models take and give plaintext, and the database has ciphertexts.
 *
 * Raw SQL (`$queryRaw`, `$executeRaw`) passes as it is, and sees ciphertexts.
 *
 * @param prisma the client that is extended
 * @param tables what `fields(…)` gave, by the names of their models; its properties are the fields of the model
 * @throws INVALID_ARGUMENT where schema and declaration do not agree
 * @example const prisma = base.$extends(fieldsExtension(base, { Customer: customers }));
 */
export function fieldsExtension<const Tables extends Readonly<Record<string, AnyFields>>>(
  prisma: object,
  tables: Tables,
): FieldsExtension<Tables> {
  const models = modelsOf(prisma, tables);
  const retyped = Object.entries(tables).map(([name, { declared }]) => {
    const columns = [...declared.columns.values()].filter(({ type }) => type !== 'string');
    const each = columns.map(({ property }) => [
      property,
      { needs: { [property]: true }, compute: (row: Part) => row[property] },
    ]);
    return [name[0]!.toLowerCase() + name.slice(1), Object.fromEntries(each)] as const;
  });
  return {
    name: 'claviger-fields',
    query: { $allModels: { $allOperations: (operation: Operation) => run(models, operation) } },
    result: Object.fromEntries(retyped) as FieldsExtension<Tables>['result'],
  };
}

/** A plaintext where TypeScript expects the ciphertext's type: `data: { born: plain(new Date()) }`. */
export function plain(value: ValueTypes[FieldType]): never {
  return value as never;
}

type Handler = (models: Models, model: Model, args: Part, operation: Operation) => Promise<unknown>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  findMany: findMany,
  findFirst: findOne,
  findFirstOrThrow: findOne,
  findUnique: findUnique,
  findUniqueOrThrow: findUnique,
  count: counted,
  aggregate: counted,
  groupBy: counted,
  create: written,
  createMany: written,
  createManyAndReturn: written,
  update: written,
  updateMany: written,
  updateManyAndReturn: written,
  upsert: written,
  delete: written,
  deleteMany: written,
};

async function run(models: Models, operation: Operation): Promise<unknown> {
  const model = models.get(operation.model);
  if (model === undefined) throw new ClavigerError('INTERNAL', `the schema has no model \`${operation.model}\``);
  const handler = Object.hasOwn(HANDLERS, operation.operation) ? HANDLERS[operation.operation] : undefined;
  if (handler === undefined) {
    throw new ClavigerError('UNSUPPORTED', `\`${operation.operation}\` is no operation that can be encrypted for`);
  }
  return handler(models, model, isPart(operation.args) ? operation.args : {}, operation);
}

async function findMany(models: Models, model: Model, args: Part, { query }: Operation): Promise<unknown> {
  const checks: Check[] = [];
  const found = await read(models, model, args, { ...UNCHECKED, checks });
  if (checks.length === 0) return decrypted(found.plan, await query(found.args));
  const { take, skip, ...rest } = found.args;
  if (args['cursor'] !== undefined || (typeof take === 'number' && take < 0)) {
    throw invalid('a search by a truncated index takes `skip` and a positive `take`, and no `cursor`');
  }
  const rows = await decryptRows(found.plan, partsOf(await query(rest)));
  // Rows that were found by mistake must not count.
  const start = typeof skip === 'number' ? skip : 0;
  const end = typeof take === 'number' ? start + take : undefined;
  const wanted = rows.filter((row) => checks.every(({ property, matches }) => matches(row[property])));
  return wanted.slice(start, end).map((row) => withoutAdded(found.plan, row));
}

async function findOne(models: Models, model: Model, args: Part, { query }: Operation): Promise<unknown> {
  const { args: changed, plan } = await read(models, model, args, UNCHECKED);
  return decrypted(plan, await query(changed));
}

/** By a unique deterministic field: its value may stand under more than one field key. */
async function findUnique(models: Models, model: Model, args: Part, { query, operation }: Operation): Promise<unknown> {
  const where = isPart(args['where']) ? args['where'] : {};
  const columns = model.fields?.declared.columns;
  const name = Object.keys(where).find((key) => columns?.has(key) === true && where[key] !== undefined);
  if (name === undefined) return findOne(models, model, args, { query, operation, args, model: model.name });
  const { [name]: value, ...others } = where;
  const rewritten = await rewriteWhere(models, model, { ...others, [name]: value }, UNCHECKED);
  const comparisons = partsOf(rewritten['AND']);
  const terms = (comparisons.at(-1)?.[name] as { in?: readonly unknown[] } | undefined)?.in;
  if (terms === undefined)
    throw invalid(`\`${model.name}.${name}\` is not deterministic, so it is not unique: find the first`);
  const { args: changed, plan } = await planRead(models, model, args, []);
  // Where nothing was encrypted yet, something is asked for that nothing is equal to.
  const nothing = model.fields!.declared.storage === 'text' ? '' : new Uint8Array();
  const attempts = terms.length === 0 ? [nothing] : terms;
  for (const [at, term] of attempts.entries()) {
    const isLast = at === attempts.length - 1;
    const attempt = { ...changed, where: { ...others, [name]: term } };
    const row = isLast ? await query(attempt) : await query(attempt).catch(nullOfMissing);
    if (row !== null || isLast) return decrypted(plan, row);
  }
  return null;
}

/** `findUniqueOrThrow` found nothing. */
function nullOfMissing(error: unknown): null {
  if ((error as { code?: unknown }).code === 'P2025') return null;
  throw error;
}

async function counted(models: Models, model: Model, args: Part, { query }: Operation): Promise<unknown> {
  const names = ['by', 'cursor', '_min', '_max', '_sum', '_avg', 'orderBy', 'having'].flatMap((key) => {
    const value = args[key];
    return Array.isArray(value) && key === 'by'
      ? (value as unknown[])
      : partsOf(value).flatMap((part) => Object.keys(part));
  });
  requireNoneOf(model, names, 'express');
  if (typeof args['by'] === 'string') requireNoneOf(model, args['by'], 'express');
  const where = isPart(args['where']) ? { where: await rewriteWhere(models, model, args['where'], UNCHECKED) } : {};
  return query({ ...args, ...where });
}

async function written(models: Models, model: Model, args: Part, { query, operation }: Operation): Promise<unknown> {
  const isMany = operation.includes('Many');
  const where = isPart(args['where']) ? args['where'] : null;
  const changed: Record<string, unknown> = { ...args };
  const columns = model.fields?.declared.columns;
  if (where !== null) {
    const encrypted = isMany ? undefined : Object.keys(where).find((key) => columns?.has(key) === true);
    if (encrypted !== undefined) {
      throw invalid(`\`${operation}\` names its row by the id, not by the encrypted \`${model.name}.${encrypted}\``);
    }
    changed['where'] = await rewriteWhere(models, model, where, UNCHECKED);
  }
  const isUpdate = operation.startsWith('update');
  for (const [key, isNew] of [
    ['data', !isUpdate],
    ['create', true],
    ['update', false],
  ] as const) {
    const value = args[key];
    if (value === undefined) continue;
    const rows = await encryptData(models, model, partsOf(value), isNew ? null : (where ?? {}));
    changed[key] = Array.isArray(value) ? rows : rows[0];
  }
  const isRead = !isMany || operation.endsWith('AndReturn');
  if (!isRead) return query(changed);
  const { args: selected, plan } = await planRead(models, model, changed, []);
  return decrypted(plan, await query(selected));
}

async function read(
  models: Models,
  model: Model,
  args: Part,
  place: typeof UNCHECKED,
): Promise<Awaited<ReturnType<typeof planRead>>> {
  const where = isPart(args['where']) ? { where: await rewriteWhere(models, model, args['where'], place) } : {};
  const needed = (place.checks ?? []).map(({ property }) => property);
  return planRead(models, model, { ...args, ...where }, needed);
}

async function decrypted(plan: Parameters<typeof withoutAdded>[0], result: unknown): Promise<unknown> {
  const rows = (await decryptRows(plan, partsOf(result))).map((row) => withoutAdded(plan, row));
  return Array.isArray(result) ? rows : (rows[0] ?? null);
}
